//! The ranked candidates of a query.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::model_run::ModelRun;
use crate::blend::Blend;
use crate::io::{Query, Row};
use crate::ranking::{Hit, strictly_falling};
use crate::scorer::{Explanation, QueryReading, ScoreKind, Scored};

/// A candidate in its place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ranked<'a> {
    /// Its position in the input, or its row in the index, and the score to show: the model's, or where
    /// first-stage scores or feedback count what came of them.
    pub hit: Hit,
    /// Its id.
    pub id: Cow<'a, str>,
    /// Its texts and other fields; `None` for a row of an index, which keeps none.
    pub row: Option<&'a Row>,
    /// What the model made of it.
    pub pair: Scored,
    /// The first stage's score, whether it counts or not.
    pub first_stage: Option<f64>,
    /// Why it has its score, if that was asked.
    pub explanation: Option<Explanation>,
}

/// The index whose rows an answer ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexRun {
    /// How it stores vectors, such as `f16`.
    pub dtype: String,
    /// Rows without text, which no search finds.
    pub empty_rows: u64,
}

/// What an answer took. A job's answers have no [`WorkDone::service`], which depends on interruptions.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkDone {
    /// Tokens of the query and of the candidates, every distinct text counted once.
    pub tokens: u64,
    /// Candidates that were longer than the model takes.
    pub truncated: usize,
    /// What services were asked for, as further fields of `usage`.
    pub service: Option<Map<String, Value>>,
}

/// Everything about one query.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RankedQuery<'a> {
    /// What was asked.
    pub query: &'a Query,
    /// Who scored.
    pub model: &'a ModelRun,
    /// Where the candidates are rows of an index, which one.
    pub index: Option<IndexRun>,
    /// How first-stage scores were mixed in, if they were.
    pub blend: Option<Blend>,
    /// The weight of the feedback inside the list; `None` where there was none.
    pub feedback: Option<f32>,
    /// How the model read the query.
    pub reading: QueryReading,
    /// What it took; `None` for rows of an index, which are not encoded.
    pub work: Option<WorkDone>,
    /// Best first.
    pub results: Vec<Ranked<'a>>,
}

impl Ranked<'_> {
    /// What the model read of the candidate; nothing for a row of an index.
    pub fn passage(&self) -> Cow<'_, str> {
        self.row.map_or(Cow::Borrowed(""), Row::passage)
    }
}

impl<'a> RankedQuery<'a> {
    /// Scores for formats that know nothing but numbers, in the results' order.
    pub fn falling_scores(&self) -> Vec<f32> {
        strictly_falling(self.results.iter().map(|ranked| ranked.hit.score))
    }

    /// The results of a TREC run, which has a document once, at its best place.
    pub fn once(&self) -> Vec<&Ranked<'a>> {
        let mut seen = HashSet::new();
        self.results.iter().filter(|ranked| seen.insert(&*ranked.id)).collect()
    }

    /// The results that a TREC run does not have, because a better one of the list has the same id.
    pub fn repeated(&self) -> impl Iterator<Item = &Ranked<'a>> {
        let mut seen = HashSet::new();
        self.results.iter().filter(move |ranked| !seen.insert(&*ranked.id))
    }

    /// What the shown scores mean.
    pub fn score_kind(&self) -> ScoreKind {
        match (self.blend, self.feedback) {
            (Some(_), _) => ScoreKind::Blend,
            (None, Some(_)) => ScoreKind::Feedback,
            (None, None) => self.model.scoring,
        }
    }

    /// Whether the shown scores are others than the model's, and orders of this list alone.
    pub fn is_of_list(&self) -> bool {
        self.blend.is_some() || self.feedback.is_some()
    }
}
