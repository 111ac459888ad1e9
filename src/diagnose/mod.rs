//! Diagnosis: whether reranking helps, why not, and what to change.
//!
//! [`diagnose`] looks at [`Observations`] (texts, scores of both stages, judgements) and gives a [`Report`]: a verdict, numbers with
//! intervals, and [`Finding`]s, each with evidence and a remedy. It sees no model, so it can be asked about any: what has to be tried with the
//! model (windows, prompts, pooling) comes in as scores.
//!
//! # How it is judged
//!
//! - **Orders.** A list's order is that of `eval`: scores as f32, descending, then ids descending. Measures that other programs compute elsewhere
//!   (`RR@k`, `Judged`, `ERR`) break ties in this one way here.
//! - **Queries.** Values are of the queries that have both candidates and judgements.
//! - **Choice.** What is recommended is chosen by cross-validation: no query has a part in choosing what it is then used to report on.
//! - **Chance.** Intervals are bootstrapped over queries, differences tested by randomisation, several at once corrected by Holm.
//!
//! No model, no printing, no files and no environment is used here.

mod agreement;
mod cannot_say;
mod choice;
mod configuration;
mod depth;
mod duplicates;
mod effect;
mod finding;
mod findings;
mod histogram;
mod lengths;
mod lists;
mod measured;
mod modes;
mod observations;
mod profile;
mod recommendation;
mod report;
mod spread;
#[cfg(test)]
mod tests;
mod trials;
mod verdict;
mod worst;

pub use configuration::Configuration;
pub use finding::{Finding, FindingKind, Number, Severity};
pub use observations::{Candidate, Change, Document, ModeScores, Observations, Query, Setting, Trial, TrialList};
pub use profile::Profile;
pub use report::{
    Action, Agreement, Ceiling, Choice, Counts, DepthPoint, DepthSweep, Duplicates, Effect, Histogram, Lengths, Mode,
    Moved, Pick, Quality, QueryEffect, Recommendation, Report, Spread, TrialResult, Verdict, VerdictKind, WorstQuery,
};

use lists::Scene;
use measured::Measured;

use crate::Result;
use crate::eval::{Interval, Measure, Resampling};

/// How many ids a finding shows.
const EXAMPLES: usize = 5;

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

/// Looks at what was observed.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] when no query has a candidate, a candidate names a document that is not there, a score is not finite, a
/// trial names a query that is not there or has more scores than it has candidates, the measure is a count, or there are fewer than 2 folds.
pub fn diagnose(observations: &Observations, options: &Options) -> Result<Report> {
    let scene = Scene::new(observations, options)?;
    let measured = Measured::new(&scene)?;
    let findings = findings::findings(&scene, &measured)?;
    let cannot_say = cannot_say::cannot_say(&scene, &measured);
    let verdict = verdict::verdict(&scene, &measured, &findings);
    let (quality, recommendation, trials) = match measured.judged {
        Some(judged) => (Some(judged.quality), Some(judged.recommendation), judged.trials),
        None => (None, None, Vec::new()),
    };
    Ok(Report {
        verdict,
        setting: observations.setting.clone(),
        measure: options.measure.to_string(),
        counts: measured.counts,
        quality,
        recommendation,
        agreement: measured.agreement.map(|(agreement, _)| agreement),
        spread: measured.spread,
        lengths: measured.lengths,
        duplicates: measured.duplicates.duplicates,
        trials,
        findings,
        cannot_say,
    })
}

/// A part of a whole; 0 of nothing.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The middle value, the lower one of two; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.is_empty() { 0.0 } else { values[(values.len() - 1) / 2] }
}

/// A difference with its interval, as people write it.
fn interval(found: &Interval) -> String {
    format!("{:+.3} (95 % interval {:+.3} to {:+.3})", found.mean, found.low, found.high)
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}
