//! No damage goes unnoticed.

use std::fs;

use nearsort::index::{BuildOptions, Dtype, Index, delete};

use super::{PLAIN, add, build, corpus, files, message, queries};

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
fn a_vector_that_is_damaged_to_nan_is_an_error_of_the_search() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..100), PLAIN).unwrap();
    let vectors = folder.path().join("segment-000001/vectors");
    let mut bytes = fs::read(&vectors).unwrap();
    // Row 70, whose stride is 192 bytes.
    bytes[70 * 192..70 * 192 + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&vectors, bytes).unwrap();
    let index = Index::open(folder.path()).unwrap();
    for texts in [&["x"][..], &["x"; 8]] {
        let message = message(index.search(queries(texts).view(), 3));
        assert!(message.contains("row 70") && message.contains("index verify"), "{message}");
    }
}
