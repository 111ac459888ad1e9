//! The effect of reranking on quality, and the best possible effect.

use super::figures::share;
use super::lists::{ObservedList, Scene};
use super::report::{Ceiling, Effect, VerdictKind};
use crate::Result;
use crate::eval::{Comparison, Resampling, Test, bootstrap_mean, compare};

/// Maximum p-value of a significant difference.
pub(super) const SIGNIFICANCE: f64 = 0.05;

/// Quantiles of the normal distribution for a two-sided 5 % level and for 80 % power.
const Z_LEVEL: f64 = 1.959_964;
const Z_POWER: f64 = 0.841_621;

pub(super) fn effect(first: &[f64], reranked: &[f64], resampling: &Resampling) -> Result<Effect> {
    Ok(Effect {
        first_stage: bootstrap_mean(first, resampling),
        reranked: bootstrap_mean(reranked, resampling),
        comparison: compare(first, reranked, Test::Randomisation, resampling)?,
        queries_needed: queries_needed(&differences(first, reranked)),
    })
}

/// Returns `run` less `baseline`, value by value.
pub(super) fn differences(baseline: &[f64], run: &[f64]) -> Vec<f64> {
    run.iter().zip(baseline).map(|(run, baseline)| run - baseline).collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the standard error of the mean; 0 for fewer than two values.
pub(super) fn standard_error(values: &[f64]) -> f64 {
    let (count, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 { 0.0 } else { (squares / (count - 1.0) / count).sqrt() }
}

/// Returns the number of queries that show a mean difference like this one with 80 % power, by the
/// normal approximation.
fn queries_needed(differences: &[f64]) -> Option<usize> {
    let (mean, error) = (mean(differences), standard_error(differences));
    let deviation = error * (differences.len() as f64).sqrt();
    let needed = ((Z_LEVEL + Z_POWER) * deviation / mean).powi(2).ceil();
    // A difference of rounding errors alone would need billions of queries.
    (needed.is_finite() && needed > 0.0 && needed < 1e9).then_some(needed as usize)
}

/// Returns true for a significant gain, by both the interval and the test.
pub(super) fn is_gain(comparison: &Comparison) -> bool {
    comparison.difference.low > 0.0 && comparison.p_value.is_some_and(|p| p < SIGNIFICANCE)
}

/// Returns true for a significant loss, by both the interval and the test.
pub(super) fn is_loss(comparison: &Comparison) -> bool {
    comparison.difference.high < 0.0 && comparison.p_value.is_some_and(|p| p < SIGNIFICANCE)
}

pub(super) fn verdict_kind(comparison: &Comparison) -> VerdictKind {
    match () {
        () if is_gain(comparison) => VerdictKind::Helps,
        () if is_loss(comparison) => VerdictKind::Hurts,
        () => VerdictKind::NoEvidence,
    }
}

pub(super) fn ceiling(scene: &Scene<'_>) -> Ceiling {
    let rel = scene.options.measure.rel();
    let found =
        |list: &ObservedList<'_>| (0..list.candidates.len()).filter(|&place| list.is_relevant(place, rel)).count();
    let with_relevant: Vec<(usize, usize)> = scene
        .judged()
        .iter()
        .map(|list| (found(list), list.num_relevant(rel)))
        .filter(|&(_, relevant)| relevant > 0)
        .collect();
    let without = with_relevant.iter().filter(|&&(found, _)| found == 0).count();
    let recalls: Vec<f64> = with_relevant.iter().map(|&(found, relevant)| found as f64 / relevant as f64).collect();
    Ceiling {
        oracle: mean(&scene.values(|list| list.judged.best_order())),
        queries_without_relevant: without,
        share_without_relevant: share(without, with_relevant.len()),
        recall: if recalls.is_empty() { 0.0 } else { mean(&recalls) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_queries_is_that_of_the_normal_approximation() {
        // Mean 0.5, variance 0.5: (1.959964 + 0.841621)^2 * 0.5 / 0.25 = 15.7.
        assert_eq!(queries_needed(&[0.0, 1.0]), Some(16));
        assert_eq!(queries_needed(&[0.0, 0.0]), None);
        assert_eq!(queries_needed(&[]), None);
    }
}
