//! Tests of all findings on data with planted faults and on healthy data, of verdicts, of the
//! choice, and of the numbers.

mod choice;
mod faults;
mod numbers;
mod synthetic;
mod tune;

use synthetic::{Plan, healthy};

use super::{FindingKind, Observations, Options, Report, diagnose};
use crate::eval::Resampling;

/// Uses fewer resamples than usual, because the planted effects are large.
fn options() -> Options {
    Options { resampling: Resampling { resamples: 2000, seed: 1 }, ..Options::default() }
}

fn report(observations: &Observations) -> Report {
    diagnose(observations, &options()).unwrap()
}

fn kinds(report: &Report) -> Vec<FindingKind> {
    report.findings.iter().map(|finding| finding.name).collect()
}
