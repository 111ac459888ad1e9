//! Builds that stop half-way go on to the same bytes, or refuse to.

use std::fs;
use std::path::Path;

use nearsort::index::{BuildOptions, Dtype, Index, IndexBuilder, IndexModel};

use super::{PLAIN, build, corpus, files, message, model, push};

#[test]
fn an_interrupted_build_goes_on_to_the_same_bytes() {
    let rows = corpus(0..3000);
    for (dtype, tokens) in [(Dtype::F32, true), (Dtype::I8, true)] {
        let options = BuildOptions { dtype, tokens, ..PLAIN };
        let whole = tempfile::tempdir().unwrap();
        build(whole.path(), &rows, options).unwrap();
        let expected = files(whole.path());
        let broken = tempfile::tempdir().unwrap();
        for limit in 0..4 {
            let mut builder = IndexBuilder::build(broken.path(), &model(), options).unwrap();
            let resumed = builder.resumed_rows();
            assert_eq!(resumed, 1024 * (limit as u64).saturating_sub(1), "each time one chunk more");
            assert_eq!(push(&mut builder, &rows, limit).unwrap(), limit == 3);
            drop(builder);
            // A crash tears what was being written: more bytes than the journal knows, and half an
            // entry in it.
            for (name, tail) in
                [("segment/vectors", &b"torn"[..]), ("segment/ids", b"xyz"), ("journal", b"1234abcd {\"mark\":{\"ro")]
            {
                let path = broken.path().join("building").join(name);
                let bytes = [fs::read(&path).unwrap(), tail.to_vec()].concat();
                fs::write(path, bytes).unwrap();
            }
            assert!(Index::open(broken.path()).is_err(), "there is no index before it is whole");
        }
        build(broken.path(), &rows, options).unwrap();
        assert_eq!(files(broken.path()), expected);
    }
}

/// The steps after the last row: the segment sealed, moved, named by the manifest.
#[test]
fn a_build_that_stopped_while_it_was_moved_into_place_is_completed() {
    let rows = corpus(0..1500);
    let options = BuildOptions { tokens: true, ..PLAIN };
    let whole = tempfile::tempdir().unwrap();
    build(whole.path(), &rows, options).unwrap();
    let expected = files(whole.path());
    let begun = tempfile::tempdir().unwrap();
    let mut builder = IndexBuilder::build(begun.path(), &model(), options).unwrap();
    push(&mut builder, &rows, 9).unwrap();
    drop(builder);
    let building = begun.path().join("building");
    let journal = fs::read(building.join("journal")).unwrap();
    let sealed = whole.path().join("segment-000001");
    let copy = |to: &Path| {
        fs::create_dir_all(to).unwrap();
        for (name, bytes) in files(&sealed) {
            fs::write(to.join(name), bytes).unwrap();
        }
    };
    // Sealed, with a table of ids that was being written; then moved; then named.
    copy(&building.join("segment"));
    fs::write(building.join("segment/.nearsort-x.tmp"), "half").unwrap();
    build(begun.path(), &rows, options).unwrap();
    assert_eq!(files(begun.path()), expected);
    for with_manifest in [false, true] {
        fs::create_dir_all(&building).unwrap();
        fs::write(building.join("journal"), &journal).unwrap();
        if !with_manifest {
            fs::remove_file(begun.path().join("manifest.json")).unwrap();
        }
        build(begun.path(), &rows, options).unwrap();
        assert_eq!(files(begun.path()), expected, "named: {with_manifest}");
    }
}

#[test]
fn an_unfinished_build_refuses_another_corpus_and_other_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows = corpus(0..5000);
    let mut builder = IndexBuilder::build(path, &model(), PLAIN).unwrap();
    push(&mut builder, &rows, 1).unwrap();
    drop(builder);
    let mut changed = rows.clone();
    changed[17].1.push('!');
    assert!(message(build(path, &changed, PLAIN)).contains("rows 1 to 4096 of the corpus are not those"));
    assert!(message(build(path, &[], PLAIN)).contains("rows after 0 of the corpus"));
    let halves = BuildOptions { dtype: Dtype::F16, ..PLAIN };
    assert!(message(build(path, &rows, halves)).contains("begun with another `dtype=`"));
    let other = IndexModel { fingerprint: "other".into(), max_tokens: 9, ..model() };
    assert!(message(IndexBuilder::build(path, &other, PLAIN).map(drop)).contains("`max_tokens=`"));
    let vectors = path.join("building/segment/vectors");
    let mut bytes = fs::read(&vectors).unwrap();
    bytes[1000] ^= 1;
    fs::write(&vectors, bytes).unwrap();
    assert!(message(build(path, &rows, PLAIN)).contains("`restart=`"));
    let index = build(path, &changed, BuildOptions { restart: true, ..halves }).unwrap();
    assert_eq!((index.len(), index.dtype()), (5000, Dtype::F16));
    assert!(!path.join("building").exists());
}
