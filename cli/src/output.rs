//! The one place that prints results. An answer is a value; each format is a pure function of it.

use std::io::{self, BufWriter, IsTerminal, Write};

use console::{Style, Term, measure_text_width};
use nearsort::io::{Query, Row, write_run_line};
use nearsort::kernels::Isa;
use nearsort::{Hit, Reranker};
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::args::{OutputFormat, RerankArgs};

/// Width of a table that does not go to a terminal.
const PLAIN_WIDTH: usize = 120;
/// A text column narrower than this shows nothing.
const MIN_TEXT_WIDTH: usize = 20;
/// Words of a query shorter than this are not worth marking.
const MIN_MARKED_CHARS: usize = 3;
/// Names of a result that no field of the input takes, whether or not the result has them.
const RESULT_NAMES: [&str; 9] =
    ["rank", "index", "id", "score", "tokens", "truncated", "first_stage_score", "title", "text"];

/// What produced the scores.
#[derive(Clone)]
pub struct ModelLine {
    pub name: String,
    pub revision: Option<String>,
    pub device: String,
    pub engine: String,
    pub precision: String,
    pub isa: &'static str,
    pub score_kind: String,
}

impl ModelLine {
    pub fn of(reranker: &Reranker) -> Self {
        let encoder = reranker.encoder();
        let said = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        Self {
            name: said(encoder.map(|encoder| encoder.files().name.clone())),
            revision: encoder.and_then(|encoder| encoder.files().revision.clone()),
            device: said(encoder.map(|encoder| encoder.device().to_string())),
            engine: said(encoder.map(|encoder| encoder.engine().to_string())),
            precision: said(encoder.map(|encoder| encoder.precision().to_string())),
            isa: Isa::detect().name(),
            score_kind: reranker.score_kind().to_string(),
        }
    }
}

/// A candidate in its place.
pub struct Ranked<'a> {
    pub hit: Hit,
    pub row: &'a Row,
    pub tokens: u32,
    pub truncated: bool,
}

/// Everything about one query.
pub struct Answer<'a> {
    pub query: &'a Query,
    pub model: ModelLine,
    pub tokens: u64,
    pub truncated: usize,
    pub results: Vec<Ranked<'a>>,
}

/// Writes the answers to standard output.
///
/// The shape depends on how the query was given, not on how many there are: with --query-file every line says its
/// query, and JSON is an array of answers.
pub fn write(answers: &[Answer<'_>], args: &RerankArgs) -> Result<(), Failure> {
    let terminal = io::stdout().is_terminal();
    let format = args.format.unwrap_or(if terminal { OutputFormat::Table } else { OutputFormat::Tsv });
    let (with_text, with_query) = (!args.no_text, args.query_file.is_some());
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        OutputFormat::Table => answers.iter().try_for_each(|answer| table(&mut out, answer, with_text, with_query))?,
        OutputFormat::Tsv => answers.iter().try_for_each(|answer| tsv(&mut out, answer, with_text, with_query))?,
        OutputFormat::Json => json_document(&mut out, answers, with_text, with_query)?,
        OutputFormat::Jsonl => answers.iter().try_for_each(|answer| jsonl(&mut out, answer, with_text, with_query))?,
        OutputFormat::Trec => answers.iter().try_for_each(|answer| trec(&mut out, answer))?,
    }
    Ok(out.flush()?)
}

