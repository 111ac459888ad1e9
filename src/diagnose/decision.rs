//! The decision from a cross-validated choice: keep the setting, change it, or do not rerank.

use super::Configuration;
use super::choice::MIN_QUERIES;
use super::effect::{is_gain, is_loss};
use super::figures::{interval, plural};
use super::lists::Scene;
use super::report::{Action, Choice, Effect};
use crate::eval::{Comparison, Measure};

/// Minimum gain for a recommendation. Collections differ from each other by more.
pub(super) const MIN_GAIN: f64 = 0.005;

/// The data that a decision is made from.
#[derive(Clone, Copy)]
pub(super) struct Decision<'a> {
    pub setting: Configuration,
    pub measure: Measure,
    pub effect: &'a Effect,
    /// `None` if there are too few judged queries.
    pub choice: Option<&'a Choice>,
    pub judged_queries: usize,
}

/// The reason of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Too few judged queries to choose by.
    TooFewQueries,
    /// The first stage is better than whatever is chosen.
    FirstStageWins,
    /// The setting loses against the first stage, and nothing was shown to be better than it.
    SettingLoses,
    /// A gain on queries and documents that had no part in the choice.
    Gain,
    /// A gain on the queries, but not on the documents that had no part in the choice.
    NotForUnseenDocuments,
    /// A gain by more than chance, but less than [`MIN_GAIN`].
    SmallGain,
    /// No gain beyond chance.
    NoGain,
}

impl Why {
    pub fn action(self) -> Action {
        match self {
            Self::FirstStageWins | Self::SettingLoses => Action::DoNotRerank,
            Self::Gain => Action::Change,
            _ => Action::Keep,
        }
    }
}

impl<'a> Decision<'a> {
    pub fn new(scene: &Scene<'_>, effect: &'a Effect, choice: Option<&'a Choice>) -> Self {
        let (setting, measure) = (scene.setting(), scene.options.measure);
        Self { setting, measure, effect, choice, judged_queries: scene.judged().len() }
    }

    /// Returns the reason of the decision, which has the action.
    pub fn why(&self) -> Why {
        let Some(choice) = self.choice else { return Why::TooFewQueries };
        let is_other = choice.chosen != self.setting;
        let (gain, loses) = (&choice.over_setting, is_loss(&self.effect.comparison));
        let otherwise = |why| if loses { Why::SettingLoses } else { why };
        match () {
            () if is_loss(&choice.over_first_stage) => Why::FirstStageWins,
            () if !is_other || !is_gain(gain) => otherwise(Why::NoGain),
            () if gain.difference.mean < MIN_GAIN => otherwise(Why::SmallGain),
            () if !is_gain(&choice.unseen_documents) => otherwise(Why::NotForUnseenDocuments),
            () => Why::Gain,
        }
    }

    /// Returns the reason in words, without a full stop.
    pub fn reason(&self) -> String {
        let Some(choice) = self.choice else {
            let judged = self.judged_queries;
            let is = plural(judged, "query is", "queries are");
            return format!(
                "{judged} judged {is} too few to choose between configurations; at least {MIN_QUERIES} are needed"
            );
        };
        let (over_setting, over_first) = (self.said(&choice.over_setting), self.said(&choice.over_first_stage));
        let unseen = interval(&choice.unseen_documents.difference);
        let configurations = choice.configurations;
        match self.why() {
            Why::FirstStageWins => format!("whatever is chosen loses against the first stage: {over_first}"),
            Why::Gain => format!(
                "chosen by {}-fold cross-validation among {configurations} configurations: {over_setting} over the setting, {over_first} over the first \
                 stage, on queries that had no part in the choice; on documents without a part in it {unseen}",
                choice.folds
            ),
            Why::NotForUnseenDocuments => format!(
                "choosing among {configurations} configurations gains {over_setting}, but the gain does not hold for documents that had no part in the \
                 choice: {unseen}"
            ),
            Why::SmallGain => {
                format!(
                    "choosing among {configurations} configurations gains {over_setting}, and less than {MIN_GAIN} is not worth another setting"
                )
            }
            Why::NoGain => {
                format!(
                    "none of {configurations} configurations was shown to be better; choosing among them gives {over_setting}"
                )
            }
            Why::SettingLoses => {
                "the setting loses against the first stage, and no other configuration was shown to be better"
                    .to_owned()
            }
            Why::TooFewQueries => String::new(),
        }
    }

    fn said(&self, comparison: &Comparison) -> String {
        format!("{} {}", interval(&comparison.difference), self.measure)
    }
}
