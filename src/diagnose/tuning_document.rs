//! The JSON form of tuning. Fields stand in the order in which they are written.

use serde::Serialize;

use super::report::{Action, Choice};
use super::tune::{Curve, CurvePoint, Tuning};
use super::{Configuration, Profile};
use crate::answer::ModelRun;
use crate::eval::{Comparison, Interval};

/// What made a [`Tuning`], for its JSON form.
#[derive(Debug, Clone, Copy)]
pub struct TuningRun<'a> {
    /// The command line, if there is one.
    pub command: Option<&'a str>,
    /// The model, and the device and engine that ran it.
    pub model: &'a ModelRun,
    /// The source of the judgements, such as a file's name.
    pub judgements: &'a str,
    /// True if a model made the judgements, in place of people.
    pub by_model: bool,
    /// Notes on what was left out.
    pub notes: &'a [String],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "The tuning of a reranker"))]
struct TuningDocument<'a> {
    /// The command line that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    /// The model that scored the candidates.
    model: ModelDocument<'a>,
    /// The judgements that the choice rests on.
    judgements: JudgementsDocument<'a>,
    /// The measure of quality.
    measure: String,
    /// The confidence of intervals.
    confidence: f64,
    /// The number of resamples of intervals and tests.
    resamples: usize,
    /// The seed of resamples, folds and halves.
    seed: u64,
    /// `change`, `keep` or `do-not-rerank`.
    action: &'static str,
    /// The advice in one sentence.
    advice: &'a str,
    /// The first stage's mean.
    first_stage: IntervalDocument,
    /// The setting that others are compared with.
    setting: ConfigurationDocument,
    /// The setting's mean.
    current: IntervalDocument,
    /// The configuration to use: the chosen one if the action is `change`, otherwise the setting.
    recommended: ConfigurationDocument,
    /// Options of `nearsort rerank` for the recommended configuration; null if the action is
    /// `do-not-rerank`.
    arguments: Option<String>,
    /// The cross-validated choice; null if there are too few judged queries.
    choice: Option<ChoiceDocument>,
    /// Means with one part changed and all else as in the setting, of all queries.
    curves: Vec<CurveDocument<'a>>,
    /// The profile's settings; null unless the action is `change`.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>"))]
    profile: Option<&'a Profile>,
    /// What was left out, and which parts were not tuned.
    notes: Vec<&'a str>,
}

/// A model.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ModelDocument<'a> {
    /// The model's name.
    model: &'a str,
    /// The model's revision, where it has one.
    revision: Option<&'a str>,
    /// The device, such as `cpu`.
    device: &'a str,
    /// The engine of the forward passes.
    engine: &'a str,
    /// The precision of the forward passes.
    precision: &'a str,
    /// The processor's instruction set.
    isa: &'static str,
}

/// Judgements.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct JudgementsDocument<'a> {
    /// The source.
    file: &'a str,
    /// `people`, or `model`.
    by: &'static str,
    /// Number of queries with candidates and judgements.
    queries: usize,
}

/// A configuration of scoring, under the names of the command's options.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ConfigurationDocument {
    /// The name in tables.
    name: String,
    /// `cosine`, `maxsim` or `hybrid`.
    scoring: String,
    /// `none`, `linear` or `rrf`.
    blend: &'static str,
    /// The first stage's share; null without a blend.
    blend_weight: Option<f32>,
    /// `minmax`, `zscore` or `none`; null unless the blend is linear.
    normalize: Option<String>,
    /// `auto`, `off` or a weight.
    feedback: String,
    /// `truncate` or `window`.
    long: String,
}

/// A mean with its interval.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct IntervalDocument {
    /// The mean.
    mean: f64,
    /// The lower end.
    low: f64,
    /// The upper end.
    high: f64,
}

/// A difference, query by query.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ComparisonDocument {
    /// The mean difference, with its interval.
    difference: IntervalDocument,
    /// The p-value of the randomisation test.
    p_value: Option<f64>,
    /// Queries that are better.
    wins: usize,
    /// Queries that are equal.
    ties: usize,
    /// Queries that are worse.
    losses: usize,
}

/// A choice by cross-validation.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ChoiceDocument {
    /// Number of folds of the queries.
    folds: usize,
    /// Number of choices: two for each fold, one by each half of the documents.
    choices: usize,
    /// Number of configurations to choose from.
    configurations: usize,
    /// The configurations that were chosen, the most frequent first.
    picks: Vec<PickDocument>,
    /// The configuration that the same rule chooses by all queries.
    chosen: ConfigurationDocument,
    /// The mean on queries that had no part in the choice.
    mean: IntervalDocument,
    /// The difference of this mean to the first stage.
    over_first_stage: ComparisonDocument,
    /// The difference of this mean to the setting.
    over_setting: ComparisonDocument,
    /// The difference to the setting on queries and documents that had no part in the choice. Each
    /// half of a list is measured as a list of its own, with half the cutoff.
    unseen_documents: ComparisonDocument,
}

