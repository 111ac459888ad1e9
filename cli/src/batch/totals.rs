//! What a job comes to, for its warnings and its closing summary.

use serde::{Deserialize, Serialize};

use super::block::{List, ListScores};
use crate::Failure;
use crate::args::Talk;
use crate::hints::{Warning, warn};

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
    pub unscored: usize,
    pub empty: usize,
    pub empty_ids: Vec<String>,
    pub max_tokens: usize,
}

impl Totals {
    pub fn add_list(&mut self, list: &List, scores: &ListScores, results: usize, is_mixed: bool) {
        self.lists += 1;
        self.results += results;
        self.candidates += list.documents.len();
        self.truncated += scores.pairs.iter().filter(|pair| pair.truncated).count();
        self.empty += scores.pairs.iter().filter(|pair| pair.is_empty).count();
        if is_mixed {
            self.unscored += list.first_stage.iter().filter(|score| score.is_none()).count();
        }
    }

    /// Keeps the id of a candidate without text, if there is room for it.
    pub fn note_empty(&mut self, id: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
        if self.empty_ids.len() < KEPT_IDS {
            self.empty_ids.push(id()?);
        }
        Ok(())
    }

    pub fn warn(&self, talk: Talk) {
        let Self { candidates, truncated, unscored, max_tokens, .. } = *self;
        warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
        warn(talk, &Warning::Empty { number: self.empty, ids: self.empty_ids.clone() });
        warn(talk, &Warning::NoFirstStage { unscored, candidates });
    }
}
