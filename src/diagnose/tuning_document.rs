//! The JSON form of tuning. Fields stand in the order in which they are written.

use serde::Serialize;

use super::report::{Action, Choice};
use super::tune::{Curve, Tuning};
use super::{Configuration, Profile};
use crate::answer::{ModelDocument, ModelRun};
use crate::eval::{Interval, JudgementsDocument};

/// The origin of a [`Tuning`], for its JSON form.
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
    /// The command line; absent if a program called the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    /// The model that scored the candidates.
    model: ModelDocument<'a>,
    /// The judgements that the choice rests on; queries without candidates do not count.
    judgements: JudgementsDocument<'a>,
    /// The measure of quality.
    measure: String,
    /// The confidence of intervals, 0 to 1.
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
    first_stage: Interval,
    /// The setting that others are compared with.
    setting: Configuration,
    /// The setting's mean.
    current: Interval,
    /// The configuration to use: the chosen one if the action is `change`, otherwise the setting.
    recommended: Configuration,
    /// Options of `nearsort rerank` for the recommended configuration; null if the action is
    /// `do-not-rerank`.
    arguments: Option<String>,
    /// The cross-validated choice; null if there are too few judged queries.
    choice: Option<&'a Choice>,
    /// Means with one part changed and all else as in the setting, of all queries.
    curves: &'a [Curve],
    /// The profile's settings; null unless the action is `change`.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>"))]
    profile: Option<&'a Profile>,
    /// Notes on what was left out, and on parts that were not tuned.
    notes: Vec<&'a str>,
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
            judgements: JudgementsDocument::new(run.judgements, run.by_model, self.judged_queries),
            measure: self.measure.to_string(),
            confidence: 0.95,
            resamples: self.resampling.resamples,
            seed: self.resampling.seed,
            action: self.action.name(),
            advice: &self.advice,
            first_stage: self.first_stage,
            setting: self.setting.configuration,
            current: self.current,
            recommended: self.recommended,
            arguments: (self.action != Action::DoNotRerank).then(|| self.recommended.arguments()),
            choice: self.choice.as_ref(),
            curves: &self.curves,
            profile: self.profile.as_ref(),
            notes: run.notes.iter().chain(&self.notes).map(String::as_str).collect(),
        }
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
