//! Rows of candidates: the first byte chooses the format, or leaves it to be found out.

use nearsort::io::{CandidateRows, Corpus, InputFormat, ReadOptions, Rows};

use crate::folder::{file, temporary_folder};

/// Small, so that a mutation reaches it.
const MAX_ROW_BYTES: usize = 4096;

const NAMES: [&str; 8] = ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv", "a", "a.jsonl.gz", "a.json.zst"];

fn options() -> ReadOptions {
    ReadOptions { max_row_bytes: MAX_ROW_BYTES, ..ReadOptions::default() }
}

pub fn bytes(data: &[u8]) -> bool {
    let Some((&chosen, content)) = data.split_first() else { return false };
    let name = NAMES[usize::from(chosen) % NAMES.len()];
    let skipping = nearsort::io::BadRows::Skip;
    for bad_rows in [nearsort::io::BadRows::Fail, skipping] {
        let options = ReadOptions { bad_rows, ..options() };
        let Ok(rows) = Rows::new(std::io::Cursor::new(content.to_vec()), name, &options) else { continue };
        for row in rows.flatten() {
            assert!(row.text.len() <= MAX_ROW_BYTES, "a text longer than a row may be");
            let _ = row.passage().len();
        }
    }
    // As texts by id, from a file: what is found again must be what was read.
    let (_folder, path) = file(name, content);
    let spool = temporary_folder();
    let Ok(corpus) = Corpus::open(&[&path], &options(), spool.path()) else { return false };
    for position in 0..corpus.len() {
        let row = corpus.row(position).expect("a row that was read once");
        let found = corpus.find(&row.id).expect("an id that was read once");
        assert!(found.is_some(), "a row's own id is not found");
    }
    true
}

pub fn byte_seeds() -> Vec<Vec<u8>> {
    let texts: [&str; 5] = [
        "The Eiffel Tower\nParis\n\nNöstlinger 東京\r\nlast",
        "{\"id\": \"d1\", \"text\": \"Eiffel\", \"title\": \"T\", \"score\": 1.5, \"n\": [1, {\"a\": 1e3}]}\n\"plain\"\n{\"_id\": 7, \"content\": \"x\"}\n",
        "[\"a\", {\"text\": \"b\\u00e9\\ud83d\\ude00\", \"id\": 30}, {\"text\": null, \"title\": \"t\"}]",
        "id,text,score,title\n1,\"a, \"\"b\"\"\nc\",2.5,t\n2,x,,\n",
        "id\ttext\tscore\n1\ta b\t2\n2\t\"c\t-1e3\n",
    ];
    let plain = texts.iter().enumerate().map(|(format, text)| [&[format as u8], text.as_bytes()].concat());
    let found_out = texts.iter().map(|text| [&[5], text.as_bytes()].concat());
    let stored = [
        (6u8, include_bytes!("../../seeds/rows.jsonl.gz").as_slice()),
        (7, include_bytes!("../../seeds/rows.json.zst")),
    ];
    plain.chain(found_out).chain(stored.map(|(format, bytes)| [&[format], bytes].concat())).collect()
}

pub fn columns(data: &[u8]) -> bool {
    let Some((&chosen, content)) = data.split_first() else { return false };
    let name = ["a.parquet", "a.arrow", "a.arrows"][usize::from(chosen) % 3];
    let (_folder, path) = file(name, content);
    let Ok(rows) = Rows::open(&path, &options()) else { return false };
    rows.take(100_000).all(|row| row.is_ok_and(|row| row.passage().len() < usize::MAX))
}

pub fn column_seeds() -> Vec<Vec<u8>> {
    let files: [(u8, &[u8]); 5] = [
        (0, include_bytes!("../../seeds/plain.parquet")),
        (0, include_bytes!("../../seeds/types.parquet")),
        (0, include_bytes!("../../seeds/dictionary.parquet")),
        (1, include_bytes!("../../seeds/types.arrow")),
        (2, include_bytes!("../../seeds/types.arrows")),
    ];
    files.iter().map(|(format, bytes)| [&[*format], *bytes].concat()).collect()
}

pub fn lists(data: &[u8]) -> bool {
    let (_folder, path) = file("lists.jsonl", data);
    let options = ReadOptions { format: Some(InputFormat::Jsonl), ..options() };
    let lists = CandidateRows::open(&path, &options).is_ok_and(|mut rows| rows.all(|row| row.is_ok()));
    nearsort::io::read_queries(&path).is_ok() || lists
}

pub fn list_seeds() -> Vec<Vec<u8>> {
    let list = "{\"query_id\": \"q1\", \"query\": \"eiffel\", \"candidates\": [{\"id\": \"d\", \"text\": \"a\", \"score\": 12.4}, \"b\"]}\n";
    vec![list.into(), format!("{list}{list}").into(), "{\"_id\": \"q\", \"text\": \"where\"}\n".into()]
}
