//! The formats of answers.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::shape::{AnswerShape, Rendered, Renderer};
use super::value::RankedQuery;
use super::{columns, json, lines, raw_json};
use crate::{Error, Result};

/// A format of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Aligned columns for people. A renderer draws them, so [`AnswerWriter`](super::AnswerWriter)
    /// needs one.
    Table,
    /// Lines with rank, score, id, text.
    Tsv,
    /// One object with everything; an array of them for a file of queries.
    Json,
    /// One object per candidate.
    Jsonl,
    /// A TREC run.
    Trec,
    /// A file with the columns query_id, rank, id, score, text.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [Self::Table, Self::Tsv, Self::Json, Self::Jsonl, Self::Trec, Self::Parquet];

    /// Returns the format's name, as [`Format::from_str`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Trec => "trec",
            Self::Parquet => "parquet",
        }
    }

    /// Returns the format of a file's extension: .trec and .run, .tsv, .json, .jsonl, .txt (a
    /// table), .parquet.
    pub fn by_extension(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "trec" | "run" => Some(Self::Trec),
            "tsv" => Some(Self::Tsv),
            "json" => Some(Self::Json),
            "jsonl" => Some(Self::Jsonl),
            "txt" => Some(Self::Table),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Writes an answer after `written` others.
    pub(super) fn write(
        self,
        out: &mut dyn Write,
        answer: &RankedQuery<'_>,
        (shape, table): (AnswerShape, Option<Renderer>),
        written: usize,
    ) -> Rendered {
        match (self, table) {
            (Self::Table, Some(table)) => table(out, answer, shape),
            (Self::Table, None) => {
                Err(Error::InvalidArgument("no renderer for `format=table`; choose another format".into()).into())
            }
            (Self::Tsv, _) => lines::tsv(out, answer, shape),
            (Self::Trec, _) => lines::trec(out, answer),
            (Self::Parquet, _) => columns::write_lines(out, answer, shape),
            (Self::Jsonl, _) => {
                for line in json::lines(answer, shape)? {
                    writeln!(out, "{}", line?)?;
                }
                Ok(())
            }
            (Self::Json, _) => {
                if shape.with_query {
                    out.write_all(if written == 0 { b"[\n" } else { b",\n" })?;
                }
                out.write_all(raw_json::indented(&json::answer(answer, shape)?).as_bytes())?;
                if !shape.with_query {
                    writeln!(out)?;
                }
                Ok(())
            }
        }
    }

    /// Writes the end of the output after `written` answers.
    pub(super) fn end(self, out: &mut dyn Write, shape: AnswerShape, written: usize) -> io::Result<()> {
        match self {
            Self::Json if shape.with_query => out.write_all(if written == 0 { b"[]\n" } else { b"\n]\n" }),
            _ => Ok(()),
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        let wrong = || format!("{name}: expected {}", Self::ALL.map(Self::name).join(", "));
        found.ok_or_else(|| Error::InvalidOption { option: "format", why: wrong() })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
