//! Loading models and scoring with them.

use nearsort::diagnose::ModeScores;
use nearsort::scorer::{Parts, Scored};
use nearsort::{Blend, CandidateList, LongText, Reranker, ScoredList, Scoring};

use crate::args::{DiagnoseArgs, ModelArgs, Talk};
use crate::outcome::CHECK_MODEL;
use crate::progress::Counter;
use crate::{Failure, model};

/// Queries whose token vectors are in memory together, some 50 KB each.
const QUERIES_AT_ONCE: usize = 1024;

/// Loads models and scores with them.
pub struct Scoreroom<'a> {
    pub args: &'a DiagnoseArgs,
    pub talk: Talk,
    pub counter: &'a Counter,
}

impl Scoreroom<'_> {
    /// A reranker of the model that is diagnosed, with other options where asked.
    pub fn reranker(&self, model: &ModelArgs, scoring: Scoring, long_text: LongText) -> Result<Reranker, Failure> {
        let builder = model::builder(model, self.talk)?;
        Ok(builder.scoring(scoring).long_text(long_text).blend(Blend::None).build()?)
    }

    /// The scores of lists whose candidates are among `texts`.
    pub fn score(
        &self,
        reranker: &Reranker,
        lists: &[(&str, Vec<usize>)],
        texts: &[&str],
    ) -> Result<Vec<ScoredList>, Failure> {
        let mut scored = Vec::with_capacity(lists.len());
        self.counter.expect(lists.len() + texts.len() * lists.len().div_ceil(QUERIES_AT_ONCE), true);
        for some in lists.chunks(QUERIES_AT_ONCE) {
            let asked: Vec<CandidateList<'_>> =
                some.iter().map(|(query, candidates)| CandidateList { query, candidates }).collect();
            scored.extend(reranker.score_lists(&asked, texts, &self.counter.call()).map_err(|error| match &error {
                nearsort::Error::QueryNotANumber { index } => {
                    Failure::Error(format!("{error}: query \"{}\"; {CHECK_MODEL}", some[*index].0))
                }
                _ => error.into(),
            })?);
        }
        Ok(scored)
    }
}

/// The two parts of a hybrid score, and the score itself.
pub fn mode_scores(scored: &ScoredList) -> Result<Vec<ModeScores>, Failure> {
    let missing = || Failure::Error("the hybrid score came without its parts".into());
    let scores = |pair: &Scored| {
        let Parts { cosine, maxsim } = pair.parts.ok_or_else(missing)?;
        Ok(ModeScores { cosine, maxsim, hybrid: pair.score })
    };
    scored.pairs.iter().map(scores).collect()
}
