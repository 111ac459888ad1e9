//! Options of a diagnosis.

use crate::eval::{Measure, Resampling};

/// Options of a diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The measure of quality. Default: nDCG@10.
    pub measure: Measure,
    /// The resampling for intervals, tests and the folds.
    pub resampling: Resampling,
    /// Number of folds of the cross-validation, at least 2. Default: 5.
    pub folds: usize,
    /// Number of the worst queries that are shown. Default: 5.
    pub worst: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { measure: Measure::ndcg_at(10), resampling: Resampling::default(), folds: 5, worst: 5 }
    }
}
