//! Writes runs in TREC's format: `query-id Q0 document-id rank score tag`, one line per hit.

use std::fmt::Write;

use crate::{Error, Result};

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
                "the {what} '{value}' is empty or contains white space, which a TREC run cannot have; use another format or ids without it"
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
