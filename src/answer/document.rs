//! The JSON form of answers. Fields are in the order in which they are written.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::{Map, Value};

/// An answer as a whole: the JSON format.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AnswerDocument {
    /// What holds for all results.
    #[serde(flatten)]
    pub header: HeaderDocument,
    /// What it took; not there for rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageDocument>,
    /// Best first.
    pub results: Vec<ResultDocument>,
}

/// A result with its answer's header: a line of JSONL.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LineDocument {
    /// What holds for all results of the answer.
    #[serde(flatten)]
    pub header: HeaderDocument,
    /// The result.
    #[serde(flatten)]
    pub result: ResultDocument,
}

/// What holds for every result of an answer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeaderDocument {
    /// What was asked.
    pub query: String,
    /// The query's id, where queries come from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_id: Option<String>,
    /// The model's name.
    pub model: String,
    /// The model's revision, where it has one.
    pub revision: Option<String>,
    /// Where it ran, such as `cpu`.
    pub device: String,
    /// What computed the forward passes.
    pub engine: String,
    /// In which precision.
    pub precision: String,
    /// The processor's instruction set.
    pub isa: String,
    /// How the index stores vectors, where candidates are its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_dtype: Option<String>,
    /// Rows of the index without text, which no search finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_empty_rows: Option<u64>,
    /// What the model's scores mean.
    pub scoring: String,
    /// What became of long texts; not there for rows of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<String>,
    /// How first-stage scores were mixed in; null where they were not.
    pub blend: Option<String>,
    /// The weight of the feedback inside the list; null where there was none.
    pub feedback: Option<f64>,
    /// What `score` means: `scoring`; where it depends on the whole list, `blend` or `feedback`.
    pub score_kind: String,
    /// Tokens of the query, special tokens and prompt included.
    pub query_tokens: u32,
    /// Whether the query was longer than the model takes, and was cut.
    pub query_truncated: bool,
}

/// What an answer took.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UsageDocument {
    /// Tokens of the query and of the candidates, every distinct text counted once.
    pub tokens: u64,
    /// Candidates that were longer than the model takes.
    pub truncated: usize,
    /// What services were asked for: requests, cached answers, cost.
    #[serde(flatten)]
    pub service: Map<String, Value>,
}

/// A candidate in its place. Other fields of the input follow behind these; one whose name is taken
/// gets `input_` before it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ResultDocument {
    /// From 1.
    pub rank: usize,
    /// Position in the input, or row of the index, from 0.
    pub index: usize,
    /// The candidate's id.
    pub id: String,
    /// Higher is better; null where there is none.
    pub score: Option<f64>,
    /// Why there is no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unscored: Option<String>,
    /// The model's score, before the first stage's was mixed in and before feedback, where that is
    /// another number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_score: Option<f64>,
    /// Where there are stages, who scored the candidate last; null for one that no stage looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Option<StageDocument>>,
    /// Tokens that were read of the candidate; not there for rows of an index, nor are the two that
    /// follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// Whether the candidate was longer than the model takes, and was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// Where the score comes from, in a long text that was read in windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_window: Option<CharacterRange>,
    /// The first stage's score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_stage_score: Option<f64>,
    /// What the score is made of, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationDocument>,
    /// The candidate's title, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The candidate's text, unless texts are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A range of characters, which is what most languages count.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CharacterRange {
    /// Characters before it.
    pub start: usize,
    /// Characters up to its end.
    pub end: usize,
}

/// Who scored a candidate last, and how.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StageDocument {
    /// The stage, from 1.
    pub number: usize,
    /// What it scores by.
    pub by: String,
    /// Its score.
    pub score: Option<f64>,
    /// What its score means.
    pub score_kind: String,
}

/// What a score is made of.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplanationDocument {
    /// The scores, by what they mean.
    pub parts: BTreeMap<String, Option<f64>>,
    /// Which word of the query met which word of the candidate.
    pub matches: Vec<MatchDocument>,
}

/// A word of the query and the word of the candidate that it met.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MatchDocument {
    /// In the query.
    pub query: WordDocument,
    /// In the candidate.
    pub candidate: WordDocument,
    /// How alike they are, in [-1, 1].
    pub similarity: Option<f64>,
}

/// A word in its place.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WordDocument {
    /// Characters before it.
    pub start: usize,
    /// Characters up to its end.
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
        #[schemars(title = "What nearsort answers")]
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
