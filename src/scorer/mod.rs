//! How well each candidate answers a query: one number per candidate.

mod bi_encoder;
mod cascade;
mod cross_encoder;
mod explanation;
mod feedback;
mod kind;
pub mod list;
mod partial;
mod scored;
mod unit_vector;

pub use bi_encoder::{BiEncoderScorer, HYBRID_MAXSIM, LongText, Scoring, WINDOW_MARGIN, less_window_margin};
pub use cascade::{CascadeScorer, Stage, StageInfo};
pub use cross_encoder::CrossEncoderScorer;
pub(crate) use cross_encoder::sigmoid;
pub use explanation::{Explanation, Match};
pub use feedback::{Feedback, MAX_CANDIDATES as MAX_FEEDBACK_CANDIDATES};
pub use kind::ScoreKind;
pub use list::{ListOptions, OrderedList};
pub(crate) use partial::score_in_parts;
pub use scored::{Parts, QueryReading, Scored, ScoredList, StageScore, WhyNot, WindowScore};
pub use unit_vector::UnitVector;

use crate::Result;
use crate::call::{Call, Usage};
use crate::encoder::ModelInfo;

/// A query and the candidates to score against it.
#[derive(Debug, Clone, Copy)]
pub struct CandidateList<'a> {
    /// What the user asks.
    pub query: &'a str,
    /// Positions of the candidates in a slice of texts that several lists share.
    pub candidates: &'a [usize],
}

/// [`Scorer::score`] of a scorer whose work is in [`Scorer::score_lists`].
pub(crate) fn score_one_list(scorer: &dyn Scorer, query: &str, candidates: &[&str]) -> Result<ScoredList> {
    let all: Vec<usize> = (0..candidates.len()).collect();
    let call = Call::new();
    let lists = [CandidateList { query, candidates: &all }];
    scorer.score_lists(&lists, candidates, &call).map(|mut scores| scores.swap_remove(0))
}

/// What a list's scores say of what they took.
fn usage_of(scored: &ScoredList) -> Usage {
    let tokens = scored.document_tokens + u64::from(scored.query.tokens);
    let truncated = scored.num_truncated() as u64 + u64::from(scored.query.truncated);
    Usage { texts: scored.pairs.len() as u64, tokens, truncated, ..Usage::default() }
}

/// Scores candidates against a query.
pub trait Scorer: Send + Sync {
    /// What the scores mean.
    fn kind(&self) -> ScoreKind;

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

    /// How long the vectors in [`Scored::vector`] are; `None` where the scorer gives none. Whoever keeps many pairs bounds their memory by it.
    fn vector_dim(&self) -> Option<usize> {
        None
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
    /// When a score cannot be computed. A scorer never answers with a made-up one; one that can go on without it says so in [`Scored::why_not`].
    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList>;

    /// [`Scorer::score`] for several lists whose candidates are among `texts`, in the lists' order. A scorer that can share work between
    /// lists (encoding each text once) overrides this, and one whose work takes long: the scores are the same. `call` may end the work, and is told of its progress and of what it used.
    ///
    /// # Errors
    /// As [`Scorer::score`]; [`Error::Cancelled`](crate::Error::Cancelled); [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
    ///
    /// # Panics
    /// If a list names a text that is not there.
    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        let score = |list: &CandidateList<'_>| {
            let candidates: Vec<&str> = list.candidates.iter().map(|&candidate| texts[candidate]).collect();
            call.check()?;
            let scored = self.score(list.query, &candidates)?;
            call.add(&usage_of(&scored));
            call.done(candidates.len());
            Ok(scored)
        };
        lists.iter().map(score).collect()
    }

    /// Why a candidate has its score; `None` where the scorer cannot tell. `call` may end the work, and is told of what it used.
    ///
    /// # Errors
    /// As [`Scorer::score_lists`].
    fn explain(&self, query: &str, candidate: &str, call: &Call<'_>) -> Result<Option<Explanation>> {
        let _ = (query, candidate, call);
        Ok(None)
    }
}
