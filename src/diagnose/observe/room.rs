//! Scores with the observed model.

use crate::blend::Blend;
use crate::call::Call;
use crate::diagnose::ModeScores;
use crate::job::Observer;
use crate::model::{Model, RankOptions};
use crate::reranker::Reranker;
use crate::scorer::{CandidateList, Feedback, LongText, ScoreParts, Scored, ScoredList, Scoring};
use crate::{Error, Result};

/// Number of queries whose token vectors are in memory together, about 50 KB each.
const QUERIES_AT_ONCE: usize = 1024;

/// The model, the observer, and the call.
pub struct Room<'a> {
    pub model: &'a Model,
    pub observer: &'a dyn Observer,
    pub call: &'a Call<'a>,
}

/// A query's text, with its candidates as positions in a list of texts.
pub type Asked<'a> = (&'a str, Vec<usize>);

impl Room<'_> {
    /// Returns a reranker with the model that keeps the embeddings of pairs.
    pub fn reranker(&self, scoring: Scoring, long_text: LongText) -> Result<Reranker> {
        let options = RankOptions::by(scoring).long_text(long_text).blend(Blend::None);
        Reranker::with(self.model, options.feedback(Feedback::Weight(Feedback::WEIGHT)))
    }

    /// Returns the scores of lists whose candidates are among `texts`.
    pub fn score(&self, reranker: &Reranker, lists: &[Asked<'_>], texts: &[&str]) -> Result<Vec<ScoredList>> {
        let mut scored = Vec::with_capacity(lists.len());
        self.observer.expect(lists.len() + texts.len() * lists.len().div_ceil(QUERIES_AT_ONCE), true);
        for some in lists.chunks(QUERIES_AT_ONCE) {
            let asked: Vec<CandidateList<'_>> =
                some.iter().map(|(query, candidates)| CandidateList { query, candidates }).collect();
            let named = |error: Error| match &error {
                Error::QueryNotANumber { index } => {
                    let place = format!("query \"{}\"", some[*index].0);
                    Error::at(error, place)
                }
                _ => error,
            };
            scored.extend(reranker.score_lists(&asked, texts, self.call).map_err(named)?);
        }
        Ok(scored)
    }
}

/// Returns the two parts of a hybrid score, and the score itself.
pub fn mode_scores(scored: &ScoredList) -> Result<Vec<ModeScores>> {
    let missing = || Error::InvalidArgument("the hybrid score came without its parts".into());
    let scores = |pair: &Scored| {
        let ScoreParts { cosine, maxsim } = pair.parts.ok_or_else(missing)?;
        Ok(ModeScores { cosine, maxsim, hybrid: pair.score })
    };
    scored.pairs.iter().map(scores).collect()
}
