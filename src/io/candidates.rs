//! Lists of candidates with their query, one per line of JSONL: what a search program hands over.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::format::InputFormat;
use super::queries::Query;
use super::row::{FieldNames, JsonRow, Row};
use super::rows::{ReadOptions, Rows};
use crate::{Error, Result};

const QUERY_NAMES: [&str; 2] = ["query", "text"];
const QUERY_ID_NAMES: [&str; 4] = ["query_id", "qid", "id", "_id"];
const LIST_NAMES: [&str; 3] = ["candidates", "documents", "passages"];

/// A query and its candidates, each a [`Row`] as in any other input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CandidateRow {
    /// The query; its id is the line number if it has none.
    pub query: Query,
    /// The candidates, in the file's order.
    pub candidates: Vec<Row>,
}

/// The lists of a JSONL file, one at a time.
///
/// A line is `{"query_id": "q1", "query": "...", "candidates": [{"id": "d1", "text": "...", "score": 12.5}, "a bare text"]}`. The id may be
/// called `qid`, `id` or `_id`, the list `documents` or `passages`; candidates have the fields of any JSONL input, and without an id
/// their place in the list, from 1.
///
/// Where unusable rows are left out ([`ReadOptions::bad_rows`]), that is a candidate of its list, or the whole line where its query or its list cannot be used.
pub struct CandidateRows {
    lines: Rows,
    names: FieldNames,
    seen: HashSet<String>,
}

impl CandidateRows {
    /// Opens a file, or standard input for `-`. The field names of `options` are those of the candidates.
    ///
    /// # Errors
    /// As [`Rows::open`].
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let lines = ReadOptions { format: Some(InputFormat::Text), ..options.clone() };
        Ok(Self { lines: Rows::open(path, &lines)?, names: FieldNames::of(options), seen: HashSet::new() })
    }

    /// The input's name as messages give it.
    pub fn name(&self) -> &str {
        self.lines.name()
    }

    /// How many lists and candidates have been left out so far, because they could not be used.
    pub fn skipped(&self) -> u64 {
        self.lines.skipped()
    }

    /// Why: the first few, each an [`Error::BadRow`].
    pub fn skip_reasons(&self) -> &[Error] {
        self.lines.skip_reasons()
    }

    /// The query of a line, and its candidates as they stand there.
    fn read(&mut self, line: &Row) -> Result<(Query, Vec<Value>), String> {
        let value: Value = serde_json::from_str(&line.text).map_err(|e| format!("broken JSON: {e}"))?;
        let Value::Object(mut fields) = value else {
            return Err("this line is no object with a query and candidates".into());
        };
        let mut take = |names: &[&str]| names.iter().find_map(|name| fields.remove(*name));
        let id = match take(&QUERY_ID_NAMES) {
            None | Some(Value::Null) => line.line.to_string(),
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => return Err("the query's id is neither a string nor a number".into()),
        };
        let text = match take(&QUERY_NAMES) {
            Some(Value::String(text)) if !text.trim().is_empty() => text,
            Some(Value::String(_)) => return Err(format!("the query '{id}' is blank; remove the line or write one")),
            _ => return Err("no query: the line needs a field 'query' with a string".into()),
        };
        let Some(Value::Array(list)) = take(&LIST_NAMES) else {
            return Err("no candidates: the line needs a field 'candidates' with an array".into());
        };
        if !self.seen.insert(id.clone()) {
            return Err(format!("the query id '{id}' is used already; ids of queries must differ"));
        }
        Ok((Query { id, text, line: line.line }, list))
    }

    /// The candidates that can be used. They keep the numbers of their places, whatever is left out.
    fn rows(&mut self, line: u64, list: Vec<Value>) -> Result<Vec<Row>> {
        let mut rows = Vec::with_capacity(list.len());
        for (number, value) in (1..).zip(list) {
            match JsonRow::from(value).into_row(&self.names, line, number) {
                Ok(row) => rows.push(row),
                Err(message) => self.lines.leave_out(line, format!("candidate {number}: {message}"))?,
            }
        }
        Ok(rows)
    }
}

impl Iterator for CandidateRows {
    type Item = Result<CandidateRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.lines.next()? {
                Ok(line) if line.text.trim().is_empty() => continue,
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            match self.read(&line) {
                Ok((query, list)) => {
                    return Some(self.rows(line.line, list).map(|candidates| CandidateRow { query, candidates }));
                }
                Err(message) => match self.lines.leave_out(line.line, message) {
                    Ok(()) => {}
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}
