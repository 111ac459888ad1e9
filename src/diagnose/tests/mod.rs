//! Every finding on data with its fault planted, and on healthy data; verdicts, the choice, and the numbers behind them.

mod choice;
mod faults;
mod numbers;
mod synthetic;

use synthetic::{Plan, healthy};

use super::{FindingKind, Observations, Options, Report, diagnose};
use crate::eval::Resampling;

/// Fewer resamples than usual: what is planted is plain.
fn options() -> Options {
    Options { resampling: Resampling { resamples: 2000, seed: 1 }, ..Options::default() }
}

fn report(observations: &Observations) -> Report {
    diagnose(observations, &options()).unwrap()
}

fn kinds(report: &Report) -> Vec<FindingKind> {
    report.findings.iter().map(|finding| finding.name).collect()
}
