//! How well each candidate answers a query: one number per candidate.

mod cosine;

use std::fmt;

pub use cosine::CosineScorer;

use crate::Result;

/// What a score means, and so what may be compared with it. Machine-readable answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreKind {
    /// Cosine similarity of two embeddings, in [-1, 1].
    Cosine,
    /// Anything else; higher is better.
    Custom,
}

impl fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ScoreKind::Cosine => "cosine",
            ScoreKind::Custom => "custom",
        })
    }
}

impl ScoreKind {
    /// The score of a candidate with nothing in it: no candidate with a text scores lower.
    pub(crate) fn lowest(self) -> f32 {
        match self {
            ScoreKind::Cosine => -1.0,
            ScoreKind::Custom => f32::NEG_INFINITY,
        }
    }
}

/// Scores of several candidates, in the candidates' order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// One per candidate; higher is better.
    pub values: Vec<f32>,
    /// Tokens of the query, where the scorer knows.
    pub query_tokens: u32,
    /// Tokens encoded per candidate; empty where the scorer does not know.
    pub tokens: Vec<u32>,
    /// Whether a candidate was cut; empty where the scorer does not know.
    pub truncated: Vec<bool>,
}

impl From<Vec<f32>> for Scores {
    fn from(values: Vec<f32>) -> Self {
        Self { values, ..Self::default() }
    }
}

/// Scores candidates against a query.
pub trait Scorer: Send + Sync {
    /// What the scores mean.
    fn kind(&self) -> ScoreKind;

    /// One score per candidate, in input order. The score of a pair does not depend on the other candidates.
    ///
    /// # Errors
    /// When a score cannot be computed. A scorer never answers with a made-up one.
    fn score(&self, query: &str, candidates: &[&str]) -> Result<Scores>;

    /// [`Scorer::score`] for several queries over the same candidates, in the queries' order. A scorer that can share work
    /// between queries (encoding the candidates once) overrides this; the scores are the same.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    fn score_queries(&self, queries: &[&str], candidates: &[&str]) -> Result<Vec<Scores>> {
        queries.iter().map(|query| self.score(query, candidates)).collect()
    }
}
