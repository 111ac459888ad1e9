//! How systems are compared.

use crate::eval::{Measure, Resampling, Test};

/// How systems are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareOptions {
    /// What is measured, where there are judgements. Default: nDCG@10, RR@10, AP and Judged@10.
    pub measures: Vec<Measure>,
    /// How it is tested whether a system differs from the first. Default: by randomisation.
    pub test: Test,
    /// For intervals and the randomisation test.
    pub resampling: Resampling,
    /// So many of the queries on which the systems agree least are shown. Default: 5.
    pub disputed: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        // Names that are known to be measures.
        let measures = Measure::parse_list("nDCG@10,RR@10,AP,Judged@10").unwrap_or_default();
        Self { measures, test: Test::default(), resampling: Resampling::default(), disputed: 5 }
    }
}
