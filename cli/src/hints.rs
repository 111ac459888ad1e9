//! Warnings on stderr: what happened, why it matters, what to do.

use nearsort_report::visible;
use std::fmt;
use std::io::{self, Write};

use crate::args::Talk;
use crate::outcome::{as_flags, in_our_words};

/// Minimum share of truncated candidates for a warning.
const TRUNCATION_WORTH_SAYING: f64 = 0.01;

pub enum Warning {
    Truncated {
        truncated: usize,
        candidates: usize,
        max_tokens: usize,
    },
    /// `first` is the id of one of the queries. `reads_pairs` is true if the model reads query and
    /// candidate together.
    TruncatedQueries {
        truncated: usize,
        queries: usize,
        first: String,
        max_tokens: usize,
        reads_pairs: bool,
    },
    /// `first` is the id of one of the queries.
    UnknownQueries {
        unknown: usize,
        queries: usize,
        first: String,
    },
    /// `ids` has at least six, or all.
    Empty {
        number: usize,
        ids: Vec<String>,
    },
    /// Texts of an index that no search finds. `ids` has at least six, or all.
    EmptyRows {
        number: usize,
        ids: Vec<String>,
    },
    /// A search found fewer results than requested, because of rows without text.
    FewerFound {
        rows: u64,
        empty: u64,
        top_k: u32,
    },
    /// Results that a TREC run cannot have. `example` is the id of one.
    Repeated {
        number: usize,
        example: String,
    },
    Skipped {
        rows: u64,
        file: String,
        reasons: Vec<String>,
    },
    NoCandidates {
        file: String,
    },
    NoFirstStage {
        unscored: usize,
        candidates: usize,
    },
    /// `example` is one of them, in the form of [`unscored_example`].
    Unscored {
        unscored: usize,
        candidates: usize,
        example: String,
    },
    Note {
        message: String,
    },
    MissingQueries {
        run: String,
        ids: Vec<String>,
        judged: usize,
    },
    UnjudgedQueries {
        run: String,
        number: usize,
        ids: Vec<String>,
    },
    NoJudgedDocument {
        run: String,
        ids: Vec<String>,
        judged: Vec<String>,
    },
}

/// Number of ids that a warning of texts shows, and one of queries.
const SHOWN_TEXTS: usize = 5;
const SHOWN_QUERIES: usize = 3;

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Truncated { truncated, candidates, max_tokens } => write!(
                f,
                "{truncated} of {} {} longer than the {max_tokens} tokens that the model reads; what lies beyond \
                 was left out (rerank --long window reads more with an embedding model; see also --max-tokens)",
                count(*candidates as u64, "text"),
                agree(*truncated, "is", "are"),
            ),
            Warning::TruncatedQueries { truncated, queries, first, max_tokens, reads_pairs } => {
                some_queries(f, *truncated, *queries, first, "is", "are")?;
                let together = if *reads_pairs { " of query and candidate together" } else { "" };
                write!(
                    f,
                    " longer than the model reads ({max_tokens} tokens{together}); what lies beyond was left out and \
                     counts in no score: shorten the query, or raise --max-tokens where the model allows more"
                )
            }
            Warning::UnknownQueries { unknown, queries, first } => {
                some_queries(f, *unknown, *queries, first, "has", "have")?;
                write!(f, " no token that the model knows; the scores mean nothing: use a model for this language")
            }
            Warning::Empty { number, ids } => {
                let (have, are) = if *number == 1 { ("has", "is") } else { ("have", "are") };
                let candidates = count(*number as u64, "candidate");
                write!(f, "{candidates} {have} no text and {are} ranked last: {}", first_of(SHOWN_TEXTS, ids, *number))
            }
            Warning::EmptyRows { number, ids } => {
                let (have, them) = if *number == 1 { ("has", "it") } else { ("have", "them") };
                let (rows, ids) = (count(*number as u64, "row"), first_of(SHOWN_TEXTS, ids, *number));
                write!(f, "{rows} {have} no text, and `nearsort search` does not find {them}: {ids}")
            }
            Warning::FewerFound { rows, empty, top_k } => write!(
                f,
                "a search of this index finds fewer than the {top_k} results asked for: {empty} of its {} {} no text and {} never found",
                count(*rows, "row"),
                agree(*empty, "has", "have"),
                agree(*empty, "is", "are"),
            ),
            Warning::Repeated { number, example } => write!(
                f,
                "{} {} the id of a better one of the same list, such as '{example}', and {} not in the TREC run, \
                 which has a document once; give each candidate an id of its own, or use another --format",
                count(*number as u64, "result"),
                agree(*number, "has", "have"),
                agree(*number, "is", "are"),
            ),
            Warning::Skipped { rows, file, reasons } => {
                let (rows, were) = (count(*rows, "unusable row"), agree(*rows, "was", "were"));
                write!(f, "{rows} of {} {were} left out", shown(file))?;
                reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
            }
            Warning::NoCandidates { file } => write!(f, "{} has no texts", shown(file)),
            Warning::NoFirstStage { unscored, candidates } => write!(
                f,
                "{unscored} of {} {} no first-stage score and {} as the first stage's worst (see --blend)",
                count(*candidates as u64, "candidate"),
                agree(*unscored, "has", "have"),
                agree(*unscored, "counts", "count"),
            ),
            Warning::Unscored { unscored, candidates, example } => write!(
                f,
                "{unscored} of {} got no score and {} ranked below the others, in their old order: {example}{}",
                count(*candidates as u64, "candidate"),
                agree(*unscored, "is", "are"),
                agree(*unscored, "", ", ..."),
            ),
            Warning::Note { message } => f.write_str(message),
            Warning::MissingQueries { run, ids, judged } => write!(
                f,
                "{} lacks {} of the {judged} judged queries, which count 0 in every measure: {}",
                shown(run),
                ids.len(),
                first_of(SHOWN_QUERIES, ids, ids.len()),
            ),
            Warning::UnjudgedQueries { run, number, ids } => {
                let (have, were) = if *number == 1 { ("query has", "was") } else { ("queries have", "were") };
                let (run, ids) = (shown(run), first_of(SHOWN_QUERIES, ids, *number));
                write!(f, "{number} {have} no judgements and {were} left out of {run}: {ids}")
            }
            Warning::NoJudgedDocument { run, ids, judged } => write!(
                f,
                "no document of {} is judged for its query: the run has {}, the judgements have {}; check that \
                 both use the same document ids",
                shown(run),
                first_of(SHOWN_QUERIES, ids, ids.len()),
                first_of(SHOWN_QUERIES, judged, judged.len()),
            ),
        }
    }
}

