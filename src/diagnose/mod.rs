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

use choice::{Chooser, Gain};
use depth::Sweep;
use findings::{Gains, Measured};
use lists::Scene;
use modes::Grid;
use recommendation::Grounds;

use crate::Result;
use crate::eval::{Comparison, Interval, Measure, Resampling};

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
    let counts = counts(&scene);
    let measure = options.measure.to_string();
    let judged = if counts.judged_queries > 0 { Some(Judged::new(&scene, &measure)?) } else { None };
    let lengths = lengths::lengths(&scene, judged.as_ref().and_then(|judged| judged.windows));
    let agreement = agreement::agreement(&scene);
    let spread = spread::spread(&scene);
    let duplicates = duplicates::duplicates(&scene);
    let findings = findings::findings(
        &scene,
        &Measured {
            counts: &counts,
            quality: judged.as_ref().map(|judged| &judged.quality),
            gains: judged.as_ref().and_then(|judged| judged.gains.as_ref()),
            better_depth: judged.as_ref().and_then(|judged| judged.better_depth),
            recommendation: judged.as_ref().map(|judged| &judged.recommendation),
            agreement: agreement.as_ref(),
            spread: &spread,
            lengths: &lengths,
            duplicates: &duplicates.duplicates,
            same_pairs: &duplicates.same_pairs,
            near_pairs: &duplicates.near_pairs,
            trials: judged.as_ref().map_or(&[], |judged| &judged.trials),
        },
    )?;
    let cannot_say = cannot_say::cannot_say(&scene, &counts, &lengths);
    let (quality, recommendation, trials) = match judged {
        Some(judged) => (Some(judged.quality), Some(judged.recommendation), judged.trials),
        None => (None, None, Vec::new()),
    };
    let has_qrels = observations.qrels.is_some();
    let verdict = verdict::verdict(&measure, &counts, quality.as_ref(), recommendation.as_ref(), has_qrels);
    Ok(Report {
        verdict,
        setting: observations.setting.clone(),
        measure,
        counts,
        quality,
        recommendation,
        agreement: agreement.map(|(agreement, _)| agreement),
        spread,
        lengths,
        duplicates: duplicates.duplicates,
        trials,
        findings,
        cannot_say,
    })
}

/// All that was measured by judgements.
struct Judged {
    quality: Quality,
    recommendation: Recommendation,
    gains: Option<Gains>,
    better_depth: Option<(usize, Comparison)>,
    windows: Option<Comparison>,
    trials: Vec<TrialResult>,
}

impl Judged {
    fn new(scene: &Scene<'_>, measure: &str) -> Result<Self> {
        let grid = Grid::new(scene);
        let effect = modes::effect_of(scene, &grid)?;
        let ceiling = effect::ceiling(scene);
        let chooser = Chooser::new(scene, &grid);
        let choice = chooser.as_ref().map(Chooser::choice).transpose()?;
        let trials = trials::trials(scene)?;
        let grounds = Grounds {
            setting: &scene.observations.setting,
            measure: measure.to_owned(),
            effect: &effect,
            choice: choice.as_ref(),
            trials: &trials,
            least_depth: scene.options.measure.cutoff().unwrap_or(1),
        };
        let mut sweeps = vec![Sweep::new(scene, scene.setting())];
        let recommendation = grounds.recommendation(|configuration| {
            if configuration != scene.setting() {
                sweeps.push(Sweep::new(scene, configuration));
            }
            sweeps.last().and_then(|sweep| grounds.depth(sweep))
        });
        let chosen = choice.as_ref().map(|choice| choice.chosen);
        Ok(Self {
            better_depth: sweeps[0].better_depth(scene, grid.setting_values())?,
            windows: modes::windows(scene, &grid)?,
            gains: chooser.as_ref().map(|chooser| gains(chooser, scene.setting())).transpose()?,
            quality: Quality {
                effect,
                ceiling,
                modes: modes::modes(scene, &grid, &ceiling, chosen)?,
                choice,
                depth: sweeps.into_iter().map(|sweep| sweep.report).collect(),
                by_query: worst::by_query(scene, &grid),
                worst: worst::worst(scene, &grid),
            },
            recommendation,
            trials,
        })
    }
}

/// What changing one thing gains.
fn gains(chooser: &Chooser<'_>, setting: Configuration) -> Result<Gains> {
    let only = |is_free: fn(Configuration, Configuration) -> Configuration| -> Result<Gain> {
        chooser.gain(|other| is_free(*other, setting) == setting)
    };
    let scoring = only(|other, setting| Configuration { scoring: setting.scoring, ..other })?;
    let blend = only(|other, setting| Configuration { blend: setting.blend, ..other })?;
    Ok(Gains { scoring, blend })
}

fn counts(scene: &Scene<'_>) -> Counts {
    let mut sizes: Vec<usize> = scene.lists.iter().map(|list| list.candidates.len()).collect();
    sizes.sort_unstable();
    let judged_queries = scene.judged().len();
    let in_qrels = scene.observations.qrels.as_ref().map_or(0, |qrels| qrels.num_queries());
    Counts {
        queries: scene.lists.len(),
        judged_queries,
        judged_queries_missing: in_qrels.saturating_sub(judged_queries),
        candidates: scene.lists.iter().map(|list| list.query.candidates.len()).sum(),
        documents: lengths::documents(scene).len(),
        list_lengths: [sizes[0], sizes[(sizes.len() - 1) / 2], sizes[sizes.len() - 1]],
    }
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
