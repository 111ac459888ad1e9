//! The recommendation, and the options for it.

use super::Profile;
use super::decision::Decision;
use super::depth::Sweep;
use super::figures::interval;
use super::lists::Scene;
use super::observations::Change;
use super::report::{Action, Recommendation, TrialResult};
use super::trials::better;
use crate::Pooling;

/// The data that a recommendation is made from.
pub(super) struct Grounds<'a> {
    pub scene: &'a Scene<'a>,
    pub decision: Decision<'a>,
    pub trials: &'a [TrialResult],
}

impl Grounds<'_> {
    /// Returns the recommendation. `sweeps` has the setting's depths; those of another
    /// configuration are added if it is recommended.
    pub fn recommendation(&self, sweeps: &mut Vec<Sweep>) -> Recommendation {
        let (action, reason) = (self.decision.why().action(), self.decision.reason());
        let setting = &self.scene.observations.setting;
        let (configuration, depth) = match (action, self.decision.choice) {
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
