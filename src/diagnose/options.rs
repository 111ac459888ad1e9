//! How a diagnosis is made.

use crate::eval::{Measure, Resampling};

/// How a diagnosis is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What quality is. Default: nDCG@10.
    pub measure: Measure,
    /// For intervals, tests and the folds.
    pub resampling: Resampling,
    /// Folds of the cross-validation, at least 2. Default: 5.
    pub folds: usize,
    /// How many of the worst queries are shown. Default: 5.
    pub worst: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { measure: Measure::ndcg_at(10), resampling: Resampling::default(), folds: 5, worst: 5 }
    }
}
