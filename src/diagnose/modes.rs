//! The comparison of scorings, blends and modes for long texts.

use super::effect::mean;
use super::grid::Grid;
use super::lists::Scene;
use super::report::{Ceiling, Mode};
use super::{Configuration, effect};
use crate::eval::{Test, bootstrap_mean, compare, holm};
use crate::{Blend, LongText, Normalize, Result, Scoring};

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

/// Returns the comparison of the setting with the first stage.
pub(super) fn effect_of(scene: &Scene<'_>, grid: &Grid) -> Result<super::report::Effect> {
    effect::effect(&grid.first_stage, grid.setting_values(), scene.resampling())
}
