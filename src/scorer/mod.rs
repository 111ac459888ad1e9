//! Scorers: they give each candidate one number for how well it answers a query.

mod bi_encoder;
mod cascade;
mod cross_encoder;
mod explanation;
mod feedback;
mod kind;
pub mod list;
mod partial;
mod pieces;
mod scored;
mod scoring;
mod unit_vector;

pub use bi_encoder::BiEncoderScorer;
pub use cascade::{CascadeScorer, Stage, StageInfo};
pub use cross_encoder::CrossEncoderScorer;
pub(crate) use cross_encoder::sigmoid;
pub use explanation::{Explanation, Match};
pub use feedback::{Feedback, MAX_CANDIDATES as MAX_FEEDBACK_CANDIDATES};
pub use kind::ScoreKind;
pub use list::{ListOptions, OrderedList};
pub(crate) use partial::score_in_parts;
pub use pieces::{WINDOW_MARGIN, less_window_margin};
pub use scored::{QueryReading, ScoreParts, Scored, ScoredList, StageScore, WhyNot, WindowScore};
pub use scoring::{HYBRID_MAXSIM, LongText, Scoring};
pub use unit_vector::UnitVector;

use crate::Result;
use crate::call::{Call, Usage};
use crate::encoder::ModelInfo;

/// A query and the candidates to score against it.
#[derive(Debug, Clone, Copy)]
pub struct CandidateList<'a> {
    /// The user's query.
    pub query: &'a str,
    /// Positions of the candidates in a slice of texts that several lists share.
    pub candidates: &'a [usize],
}

/// Does [`Scorer::score`] for a scorer that implements [`Scorer::score_lists`].
pub(crate) fn score_one_list(scorer: &dyn Scorer, query: &str, candidates: &[&str]) -> Result<ScoredList> {
    let all: Vec<usize> = (0..candidates.len()).collect();
    let call = Call::new();
    let lists = [CandidateList { query, candidates: &all }];
    scorer.score_lists(&lists, candidates, &call).map(|mut scores| scores.swap_remove(0))
}

/// Returns the usage of a scored list.
fn usage_of(scored: &ScoredList) -> Usage {
    let tokens = scored.document_tokens + u64::from(scored.query.tokens);
    let truncated = scored.num_truncated() as u64 + u64::from(scored.query.truncated);
    Usage { texts: scored.pairs.len() as u64, tokens, truncated, ..Usage::default() }
}

/// A scorer scores candidates against a query.
pub trait Scorer: Send + Sync {
    /// Returns the kind of the scores.
    fn kind(&self) -> ScoreKind;

    /// Returns the model that computes the scores; `None` if unknown.
    fn model(&self) -> Option<ModelInfo> {
        None
    }

    /// Identifies everything that decides a score: equal fingerprints mean equal scores. `None` if
    /// unknown.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    fn fingerprint(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns the length of the vectors in [`Scored::vector`]; `None` if the scorer gives none.
    /// Callers that keep many pairs bound their memory by it.
    fn vector_dim(&self) -> Option<usize> {
        None
    }

    /// Returns true if a list must be given in one piece, because a score depends on the other
    /// candidates or because pieces cost more. Callers then do not split lists of many candidates.
    fn needs_whole_lists(&self) -> bool {
        false
    }

    /// Scores all candidates, in input order. The score of a pair does not depend on the other
    /// candidates, unless [`Scorer::needs_whole_lists`].
    ///
    /// # Errors
    /// When a score cannot be computed. A scorer never makes up a score; one that can continue
    /// without it sets [`Scored::why_not`].
    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList>;

    /// Does [`Scorer::score`] for several lists whose candidates are among `texts`, in the lists'
    /// order. A scorer that can share work between lists (encoding each text once), or whose work
    /// takes long, should override this method; the scores must be the same. `call` may end the
    /// work, and receives progress and usage.
    ///
    /// # Errors
    /// The errors of [`Scorer::score`]; [`Error::Cancelled`](crate::Error::Cancelled);
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
    ///
    /// # Panics
    /// If a list has a position out of range.
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

    /// Explains the score of a candidate; `None` if the scorer cannot. `call` may end the work, and
    /// receives the usage.
    ///
    /// # Errors
    /// The errors of [`Scorer::score_lists`].
    fn explain(&self, query: &str, candidate: &str, call: &Call<'_>) -> Result<Option<Explanation>> {
        let _ = (query, candidate, call);
        Ok(None)
    }
}
