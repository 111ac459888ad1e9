//! Compares other prompts and poolings with the setting's.

use super::effect::{SIGNIFICANCE, is_gain};
use super::lists::{ObservedList, Scene};
use super::observations::{Change, ModeScores, Trial};
use super::report::TrialResult;
use crate::eval::{Test, compare, holm};
use crate::{Blend, LongText, Result, Scoring};

use super::Configuration;

/// Minimum number of judged queries for the result of a trial.
const MIN_QUERIES: usize = 10;

/// Compares each trial with the setting on the same candidates; candidates that were not tried stay
/// below. Returns nothing without judgements.
pub(super) fn trials(scene: &Scene<'_>) -> Result<Vec<TrialResult>> {
    let mut results = Vec::new();
    for trial in &scene.observations.trials {
        results.extend(result(scene, trial)?);
    }
    let p_values: Vec<f64> = results.iter().map(|result: &TrialResult| result.adjusted_p).collect();
    results.iter_mut().zip(holm(&p_values)).for_each(|(result, adjusted)| result.adjusted_p = adjusted);
    Ok(results)
}

/// Returns the trials that are better than the setting by more than chance, the best first.
pub(super) fn better(results: &[TrialResult], is_it: impl Fn(&Change) -> bool) -> Vec<&TrialResult> {
    let is_better = |result: &&TrialResult| {
        is_it(&result.change) && is_gain(&result.comparison) && result.adjusted_p < SIGNIFICANCE
    };
    let mut better: Vec<&TrialResult> = results.iter().filter(is_better).collect();
    better.sort_by(|a, b| b.comparison.difference.mean.total_cmp(&a.comparison.difference.mean));
    better
}

/// Returns the scoring that a trial is compared by. Pooling changes cosine only, and a hybrid would
/// hide most of the difference.
fn scoring(change: &Change, setting: Scoring) -> Scoring {
    match (change, setting) {
        (Change::Pooling(_), Scoring::Hybrid) => Scoring::Cosine,
        _ => setting,
    }
}

fn result(scene: &Scene<'_>, trial: &Trial) -> Result<Option<TrialResult>> {
    let scoring = scoring(&trial.change, scene.setting().scoring);
    let (mut baseline, mut tried) = (Vec::new(), Vec::new());
    for of_trial in &trial.lists {
        let query = &scene.observations.queries[of_trial.query];
        let list = scene.lists.iter().find(|list| std::ptr::eq(list.query, query) && list.is_judged());
        let Some(list) = list else { continue };
        let value = |order: Vec<u32>| scene.options.measure.value(&list.judged.ranking(&order));
        baseline.push(value(order(list, &list.model_scores(scoring, LongText::Truncate), of_trial.scores.len())));
        tried.push(value(order(list, &trial_scores(list, &of_trial.scores, scoring), of_trial.scores.len())));
    }
    if tried.len() < MIN_QUERIES {
        return Ok(None);
    }
    let comparison = compare(&baseline, &tried, Test::Randomisation, scene.resampling())?;
    Ok(Some(TrialResult {
        change: trial.change.clone(),
        name: trial.name.clone(),
        arguments: trial.arguments.clone(),
        scoring: scoring.to_string(),
        queries: tried.len(),
        comparison,
        adjusted_p: comparison.p_value.unwrap_or(1.0),
    }))
}

/// Returns the scores by place; 0 if a candidate was not tried.
fn trial_scores(list: &ObservedList<'_>, scores: &[ModeScores], scoring: Scoring) -> Vec<f32> {
    list.positions.iter().map(|&position| scores.get(position).map_or(0.0, |scores| scores.get(scoring))).collect()
}

/// Orders the first `tried` candidates of the file by these scores, then the others in the first
/// stage's order.
fn order(list: &ObservedList<'_>, scores: &[f32], tried: usize) -> Vec<u32> {
    let configuration = Configuration { blend: Blend::None, ..Configuration::default() };
    let is_tried = |place: &u32| list.positions[*place as usize] < tried;
    let by_model = list.order_by(scores, configuration, None).into_iter().filter(is_tried);
    by_model.chain(list.first_order.iter().copied().filter(|place| !is_tried(place))).collect()
}
