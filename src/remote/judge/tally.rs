//! What judging came to.

use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts over the life of a judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgeCounts {
    /// Questions: one for each candidate, or each window of candidates.
    pub questions: u64,
    /// Questions that were asked a second time, for the first answer was of no use.
    pub asked_again: u64,
    /// Questions without an answer of use: candidates that are unscored (or 0, if that was asked for), windows that stayed as they were.
    pub unparsed: u64,
    /// Grades that were refined by the probabilities of the model's tokens.
    pub refined: u64,
    /// Numbers of orders that came twice, named nothing or were missing.
    pub repairs: u64,
}

impl Add for JudgeCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            questions: self.questions + other.questions,
            asked_again: self.asked_again + other.asked_again,
            unparsed: self.unparsed + other.unparsed,
            refined: self.refined + other.refined,
            repairs: self.repairs + other.repairs,
        }
    }
}

/// [`JudgeCounts`] that threads add to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub questions: AtomicU64,
    pub asked_again: AtomicU64,
    pub unparsed: AtomicU64,
    pub refined: AtomicU64,
    pub repairs: AtomicU64,
}

impl Tally {
    pub fn counts(&self) -> JudgeCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JudgeCounts {
            questions: count(&self.questions),
            asked_again: count(&self.asked_again),
            unparsed: count(&self.unparsed),
            refined: count(&self.refined),
            repairs: count(&self.repairs),
        }
    }

    /// One more.
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
