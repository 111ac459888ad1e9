//! Tuning: which scoring, share of the first stage and weight of the feedback fit a collection.
//!
//! [`tune`] tries every mix that one encoder pass allows, and chooses by cross-validation. Queries
//! are divided into folds *and* documents into halves: a mix that was chosen by the other folds'
//! queries and one half of the documents is measured on the fold's queries and the other half. A
//! mix is recommended only if it passes the guard:
//!
//! - at least 20 judged queries;
//! - a gain over the setting on queries that had no part in the choice, with a 95 % interval above
//!   zero and p < 0.05 (randomisation test), of at least 0.005;
//! - a gain on documents that had no part in the choice, by the same interval and test.
//!
//! The same choice makes the recommendation of [`diagnose`](super::diagnose).

use serde::{Serialize, Serializer};

use super::Configuration;
use super::choice::Chooser;
use super::decision::Decision;
use super::effect;
use super::grid::{Grid, Scope};
use super::lists::Scene;
use super::observations::{Observations, Setting};
use super::options::Options;
use super::profile::Profile;
use super::report::{Action, Choice};
use crate::eval::{Interval, Measure, Resampling, bootstrap_mean};
use crate::threads::on_shared;
use crate::{Blend, Error, Feedback, Result, Scoring};

/// The result of tuning.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tuning {
    /// The setting that others are compared with.
    pub setting: Setting,
    /// The measure of quality.
    pub measure: Measure,
    /// The resampling of intervals, tests, folds and halves.
    pub resampling: Resampling,
    /// Number of queries with candidates and judgements.
    pub judged_queries: usize,
    /// The first stage's mean.
    pub first_stage: Interval,
    /// The setting's mean.
    pub current: Interval,
    /// The choice and its cross-validated gains; `None` if there are too few judged queries.
    pub choice: Option<Choice>,
    /// The recommended action.
    pub action: Action,
    /// The configuration to use: the chosen one for [`Action::Change`], otherwise the setting's.
    pub recommended: Configuration,
    /// The advice in one sentence, with its reason.
    pub advice: String,
    /// The recommendation for `rerank --profile`; `None` unless the action is [`Action::Change`].
    pub profile: Option<Profile>,
    /// The means with one part changed and all else as in the setting.
    pub curves: Vec<Curve>,
    /// Parts that were not tuned, and why.
    pub notes: Vec<String>,
}

/// The means along one part of a configuration. They are of all queries, without cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Curve {
    /// The part: `scoring`, `first-stage share` or `feedback weight`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub part: TunedPart,
    /// The values that were tried, in the order of the grid.
    pub points: Vec<CurvePoint>,
}

/// A part of a configuration that is tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunedPart {
    /// The scoring: the cosine's share in the model's score is 1 for [`Scoring::Cosine`], 0.4 for
    /// [`Scoring::Hybrid`], 0 for [`Scoring::MaxSim`].
    Scoring,
    /// The share of the first stage in a linear blend.
    FirstStageShare,
    /// The weight of the feedback.
    Feedback,
}

/// A point of a [`Curve`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CurvePoint {
    /// The scoring, share or weight, in the words of the command's options.
    pub value: String,
    /// The mean of the measure.
    pub mean: f64,
    /// True for the setting's own value.
    pub is_setting: bool,
}

impl Serialize for TunedPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl TunedPart {
    /// Returns the name of the part.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scoring => "scoring",
            Self::FirstStageShare => "first-stage share",
            Self::Feedback => "feedback weight",
        }
    }
}

/// Chooses a mix for a collection. [`observe_scores`](super::observe_scores) makes the observations
/// with a local model.
///
/// # Errors
/// [`Error::InvalidArgument`] if no query or no candidate is judged, and as
/// [`diagnose`](super::diagnose).
pub fn tune(observations: &Observations, options: &Options) -> Result<Tuning> {
    on_shared(|| tuning(observations, options))
}

fn tuning(observations: &Observations, options: &Options) -> Result<Tuning> {
    let scene = Scene::new(observations, options)?;
    check_judged(&scene)?;
    let grid = Grid::new(&scene, Scope::Mix);
    let choice = Chooser::new(&scene, &grid).map(|chooser| chooser.choice()).transpose()?;
    let effect = effect::effect(&grid.first_stage, grid.setting_values(), scene.resampling())?;
    let decision = Decision::new(&scene, &effect, choice.as_ref());
    let (action, advice) = (decision.why().action(), advice(&decision));
    let setting = scene.setting();
    let recommended = match (action, &choice) {
        (Action::Change, Some(choice)) => choice.chosen,
        _ => setting,
    };
    let profile = Profile { model: Some(observations.setting.model.clone()), ..Profile::of(&recommended) };
    Ok(Tuning {
        setting: observations.setting.clone(),
        measure: options.measure,
        resampling: *scene.resampling(),
        judged_queries: decision.judged_queries,
        first_stage: bootstrap_mean(&grid.first_stage, scene.resampling()),
        current: bootstrap_mean(grid.setting_values(), scene.resampling()),
        action,
        recommended,
        advice,
        profile: (action == Action::Change).then_some(profile),
        curves: curves(&grid),
        notes: notes(&grid),
        choice,
    })
}

