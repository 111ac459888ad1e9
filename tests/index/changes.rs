//! Rows that are added, deleted and replaced, and what may change an index.

use std::fs;
use std::sync::Arc;

use ndarray::ArrayView2;
use nearsort::Error;
use nearsort::index::{BuildOptions, Index, IndexBuilder, IndexModel, IndexScorer, delete};

use super::{Corpus, DIM, PLAIN, Words, add, build, corpus, files, message, model, push, queries, vector};

#[test]
fn rows_are_added_and_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let before = build(folder.path(), &corpus(0..100), PLAIN).unwrap();
    let after = add(folder.path(), &corpus(100..150), false).unwrap();
    assert_eq!((before.len(), after.len(), after.num_segments()), (100, 150, 2));
    assert_eq!((after.find("d120").unwrap(), after.id(120).unwrap()), (Some(120), "d120"));
    assert_eq!(before.find("d120").unwrap(), None, "a reader keeps what it opened");
}

#[test]
fn deleted_rows_are_not_found_and_the_others_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..100), PLAIN).unwrap();
    let open = add(folder.path(), &corpus(100..120), false).unwrap();
    assert_eq!(delete(folder.path(), &["d3", "d110", "d3"]).unwrap(), 2);
    let index = Index::open(folder.path()).unwrap();
    assert_eq!((index.len(), index.rows(), index.find("d3").unwrap()), (118, 120, None));
    assert_eq!(index.find("d111").unwrap(), Some(111));
    for texts in [vec![vector(&corpus(3..4)[0].1)], vec![vector(&corpus(110..111)[0].1); 6]] {
        let flat: Vec<f32> = texts.concat();
        let queries = ArrayView2::from_shape((texts.len(), DIM), &flat).unwrap();
        let rows = |index: &Index| {
            index.search(queries, 200).unwrap().remove(0).iter().map(|hit| hit.index).collect::<Vec<_>>()
        };
        let (left, all) = (rows(&index), rows(&open));
        assert_eq!((left.len(), all.len()), (118, 120));
        assert!(!left.contains(&3) && !left.contains(&110));
    }
    let again = message(delete(folder.path(), &["d5", "d3"]));
    assert!(again.ends_with("no id 'd3'; nothing was deleted; its row was deleted before"), "{again}");
    let unknown = message(delete(folder.path(), &["d5", "nobody"]));
    assert!(unknown.ends_with("no id 'nobody'; nothing was deleted"), "{unknown}");
    assert!(Index::open(folder.path()).unwrap().find("d5").unwrap().is_some());
    assert_eq!(delete(folder.path(), &["d5"]).unwrap(), 1);
    let index = Index::open(folder.path()).unwrap();
    assert_eq!(index.len(), 117);
    assert!(index.damages().is_empty());
    let marks = files(folder.path()).into_keys().filter(|name| name.to_string_lossy().contains("deleted-")).count();
    assert_eq!(marks, 2, "old marks are removed");
}

#[test]
fn an_id_that_is_there_is_an_error_or_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..50), PLAIN).unwrap();
    let new: Corpus = vec![("d7".into(), "a new text".into()), ("d50".into(), "another".into())];
    assert!(message(add(folder.path(), &new, false)).contains("the id 'd7' is in the index"));
    assert_eq!(Index::open(folder.path()).unwrap().len(), 50);
    let mut builder = IndexBuilder::add(folder.path(), &model(), true, true).unwrap();
    push(&mut builder, &new, 9).unwrap();
    let index = builder.finish().unwrap();
    assert_eq!((index.len(), index.find("d7").unwrap(), index.find("d50").unwrap()), (51, Some(50), Some(51)));
    let hits = index.search(queries(&["a new text"]).view(), 1).unwrap();
    assert_eq!(index.id(hits[0][0].index as u64).unwrap(), "d7");
    assert_eq!(delete(folder.path(), &["d7"]).unwrap(), 1);
    assert_eq!(Index::open(folder.path()).unwrap().find("d7").unwrap(), None);
}

#[test]
fn two_rows_with_one_id_are_refused_by_name_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = corpus(0..20);
    rows[13].0 = "d4".into();
    let message = message(build(folder.path(), &rows, PLAIN));
    assert!(message.contains("rows 5 and 14") && message.contains("'d4'"), "{message}");
    assert!(matches!(Index::open(folder.path()), Err(Error::Advised { .. })));
}

#[test]
fn an_index_gives_way_only_when_that_is_said_and_when_the_new_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let old = build(path, &corpus(0..100), PLAIN).unwrap();
    assert!(message(build(path, &corpus(0..10), PLAIN)).contains("`replace=`"));
    let mut builder =
        IndexBuilder::build(path, &model(), BuildOptions { replace: true, restart: true, ..PLAIN }).unwrap();
    push(&mut builder, &corpus(0..30), 1).unwrap();
    assert_eq!(Index::open(path).unwrap().len(), 100);
    assert_eq!(builder.finish().unwrap().len(), 30);
    assert_eq!((Index::open(path).unwrap().len(), old.len()), (30, 100));
    assert_eq!(old.search(queries(&["x"]).view(), 200).unwrap()[0].len(), 100, "a reader keeps what it has mapped");
    let names: Vec<String> = files(path).into_keys().map(|name| name.display().to_string()).collect();
    assert!(names.iter().all(|name| name == "manifest.json" || name.starts_with("segment-000002")), "{names:?}");
}

