//! No damage goes unnoticed.

use std::fs;
use std::sync::Arc;

use nearsort::index::{BuildOptions, Dtype, Index, IndexScorer, delete};
use nearsort::{Call, Result};

use super::{PLAIN, add, build, corpus, files, message, queries, words};

#[test]
fn every_flipped_byte_is_found_and_its_file_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut rows = corpus(0..40);
    rows[11].1.clear();
    build(path, &rows, BuildOptions { dtype: Dtype::I8, tokens: true, ..PLAIN }).unwrap();
    add(path, &corpus(40..45), false).unwrap();
    delete(path, &["d2"]).unwrap();
    let all = files(path);
    assert_eq!(all.len(), 1 + 8 + 8 + 1, "{:?}", all.keys());
    for (name, bytes) in &all {
        let file = path.join(name);
        // All bytes of small files, some of each part of large ones.
        let step = (bytes.len() / 150).max(1);
        for at in (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(8)..bytes.len()) {
            for bit in [1, 0x80] {
                let mut flipped = bytes.clone();
                flipped[at] ^= bit;
                fs::write(&file, &flipped).unwrap();
                let found = match Index::open(path) {
                    Ok(index) => {
                        let damages = index.damages();
                        assert!(damages.iter().all(|damage| damage.path == file), "{damages:?}");
                        damages.first().map(|damage| damage.message.clone())
                    }
                    Err(error) => {
                        let message = error.to_string();
                        assert!(message.contains(&file.display().to_string()), "{message}");
                        Some(message)
                    }
                };
                assert!(found.is_some(), "byte {at} of {} flipped, and nobody noticed", name.display());
            }
        }
        fs::write(&file, &bytes[..bytes.len().saturating_sub(1)]).unwrap();
        assert!(bytes.is_empty() || Index::open(path).is_err(), "{} was cut", name.display());
        fs::write(&file, bytes).unwrap();
    }
    assert!(Index::open(path).unwrap().damages().is_empty());
    fs::remove_file(path.join("segment-000001/ids")).unwrap();
    assert!(message(Index::open(path)).contains("segment-000001"));
}

#[test]
fn the_damaged_block_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus(0..9000);
    build(folder.path(), &rows, PLAIN).unwrap();
    let vectors = folder.path().join("segment-000001/vectors");
    let mut bytes = fs::read(&vectors).unwrap();
    bytes[(1 << 20) + 5] ^= 4;
    fs::write(&vectors, bytes).unwrap();
    let damages = Index::open(folder.path()).unwrap().damages();
    assert_eq!(damages.len(), 1);
    assert!(damages[0].message.contains("block 1 (bytes 1048576 to 1727999)"), "{damages:?}");
}

#[test]
fn a_damaged_block_is_an_error_of_the_search_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..9000), PLAIN).unwrap();
    let vectors = folder.path().join("segment-000001/vectors");
    let whole = fs::read(&vectors).unwrap();
    // A bit that makes a component larger, and a component that is not a number; rows have 192 bytes.
    for (row, bytes) in [(70, [0, 0, 0x80, 0x7e]), (6000, f32::NAN.to_le_bytes())] {
        let mut damaged = whole.clone();
        damaged[row * 192..row * 192 + 4].copy_from_slice(&bytes);
        fs::write(&vectors, damaged).unwrap();
        let index = Index::open(folder.path()).unwrap();
        let block = row * 192 / (1 << 20);
        for texts in [&["x"][..], &["x"; 8]] {
            let message = message(index.search(queries(texts).view(), 3));
            assert!(
                message.contains(&format!("block {block} (bytes")) && message.contains("Index::damages"),
                "{message}"
            );
            assert!(message.contains("segment-000001/vectors"), "{message}");
        }
    }
}

/// Searches and scores of named rows: the answers of a sound index, or an error.
#[test]
fn no_flipped_bit_becomes_another_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut rows = corpus(0..40);
    rows[11].1.clear();
    let answers = || -> Result<_> {
        let index = Arc::new(Index::open(path)?);
        let scorer = IndexScorer::new(Arc::clone(&index), Arc::new(words()), None)?;
        let query = scorer.encode(&["text number 5 of 5"], &Call::new())?.remove(0);
        let found = [index.search(queries(&["a"]).view(), 9)?, index.search(queries(&["a"; 8]).view(), 9)?];
        let ids: Vec<String> = (0..index.rows()).map(|row| index.id(row).map(str::to_owned)).collect::<Result<_>>()?;
        let named = index.find_all(&ids)?;
        let scores = scorer.score(&query, &[0, 7, 11, 39, 44])?;
        Ok((format!("{found:?}"), ids, named, scores.scores(), index.len()))
    };
    for dtype in [Dtype::F32, Dtype::F16, Dtype::I8] {
        build(path, &rows, BuildOptions { dtype, tokens: true, replace: true, ..PLAIN }).unwrap();
        add(path, &corpus(40..45), false).unwrap();
        delete(path, &["d2"]).unwrap();
        let expected = answers().unwrap();
        for (name, bytes) in files(path) {
            let step = (bytes.len() / 40).max(1);
            for at in (0..bytes.len()).step_by(step) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                fs::write(path.join(&name), &flipped).unwrap();
                match answers() {
                    Ok(found) => assert_eq!(found, expected, "byte {at} of {}", name.display()),
                    Err(error) => assert!(error.to_string().contains("corrupted"), "{error}"),
                }
            }
            fs::write(path.join(&name), &bytes).unwrap();
        }
    }
}
