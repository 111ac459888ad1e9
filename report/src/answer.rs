//! An answer as a table for a terminal: aligned columns, texts cut to the width, matches in bold.

use std::io::{self, Write};

use console::{Style, measure_text_width};
use nearsort::answer::{AnswerShape, Ranked, RankedQuery, Rendered, explained};

use crate::page::terminal::width;
use crate::text::{in_cell, visible};

/// Width of a table if the output is not a terminal.
const PLAIN_WIDTH: usize = 120;
/// Minimum width of a text column.
const MIN_TEXT_WIDTH: usize = 20;
/// Minimum characters of a query word that is marked.
const MIN_MARKED_CHARS: usize = 3;
/// Minimum similarity of words that count as a match.
const MIN_MARKED_SIMILARITY: f32 = 0.5;

/// Writes an answer as a table, best first, as wide as the terminal or 120 columns.
///
/// # Errors
///
/// The errors of `out`.
pub fn answer_table(out: &mut dyn Write, answer: &RankedQuery<'_>, shape: AnswerShape) -> Rendered {
    if shape.with_query {
        writeln!(out, "{}", Style::new().bold().apply_to(in_cell(&answer.query.text)))?;
    }
    let widths = Widths::of(answer, shape);
    for (rank, ranked) in (1..).zip(&answer.results) {
        row(out, answer, (rank, ranked), &widths)?;
        if let Some(explanation) = &ranked.explanation {
            let dim = Style::new().dim();
            let indent = " ".repeat(widths.rank + 2);
            for line in explained(&answer.query.text, ranked, explanation) {
                let line = fit(&visible(&line), widths.all.saturating_sub(widths.rank + 2));
                writeln!(out, "{indent}{}", dim.apply_to(line))?;
            }
        }
    }
    Ok(())
}

/// The widths of the table's columns.
struct Widths {
    all: usize,
    rank: usize,
    id: usize,
    /// The text column; `None` if texts are left out.
    text: Option<usize>,
    with_model_score: bool,
}

impl Widths {
    fn of(answer: &RankedQuery<'_>, shape: AnswerShape) -> Self {
        let all = width(PLAIN_WIDTH);
        let rank = answer.results.len().to_string().len();
        let widest = answer.results.iter().map(|ranked| measure_text_width(&in_cell(&ranked.id))).max().unwrap_or(0);
        let has_texts = answer.index.is_none();
        // With an index, only scores stand beside the id.
        let id = if has_texts { widest.min(all / 3) } else { widest };
        let with_model_score = shape.with_model_score && answer.is_of_list();
        let scores = "  -0.0000".len() * (1 + usize::from(with_model_score));
        let text = all.saturating_sub(rank + id + scores + 4).max(MIN_TEXT_WIDTH);
        Self { all, rank, id, text: (shape.with_text && has_texts).then_some(text), with_model_score }
    }
}

fn row(
    out: &mut dyn Write,
    answer: &RankedQuery<'_>,
    (rank, ranked): (usize, &Ranked<'_>),
    widths: &Widths,
) -> io::Result<()> {
    let id = fit(&in_cell(&ranked.id), widths.id);
    let score = match ranked.pair.shown_reason() {
        Some(_) => "-".to_owned(),
        None => format!("{:.4}", ranked.hit.score),
    };
    write!(out, "{rank:width$}  {score:>7}", width = widths.rank)?;
    if widths.with_model_score {
        write!(out, "  {:>7.4}", ranked.pair.score)?;
    }
    write!(out, "  {id}")?;
    if let Some(width) = widths.text {
        let padding = " ".repeat(widths.id.saturating_sub(measure_text_width(&id)));
        let words = marked_words(&answer.query.text, ranked);
        write!(out, "{padding}  {}", snippet(&in_cell(&ranked.passage()), &words, width))?;
    }
    writeln!(out)
}

/// Returns the lower-cased words to mark in a candidate, without the short ones. If an explanation
/// is known, these are the words that matched the query; else the query's words.
fn marked_words(query: &str, ranked: &Ranked<'_>) -> Vec<String> {
    let Some(explanation) = &ranked.explanation else { return long_words(query) };
    let passage = ranked.passage();
    let met = explanation.matches.iter().filter(|m| m.similarity >= MIN_MARKED_SIMILARITY);
    met.filter_map(|m| passage.get(m.candidate.clone())).flat_map(long_words).collect()
}

fn long_words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= MIN_MARKED_CHARS);
    words.map(str::to_lowercase).collect()
}

/// Returns a part of `text` of at most `width` columns, with the first query word visible and query
/// words in bold.
fn snippet(text: &str, words: &[String], width: usize) -> String {
    let pieces = split_words(text);
    let is_marked = |piece: &str| words.contains(&piece.to_lowercase());
    let first_match = pieces.iter().position(|piece| is_marked(piece)).unwrap_or(0);
    let before = |piece: usize| measure_text_width(&pieces[..piece].concat());
    // The text starts at its beginning unless the first match would be cut off.
    let cut_off =
        pieces.get(first_match).is_some_and(|piece| before(first_match) + measure_text_width(piece) + 1 > width);
    let start = if cut_off { first_match } else { 0 };
    let lead = if start > 0 { "…" } else { "" };
    let room = width - measure_text_width(lead);
    let shown = fit(&pieces[start..].concat(), room);
    let bold = Style::new().bold();
    let marked: String = split_words(&shown)
        .into_iter()
        .map(|piece| if is_marked(piece) { bold.apply_to(piece).to_string() } else { piece.to_owned() })
        .collect();
    format!("{lead}{marked}")
}

/// Splits a text into words and the parts between them, in order. Nothing is lost.
fn split_words(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        let kind = c.is_alphanumeric();
        if last.is_some_and(|last| last != kind) {
            pieces.push(&text[start..at]);
            start = at;
        }
        last = Some(kind);
    }
    pieces.push(&text[start..]);
    pieces
}

/// Cuts a text to `width` columns, with an ellipsis.
fn fit(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, query: &str, width: usize) -> String {
        console::strip_ansi_codes(&snippet(text, &long_words(query), width)).into_owned()
    }

    #[test]
    fn a_snippet_fits_and_shows_the_first_query_word() {
        let text = "Many words that nobody asked for stand here, and only then comes the Eiffel Tower in Paris.";
        let shown = plain(text, "eiffel tower", 30);
        assert_eq!(shown, "…Eiffel Tower in Paris.");
        assert_eq!(plain("The Eiffel Tower", "eiffel", 30), "The Eiffel Tower");
        assert_eq!(plain(text, "zebra", 20), "Many words that nob…");
        for width in 20..100 {
            assert!(measure_text_width(&plain(text, "Paris", width)) <= width);
        }
    }

    #[test]
    fn wide_characters_count_two_columns() {
        let shown = plain("東京タワーは東京にあります。とても高いです。", "tower", 20);
        assert!(measure_text_width(&shown) <= 20, "{shown}");
    }

    #[test]
    fn words_are_split_without_loss() {
        let text = "a-b  c, d!";
        assert_eq!(split_words(text).concat(), text);
        assert_eq!(split_words("ab cd"), ["ab", " ", "cd"]);
    }
}
