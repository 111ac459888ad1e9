//! Queries with their candidate lists, one per line of JSONL, as a first stage hands them over.

use std::collections::HashSet;
use std::path::Path;

use super::broken::broken_message;
use super::format::InputFormat;
use super::given::GivenField;
use super::json::{self, JsonType};
use super::names::{FieldNames, find};
use super::options::ReadOptions;
use super::queries::{MAX_QUERIES, Query};
use super::row::{JsonRow, Row, given_fields};
use super::rows::Rows;
use crate::{Error, Result};

const QUERY_NAMES: [&str; 2] = ["query", "text"];
const QUERY_ID_NAMES: [&str; 4] = ["query_id", "qid", "id", "_id"];
const LIST_NAMES: [&str; 3] = ["candidates", "documents", "passages"];

/// Maximum number of candidates of a list. Each takes some hundred bytes of memory, however short
/// it is in the file.
const MAX_CANDIDATES: usize = 1 << 20;

/// A query and its candidates, each a [`Row`] as in any other input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CandidateRow {
    /// The query; its id is the line number if it has none.
    pub query: Query,
    /// The candidates, in the file's order.
    pub candidates: Vec<Row>,
}

/// The candidate lists of a JSONL file, one at a time.
///
/// A line is `{"query_id": "q1", "query": "...", "candidates": [{"id": "d1", "text": "...",
/// "score": 12.5}, "a bare text"]}`.
///
/// - The id may be called `qid`, `id` or `_id`.
/// - The query may be called `text`.
/// - The list may be called `documents` or `passages`.
/// - Candidates have the fields of any JSONL input. A candidate without an id gets its place in the
///   list, from 1.
///
/// A list has at most 1,048,576 candidates, a file at most 2,097,152 lists, and a line at most
/// [`MAX_ROW_BYTES`](super::MAX_ROW_BYTES). Memory holds one list, and the ids of all queries.
///
/// If bad rows are skipped ([`ReadOptions::bad_rows`]), a bad candidate is left out of its list. A
/// line whose query or list is bad is left out whole.
pub struct CandidateRows {
    lines: Rows,
    names: FieldNames,
    parts: PartNames,
    seen: HashSet<String>,
}

/// The names of a line's parts.
struct PartNames {
    id: Vec<String>,
    query: Vec<String>,
    list: Vec<String>,
}

impl PartNames {
    fn new() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self { id: owned(&QUERY_ID_NAMES), query: owned(&QUERY_NAMES), list: owned(&LIST_NAMES) }
    }
}

impl CandidateRows {
    /// Opens a file, or standard input for `-`. The field names of `options` are those of the
    /// candidates.
    ///
    /// # Errors
    /// As [`Rows::open`].
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let lines = ReadOptions { format: Some(InputFormat::Text), ..options.clone() };
        Ok(Self {
            lines: Rows::open(path, &lines)?,
            names: FieldNames::of(options),
            parts: PartNames::new(),
            seen: HashSet::new(),
        })
    }

    /// Returns the input's name for messages.
    pub fn name(&self) -> &str {
        self.lines.name()
    }

    /// Returns the number of lists and candidates that have been left out so far because they are
    /// bad.
    pub fn skipped(&self) -> u64 {
        self.lines.skipped()
    }

    /// Returns the reasons for the first few of them, each an [`Error::BadRow`].
    pub fn skip_reasons(&self) -> &[Error] {
        self.lines.skip_reasons()
    }

    /// From now on a candidate whose score is not a finite number is bad. For callers that learn
    /// late that they need scores.
    pub fn need_scores(&mut self) {
        self.names.needs_score = true;
    }

    /// Drops candidates without a finite score from a list that was read before
    /// [`CandidateRows::need_scores`].
    ///
    /// # Errors
    /// [`Error::BadRow`] for the first of them if bad rows are errors.
    pub fn check_scores(&mut self, row: CandidateRow) -> Result<CandidateRow> {
        let CandidateRow { query, candidates } = row;
        let mut kept = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            match &candidate.score_fault {
                None => kept.push(candidate),
                Some(fault) => self.lines.leave_out(query.line, format!("candidate '{}': {fault}", candidate.id))?,
            }
        }
        Ok(CandidateRow { query, candidates: kept })
    }

    /// Returns the query of a line and the JSON text of its list.
    fn read(&mut self, line: &Row) -> Result<(Query, String), String> {
        let value = json::value(&line.text).map_err(|broken| broken_message(&line.text, broken).1)?;
        if JsonType::of(value) != JsonType::Object {
            return Err("this line is not an object with a query and candidates".into());
        }
        let mut fields = given_fields(value).map_err(|broken| broken_message(value, broken).1)?;
        let id = self.query_id(&mut fields, line.line)?;
        let text = match find(&fields, &self.parts.query)?.map(|spot| spot.take(&mut fields).1.text()) {
            Some(Ok(Some(text))) if !text.trim().is_empty() => text.into_owned(),
            Some(Ok(Some(_))) => return Err(format!("the query '{id}' is blank; remove the line or write one")),
            _ => return Err("no query: the line needs a field 'query' with a string".into()),
        };
        let list = find(&fields, &self.parts.list)?.map(|spot| spot.take(&mut fields).1);
        let list = list.filter(|list| list.json_type() == JsonType::Array);
        let Some(list) = list.and_then(|list| list.text_of_json()) else {
            return Err("no candidates: the line needs a field 'candidates' with an array".into());
        };
        if self.seen.len() == MAX_QUERIES {
            return Err(format!("there are more than {MAX_QUERIES} lists; split the file"));
        }
        if !self.seen.insert(id.clone()) {
            return Err(format!("the query id '{id}' is used already; ids of queries must differ"));
        }
        Ok((Query { id, text, line: line.line }, list.into_owned()))
    }

    fn query_id(&self, fields: &mut Vec<GivenField<'_>>, line: u64) -> Result<String, String> {
        let Some(spot) = find(fields, &self.parts.id)? else { return Ok(line.to_string()) };
        let (_, id) = spot.take(fields);
        match id.json_type() {
            JsonType::Boolean => Err("the query's id is neither a string nor a number".into()),
            _ => match id.text() {
                Ok(id) => Ok(id.map_or_else(|| line.to_string(), |id| id.into_owned())),
                Err(_) => Err("the query's id is neither a string nor a number".into()),
            },
        }
    }

    /// Returns the candidates that can be used. Each keeps the number of its place, also when
    /// others are left out.
    fn rows(&mut self, line: u64, list: &str) -> Result<Vec<Row>> {
        // `read` has checked the list.
        let (list, count) = json::elements(list, MAX_CANDIDATES).unwrap_or_default();
        if count > MAX_CANDIDATES {
            let message = format!("this list has {count} candidates, more than {MAX_CANDIDATES}; split it");
            return self.lines.leave_out(line, message).map(|()| Vec::new());
        }
        let mut rows = Vec::with_capacity(list.len());
        for (number, value) in (1..).zip(list) {
            let row = JsonRow::of(value).map_err(|broken| broken_message(value, broken).1);
            match row.and_then(|row| row.into_row(&self.names, line, number)) {
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
                    return Some(self.rows(line.line, &list).map(|candidates| CandidateRow { query, candidates }));
                }
                Err(message) => match self.lines.leave_out(line.line, message) {
                    Ok(()) => {}
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}
