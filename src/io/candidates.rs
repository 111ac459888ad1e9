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

    fn read(&mut self, line: &Row) -> Result<CandidateRow, String> {
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
        let candidate = |(number, value): (u64, Value)| {
            JsonRow::from(value)
                .into_row(&self.names, line.line, number)
                .map_err(|e| format!("candidate {number}: {e}"))
        };
        let candidates = (1..).zip(list).map(candidate).collect::<Result<_, _>>()?;
        if !self.seen.insert(id.clone()) {
            return Err(format!("the query id '{id}' is used already; ids of queries must differ"));
        }
        Ok(CandidateRow { query: Query { id, text, line: line.line }, candidates })
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
            let file = self.lines.name().to_owned();
            return Some(self.read(&line).map_err(|message| Error::BadRow { file, line: line.line, message }));
        }
    }
}
