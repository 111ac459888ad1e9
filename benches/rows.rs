//! What it costs to read rows.
//!
//! What: `Rows` over lines of JSON, a JSON array and CSV in memory; then `Corpus::open` over a file
//! of lines of JSON, which also hashes the file and sorts the ids. On what: 20,000 rows with an id,
//! a text of some 400 bytes, a title and one field that is passed through, made here. One row in
//! eight has an escape in its text. How: `cargo bench --bench rows`.

use std::io::Cursor;

use divan::counter::BytesCount;
use nearsort::io::{Corpus, ReadOptions, Rows};

const ROWS: usize = 20_000;

fn main() {
    divan::main();
}

/// The text of a row as JSON writes it between quotes.
fn text(number: usize) -> String {
    let end = if number.is_multiple_of(8) { "\\n" } else { "." };
    format!("{number} {}{end}", "words of a passage ".repeat(18 + number % 7))
}

fn json(number: usize) -> String {
    format!(r#"{{"id": "d{number}", "text": "{}", "title": "Title {number}", "extra": 3}}"#, text(number))
}

fn json_lines() -> String {
    (0..ROWS).map(|number| json(number) + "\n").collect()
}

fn json_array() -> String {
    format!("[{}]", (0..ROWS).map(json).collect::<Vec<_>>().join(",\n"))
}

fn csv() -> String {
    let rows = (0..ROWS).map(|number| format!("d{number},\"{}\",Title {number},3\n", text(number)));
    std::iter::once("id,text,title,extra\n".to_owned()).chain(rows).collect()
}

fn read_rows(bencher: divan::Bencher<'_, '_>, name: &str, input: String) {
    bencher.counter(BytesCount::new(input.len())).with_inputs(|| input.clone()).bench_values(|input| {
        let rows = Rows::new(Cursor::new(input), name, &ReadOptions::default()).unwrap();
        assert_eq!(rows.map(Result::unwrap).count(), ROWS);
    });
}

#[divan::bench]
fn lines_of_json(bencher: divan::Bencher<'_, '_>) {
    read_rows(bencher, "rows.jsonl", json_lines());
}

#[divan::bench]
fn array_of_json(bencher: divan::Bencher<'_, '_>) {
    read_rows(bencher, "rows.json", json_array());
}

#[divan::bench]
fn records_of_csv(bencher: divan::Bencher<'_, '_>) {
    read_rows(bencher, "rows.csv", csv());
}

#[divan::bench]
fn corpus(bencher: divan::Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let lines = json_lines();
    std::fs::write(&path, &lines).unwrap();
    bencher.counter(BytesCount::new(lines.len())).bench(|| {
        let corpus = Corpus::open(&[&path], &ReadOptions::default(), folder.path()).unwrap();
        assert_eq!(corpus.len(), ROWS as u64);
    });
}