/// Checks that judgements and run belong together.
fn check_judged(scene: &Scene<'_>) -> Result<()> {
    let judged = scene.judged();
    let why = match &scene.observations.qrels {
        None => "there are no judgements",
        Some(_) if judged.is_empty() => "no query of the run is judged; do the run and the judgements belong together?",
        Some(_) if judged.iter().flat_map(|list| list.judged.grades()).all(Option::is_none) => {
            "no candidate of the run is judged; do the run and the judgements name documents alike?"
        }
        Some(_) => return Ok(()),
    };
    Err(Error::InvalidArgument(format!("nothing can be tuned: {why}")))
}

/// Returns one sentence: what to do, and why.
fn advice(decision: &Decision<'_>) -> String {
    let is_default = decision.setting == Configuration::default();
    let what = if is_default { "the default" } else { "the setting" };
    let reason = decision.reason();
    match (decision.why().action(), decision.choice) {
        (Action::Change, Some(choice)) => format!("Use {} in place of {what}: {reason}.", choice.chosen.arguments()),
        (Action::DoNotRerank, _) => format!("Leave the first stage's order: {reason}."),
        _ => format!("Keep {what}: {reason}."),
    }
}

/// Returns the parts that were not tuned, and why.
fn notes(grid: &Grid) -> Vec<String> {
    let share = "the first stage gives all candidates of each list the same score, so its share is not tuned";
    let feedback = "the model gives no embeddings of candidates, so the weight of the feedback is not tuned";
    let all = [(grid.varied.blend, share), (grid.varied.feedback, feedback)];
    all.into_iter().filter(|(is_varied, _)| !is_varied).map(|(_, note)| note.to_owned()).collect()
}

/// Returns the curve of each part that was tuned.
fn curves(grid: &Grid) -> Vec<Curve> {
    let setting = grid.setting();
    let scorings = Scoring::ALL.map(|scoring| (scoring.to_string(), Configuration { scoring, ..setting }));
    let mut curves = vec![curve(grid, TunedPart::Scoring, scorings.to_vec())];
    if grid.varied.blend {
        curves.push(curve(grid, TunedPart::FirstStageShare, by_share(grid)));
    }
    if grid.varied.feedback {
        curves.push(curve(grid, TunedPart::Feedback, by_feedback(grid)));
    }
    curves
}

/// A value in words, with the configuration that has it.
type Tried = (String, Configuration);

/// Returns the setting with other shares of the first stage, and the feedback's weight unchanged.
fn by_share(grid: &Grid) -> Vec<Tried> {
    let setting = grid.setting();
    let weight = setting.feedback.weight(setting.blend != Blend::None).unwrap_or(0.0);
    // Without embeddings the grid has no other feedback.
    let feedback = if grid.varied.feedback { Feedback::Weight(weight) } else { setting.feedback };
    let normalize = setting.normalize().unwrap_or_default();
    let share = |blend: Blend| match blend {
        Blend::None => Some(0.0),
        Blend::Linear { weight, normalize: other } => Some(weight).filter(|_| other == normalize),
        Blend::Rrf { .. } => None,
    };
    let of = |blend: Blend| Some((share(blend)?, Configuration { blend, feedback, ..setting }));
    ascending(grid.configurations.iter().filter_map(|other| of(other.blend)).collect())
}

fn by_feedback(grid: &Grid) -> Vec<Tried> {
    let setting = grid.setting();
    let weight = |feedback: Feedback| feedback.weight(setting.blend != Blend::None).unwrap_or(0.0);
    let is_along = |&&other: &&Configuration| Configuration { feedback: setting.feedback, ..other } == setting;
    let along = grid.configurations.iter().filter(is_along);
    ascending(along.map(|&other| (weight(other.feedback), other)).collect())
}

/// Returns each number once, ascending.
fn ascending(mut tried: Vec<(f32, Configuration)>) -> Vec<Tried> {
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    tried.dedup_by_key(|(value, _)| *value);
    tried.into_iter().map(|(value, configuration)| (value.to_string(), configuration)).collect()
}

fn curve(grid: &Grid, part: TunedPart, tried: Vec<Tried>) -> Curve {
    let point = |(value, configuration): Tried| {
        let values = grid.values_of(configuration)?;
        let is_setting = std::ptr::eq(values, grid.setting_values());
        Some(CurvePoint { value, mean: effect::mean(values), is_setting })
    };
    Curve { part, points: tried.into_iter().filter_map(point).collect() }
}