/// A configuration that was chosen.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PickDocument {
    /// The configuration.
    configuration: ConfigurationDocument,
    /// The number of times.
    choices: usize,
}

/// The means along one part of a configuration.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CurveDocument<'a> {
    /// `scoring`, `first-stage share` or `feedback weight`.
    part: &'static str,
    /// The values that were tried.
    points: Vec<PointDocument<'a>>,
}

/// A point of a curve.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PointDocument<'a> {
    /// The scoring, share or weight.
    value: &'a str,
    /// The mean of the measure.
    mean: f64,
    /// True for the setting's own value.
    is_setting: bool,
}

impl Tuning {
    /// Returns the JSON form, with a line end: `docs/tuning.schema.json`.
    pub fn to_json(&self, run: &TuningRun<'_>) -> String {
        // Names and numbers always have a JSON form.
        serde_json::to_string_pretty(&self.document(run)).unwrap_or_default() + "\n"
    }

    fn document<'a>(&'a self, run: &TuningRun<'a>) -> TuningDocument<'a> {
        TuningDocument {
            command: run.command,
            model: ModelDocument::of(run.model),
            judgements: JudgementsDocument {
                file: run.judgements,
                by: if run.by_model { "model" } else { "people" },
                queries: self.judged_queries,
            },
            measure: self.measure.to_string(),
            confidence: 0.95,
            resamples: self.resampling.resamples,
            seed: self.resampling.seed,
            action: self.action.name(),
            advice: &self.advice,
            first_stage: self.first_stage.into(),
            setting: self.setting.configuration.into(),
            current: self.current.into(),
            recommended: self.recommended.into(),
            arguments: (self.action != Action::DoNotRerank).then(|| self.recommended.arguments()),
            choice: self.choice.as_ref().map(ChoiceDocument::of),
            curves: self.curves.iter().map(CurveDocument::of).collect(),
            profile: self.profile.as_ref(),
            notes: run.notes.iter().chain(&self.notes).map(String::as_str).collect(),
        }
    }
}

impl<'a> ModelDocument<'a> {
    fn of(run: &'a ModelRun) -> Self {
        Self {
            model: &run.name,
            revision: run.revision.as_deref(),
            device: &run.device,
            engine: &run.engine,
            precision: &run.precision,
            isa: run.isa,
        }
    }
}

impl From<Configuration> for ConfigurationDocument {
    fn from(configuration: Configuration) -> Self {
        Self {
            name: configuration.to_string(),
            scoring: configuration.scoring.to_string(),
            blend: configuration.blend_name(),
            blend_weight: configuration.blend_weight(),
            normalize: configuration.normalize().map(|normalize| normalize.to_string()),
            feedback: configuration.feedback.to_string(),
            long: configuration.long_text.to_string(),
        }
    }
}

impl From<Interval> for IntervalDocument {
    fn from(Interval { mean, low, high }: Interval) -> Self {
        Self { mean, low, high }
    }
}

impl From<Comparison> for ComparisonDocument {
    fn from(found: Comparison) -> Self {
        let Comparison { difference, p_value, wins, ties, losses } = found;
        Self { difference: difference.into(), p_value, wins, ties, losses }
    }
}

impl ChoiceDocument {
    fn of(choice: &Choice) -> Self {
        let picks = choice.picks.iter();
        Self {
            folds: choice.folds,
            choices: choice.choices,
            configurations: choice.configurations,
            picks: picks
                .map(|pick| PickDocument { configuration: pick.configuration.into(), choices: pick.choices })
                .collect(),
            chosen: choice.chosen.into(),
            mean: choice.mean.into(),
            over_first_stage: choice.over_first_stage.into(),
            over_setting: choice.over_setting.into(),
            unseen_documents: choice.unseen_documents.into(),
        }
    }
}

impl<'a> CurveDocument<'a> {
    fn of(curve: &'a Curve) -> Self {
        let point = |point: &'a CurvePoint| PointDocument {
            value: &point.value,
            mean: point.mean,
            is_setting: point.is_setting,
        };
        Self { part: curve.part.name(), points: curve.points.iter().map(point).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rewrites an outdated schema, so that the change can be reviewed before it is committed.
    #[test]
    fn the_schema_under_docs_is_that_of_the_documents() {
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(TuningDocument<'_>)).unwrap() + "\n";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tuning.schema.json");
        if std::fs::read_to_string(&path).unwrap_or_default() != schema {
            std::fs::write(&path, &schema).unwrap();
            panic!("{} was out of date and is written anew: look at the change, then commit it", path.display());
        }
    }
}
