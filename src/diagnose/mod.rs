//! Diagnosis: whether reranking helps, why not, and what to change.
//!
//! [`diagnose`] examines [`Observations`] (texts, scores of both stages, judgements) and returns a
//! [`Report`]: a verdict, numbers with intervals, and [`Finding`]s, each with evidence and a
//! remedy. It uses no model, so it works for any. Trials with the model (windows, prompts, pooling)
//! are given as scores; [`observe()`] makes them with a local model.
//!
//! # Method
//!
//! - **Orders.** A list is ordered as in `eval`: scores as f32, descending, then ids descending.
//!   Measures that other programs compute elsewhere (`RR@k`, `Judged`, `ERR`) break ties in this
//!   one way here.
//! - **Queries.** Values are of the queries with both candidates and judgements.
//! - **Choice.** The recommendation is chosen by cross-validation: no query has a part in a choice
//!   that it is used to report on, and what is recommended holds for documents without a part in it
//!   too. [`tune()`] makes this choice alone.
//! - **Chance.** Intervals are bootstrapped over queries, differences tested by randomisation,
//!   several at once corrected by Holm.
//!
//! This module prints nothing and reads no environment variables. Only [`observe()`] uses a model
//! and files: it scores what is read and returns [`Observations`].

mod agreement;
mod cannot_say;
mod choice;
mod configuration;
mod decision;
mod depth;
mod duplicates;
mod effect;
mod figures;
mod finding;
mod findings;
mod grid;
mod halves;
mod histogram;
mod lengths;
mod lists;
mod measured;
mod modes;
mod observations;
mod observe;
mod options;
mod profile;
mod recommendation;
mod report;
mod spread;
#[cfg(test)]
mod tests;
mod trials;
mod tune;
mod tuning_document;
mod verdict;
mod worst;

pub use configuration::Configuration;
pub use finding::{Finding, FindingKind, Number, Severity};
pub use observations::{
    Candidate, Change, Document, ModeScores, Observations, ObservedQuery, Setting, Trial, TrialList, shell_word,
};
pub use observe::{
    AskedQuery, DiagnoseFiles, Found, Material, ObserveOptions, Observed, Passage, TRIED_CANDIDATES, TRIED_QUERIES,
    observe, observe_scores,
};
pub use options::Options;
pub use profile::Profile;
pub use report::{
    Action, Agreement, Ceiling, Choice, Counts, DepthPoint, DepthSweep, Duplicates, Effect, Histogram, Lengths, Mode,
    Moved, Pick, Quality, QueryEffect, Recommendation, Report, Spread, TrialResult, Verdict, VerdictKind, WorstQuery,
};
pub use tune::{Curve, CurvePoint, TunedPart, Tuning, tune};
pub use tuning_document::TuningRun;

use lists::Scene;
use measured::Measurements;

use crate::Result;
use crate::threads::on_shared;

/// Diagnoses the observations.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] if no query has a candidate, a candidate refers to a missing
/// document, a score is not finite, a trial refers to a missing query or has more scores than the
/// query has candidates, the measure is a count, or there are fewer than 2 folds.
pub fn diagnose(observations: &Observations, options: &Options) -> Result<Report> {
    on_shared(|| report(observations, options))
}

fn report(observations: &Observations, options: &Options) -> Result<Report> {
    let scene = Scene::new(observations, options)?;
    let measured = Measurements::new(&scene)?;
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
