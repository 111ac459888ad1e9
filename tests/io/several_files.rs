//! Several files as one input.

use std::fs;
use std::path::PathBuf;

use nearsort::Error;
use nearsort::io::{ReadOptions, Rows};

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
