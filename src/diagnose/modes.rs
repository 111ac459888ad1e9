//! The configurations that one encoder pass allows, and their quality.

use rayon::prelude::*;

use super::effect::mean;
use super::lists::Scene;
use super::report::{Ceiling, Mode};
use super::{Configuration, effect};
use crate::eval::{Test, bootstrap_mean, compare, holm};
use crate::{Blend, LongText, Normalize, Result, Scoring};

/// Shares of the first stage that are tried, roughly doubling, because the optimum is flat.
const MIN_MAX_WEIGHTS: [f32; 6] = [0.03, 0.06, 0.1, 0.2, 0.3, 0.5];
const Z_SCORE_WEIGHTS: [f32; 4] = [0.08, 0.15, 0.3, 0.5];
const RRF_WEIGHTS: [f32; 3] = [0.15, 0.3, 0.5];

/// All configurations with their values of all judged queries. The first one is the setting.
pub(super) struct Grid {
    pub configurations: Vec<Configuration>,
    /// The values of each configuration, by query.
    pub values: Vec<Vec<f64>>,
    /// The first stage's values.
    pub first_stage: Vec<f64>,
}

fn blends() -> Vec<Blend> {
    let linear = |normalize| move |weight| Blend::Linear { weight, normalize };
    let min_max = MIN_MAX_WEIGHTS.into_iter().map(linear(Normalize::MinMax));
    let z_score = Z_SCORE_WEIGHTS.into_iter().map(linear(Normalize::ZScore));
    let rrf = RRF_WEIGHTS.into_iter().map(|weight| Blend::Rrf { weight });
    std::iter::once(Blend::None).chain(min_max).chain(z_score).chain(rrf).collect()
}

/// Returns the setting, then every other scoring with every blend, and with the setting's.
fn configurations(setting: Configuration, has_windows: bool) -> Vec<Configuration> {
    let mut all = vec![setting];
    for long_text in [LongText::Truncate, LongText::Window] {
        if long_text != setting.long_text && !has_windows {
            continue;
        }
        for scoring in Scoring::ALL {
            for blend in blends().into_iter().chain([setting.blend]) {
                let configuration = Configuration { scoring, blend, long_text, ..setting };
                if !all.contains(&configuration) {
                    all.push(configuration);
                }
            }
        }
    }
    all
}

impl Grid {
    pub fn new(scene: &Scene<'_>) -> Self {
        let configurations = configurations(scene.setting(), scene.has_windows);
        let values = configurations.par_iter().map(|&configuration| scene.values_of(configuration)).collect();
        Self { configurations, values, first_stage: scene.values(|list| list.first_order.clone()) }
    }

    pub fn setting(&self) -> Configuration {
        self.configurations[0]
    }

    pub fn setting_values(&self) -> &[f64] {
        &self.values[0]
    }

    pub fn values_of(&self, configuration: Configuration) -> Option<&[f64]> {
        let at = self.configurations.iter().position(|&other| other == configuration)?;
        Some(&self.values[at])
    }
}

/// Returns the configurations to show: each scoring alone and with each kind of blend at its
/// default weight, the setting (with and without windows), and the choice.
fn shown(grid: &Grid, chosen: Option<Configuration>) -> Vec<Configuration> {
    let setting = grid.setting();
    let linear = |normalize| Blend::Linear { weight: Blend::linear_weight(normalize), normalize };
    let rrf = Blend::Rrf { weight: Blend::RRF_WEIGHT };
    let blends = [Blend::None, Blend::default(), linear(Normalize::ZScore), rrf];
    let by_blend =
        blends.into_iter().flat_map(|blend| Scoring::ALL.map(|scoring| Configuration { scoring, blend, ..setting }));
    let windows = [LongText::Truncate, LongText::Window].map(|long_text| Configuration { long_text, ..setting });
    let mut shown: Vec<Configuration> = Vec::new();
    for configuration in by_blend.chain(windows).chain([setting]).chain(chosen) {
        if grid.values_of(configuration).is_some() && !shown.contains(&configuration) {
            shown.push(configuration);
        }
    }
    shown
}

/// Returns the comparison of modes, the first stage first.
pub(super) fn modes(
    scene: &Scene<'_>,
    grid: &Grid,
    ceiling: &Ceiling,
    chosen: Option<Configuration>,
) -> Result<Vec<Mode>> {
    let first = mean(&grid.first_stage);
    let mut modes = vec![Mode {
        name: "first stage".to_owned(),
        configuration: None,
        is_setting: false,
        is_choice: false,
        mean: bootstrap_mean(&grid.first_stage, scene.resampling()),
        comparison: None,
        adjusted_p: None,
        gap_closed: None,
    }];
    for configuration in shown(grid, chosen) {
        let Some(values) = grid.values_of(configuration) else { continue };
        let gap = ceiling.oracle - first;
        modes.push(Mode {
            name: configuration.to_string(),
            configuration: Some(configuration),
            is_setting: configuration == grid.setting(),
            is_choice: Some(configuration) == chosen,
            mean: bootstrap_mean(values, scene.resampling()),
            comparison: Some(compare(&grid.first_stage, values, Test::Randomisation, scene.resampling())?),
            adjusted_p: None,
            gap_closed: (gap > 0.0).then(|| (mean(values) - first) / gap),
        });
    }
    adjust(&mut modes);
    Ok(modes)
}

fn adjust(modes: &mut [Mode]) {
    let p_values: Vec<f64> = modes.iter().filter_map(|mode| mode.comparison?.p_value).collect();
    let with_p = modes.iter_mut().filter(|mode| mode.comparison.is_some_and(|found| found.p_value.is_some()));
    with_p.zip(holm(&p_values)).for_each(|(mode, adjusted)| mode.adjusted_p = Some(adjusted));
}

/// Returns the difference of windows and truncation with the setting's scoring and blend.
pub(super) fn windows(scene: &Scene<'_>, grid: &Grid) -> Result<Option<crate::eval::Comparison>> {
    let of = |long_text| grid.values_of(Configuration { long_text, ..grid.setting() });
    let pair = of(LongText::Truncate).zip(of(LongText::Window)).filter(|_| scene.has_windows);
    pair.map(|(cut, windows)| compare(cut, windows, Test::Randomisation, scene.resampling())).transpose()
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
    by_blend + usize::from(window)
}

/// Returns the comparison of the setting with the first stage.
pub(super) fn effect_of(scene: &Scene<'_>, grid: &Grid) -> Result<super::report::Effect> {
    effect::effect(&grid.first_stage, grid.setting_values(), scene.resampling())
}
