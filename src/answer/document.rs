//! The JSON form of answers. Fields are in the order in which they are written.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::{Map, Value};

/// An answer as a whole: the JSON format.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AnswerDocument {
    /// Fields that hold for all results.
    #[serde(flatten)]
    pub header: HeaderDocument,
    /// Usage of the answer; absent for rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageDocument>,
    /// The results, best first.
    pub results: Vec<ResultDocument>,
}

/// A result with its answer's header: a line of JSONL.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LineDocument {
    /// Fields that hold for all results of the answer.
    #[serde(flatten)]
    pub header: HeaderDocument,
    /// The result.
    #[serde(flatten)]
    pub result: ResultDocument,
}

/// The fields that hold for all results of an answer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeaderDocument {
    /// The query.
    pub query: String,
    /// The query's id; absent if the query does not come from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_id: Option<String>,
    /// The model's name.
    pub model: String,
    /// The model's revision; null if it has none.
    pub revision: Option<String>,
    /// The device of the model, such as `cpu`.
    pub device: String,
    /// The engine of the forward passes, such as `native`.
    pub engine: String,
    /// The precision of the forward passes, such as `i8`.
    pub precision: String,
    /// The processor's instruction set, such as `avx2`.
    pub isa: String,
    /// The number format of the index's vectors; absent if the candidates are not rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_dtype: Option<String>,
    /// Number of the index's rows without text, which no search finds; absent if the candidates are
    /// not rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_empty_rows: Option<u64>,
    /// The kind of the model's scores, such as `hybrid` or `probability`.
    pub scoring: String,
    /// The reading of long texts: `truncate` or `window`; absent for rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<String>,
    /// The blend with the first stage's scores; null if there was none.
    pub blend: Option<String>,
    /// The weight of the feedback inside the list; null if there was none.
    pub feedback: Option<f64>,
    /// The kind of `score`: as `scoring`, or `blend` or `feedback` if it depends on the whole list.
    pub score_kind: String,
    /// Number of tokens of the query, special tokens and prompt included.
    pub query_tokens: u32,
    /// True if the query was cut at the model's limit.
    pub query_truncated: bool,
}

/// The usage of an answer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UsageDocument {
    /// Number of tokens of the query and the candidates; equal texts count once.
    pub tokens: u64,
    /// Number of candidates that were cut at the model's limit.
    pub truncated: usize,
    /// Usage of services: requests, cached answers, cost in dollars.
    #[serde(flatten)]
    pub service: Map<String, Value>,
}

/// A candidate at its rank. Other fields of the input follow; fields that clash with these are
/// prefixed `input_`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ResultDocument {
    /// The rank, from 1.
    pub rank: usize,
    /// Position in the input, or row of the index, from 0.
    pub index: usize,
    /// The candidate's id.
    pub id: String,
    /// The score, higher is better; null if the candidate has none.
    pub score: Option<f64>,
    /// The reason why there is no score; absent if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unscored: Option<String>,
    /// The model's score before blend and feedback; absent if it equals `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_score: Option<f64>,
    /// The last stage that scored the candidate; null if none did, absent without stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Option<StageDocument>>,
    /// Number of tokens that were read of the candidate; absent for rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// True if the candidate was cut at the model's limit; absent for rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// The window of the text that gave the score; absent if the text was not read in windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_window: Option<CharacterRange>,
    /// The first stage's score; absent if the candidate has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_stage_score: Option<f64>,
    /// The parts of the score; absent without `--explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationDocument>,
    /// The candidate's title; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The candidate's text; absent if texts are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A range of characters (Unicode code points).
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CharacterRange {
    /// The first character, from 0.
    pub start: usize,
    /// The character after the last.
    pub end: usize,
}

/// The last stage that scored a candidate.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StageDocument {
    /// The stage's number, from 1.
    pub number: usize,
    /// The stage's scoring or model.
    pub by: String,
    /// The stage's score.
    pub score: Option<f64>,
    /// The kind of the stage's score, such as `probability`.
    pub score_kind: String,
}

/// The parts of a score.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplanationDocument {
    /// The scores by their kind, such as `cosine` and `maxsim`.
    pub parts: BTreeMap<String, Option<f64>>,
    /// The most similar word of the candidate for each word of the query.
    pub matches: Vec<MatchDocument>,
}

/// A word of the query and the candidate's most similar word.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MatchDocument {
    /// The word in the query.
    pub query: WordDocument,
    /// The word in the candidate.
    pub candidate: WordDocument,
    /// The similarity of the two words, from -1 to 1.
    pub similarity: Option<f64>,
}

/// A word and its place in a text.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WordDocument {
    /// The first character, from 0.
    pub start: usize,
    /// The character after the last.
    pub end: usize,
    /// The word.
    pub text: String,
}

impl CharacterRange {
    /// Converts a range of bytes of `text`.
    pub(super) fn of(text: &str, bytes: &Range<usize>) -> Self {
        let count = |end: usize| text.get(..end).map_or(0, |before| before.chars().count());
        Self { start: count(bytes.start), end: count(bytes.end) }
    }
}

impl WordDocument {
    /// Converts a range of bytes of `text`.
    pub(super) fn of(text: &str, bytes: &Range<usize>) -> Self {
        let CharacterRange { start, end } = CharacterRange::of(text, bytes);
        Self { start, end, text: text.get(bytes.clone()).unwrap_or_default().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an outdated schema anew, so that the change can be reviewed before it is committed.
    #[test]
    fn the_schema_under_docs_is_that_of_the_documents() {
        #[derive(schemars::JsonSchema)]
        #[schemars(title = "An answer of nearsort")]
        #[allow(dead_code)]
        struct Forms {
            /// The format `json`; with a file of queries an array of them.
            answer: AnswerDocument,
            /// A line of the format `jsonl`.
            line: LineDocument,
        }
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Forms)).unwrap() + "\n";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/answer.schema.json");
        if std::fs::read_to_string(&path).unwrap_or_default() != schema {
            std::fs::write(&path, &schema).unwrap();
            panic!("{} was out of date and is written anew: look at the change, then commit it", path.display());
        }
    }
}
