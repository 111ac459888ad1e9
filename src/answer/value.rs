//! The ranked candidates of a query.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::model_run::ModelRun;
use crate::blend::Blend;
use crate::io::{Query, Row};
use crate::ranking::{Hit, strictly_falling};
use crate::scorer::{Explanation, QueryReading, ScoreKind, Scored};

/// A ranked candidate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ranked<'a> {
    /// The candidate's position in the input, or its row in the index, with the score to show. This
    /// is the model's score, or the result of blending or feedback.
    pub hit: Hit,
    /// The candidate's id.
    pub id: Cow<'a, str>,
    /// The candidate's texts and other fields; `None` for a row of an index, which keeps none.
    pub row: Option<&'a Row>,
    /// The model's scoring of the candidate.
    pub pair: Scored,
    /// The first stage's score, even if it does not count.
    pub first_stage: Option<f64>,
    /// The explanation of the score, if it was requested.
    pub explanation: Option<Explanation>,
}

/// The index whose rows an answer ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexRun {
    /// The storage type of vectors, such as `f16`.
    pub dtype: String,
    /// Number of rows without text, which no search finds.
    pub empty_rows: u64,
}

/// The work behind an answer. A job's answers have no [`WorkDone::service`], because it depends on
/// interruptions.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkDone {
    /// Number of tokens of the query and the candidates; every distinct text counts once.
    pub tokens: u64,
    /// Number of candidates that were longer than the model takes.
    pub truncated: usize,
    /// The usage of services, as further fields of `usage`.
    pub service: Option<Map<String, Value>>,
}

/// A query with its ranked candidates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RankedQuery<'a> {
    /// The query.
    pub query: &'a Query,
    /// The model that scored.
    pub model: &'a ModelRun,
    /// The index, if the candidates are rows of one.
    pub index: Option<IndexRun>,
    /// The blend of first-stage scores, if they were mixed in.
    pub blend: Option<Blend>,
    /// The weight of the feedback inside the list; `None` without feedback.
    pub feedback: Option<f32>,
    /// The model's reading of the query.
    pub reading: QueryReading,
    /// The work behind the answer; `None` for rows of an index, which are not encoded.
    pub work: Option<WorkDone>,
    /// The results, best first.
    pub results: Vec<Ranked<'a>>,
}

impl Ranked<'_> {
    /// Returns the text that the model read of the candidate; empty for a row of an index.
    pub fn passage(&self) -> Cow<'_, str> {
        self.row.map_or(Cow::Borrowed(""), Row::passage)
    }
}

impl<'a> RankedQuery<'a> {
    /// Returns strictly decreasing scores for number-only formats, in the results' order.
    pub fn falling_scores(&self) -> Vec<f32> {
        strictly_falling(self.results.iter().map(|ranked| ranked.hit.score))
    }

    /// Returns the results of a TREC run, which has each document once, at its best rank.
    pub fn once(&self) -> Vec<&Ranked<'a>> {
        let mut seen = HashSet::new();
        self.results.iter().filter(|ranked| seen.insert(&*ranked.id)).collect()
    }

    /// Returns the results that a TREC run leaves out, because a better one of the list has the
    /// same id.
    pub fn repeated(&self) -> impl Iterator<Item = &Ranked<'a>> {
        let mut seen = HashSet::new();
        self.results.iter().filter(move |ranked| !seen.insert(&*ranked.id))
    }

    /// Returns the kind of the shown scores.
    pub fn score_kind(&self) -> ScoreKind {
        self.model.scoring.in_list(self.blend.is_some(), self.feedback.is_some())
    }

    /// Returns true if the shown scores differ from the model's and only order this list.
    pub fn is_of_list(&self) -> bool {
        self.blend.is_some() || self.feedback.is_some()
    }
}
