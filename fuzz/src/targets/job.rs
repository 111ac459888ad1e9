//! Journals, and a journal beside the answers that it vouches for: what a job's folder is made of.
//!
//! The folder's manifest and its rules are the command's; `fuzz/torture.py flips` reads them.

use std::fs;
use std::io::Write;
use std::ops::Range;

use nearsort::io::{CheckedFile, FileMark, Journal};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

use crate::folder::{file, temporary_folder};

pub fn journal(data: &[u8]) -> bool {
    let (_folder, path) = file("journal", data);
    Journal::open(&path, |_: (u64, String, Vec<f32>)| Ok(())).is_ok()
}

pub fn journal_seeds() -> Vec<Vec<u8>> {
    let folder = temporary_folder();
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path, |_: (u64, String, Vec<f32>)| Ok(())).expect("a journal");
    for number in 0..3u64 {
        journal.append(&(number, "text".repeat(number as usize), vec![0.5f32; 4])).expect("a record");
    }
    vec![fs::read(&path).expect("the journal")]
}

/// Of the shape of the command's records: every kind of field that these have.
#[derive(Serialize, Deserialize)]
enum Record {
    Progress { blocks: usize, answers: FileMark, example: Option<String>, ids: Vec<String>, is_finished: bool },
    Slice { documents: Range<usize>, lists: Vec<Vec<Pair>> },
}

#[derive(Serialize, Deserialize)]
struct Pair {
    score: f32,
    tokens: u32,
    truncated: bool,
    unscored: Option<String>,
    window: Option<Range<usize>>,
    stage: Option<(usize, f32)>,
}

/// Bytes that stand for a record: a journal gives them the length and the checksum that they have.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| bytes.serialize_element(byte))?;
        bytes.end()
    }
}

const ANSWERS: &[u8] = b"{\"query_id\":\"q1\",\"results\":[]}\n{\"query_id\":\"q2\",\"results\":[]}\n";

/// The first byte says what is damaged: the journal as a file, a record behind its checksum, or the
/// answers.
pub fn run(data: &[u8]) -> bool {
    let Some((&chosen, content)) = data.split_first() else { return false };
    let folder = temporary_folder();
    let (journal, answers) = (folder.path().join("journal"), folder.path().join("answers"));
    fs::write(&answers, if chosen % 3 == 2 { content } else { ANSWERS }).expect("a file");
    match chosen % 3 {
        0 => fs::write(&journal, content).expect("a file"),
        1 => drop(Journal::create(&journal, &Raw(content)).expect("a journal")),
        _ => drop(Journal::create(&journal, &progress(ANSWERS)).expect("a journal")),
    }
    let mut mark = FileMark::default();
    let opened = Journal::open(&journal, |record| {
        if let Record::Progress { answers, .. } = record {
            mark = answers;
        }
        Ok(())
    });
    if opened.is_err() {
        return false;
    }
    let whole = fs::read(&answers).expect("the answers");
    let _ = CheckedFile::verify(&answers, &mark);
    let resumed = CheckedFile::resume(&answers, &mark);
    let Ok(mut file) = resumed else {
        assert!(fs::read(&answers).expect("the answers") == whole, "what is refused was changed");
        return false;
    };
    file.write_all(b"more").expect("room");
    let grown = file.sync().expect("room");
    drop(file);
    let kept = mark.bytes as usize;
    assert!(fs::read(&answers).expect("the answers") == [&whole[..kept], b"more"].concat(), "other answers");
    CheckedFile::verify(&answers, &grown).expect("its own mark");
    true
}

/// The record of answers that are whole.
fn progress(answers: &[u8]) -> Record {
    let folder = temporary_folder();
    let mut file = CheckedFile::unnamed(folder.path()).expect("a file");
    file.write_all(answers).expect("room");
    let answers = file.sync().expect("room");
    Record::Progress { blocks: 2, answers, example: Some("refused".into()), ids: vec!["d1".into()], is_finished: false }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let pair =
        || Pair { score: 0.5, tokens: 9, truncated: true, unscored: None, window: Some(3..40), stage: Some((1, 0.5)) };
    let slice = Record::Slice { documents: 0..2, lists: vec![vec![pair(), pair()], vec![]] };
    let records = [progress(ANSWERS), slice];
    let folder = temporary_folder();
    let stored = |record: &Record| {
        let path = folder.path().join("journal");
        drop(Journal::create(&path, record).expect("a journal"));
        fs::read(&path).expect("the journal")
    };
    let whole = records.iter().map(|record| [&[0], stored(record).as_slice()].concat());
    // Behind the magic number, the length and the checksum.
    let bare = records.iter().map(|record| [&[1], &stored(record)[16..]].concat());
    whole.chain(bare).chain([[&[2], ANSWERS].concat()]).collect()
}
