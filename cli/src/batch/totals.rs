//! What a job comes to, for its warnings and its closing summary.

use nearsort::{Answer, ScoreKind, Scored};
use serde::{Deserialize, Serialize};

use super::block::{List, ListScores};
use crate::Failure;
use crate::args::Talk;
use crate::hints::{Warning, unscored_example, warn};
use crate::output::warn_of_repeated;
use crate::reading::Readings;

/// Ids of candidates without text that are kept.
const KEPT_IDS: usize = 6;

/// Counts over the answered blocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub lists: usize,
    pub results: usize,
    pub candidates: usize,
    /// Each once for every block that it is in.
    pub documents: usize,
    pub tokens: u64,
    pub truncated: usize,
    /// Without a first-stage score where these count.
    pub no_first_stage: usize,
    /// Without a score of the scorer, though they have a text.
    pub unscored: usize,
    /// One of them and why.
    pub unscored_example: Option<String>,
    pub empty: usize,
    pub empty_ids: Vec<String>,
    pub max_tokens: usize,
    pub readings: Readings,
    /// Results that a TREC run does not have, because a better one of their list has the same id.
    #[serde(default)]
    pub repeated: usize,
    /// The id of one of them.
    #[serde(default)]
    pub repeated_example: Option<String>,
}

impl Totals {
    pub fn add_list(&mut self, list: &List, scores: &ListScores, results: usize, is_mixed: bool) {
        self.lists += 1;
        self.readings.add(&list.query.id, scores.reading);
        self.results += results;
        self.candidates += list.documents.len();
        self.truncated += scores.pairs.iter().filter(|pair| pair.truncated).count();
        self.empty += scores.pairs.iter().filter(|pair| pair.is_empty()).count();
        self.unscored += scores.pairs.iter().filter(|pair| pair.reason().is_some()).count();
        if is_mixed {
            self.no_first_stage += list.first_stage.iter().filter(|score| score.is_none()).count();
        }
    }

    /// Keeps the id of a candidate without text or score, if there is room for it.
    pub fn note_left_out(
        &mut self,
        pair: &Scored,
        id: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        match pair.reason() {
            Some(reason) if self.unscored_example.is_none() => {
                self.unscored_example = Some(unscored_example(&id()?, reason));
            }
            None if self.empty_ids.len() < KEPT_IDS => self.empty_ids.push(id()?),
            _ => {}
        }
        Ok(())
    }

    /// Counts the results that a TREC run does not have.
    pub fn note_repeated(&mut self, answer: &Answer<'_>) {
        for ranked in answer.repeated() {
            self.repeated += 1;
            self.repeated_example.get_or_insert_with(|| ranked.id.to_string());
        }
    }

    pub fn warn(&self, talk: Talk, kind: ScoreKind) {
        let Self { candidates, truncated, no_first_stage, unscored, max_tokens, .. } = *self;
        self.readings.warn(talk, max_tokens, kind);
        warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
        warn(talk, &Warning::Empty { number: self.empty, ids: self.empty_ids.clone() });
        warn(talk, &Warning::NoFirstStage { unscored: no_first_stage, candidates });
        let example = self.unscored_example.clone().unwrap_or_default();
        warn(talk, &Warning::Unscored { unscored, candidates, example });
        warn_of_repeated(talk, self.repeated, self.repeated_example.as_deref());
    }
}
