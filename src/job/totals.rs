//! What a job comes to, for its warnings and its closing summary.

use serde::{Deserialize, Serialize};

use super::block::{List, ListScores};
use crate::Result;
use crate::answer::{RankedQuery, Readings};
use crate::scorer::Scored;

/// Ids of candidates without text that are kept.
const KEPT_IDS: usize = 6;

/// Counts over the answered blocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Lists.
    pub lists: usize,
    /// Results of all lists.
    pub results: usize,
    /// Candidates of all lists.
    pub candidates: usize,
    /// Documents, each once for every block that it is in.
    pub documents: usize,
    /// Tokens that were encoded for them.
    pub tokens: u64,
    /// Candidates that were longer than the model takes.
    pub truncated: usize,
    /// Candidates without a first-stage score, in lists where these count.
    pub no_first_stage: usize,
    /// Candidates without a score of the scorer, though they have a text.
    pub unscored: usize,
    /// The id of one of them, and why.
    pub unscored_example: Option<(String, String)>,
    /// Candidates without text.
    pub empty: usize,
    /// The ids of the first six of them.
    pub empty_ids: Vec<String>,
    /// The most tokens that the model takes; 0 where the scorer does not say.
    pub max_tokens: usize,
    /// How the queries were read.
    pub readings: Readings,
    /// Results that a TREC run does not have, because a better one of their list has the same id.
    pub repeated: usize,
    /// The id of one of them.
    pub repeated_example: Option<String>,
}

impl Totals {
    pub(super) fn add_list(&mut self, list: &List, scores: &ListScores, results: usize, is_mixed: bool) {
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
    pub(super) fn note_left_out(&mut self, pair: &Scored, id: impl FnOnce() -> Result<String>) -> Result<()> {
        match pair.reason() {
            Some(reason) if self.unscored_example.is_none() => {
                self.unscored_example = Some((id()?, reason.to_owned()));
            }
            None if self.empty_ids.len() < KEPT_IDS => self.empty_ids.push(id()?),
            _ => {}
        }
        Ok(())
    }

    /// Counts the results that a TREC run does not have.
    pub(super) fn note_repeated(&mut self, answer: &RankedQuery<'_>) {
        for ranked in answer.repeated() {
            self.repeated += 1;
            self.repeated_example.get_or_insert_with(|| ranked.id.to_string());
        }
    }
}