#[test]
fn a_second_writer_is_told_that_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..10), PLAIN).unwrap();
    let builder = IndexBuilder::add(folder.path(), &model(), false, false).unwrap();
    for refused in [
        message(IndexBuilder::add(folder.path(), &model(), false, false).map(drop)),
        message(delete(folder.path(), &["d1"])),
    ] {
        assert!(refused.contains("another process is changing the index"), "{refused}");
    }
    drop(builder);
    assert_eq!(delete(folder.path(), &["d1"]).unwrap(), 1);
}

#[test]
fn folders_with_other_things_in_them_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "work").unwrap();
    assert!(message(build(folder.path(), &corpus(0..3), PLAIN)).contains("holds other files, such as"));
    assert!(message(build(&folder.path().join("thesis.txt"), &corpus(0..3), PLAIN)).contains("is a file"));
    assert_eq!(files(folder.path()).len(), 1);
    assert!(message(Index::open(folder.path())).contains("has no index"));
}

/// What is in the place of something of ours is not ours because it has that name.
#[test]
fn folders_of_others_in_the_place_of_ours_are_left_as_they_are() {
    let replace = BuildOptions { replace: true, ..PLAIN };
    let restart = BuildOptions { restart: true, ..replace };
    for (name, at_first) in [
        ("building/thesis.txt", true),
        ("building/segment/thesis.txt", true),
        ("building/segment/vectors", true),
        ("building/journal", true),
        ("segment-000001/thesis.txt", true),
        ("segment-000001/ids", true),
        ("segment-000002/vectors", false),
        ("segment-000003/thesis.txt", false),
        ("building/thesis.txt", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        if !at_first {
            build(path, &corpus(0..3), PLAIN).unwrap();
        }
        let of_user = path.join(name);
        fs::create_dir_all(of_user.parent().unwrap()).unwrap();
        fs::write(&of_user, "work").unwrap();
        let before = files(path);
        let mut refused = vec![message(build(path, &corpus(0..3), replace))];
        if name != "building/journal" {
            refused.push(message(build(path, &corpus(0..3), restart)));
        }
        if !at_first {
            refused.push(message(add(path, &corpus(3..5), false)));
        }
        let part = name.split('/').next().unwrap();
        assert!(refused.iter().all(|refused| refused.contains(part)), "{refused:?}");
        assert_eq!(files(path), before, "{name}");
        if !at_first {
            delete(path, &["d1"]).unwrap();
            assert_eq!(fs::read(&of_user).unwrap(), b"work", "{name}: tidying after a deletion");
        }
    }
}

#[test]
fn a_file_that_a_user_put_into_a_segment_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..3), PLAIN).unwrap();
    let of_user = folder.path().join("segment-000001/thesis.txt");
    fs::write(&of_user, "work").unwrap();
    build(folder.path(), &corpus(0..4), BuildOptions { replace: true, ..PLAIN }).unwrap();
    assert_eq!(fs::read(&of_user).unwrap(), b"work");
}

#[cfg(unix)]
#[test]
fn links_in_an_index_are_not_written_through() {
    use std::os::unix::fs::symlink;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path();
    build(path, &corpus(0..3), PLAIN).unwrap();
    fs::write(other.path().join("thesis.txt"), "work").unwrap();
    symlink(other.path(), path.join("building")).unwrap();
    assert!(message(add(path, &corpus(3..5), false)).contains("it is not a folder"));
    fs::remove_file(path.join("building")).unwrap();
    symlink(other.path().join("thesis.txt"), path.join("segment-000001/deleted-000002")).unwrap();
    assert_eq!(delete(path, &["d1"]).unwrap(), 1);
    fs::rename(path.join("segment-000001"), other.path().join("segment")).unwrap();
    symlink(other.path().join("segment"), path.join("segment-000001")).unwrap();
    let before = files(&other.path().join("segment"));
    assert!(message(delete(path, &["d2"])).contains("is a link"));
    assert_eq!(files(&other.path().join("segment")), before);
    fs::remove_file(path.join("lock")).unwrap();
    symlink(other.path().join("made"), path.join("lock")).unwrap();
    assert!(message(delete(path, &["d2"])).contains("not a regular file"));
    assert!(!other.path().join("made").exists());
    assert_eq!(fs::read(other.path().join("thesis.txt")).unwrap(), b"work");
}

#[test]
fn another_model_is_refused_by_both_fingerprints() {
    let folder = tempfile::tempdir().unwrap();
    let index = Arc::new(build(folder.path(), &corpus(0..3), PLAIN).unwrap());
    let other = IndexModel { fingerprint: "other".into(), ..model() };
    let refused = [
        message(IndexBuilder::add(folder.path(), &other, false, false).map(drop)),
        message(index.check_model(&Words { fingerprint: "other" })),
        message(IndexScorer::new(index, Arc::new(Words { fingerprint: "other" }), None).map(drop)),
    ];
    for message in refused {
        assert!(message.contains("words") && message.contains("other"), "{message}");
    }
}
