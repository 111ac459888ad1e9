//! The configurations that one encoder pass allows, and their quality on every judged query.

use rayon::prelude::*;

use super::Configuration;
use super::halves::{HALVES, of_half};
use super::lists::{ObservedList, Scene};
use crate::{Blend, Feedback, LongText, Normalize, Scoring};

/// Shares of the first stage that are tried, roughly doubling, because the optimum is flat.
const MIN_MAX_WEIGHTS: [f32; 6] = [0.03, 0.06, 0.1, 0.2, 0.3, 0.5];
const Z_SCORE_WEIGHTS: [f32; 4] = [0.08, 0.15, 0.3, 0.5];
const RRF_WEIGHTS: [f32; 3] = [0.15, 0.3, 0.5];
/// Weights of the feedback that are tried.
const FEEDBACK_WEIGHTS: [f32; 4] = [0.0, 0.25, Feedback::WEIGHT, 1.0];

/// The parts of a configuration that a grid varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Scoring, blend and feedback.
    Mix,
    /// The same, and the mode for long texts.
    MixAndLongText,
}

/// The parts that the observations say something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Varied {
    /// False if the first stage gives the candidates of each list one score.
    pub blend: bool,
    /// False if no candidate has an embedding.
    pub feedback: bool,
}

/// The values of every configuration on every query: first by configuration, then by query.
pub(super) struct Values {
    /// Values of whole lists.
    pub whole: Vec<Vec<f64>>,
    /// Values of the halves of the documents.
    pub halves: [HalfValues; HALVES],
}

/// Values of half of the documents.
pub(super) struct HalfValues {
    pub values: Vec<Vec<f64>>,
    /// True for queries with a relevant document in this half. The values of others are 0.
    pub counts: Vec<bool>,
}

/// All configurations with their values of all judged queries. The first one is the setting.
pub(super) struct Grid {
    pub configurations: Vec<Configuration>,
    pub values: Values,
    /// The first stage's values.
    pub first_stage: Vec<f64>,
    pub varied: Varied,
}

/// The value of one order: of the whole list, and of its halves.
type OrderValue = (f64, [Option<f64>; HALVES]);

fn blends() -> Vec<Blend> {
    let linear = |normalize| move |weight| Blend::Linear { weight, normalize };
    let min_max = MIN_MAX_WEIGHTS.into_iter().map(linear(Normalize::MinMax));
    let z_score = Z_SCORE_WEIGHTS.into_iter().map(linear(Normalize::ZScore));
    let rrf = RRF_WEIGHTS.into_iter().map(|weight| Blend::Rrf { weight });
    std::iter::once(Blend::None).chain(min_max).chain(z_score).chain(rrf).collect()
}

/// Returns the feedbacks to try with a blend, each in its shortest form.
fn feedbacks(blend: Blend, setting: Configuration, varied: Varied) -> Vec<Feedback> {
    if !varied.feedback {
        return vec![setting.feedback];
    }
    let is_blended = blend != Blend::None;
    let shortest = |weight: f32| match weight {
        _ if Feedback::Auto.weight(is_blended).unwrap_or(0.0) == weight => Feedback::Auto,
        0.0 => Feedback::Off,
        _ => Feedback::Weight(weight),
    };
    let own = setting.feedback.weight(setting.blend != Blend::None).unwrap_or(0.0);
    let mut all: Vec<Feedback> = FEEDBACK_WEIGHTS.into_iter().map(shortest).collect();
    if !FEEDBACK_WEIGHTS.contains(&own) {
        all.push(shortest(own));
    }
    all
}

/// Returns true if two configurations give the same order, however they are written.
fn is_same(one: Configuration, other: Configuration) -> bool {
    let weight = |configuration: Configuration| configuration.feedback.weight(configuration.blend != Blend::None);
    Configuration { feedback: other.feedback, ..one } == other && weight(one) == weight(other)
}

/// Returns the setting, then every other scoring, blend and feedback. Feedback varies fastest.
fn configurations(setting: Configuration, long_texts: &[LongText], varied: Varied) -> Vec<Configuration> {
    let mut tried = if varied.blend { blends() } else { Vec::new() };
    if !tried.contains(&setting.blend) {
        tried.push(setting.blend);
    }
    let mut all = vec![setting];
    for &long_text in long_texts {
        for scoring in Scoring::ALL {
            for &blend in &tried {
                let with = |feedback| Configuration { scoring, blend, feedback, long_text };
                let others = feedbacks(blend, setting, varied).into_iter().map(with);
                all.extend(others.filter(|&other| !is_same(other, setting)));
            }
        }
    }
    all
}

impl Varied {
    fn new(scene: &Scene<'_>) -> Self {
        let is_spread = |list: &ObservedList<'_>| {
            let first = |place: usize| list.candidates[place].first_stage;
            (1..list.candidates.len()).any(|place| first(place) != first(0))
        };
        let mut candidates = scene.lists.iter().flat_map(|list| &list.candidates);
        Self {
            blend: scene.lists.iter().any(is_spread),
            feedback: candidates.any(|candidate| candidate.vector.is_some()),
        }
    }
}

