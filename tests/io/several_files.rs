//! Several files as one input.

use std::fs;
use std::path::PathBuf;

use nearsort::Error;
use nearsort::io::{ReadOptions, Rows, expand_paths};

use super::{ids, lines, texts};

#[test]
fn rows_of_several_files_come_in_order_and_are_numbered_through() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let paths = [
        file("a.txt", "one\ntwo\n"),
        file("empty.jsonl", ""),
        file("b.jsonl", "{\"id\": \"x\", \"text\": \"three\"}\n\n\"four\"\n"),
        file("c.csv", "text\nfive\n"),
    ];
    let mut rows = Rows::open_all(&paths, &ReadOptions::default()).unwrap();
    let mut names = Vec::new();
    let mut found = Vec::new();
    while let Some(row) = rows.next() {
        names.push(rows.name().rsplit('/').next().unwrap().to_owned());
        found.push(row.unwrap());
    }
    assert_eq!(texts(&found), ["one", "two", "three", "four", "five"]);
    assert_eq!(ids(&found), ["1", "2", "x", "4", "5"]);
    assert_eq!(lines(&found), [1, 2, 1, 3, 2]);
    assert_eq!(names, ["a.txt", "a.txt", "b.jsonl", "b.jsonl", "c.csv"]);
}

#[test]
fn a_later_file_that_cannot_be_opened_is_an_error_in_its_place() {
    let paths = ["examples/landmarks.txt", "no/such.txt", "examples/landmarks.txt"];
    let mut rows = Rows::open_all(&paths, &ReadOptions::default()).unwrap();
    let last = rows.by_ref().last().unwrap().unwrap_err();
    assert!(matches!(last, Error::Io { .. }) && last.to_string().contains("no/such.txt"), "{last}");
    assert!(rows.next().is_none());
    assert!(matches!(Rows::open_all(&[] as &[PathBuf], &ReadOptions::default()), Err(Error::InvalidArgument(_))));
}

#[test]
fn patterns_become_the_files_they_match_sorted_and_names_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["b.jsonl", "a.jsonl", "c.txt", ".hidden.jsonl", "odd[1].jsonl", "1.jsonl"] {
        fs::write(path(name), "").unwrap();
    }
    fs::create_dir_all(path("sub.jsonl/deep")).unwrap();
    fs::write(path("sub.jsonl/deep/d.jsonl"), "").unwrap();
    let expand = |names: &[&str]| {
        let paths: Vec<PathBuf> = names.iter().map(|name| if *name == "-" { "-".into() } else { path(name) }).collect();
        let found = expand_paths(&paths).unwrap();
        let relative = |path: PathBuf| path.strip_prefix(folder.path()).unwrap_or(&path).display().to_string();
        found.into_iter().map(relative).collect::<Vec<_>>()
    };
    assert_eq!(expand(&["[a-z].jsonl"]), ["a.jsonl", "b.jsonl"]);
    assert_eq!(expand(&["*.jsonl"]), ["1.jsonl", "a.jsonl", "b.jsonl", "odd[1].jsonl"]);
    assert_eq!(expand(&["?.txt", "a.jsonl", "-", "none"]), ["c.txt", "a.jsonl", "-", "none"]);
    assert_eq!(expand(&["odd[1].jsonl"]), ["odd[1].jsonl"], "a file with this very name");
    assert_eq!(expand(&["**/d.jsonl"]), ["sub.jsonl/deep/d.jsonl"]);
    assert_eq!(expand(&["a.*", "a.jsonl"]), ["a.jsonl", "a.jsonl"]);
}

#[test]
fn a_pattern_without_a_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("*.jsonl");
    let message = expand_paths(&[&pattern]).unwrap_err().to_string();
    let expected =
        format!("{}: no file matches this pattern; give the name of one, or another pattern", pattern.display());
    assert_eq!(message, expected);
    assert!(expand_paths(&["a***"]).unwrap_err().to_string().contains("invalid pattern"));
}
