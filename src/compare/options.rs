//! Options of a comparison.

use crate::eval::{Measure, Resampling, Test};

/// Options of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareOptions {
    /// The measures, used if there are judgements. Default: nDCG@10, RR@10, AP and Judged@10.
    pub measures: Vec<Measure>,
    /// The significance test of each system against the first. Default: randomisation.
    pub test: Test,
    /// The resampling for intervals and the randomisation test.
    pub resampling: Resampling,
    /// The number of queries with the least agreement to report. Default: 5.
    pub disputed: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        // These names are known measures.
        let measures = Measure::parse_list("nDCG@10,RR@10,AP,Judged@10").unwrap_or_default();
        Self { measures, test: Test::default(), resampling: Resampling::default(), disputed: 5 }
    }
}
