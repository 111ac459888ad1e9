//! The file of rows that could not be used.

use std::fs;
use std::io::Cursor;
use std::sync::Arc;

use nearsort::io::{BadRows, Corpus, ReadOptions, Rejects, Rows};
use serde_json::{Value, json};

use super::names_in;

fn rejects(content: &str) -> Vec<Value> {
    content.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_unusable_row_is_written_with_file_line_and_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejects.jsonl");
    let sink = Arc::new(Rejects::create(&path).unwrap());
    let options = ReadOptions { bad_rows: BadRows::Report(Arc::clone(&sink)), ..ReadOptions::default() };
    let rows = |name: &str, content: &'static str| {
        let mut rows = Rows::new(Cursor::new(content), name, &options).unwrap();
        let good: Vec<String> = rows.by_ref().map(|row| row.unwrap().text).collect();
        (good, rows.skipped())
    };
    assert_eq!(rows("a.jsonl", "\"a\"\n5\n\"b\"\n{\"x\": 1}\n"), (vec!["a".into(), "b".into()], 2));
    assert_eq!(rows("b.csv", "id,text\n1,\"two\nlines\"\n2\n"), (vec!["two\nlines".into()], 1));
    assert!(!path.exists(), "the file appears when it is whole");
    assert_eq!(sink.count(), 3);
    sink.finish().unwrap();
    let found = rejects(&fs::read_to_string(&path).unwrap());
    let number = "this row is a number, not a string or an object with a text";
    assert_eq!(found[0], json!({"file": "a.jsonl", "line": 2, "message": number}));
    assert_eq!((&found[1]["line"], &found[2]["file"], &found[2]["line"]), (&json!(4), &json!("b.csv"), &json!(4)));
    assert_eq!(found.len(), 3);
    let late = sink.push("c", 1, "late").unwrap_err().to_string();
    assert!(late.contains("is finished and takes no more rows"), "{late}");
    assert_eq!(names_in(folder.path()), ["rejects.jsonl"]);
}

#[test]
fn the_file_is_there_even_when_an_error_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejects.jsonl");
    fs::write(&path, "of an earlier run\n").unwrap();
    let options =
        ReadOptions { bad_rows: BadRows::Report(Rejects::create(&path).unwrap().into()), ..ReadOptions::default() };
    let mut rows = Rows::new(Cursor::new("[5, \"a\", tru]"), "a.json", &options).unwrap();
    assert!(rows.next().unwrap().is_ok() && rows.next().unwrap().is_err());
    drop((rows, options));
    assert_eq!(rejects(&fs::read_to_string(&path).unwrap()).len(), 1);
}

#[test]
fn without_unusable_rows_the_file_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejects.jsonl");
    fs::write(&path, "of an earlier run\n").unwrap();
    drop(Rejects::create(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert!(Rejects::create(folder.path().join("none/rejects.jsonl")).is_err());
}

#[test]
fn a_corpus_reports_its_unusable_rows_too() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("c.jsonl"), folder.path().join("rejects.jsonl"));
    fs::write(&path, "5\n\"a\"\n6\n").unwrap();
    let sink = Arc::new(Rejects::create(&out).unwrap());
    let options = ReadOptions { bad_rows: BadRows::Report(Arc::clone(&sink)), ..ReadOptions::default() };
    let corpus = Corpus::open(&[path], &options, folder.path()).unwrap();
    assert_eq!((corpus.len(), corpus.skipped(), sink.count()), (1, 2, 2));
}
