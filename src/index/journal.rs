//! The record of an unfinished build: what is being built, and which rows are safely on disk.
//!
//! A line is the CRC-32 of a JSON value, then the value. The first is the [`Plan`], each other a [`Record`] that was added once the data it speaks of was on disk. A
//! line that was torn by a crash fails its checksum; it and what follows it do not count.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::{Dtype, IndexModel};
use super::segment::Mark;
use crate::{Error, Result};

/// What decides the bytes of a segment, apart from the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// The folder that the segment will have.
    pub segment: String,
    /// Whether it takes the place of all segments before it.
    pub whole: bool,
    /// Whether rows of segments before it give way to rows with the same ids.
    pub replace: bool,
    pub model: IndexModel,
    pub dtype: Dtype,
    pub tokens: bool,
}

impl Plan {
    /// What two plans do not agree in.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (a, b) = (&self.model, &other.model);
        let fields = [
            ("kind of change (build or add)", self.whole == other.whole),
            ("--replace", self.replace == other.replace),
            ("--dtype", self.dtype == other.dtype),
            ("--tokens", self.tokens == other.tokens),
            ("model", (&a.name, &a.revision) == (&b.name, &b.revision)),
            ("--precision or --engine", (&a.precision, &a.engine) == (&b.precision, &b.engine)),
            ("prompts", (&a.query_prompt, &a.document_prompt) == (&b.query_prompt, &b.document_prompt)),
            ("--max-tokens", a.max_tokens == b.max_tokens),
            ("--dim", a.dim == b.dim),
            ("--pooling", a.pooling == b.pooling),
        ];
        let differing: Vec<&str> = fields.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
        match differing.is_empty() && self != other {
            true => vec!["state of the index or fingerprint of the model"],
            false => differing,
        }
    }
}

/// Rows that are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// How far the segment is.
    pub mark: Mark,
    /// SHA-256 of the ids and texts that were added since the record before.
    pub texts: String,
}

/// The hash of a chunk of rows, given as ids and texts.
pub(super) fn hash_texts(rows: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (id, text) in rows {
        for part in [id, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends records.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    pub fn create(path: &Path, plan: &Plan) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let mut journal = Self { path: path.to_owned(), file };
        journal.line(plan)?;
        Ok(journal)
    }

    /// Reads what is there: `None` where there is not even a plan.
    pub fn read(path: &Path) -> Result<Option<(Plan, Vec<Record>)>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let Some(plan) = lines.next().and_then(parse::<Plan>) else { return Ok(None) };
        Ok(Some((plan, lines.map_while(parse::<Record>).collect())))
    }

    /// Goes on behind these records, which [`Journal::read`] gave.
    pub fn resume(path: &Path, plan: &Plan, records: &[Record]) -> Result<Self> {
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
        let length =
            line_of(plan)?.len() + records.iter().map(|r| line_of(r).map(|l| l.len())).sum::<Result<usize>>()?;
        file.set_len(length as u64).map_err(Error::io("cut", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub fn append(&mut self, record: &Record) -> Result<()> {
        self.line(record)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let line = line_of(value)?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(Error::io("write", &self.path))
    }
}

fn line_of(value: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(value);
    let json = json.map_err(|error| Error::InvalidArgument(format!("the journal cannot be written: {error}")))?;
    Ok([format!("{:08x} ", crc32fast::hash(&json)).as_bytes(), &json, b"\n"].concat())
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (crc, json) = line.strip_suffix(b"\n")?.split_at_checked(9)?;
    let expected = format!("{:08x} ", crc32fast::hash(json));
    (crc == expected.as_bytes()).then(|| serde_json::from_slice(json).ok())?
}
