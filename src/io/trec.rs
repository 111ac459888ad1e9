//! Runs in TREC's format: `query-id Q0 document-id rank score tag`, one line per hit.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::format::InputFormat;
use super::options::ReadOptions;
use super::rows::Rows;
use super::run_line::{MAX_LINE_BYTES, finite_score, not_six_fields, too_long};
use crate::{Error, Result};

/// One line of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunLine {
    /// The query's id, shared by consecutive lines of the query.
    pub query_id: Arc<str>,
    /// The document's id.
    pub document_id: String,
    /// The rank in the file; most tools count from 1 and some from 0.
    pub rank: u64,
    /// Higher is better. Finite.
    pub score: f64,
    /// The run's name, shared by consecutive lines.
    pub tag: Arc<str>,
}

/// Appends one line of a run, with its line end, to `out`. `rank` counts from 1.
///
/// The score has the fewest digits that yield the same `f32` again, so sorting the file by score
/// gives the computed order. It has no exponent.
///
/// # Errors
/// [`Error::InvalidArgument`] when an id or the tag is empty or has white space, which this format
/// does not allow, or when the score is not a finite number; `out` is then unchanged.
///
/// ```
/// let mut run = String::new();
/// nearsort::io::write_run_line(&mut run, "q1", "d7", 1, 0.5, "nearsort")?;
/// assert_eq!(run, "q1 Q0 d7 1 0.5 nearsort\n");
/// # Ok::<(), nearsort::Error>(())
/// ```
pub fn write_run_line(
    out: &mut String,
    query_id: &str,
    document_id: &str,
    rank: usize,
    score: f32,
    tag: &str,
) -> Result<()> {
    for (what, value) in [("query id", query_id), ("document id", document_id), ("tag", tag)] {
        if value.is_empty() || value.contains(char::is_whitespace) {
            let message = format!(
                "the {what} '{value}' is empty or has white space in it, which a TREC run cannot carry; use another format or ids without it"
            );
            return Err(Error::InvalidArgument(message));
        }
    }
    if !score.is_finite() {
        return Err(Error::InvalidArgument(format!(
            "the score of '{document_id}' for the query '{query_id}' is {score}, not a finite number"
        )));
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{query_id} Q0 {document_id} {rank} {score} {tag}");
    Ok(())
}

/// Reads a run in TREC's format, or standard input for `-`, in the file's order. Blank lines do not
/// count.
///
/// Memory: some 100 bytes per line. [`RunFile`](super::RunFile) needs less, reads more formats and
/// detects repeated documents.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read; [`Error::BadRow`] for a line that does not have
/// six fields, or whose rank or score is not a number.
pub fn read_run(path: impl AsRef<Path>) -> Result<Vec<RunLine>> {
    let options = ReadOptions { format: Some(InputFormat::Text), ..ReadOptions::default() };
    let lines = Rows::open(path, &options)?;
    let name = lines.name().to_owned();
    let mut run: Vec<RunLine> = Vec::new();
    for line in lines {
        let line = line?;
        if line.text.trim().is_empty() {
            continue;
        }
        let parsed = match line.text.len() > MAX_LINE_BYTES {
            true => Err(too_long(MAX_LINE_BYTES)),
            false => parse_run_line(&line.text, run.last()),
        };
        run.push(parsed.map_err(|message| Error::BadRow { file: name.clone(), line: line.line, message })?);
    }
    Ok(run)
}

/// Parses a line. `before`: the previous line, whose texts are shared if they are equal.
fn parse_run_line(line: &str, before: Option<&RunLine>) -> Result<RunLine, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let &[query_id, _, document_id, rank, score, tag] = fields.as_slice() else {
        return Err(not_six_fields(fields.len()));
    };
    let rank = rank.parse().map_err(|_| format!("the rank '{rank}' is not a whole number"))?;
    let score = finite_score(score)?;
    let shared = |text: &str, before: Option<&Arc<str>>| match before {
        Some(before) if **before == *text => Arc::clone(before),
        _ => text.into(),
    };
    let query_id = shared(query_id, before.map(|line| &line.query_id));
    let tag = shared(tag, before.map(|line| &line.tag));
    Ok(RunLine { query_id, document_id: document_id.into(), rank, score, tag })
}
