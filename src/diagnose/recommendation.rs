//! What to use, and the option for it.

use super::depth::Sweep;
use super::effect::{is_gain, is_loss};
use super::observations::{Change, Setting};
use super::report::{Action, Choice, Effect, Recommendation, TrialResult};
use super::trials::better;
use super::{Configuration, Profile};
use crate::Pooling;

/// A gain below this is not worth another command: collections differ from each other by more.
pub(super) const MIN_GAIN: f64 = 0.005;

/// Everything that a recommendation is made from.
pub(super) struct Grounds<'a> {
    pub setting: &'a Setting,
    pub measure: String,
    pub effect: &'a Effect,
    pub choice: Option<&'a Choice>,
    pub trials: &'a [TrialResult],
    /// The cutoff of the measure, below which no depth is recommended.
    pub least_depth: usize,
}

impl Grounds<'_> {
    /// What to do with the configuration, and why.
    pub fn action(&self) -> (Action, String) {
        let Some(choice) = self.choice else {
            let text = "there are too few judged queries to choose between configurations";
            return (Action::Keep, text.to_owned());
        };
        let loses = is_loss(&self.effect.comparison);
        let gains = is_gain(&choice.over_setting) && choice.over_setting.difference.mean >= MIN_GAIN;
        let is_other = choice.chosen != self.setting.configuration;
        let over_first = choice.over_first_stage;
        if is_loss(&over_first) {
            let text =
                format!("every configuration of this model loses against the first stage: {}", self.said(&over_first));
            return (Action::DoNotRerank, text);
        }
        let better_anyway = loses && choice.over_setting.difference.mean > 0.0;
        if is_other && (gains || better_anyway) {
            let text = format!(
                "chosen by {}-fold cross-validation among {} configurations: {} over the setting, {} over the first stage, on queries that had no \
                 part in the choice",
                choice.folds,
                choice.configurations,
                self.said(&choice.over_setting),
                self.said(&over_first)
            );
            return (Action::Change, text);
        }
        if loses {
            let text = "the setting loses against the first stage, and no other configuration was shown to be better";
            return (Action::DoNotRerank, text.to_owned());
        }
        let text = format!("of {} configurations none was shown to be better", choice.configurations);
        (Action::Keep, text)
    }

    fn said(&self, comparison: &crate::eval::Comparison) -> String {
        format!("{} {}", super::interval(&comparison.difference), self.measure)
    }

    /// The recommendation; `sweep` gives the depths of the configuration that [`Grounds::action`] comes to.
    pub fn recommendation(&self, sweep: impl FnOnce(Configuration) -> Option<usize>) -> Recommendation {
        let (action, reason) = self.action();
        let configuration = match (action, self.choice) {
            (Action::Change, Some(choice)) => choice.chosen,
            _ => self.setting.configuration,
        };
        let depth = if action == Action::Change { sweep(configuration) } else { self.setting.depth };
        let mut found = Recommendation {
            action,
            configuration,
            depth,
            arguments: String::new(),
            reason,
            profile: Profile { depth, ..self.profile(configuration) },
        };
        if action != Action::DoNotRerank {
            found.arguments = configuration.arguments();
            if let Some(depth) = depth {
                found.arguments.push_str(&format!(" --depth {depth}"));
            }
            self.add_trials(&mut found);
        }
        found
    }

    /// What of the setting is worth keeping in a file; empty prompts are the model's own business.
    fn profile(&self, configuration: Configuration) -> Profile {
        Profile { model: Some(self.setting.model.clone()), ..Profile::of(&configuration) }
    }

    /// Prompts and pooling that were shown to be better.
    fn add_trials(&self, found: &mut Recommendation) {
        let prompts = better(self.trials, |change| matches!(change, Change::Prompts { .. }));
        let pooling = better(self.trials, |change| matches!(change, Change::Pooling(_)));
        for trial in prompts.first().into_iter().chain(pooling.first()) {
            found.action = Action::Change;
            found.arguments.push_str(&format!(" {}", trial.arguments));
            let gain = super::interval(&trial.comparison.difference);
            found.reason.push_str(&format!("; {}: {gain} {} by {}", trial.name, self.measure, trial.scoring));
            match &trial.change {
                Change::Prompts { query, document } => {
                    found.profile.query_prompt = Some(query.clone());
                    found.profile.document_prompt = Some(document.clone());
                }
                Change::Pooling(name) => {
                    found.profile.pooling = name.parse::<Pooling>().ok();
                }
            }
        }
    }

    /// The depth to recommend with a configuration: within noise of the deepest, if that is less than the whole.
    pub fn depth(&self, sweep: &Sweep) -> Option<usize> {
        sweep.depth_within_noise(self.least_depth)
    }
}
