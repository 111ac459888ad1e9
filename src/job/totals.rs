//! Counts of a job, for its warnings and its closing summary.

use serde::{Deserialize, Serialize};

use super::block::{JobList, ListScores};
use crate::Result;
use crate::answer::{RankedQuery, Readings};
use crate::scorer::Scored;

/// Maximum number of ids of candidates without text that are kept.
const KEPT_IDS: usize = 6;

/// Counts over the answered blocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// The number of lists.
    pub lists: usize,
    /// The number of results of all lists.
    pub results: usize,
    /// The number of candidates of all lists.
    pub candidates: usize,
    /// The number of documents, each counted once for every block that it is in.
    pub documents: usize,
    /// The number of tokens that were encoded for them.
    pub tokens: u64,
    /// The number of candidates that were longer than the model's maximum.
    pub truncated: usize,
    /// The number of candidates without a first-stage score, in lists that use these.
    pub no_first_stage: usize,
    /// The number of candidates with a text but without a score of the scorer.
    pub unscored: usize,
    /// The id of one of them, and the reason.
    pub unscored_example: Option<(String, String)>,
    /// The number of candidates without text.
    pub empty: usize,
    /// The ids of the first six of them.
    pub empty_ids: Vec<String>,
    /// The maximum number of tokens of the model; 0 if the scorer does not give it.
    pub max_tokens: usize,
    /// Counts of the queries that were truncated, or of which the model knows no token.
    pub readings: Readings,
    /// The number of results that a TREC run lacks, because a better result of their list has the
    /// same id.
    pub repeated: usize,
    /// The id of one of them.
    pub repeated_example: Option<String>,
}

impl Totals {
    pub(super) fn add_list(&mut self, list: &JobList, scores: &ListScores, results: usize, is_mixed: bool) {
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

    /// Counts the results that a TREC run lacks.
    pub(super) fn note_repeated(&mut self, answer: &RankedQuery<'_>) {
        for ranked in answer.repeated() {
            self.repeated += 1;
            self.repeated_example.get_or_insert_with(|| ranked.id.to_string());
        }
    }
}