impl Grid {
    pub fn new(scene: &Scene<'_>, scope: Scope) -> Self {
        let (setting, varied) = (scene.setting(), Varied::new(scene));
        let has_both = scope == Scope::MixAndLongText && scene.has_windows;
        let long_texts = if has_both { vec![LongText::Truncate, LongText::Window] } else { vec![setting.long_text] };
        let configurations = configurations(setting, &long_texts, varied);
        let by_list: Vec<Vec<OrderValue>> =
            scene.judged().par_iter().map(|list| values_of_list(scene, list, &configurations)).collect();
        let values = Values::new(&by_list, configurations.len());
        Self { configurations, values, first_stage: scene.values(|list| list.first_order.clone()), varied }
    }

    pub fn setting(&self) -> Configuration {
        self.configurations[0]
    }

    pub fn setting_values(&self) -> &[f64] {
        &self.values.whole[0]
    }

    pub fn values_of(&self, configuration: Configuration) -> Option<&[f64]> {
        let at = self.configurations.iter().position(|&other| is_same(other, configuration))?;
        Some(&self.values.whole[at])
    }
}

/// Returns the value of every configuration on one list.
fn values_of_list(scene: &Scene<'_>, list: &ObservedList<'_>, configurations: &[Configuration]) -> Vec<OrderValue> {
    let (measure, depth) = (scene.options.measure, scene.observations.setting.depth);
    let of_halves = of_half(measure);
    let differs_by_feedback = |a: &Configuration, b: &Configuration| Configuration { feedback: b.feedback, ..*a } == *b;
    let mut values = Vec::with_capacity(configurations.len());
    for some in configurations.chunk_by(differs_by_feedback) {
        let model = list.model_scores(some[0].scoring, some[0].long_text);
        let feedbacks: Vec<Feedback> = some.iter().map(|configuration| configuration.feedback).collect();
        values.extend(list.orders_by(&model, some[0], depth, &feedbacks).iter().map(|order| {
            let halves = list.halves.as_ref().map_or([None; HALVES], |halves| halves.values(order, of_halves));
            (measure.value(&list.judged.ranking(order)), halves)
        }));
    }
    values
}

impl Values {
    /// `by_list` has the values by list, then by configuration.
    fn new(by_list: &[Vec<OrderValue>], configurations: usize) -> Self {
        let column = |value: &dyn Fn(&OrderValue) -> f64| -> Vec<Vec<f64>> {
            (0..configurations).map(|at| by_list.iter().map(|values| value(&values[at])).collect()).collect()
        };
        let half = |half: usize| HalfValues {
            values: column(&|value| value.1[half].unwrap_or(0.0)),
            counts: by_list.iter().map(|values| values.first().is_some_and(|value| value.1[half].is_some())).collect(),
        };
        Self { whole: column(&|value| value.0), halves: [half(0), half(1)] }
    }
}

/// Returns the class of a configuration by its number of options and its cost. With equal quality
/// the lower class is better. The setting is the simplest, because nothing changes.
pub(super) fn class(configuration: Configuration, setting: Configuration) -> usize {
    let default_weights = [
        Some(Blend::linear_weight(Normalize::MinMax)),
        Some(Blend::RRF_WEIGHT),
        Some(Blend::linear_weight(Normalize::ZScore)),
    ];
    let weight = configuration.blend_weight();
    let by_blend = match configuration.blend {
        _ if configuration == setting => return 0,
        Blend::None => 2,
        _ if configuration.blend == Configuration::default().blend => 1,
        _ if default_weights.contains(&weight) => 3,
        _ => 4,
    };
    let window = configuration.long_text == LongText::Window && setting.long_text != LongText::Window;
    by_blend + usize::from(window) + usize::from(configuration.feedback != setting.feedback)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Varied = Varied { blend: true, feedback: true };

    #[test]
    fn a_grid_has_every_configuration_once_and_the_setting_first() {
        for feedback in [Feedback::Auto, Feedback::Off, Feedback::Weight(0.5), Feedback::Weight(0.3)] {
            for blend in [Blend::default(), Blend::None, Blend::Rrf { weight: 0.9 }] {
                let setting = Configuration { blend, feedback, ..Configuration::default() };
                let all = configurations(setting, &[setting.long_text], ALL);
                assert_eq!(all[0], setting);
                for (at, &one) in all.iter().enumerate() {
                    let twin = all[at + 1..].iter().find(|&&other| is_same(one, other));
                    assert_eq!(twin, None, "{one} of {setting}");
                }
            }
        }
        let setting = Configuration::default();
        assert_eq!(configurations(setting, &[LongText::Window], ALL).len(), 3 * 14 * 4);
    }

    #[test]
    fn what_the_observations_say_nothing_about_stays_as_it_is() {
        let setting = Configuration::default();
        let of = |varied| configurations(setting, &[setting.long_text], varied);
        let same_score = of(Varied { blend: false, feedback: true });
        assert_eq!(same_score.len(), 3 * 4);
        assert!(same_score.iter().all(|other| other.blend == setting.blend));
        let no_vectors = of(Varied { blend: true, feedback: false });
        assert_eq!(no_vectors.len(), 3 * 14);
        assert!(no_vectors.iter().all(|other| other.feedback == Feedback::Auto));
    }

    #[test]
    fn feedbacks_are_written_in_their_shortest_form() {
        let names = |blend| {
            let all = feedbacks(blend, Configuration::default(), ALL);
            all.iter().map(Feedback::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(Blend::default()), ["off", "0.25", "auto", "1"]);
        assert_eq!(names(Blend::None), ["auto", "0.25", "0.5", "1"]);
    }
}
