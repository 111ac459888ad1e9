//! Query files.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use super::format::InputFormat;
use super::names::FieldNames;
use super::rows::Rows;
use crate::{Error, Result};

const TEXT_NAMES: [&str; 2] = ["text", "query"];
const ID_NAMES: [&str; 4] = ["id", "_id", "qid", "query_id"];

/// Maximum number of queries of a file, and maximum bytes of their ids and texts. All are in memory
/// together, with some 140 bytes each.
pub(super) const MAX_QUERIES: usize = 1 << 21;
const MAX_QUERIES_BYTES: usize = 256 << 20;

/// One query of a query file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// The query's own id; without one, the line number (text) or the 1-based row number (other
    /// formats).
    pub id: String,
    /// The query, never blank.
    pub text: String,
    /// 1-based line on which the query starts.
    pub line: u64,
}

impl Query {
    /// Creates a query that does not come from a file.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into(), line: 1 }
    }
}

/// Reads a query file, or standard input for `-`.
///
/// - Text: one query per line. Blank lines are skipped, and the id is the line number.
/// - JSONL, JSON, CSV, Parquet, Arrow: the fields `text` or `query`, and `id`, `_id`, `qid` or
///   `query_id`.
/// - TSV: the same fields below a header, or two columns without a header: id, then text.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read; [`Error::BadRow`] for an invalid row, a blank
/// query outside of text files, a repeated id, and more than 2,097,152 queries or 256 MiB of them;
/// [`Error::BadInput`] as for [`Rows`].
pub fn read_queries(path: impl AsRef<Path>) -> Result<Vec<Query>> {
    read_delimited_queries(path, None)
}

/// Like [`read_queries`], for CSV with another separator than a comma.
///
/// # Errors
/// As [`read_queries`].
pub fn read_delimited_queries(path: impl AsRef<Path>, delimiter: Option<u8>) -> Result<Vec<Query>> {
    let rows = Rows::open_queries(path.as_ref(), query_fields(), delimiter)?;
    let (name, format) = (rows.name().to_owned(), rows.format());
    let bad = |line, message| Err(Error::BadRow { file: name.clone(), line, message });
    let mut queries: Vec<Query> = Vec::new();
    let (mut seen, hasher) = (HashSet::new(), RandomState::new());
    let mut bytes = 0;
    for row in rows {
        let row = row?;
        if row.text.trim().is_empty() {
            if format == InputFormat::Text {
                continue;
            }
            return bad(row.line, format!("the query '{}' is blank; remove the row or write one", row.id));
        }
        let is_new = seen.insert(hasher.hash_one(&row.id));
        if !is_new && let Some(Query { line, .. }) = queries.iter().find(|query| query.id == row.id) {
            let message = format!("the id '{}' is used already, on line {line}; ids of queries must differ", row.id);
            return bad(row.line, message);
        }
        bytes += row.id.len() + row.text.len();
        if queries.len() == MAX_QUERIES || bytes > MAX_QUERIES_BYTES {
            let most = MAX_QUERIES_BYTES >> 20;
            let message = format!("more than {MAX_QUERIES} queries, or more than {most} MiB of them; split the file");
            return bad(row.line, message);
        }
        queries.push(Query { id: row.id, text: row.text, line: row.line });
    }
    Ok(queries)
}

fn query_fields() -> FieldNames {
    let mut names = FieldNames::new(None, None, None);
    names.text = TEXT_NAMES.map(str::to_owned).to_vec();
    names.id = ID_NAMES.map(str::to_owned).to_vec();
    // A query has no first-stage score; the score is one of the fields that are ignored.
    names.score = Vec::new();
    names.keeps_extra = false;
    names
}
