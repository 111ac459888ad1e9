//! All that an evaluation prints or draws.

use nearsort::eval::{Measure, Resampling, Test};

use super::measured::Measured;

/// All that is printed or drawn.
pub struct Report {
    /// As given on the command line.
    pub qrels: String,
    pub query_ids: Vec<String>,
    pub measures: Vec<Measure>,
    pub test: Test,
    pub resampling: Resampling,
    /// The first is what the others are compared with.
    pub runs: Vec<RunReport>,
}

/// One run's part of it.
pub struct RunReport {
    /// The file's name, or its path where two files have one name.
    pub name: String,
    pub file: String,
    /// Judged queries that the run lacks.
    pub missing: Vec<String>,
    pub num_unjudged: usize,
    /// One per measure.
    pub measured: Vec<Measured>,
    /// By cutoff, for the chart: the mean of the first measure.
    pub curve: Vec<(usize, f64)>,
}
