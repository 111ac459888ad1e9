//! The recommendation, and the options for it.

use super::Profile;
use super::depth::Sweep;
use super::effect::{is_gain, is_loss};
use super::figures::interval;
use super::lists::Scene;
use super::observations::Change;
use super::report::{Action, Choice, Effect, Recommendation, TrialResult};
use super::trials::better;
use crate::Pooling;

/// Minimum gain for a recommendation. Collections differ from each other by more.
pub(super) const MIN_GAIN: f64 = 0.005;

/// The data that a recommendation is made from.
pub(super) struct Grounds<'a> {
    pub scene: &'a Scene<'a>,
    pub effect: &'a Effect,
    pub choice: Option<&'a Choice>,
    pub trials: &'a [TrialResult],
}

impl Grounds<'_> {
    /// Returns the recommended action for the configuration, and the reason.
    fn action(&self) -> (Action, String) {
        let Some(choice) = self.choice else {
            let text = "there are too few judged queries to choose between configurations";
            return (Action::Keep, text.to_owned());
        };
        let loses = is_loss(&self.effect.comparison);
        let gain = choice.over_setting.difference.mean;
        let is_better = (is_gain(&choice.over_setting) && gain >= MIN_GAIN) || (loses && gain > 0.0);
        let over_first = self.said(&choice.over_first_stage);
        if is_loss(&choice.over_first_stage) {
            return (Action::DoNotRerank, format!("whatever is chosen loses against the first stage: {over_first}"));
        }
        if choice.chosen != self.scene.setting() && is_better {
            return (Action::Change, self.reason(choice));
        }
        if loses {
            let text = "the setting loses against the first stage, and no other configuration was shown to be better";
            return (Action::DoNotRerank, text.to_owned());
        }
        (Action::Keep, format!("of {} configurations none was shown to be better", choice.configurations))
    }

    fn reason(&self, choice: &Choice) -> String {
        let (over_setting, over_first) = (self.said(&choice.over_setting), self.said(&choice.over_first_stage));
        format!(
            "chosen by {}-fold cross-validation among {} configurations: {over_setting} over the setting, {over_first} over the first stage, \
             on queries that had no part in the choice",
            choice.folds, choice.configurations
        )
    }

    fn said(&self, comparison: &crate::eval::Comparison) -> String {
        format!("{} {}", interval(&comparison.difference), self.scene.options.measure)
    }

    /// Returns the recommendation. `sweeps` has the setting's depths; those of another
    /// configuration are added if it is recommended.
    pub fn recommendation(&self, sweeps: &mut Vec<Sweep>) -> Recommendation {
        let (action, reason) = self.action();
        let setting = &self.scene.observations.setting;
        let (configuration, depth) = match (action, self.choice) {
            (Action::Change, Some(choice)) => {
                let sweep = Sweep::new(self.scene, choice.chosen);
                let depth = sweep.depth_within_noise(self.scene.options.measure.cutoff().unwrap_or(1));
                sweeps.push(sweep);
                (choice.chosen, depth)
            }
            _ => (setting.configuration, setting.depth),
        };
        let profile = Profile { model: Some(setting.model.clone()), depth, ..Profile::of(&configuration) };
        let mut found = Recommendation { action, configuration, depth, arguments: String::new(), reason, profile };
        if action != Action::DoNotRerank {
            found.arguments = configuration.arguments();
            found.arguments.extend(depth.map(|depth| format!(" --depth {depth}")));
            self.add_trials(&mut found);
        }
        found
    }

    /// Adds prompts and pooling that were shown to be better.
    fn add_trials(&self, found: &mut Recommendation) {
        let prompts = better(self.trials, |change| matches!(change, Change::Prompts { .. }));
        let pooling = better(self.trials, |change| matches!(change, Change::Pooling(_)));
        for trial in prompts.first().into_iter().chain(pooling.first()) {
            found.action = Action::Change;
            found.arguments.push_str(&format!(" {}", trial.arguments));
            let gain = interval(&trial.comparison.difference);
            let measure = self.scene.options.measure;
            found.reason.push_str(&format!("; {}: {gain} {measure} by {}", trial.name, trial.scoring));
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
}