fn tsv(out: &mut impl Write, answer: &Answer<'_>, with_text: bool, with_query: bool) -> io::Result<()> {
    for (rank, ranked) in (1..).zip(&answer.results) {
        if with_query {
            write!(out, "{}\t", one_line(&answer.query.id))?;
        }
        write!(out, "{rank}\t{:.6}\t{}", ranked.hit.score, one_line(&ranked.row.id))?;
        if with_text {
            write!(out, "\t{}", one_line(&ranked.row.passage()))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Tabs and line ends would break the columns; other control characters would reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn json_document(
    out: &mut impl Write,
    answers: &[Answer<'_>],
    with_text: bool,
    with_query: bool,
) -> Result<(), Failure> {
    let document = match answers {
        [only] if !with_query => answer_json(only, with_text, with_query),
        several => several.iter().map(|answer| answer_json(answer, with_text, with_query)).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn answer_json(answer: &Answer<'_>, with_text: bool, with_query: bool) -> Value {
    let result = |(rank, ranked)| add_result(Map::new(), rank, ranked, with_text).into();
    let results: Vec<Value> = (1..).zip(&answer.results).map(result).collect();
    let mut object = header_json(answer, with_query);
    object.insert("usage".into(), json!({ "tokens": answer.tokens, "truncated": answer.truncated }));
    object.insert("results".into(), results.into());
    object.into()
}

fn header_json(answer: &Answer<'_>, with_query: bool) -> Map<String, Value> {
    let model = &answer.model;
    let query_id = with_query.then(|| ("query_id", json!(answer.query.id)));
    let fields = [
        ("model", json!(model.name)),
        ("revision", json!(model.revision)),
        ("device", json!(model.device)),
        ("engine", json!(model.engine)),
        ("precision", json!(model.precision)),
        ("isa", json!(model.isa)),
        ("score_kind", json!(model.score_kind)),
    ];
    let fields = [("query", json!(answer.query.text))].into_iter().chain(query_id).chain(fields);
    fields.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn add_result(mut object: Map<String, Value>, rank: usize, ranked: &Ranked<'_>, with_text: bool) -> Map<String, Value> {
    let row = ranked.row;
    object.insert("rank".into(), rank.into());
    object.insert("index".into(), ranked.hit.index.into());
    object.insert("id".into(), row.id.clone().into());
    object.insert("score".into(), number(ranked.hit.score));
    object.insert("tokens".into(), ranked.tokens.into());
    object.insert("truncated".into(), ranked.truncated.into());
    if let Some(score) = row.first_stage_score {
        object.insert("first_stage_score".into(), score.into());
    }
    if with_text {
        if let Some(title) = &row.title {
            object.insert("title".into(), title.clone().into());
        }
        object.insert("text".into(), row.text.clone().into());
    }
    for (name, value) in &row.extra {
        // A field of the input never replaces one of ours, nor another of the input.
        let mut name = name.clone();
        while object.contains_key(&name) || RESULT_NAMES.contains(&name.as_str()) {
            name.insert_str(0, "input_");
        }
        object.insert(name, value.clone());
    }
    object
}

/// The shortest decimal that is this f32: 0.79, not 0.7900000214576721.
fn number(score: f32) -> Value {
    score.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

fn jsonl(out: &mut impl Write, answer: &Answer<'_>, with_text: bool, with_query: bool) -> Result<(), Failure> {
    let header = header_json(answer, with_query);
    for (rank, ranked) in (1..).zip(&answer.results) {
        let object = add_result(header.clone(), rank, ranked, with_text);
        serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(())
}

fn trec(out: &mut impl Write, answer: &Answer<'_>) -> Result<(), Failure> {
    let model = answer.model.name.replace(char::is_whitespace, "_");
    let tag = format!("nearsort-{model}-{}", answer.model.score_kind);
    let mut line = String::new();
    for (rank, ranked) in (1..).zip(&answer.results) {
        line.clear();
        write_run_line(&mut line, &answer.query.id, &ranked.row.id, rank, ranked.hit.score, &tag)?;
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Says that a row's id does not fit into a TREC run, before minutes are spent on scoring it.
pub fn check_trec_id(row: &Row, file: &str) -> Result<(), Failure> {
    let line = write_run_line(&mut String::new(), "query", &row.id, 1, 0.0, "tag");
    line.map_err(|error| Failure::Error(format!("{file}:{}: {error}", row.line)))
}

fn table(out: &mut impl Write, answer: &Answer<'_>, with_text: bool, with_query: bool) -> io::Result<()> {
    if with_query {
        writeln!(out, "{}", Style::new().bold().apply_to(one_line(&answer.query.text)))?;
    }
    let width = Term::stdout().size_checked().map_or(PLAIN_WIDTH, |(_, columns)| usize::from(columns));
    let rank_width = answer.results.len().to_string().len();
    let ids: Vec<String> = answer.results.iter().map(|ranked| one_line(&ranked.row.id)).collect();
    let id_width = ids.iter().map(|id| measure_text_width(id)).max().unwrap_or(0).min(width / 3);
    let text_width = width.saturating_sub(rank_width + id_width + "  -0.0000    ".len()).max(MIN_TEXT_WIDTH);
    let words = marked_words(&answer.query.text);
    for ((rank, ranked), id) in (1..).zip(&answer.results).zip(&ids) {
        let id = fit(id, id_width);
        write!(out, "{rank:rank_width$}  {:7.4}  {id}", ranked.hit.score)?;
        if with_text {
            let padding = " ".repeat(id_width.saturating_sub(measure_text_width(&id)));
            write!(out, "{padding}  {}", snippet(&one_line(&ranked.row.passage()), &words, text_width))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Lower-cased words of the query that are long enough to mark.
fn marked_words(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= MIN_MARKED_CHARS);
    words.map(str::to_lowercase).collect()
}

/// A part of `text` no wider than `width` columns, in which the first query word is visible, with query words bold.
fn snippet(text: &str, words: &[String], width: usize) -> String {
    let pieces = split_words(text);
    let is_marked = |piece: &str| words.contains(&piece.to_lowercase());
    let first_match = pieces.iter().position(|piece| is_marked(piece)).unwrap_or(0);
    let before = |piece: usize| measure_text_width(&pieces[..piece].concat());
    // The text starts at its beginning unless the first match would then be cut off.
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

/// Words and what is between them, in order, nothing lost.
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

/// At most `width` columns; what is cut is shown by an ellipsis.
fn fit(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, query: &str, width: usize) -> String {
        console::strip_ansi_codes(&snippet(text, &marked_words(query), width)).into_owned()
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

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\tb\nc\u{1b}[31md"), "a b c [31md");
    }
}
