//! Answers as lines of text: TSV and TREC's format.

use std::io::Write;
use std::ops::Range;

use super::shape::{AnswerShape, Rendered};
use super::value::{Ranked, RankedQuery};
use crate::io::{Query, Row, write_run_line};
use crate::ranking::strictly_falling;
use crate::scorer::{Explanation, Match};
use crate::{Error, Result};

/// Replaces control characters by spaces. Tabs and line ends would break the columns of TSV.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn tsv(out: &mut dyn Write, answer: &RankedQuery<'_>, shape: AnswerShape) -> Rendered {
    let with_model_score = shape.with_model_score && answer.is_of_list();
    for ((rank, ranked), score) in (1..).zip(&answer.results).zip(answer.falling_scores()) {
        if shape.with_query {
            write!(out, "{}\t", one_line(&answer.query.id))?;
        }
        write!(out, "{rank}\t{score}\t{}", one_line(&ranked.id))?;
        if shape.with_text && ranked.row.is_some() {
            write!(out, "\t{}", one_line(&ranked.passage()))?;
        }
        if with_model_score {
            write!(out, "\t{}", ranked.pair.score)?;
        }
        if let Some(explanation) = &ranked.explanation {
            for column in explained(&answer.query.text, ranked, explanation) {
                write!(out, "\t{column}")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes a TREC run. Each document occurs once, at its best rank, because tools refuse duplicates.
pub(super) fn trec(out: &mut dyn Write, answer: &RankedQuery<'_>) -> Rendered {
    let model = answer.model.name.replace(char::is_whitespace, "_");
    let tag = format!("nearsort-{model}-{}", answer.score_kind());
    let once = answer.once();
    let scores = strictly_falling(once.iter().map(|ranked| ranked.hit.score));
    let mut line = String::new();
    for ((rank, ranked), score) in (1..).zip(once).zip(scores) {
        line.clear();
        write_run_line(&mut line, &answer.query.id, &ranked.id, rank, score, &tag)?;
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Returns the parts of a score and the matches, one line each, without line ends.
pub fn explained(query: &str, ranked: &Ranked<'_>, explanation: &Explanation) -> [String; 2] {
    let passage = ranked.passage();
    let word = |text: &str, range: &Range<usize>| one_line(text.get(range.clone()).unwrap_or_default());
    let mut parts: Vec<String> = explanation.parts.iter().map(|(kind, value)| format!("{kind} {value:.4}")).collect();
    if ranked.hit.score != ranked.pair.score {
        parts.push(format!("model {:.4}", ranked.pair.score));
    }
    parts.extend(ranked.first_stage.map(|score| format!("first stage {score}")));
    let met = |m: &Match| format!("{} ~ {} {:.2}", word(query, &m.query), word(&passage, &m.candidate), m.similarity);
    let matches: Vec<String> = explanation.matches.iter().map(met).collect();
    [parts.join("  "), matches.join("  ")]
}

/// Refuses a row whose id does not fit into a TREC run, for callers that check before they score
/// for minutes. `file` is the row's file.
///
/// # Errors
/// [`Error::BadRow`] with the line.
pub fn check_trec_id(row: &Row, file: &str) -> Result<()> {
    check_trec_ids("query", &row.id).map_err(|error| Error::BadRow {
        file: file.to_owned(),
        line: row.line,
        message: error.to_string(),
    })
}

/// Refuses a query whose id does not fit into a TREC run, like [`check_trec_id`].
///
/// # Errors
/// [`Error::BadRow`] with the line.
pub fn check_trec_query(query: &Query, file: &str) -> Result<()> {
    if !query.id.contains(char::is_whitespace) {
        return Ok(());
    }
    let message = format!("the query id '{}' contains white space, which a TREC run cannot have", query.id);
    Err(Error::BadRow { file: file.to_owned(), line: query.line, message })
}

/// Refuses ids that do not fit into a TREC run.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub fn check_trec_ids(query_id: &str, document_id: &str) -> Result<()> {
    write_run_line(&mut String::new(), query_id, document_id, 1, 0.0, "tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_break_a_line() {
        assert_eq!(one_line("a\tb\nc\u{1b}[31md"), "a b c [31md");
    }
}
