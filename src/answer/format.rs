//! How answers are written.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::shape::{Rendered, Renderer, Shape};
use super::value::RankedQuery;
use super::{columns, json, lines, raw_json};
use crate::{Error, Result};

/// The formats of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Aligned columns for people. How they look is the renderer's affair: [`AnswerWriter`](super::AnswerWriter) needs one.
    Table,
    /// rank, score, id, text.
    Tsv,
    /// One object with everything; with a file of queries an array of them.
    Json,
    /// One object per candidate.
    Jsonl,
    /// A TREC run.
    Trec,
    /// Columns query_id, rank, id, score, text, in a file.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Table, Self::Tsv, Self::Json, Self::Jsonl, Self::Trec, Self::Parquet];

    /// Its name, as [`Format::from_str`] reads it.
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

    /// The format that a file's extension names: .trec and .run, .tsv, .json, .jsonl, .txt (a table), .parquet.
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

    /// Writes an answer behind `written` others.
    pub(super) fn write(
        self,
        out: &mut dyn Write,
        answer: &RankedQuery<'_>,
        (shape, table): (Shape, Option<Renderer>),
        written: usize,
    ) -> Rendered {
        match (self, table) {
            (Self::Table, Some(table)) => table(out, answer, shape),
            (Self::Table, None) => Err(Error::InvalidArgument("no table can be drawn here".into()).into()),
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

    /// What comes behind the last of `written` answers.
    pub(super) fn end(self, out: &mut dyn Write, shape: Shape, written: usize) -> io::Result<()> {
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
        let wrong = || format!("{name}: allowed are {}", Self::ALL.map(Self::name).join(", "));
        found.ok_or_else(|| Error::InvalidOption { option: "format", why: wrong() })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
