//! How well each candidate answers a query: one number per candidate.

mod bi_encoder;
mod cascade;
mod cross_encoder;
mod explanation;
mod kind;

use std::ops::Range;

pub use bi_encoder::{BiEncoderScorer, HYBRID_MAXSIM, LongText, Scoring, WINDOW_MARGIN, less_window_margin};
pub use cascade::{CascadeScorer, Stage};
pub use cross_encoder::CrossEncoderScorer;
pub use explanation::{Explanation, Match};
pub use kind::ScoreKind;

use crate::Result;
use crate::encoder::ModelInfo;

/// Scores of several candidates, in the candidates' order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// One per candidate; higher is better. Of an unscored candidate it means nothing.
    pub values: Vec<f32>,
    /// Candidates that got no score, by ascending position.
    pub unscored: Vec<Unscored>,
    /// What the values were made of, where they were made of several scores; for probabilities the logits.
    pub parts: Vec<Part>,
    /// Who scored each candidate last, and how, where the scorer is a cascade; `None` for candidates that no stage looked at. Else empty.
    pub stages: Vec<Option<StageScore>>,
    /// Bytes of each candidate that its value comes from, where the scorer reads windows of a text; else empty.
    pub best_windows: Vec<Range<usize>>,
    /// Tokens of the query, where the scorer knows.
    pub query_tokens: u32,
    /// Whether the query was longer than the model takes, and was cut: what lies beyond does not
    /// count in any score. Of a model that reads query and candidate together, whether it was cut
    /// beside at least one candidate.
    pub query_truncated: bool,
    /// Whether the model knows no token of the query, so that the scores mean nothing. `false` where
    /// the scorer does not know.
    pub query_unknown: bool,
    /// Tokens encoded per candidate; empty where the scorer does not know.
    pub tokens: Vec<u32>,
    /// Tokens per candidate that the vocabulary lacks; empty where the scorer does not know.
    pub unknown: Vec<u32>,
    /// Whether a candidate was cut; empty where the scorer does not know.
    pub truncated: Vec<bool>,
    /// Whether nothing of a candidate was left to read, because the model's tokenizer drops all its
    /// characters; empty where the scorer does not know.
    pub blank: Vec<bool>,
}

/// A candidate that was asked about and got no score. It is ranked below all that have one, in the input's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unscored {
    /// Its position among the candidates.
    pub index: usize,
    /// Why.
    pub reason: String,
}

/// The score of a candidate by one stage of a cascade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageScore {
    /// Position of the stage, from 0.
    pub stage: usize,
    /// Its score, of the stage's kind.
    pub value: f32,
}

/// One of the scores that a score is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What the values mean.
    pub kind: ScoreKind,
    /// One per candidate.
    pub values: Vec<f32>,
}

impl From<Vec<f32>> for Scores {
    fn from(values: Vec<f32>) -> Self {
        Self { values, ..Self::default() }
    }
}

impl Scores {
    /// What candidates are ranked by: the values, and for probabilities the logits behind them, since probabilities near 1 are rounded to
    /// the same number in f32.
    pub fn ranking(&self) -> &[f32] {
        ranking(&self.values, &self.parts)
    }
}

/// [`Scores::ranking`].
pub(crate) fn ranking<'a>(values: &'a [f32], parts: &'a [Part]) -> &'a [f32] {
    parts.iter().find(|part| part.kind == ScoreKind::Logit).map_or(values, |part| &part.values)
}

/// A query and the candidates to score against it.
#[derive(Debug, Clone, Copy)]
pub struct CandidateList<'a> {
    /// What the user asks.
    pub query: &'a str,
    /// Positions of the candidates in a slice of texts that several lists share.
    pub candidates: &'a [usize],
}

/// [`Scorer::score`] of a scorer whose work is in [`Scorer::score_lists`].
pub(crate) fn score_one_list(scorer: &dyn Scorer, query: &str, candidates: &[&str]) -> Result<Scores> {
    let all: Vec<usize> = (0..candidates.len()).collect();
    scorer.score_lists(&[CandidateList { query, candidates: &all }], candidates).map(|mut scores| scores.swap_remove(0))
}

/// Scores candidates against a query.
pub trait Scorer: Send + Sync {
    /// What the scores mean.
    fn kind(&self) -> ScoreKind;

    /// Score of a candidate without text; no candidate with text scores lower. Default: the end of the kind's scale.
    fn lowest(&self) -> f32 {
        self.kind().lowest()
    }

    /// What computes the scores; `None` where the scorer does not say.
    fn model(&self) -> Option<ModelInfo> {
        None
    }

    /// Everything that decides a score: equal fingerprints, equal scores. `None` where the scorer does not say.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    fn fingerprint(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether a list is to be given in one piece, because a score depends on the other candidates or because pieces cost more: those who score
    /// many candidates bit by bit then do not.
    fn needs_whole_lists(&self) -> bool {
        false
    }

    /// One score per candidate, in input order. The score of a pair does not depend on the other candidates, unless
    /// [`Scorer::needs_whole_lists`].
    ///
    /// # Errors
    /// When a score cannot be computed. A scorer never answers with a made-up one; one that can go on without it says so in [`Scores::unscored`].
    fn score(&self, query: &str, candidates: &[&str]) -> Result<Scores>;

    /// [`Scorer::score`] for several lists whose candidates are among `texts`, in the lists' order. A scorer that can share work between
    /// lists (encoding each text once) overrides this; the scores are the same.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    ///
    /// # Panics
    /// If a list names a text that is not there.
    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str]) -> Result<Vec<Scores>> {
        let score = |list: &CandidateList<'_>| {
            let candidates: Vec<&str> = list.candidates.iter().map(|&candidate| texts[candidate]).collect();
            self.score(list.query, &candidates)
        };
        lists.iter().map(score).collect()
    }

    /// Why a candidate has its score; `None` where the scorer cannot tell.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    fn explain(&self, _query: &str, _candidate: &str) -> Result<Option<Explanation>> {
        Ok(None)
    }
}