/// Writes a warning, unless the command is quiet or the warning is below its threshold.
pub fn warn(talk: Talk, warning: &Warning) {
    let worth_saying = match warning {
        Warning::Truncated { truncated, candidates, .. } => {
            *truncated as f64 > TRUNCATION_WORTH_SAYING * *candidates as f64
        }
        Warning::TruncatedQueries { truncated: number, .. }
        | Warning::UnknownQueries { unknown: number, .. }
        | Warning::Empty { number, .. }
        | Warning::EmptyRows { number, .. }
        | Warning::Repeated { number, .. }
        | Warning::NoFirstStage { unscored: number, .. }
        | Warning::Unscored { unscored: number, .. }
        | Warning::UnjudgedQueries { number, .. } => *number > 0,
        Warning::FewerFound { empty: number, .. } | Warning::Skipped { rows: number, .. } => *number > 0,
        Warning::MissingQueries { ids, .. } => !ids.is_empty(),
        Warning::NoCandidates { .. } | Warning::Note { .. } | Warning::NoJudgedDocument { .. } => true,
    };
    if worth_saying && talk > Talk::Quiet {
        say(format_args!("warning: {warning}"));
    }
}

/// Formats a candidate without score for a warning.
pub fn unscored_example(id: &str, reason: &str) -> String {
    format!("'{id}' ({})", as_flags(reason))
}

/// Warns that rows of an input were left out, with the reasons of the first ones.
pub fn warn_of_skipped(talk: Talk, rows: u64, file: &str, reasons: &[nearsort::Error]) {
    let reasons = reasons.iter().map(in_our_words).collect();
    warn(talk, &Warning::Skipped { rows, file: file.to_owned(), reasons });
}

/// Writes one line to stderr. The line may contain other people's names and texts, so characters
/// that act on a terminal are escaped. A failed write is ignored, while `eprintln!` would panic.
pub fn say(message: fmt::Arguments<'_>) {
    let message = message.to_string();
    let _ = writeln!(io::stderr(), "nearsort: {}", visible(&message));
}

/// Writes a line of JSON to stderr, for programs.
pub fn say_json(line: &serde_json::Value) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes the help to stderr, for an incomplete command line.
pub fn say_help(help: &impl fmt::Display) {
    let _ = write!(io::stderr(), "{help}");
}

/// Formats a count: "1 row", "2 rows".
fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Formats a share of queries: "the query is", "1 of 3 queries (q1) is", "2 of 3 queries (first q1)
/// are".
fn some_queries(
    f: &mut fmt::Formatter<'_>,
    some: usize,
    queries: usize,
    first: &str,
    is: &str,
    are: &str,
) -> fmt::Result {
    match (some, queries) {
        (1, 1) => write!(f, "the query {is}"),
        (1, _) => write!(f, "1 of {queries} queries ('{first}') {is}"),
        _ => write!(f, "{some} of {queries} queries (first '{first}') {are}"),
    }
}

/// Returns the form of a word that agrees with a number.
fn agree<'a>(number: impl TryInto<u64>, one: &'a str, many: &'a str) -> &'a str {
    if matches!(number.try_into(), Ok(1)) { one } else { many }
}

/// Lists the first `most` of `number` ids.
fn first_of(most: usize, ids: &[String], number: usize) -> String {
    let shown = ids.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    if number > most { shown + ", ..." } else { shown }
}

/// Returns the name of a file in a sentence.
pub fn shown(file: &str) -> &str {
    if file == "-" { "standard input" } else { file }
}
