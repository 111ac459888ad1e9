//! Blending a model's scores with those of the first stage.
//!
//! A first stage sees rare words and exact names that a small encoder misses, so its scores are
//! worth a little even after reranking. They come on any scale: BM25 scores have no upper end,
//! cosines are close together. Therefore their place in the list is mixed in. A mixed score orders
//! one list, and does not measure relevance outside of it.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// The rank constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009).
const RRF_K: f64 = 60.0;

/// The largest mixed score. Below its negative there is room for candidates that are ranked last.
const LIMIT: f32 = f32::MAX / 2.0;

/// The normalisation that makes the scores of two stages comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalize {
    /// Keeps both as they are, for first stages whose scores are on the model's scale.
    None,
    /// Scales the first stage's scores from 0 (the list's lowest) to 1 (its highest), times `1 -
    /// 1/n`, because the place in a short list says little. Keeps the model's scores as they are,
    /// because they have a fixed range already (theoretical min-max in Bruch, Gai and Ingber, TOIS
    /// 2023).
    #[default]
    MinMax,
    /// Scales both by their mean and standard deviation in the list; 0 if all are equal.
    ZScore,
}

/// The blend of first-stage scores with the model's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blend {
    /// The first stage's scores do not count.
    None,
    /// `(1 - weight) * model + weight * first stage`, both normalised.
    Linear {
        /// The first stage's share, in [0, 1].
        weight: f32,
        /// The normalisation of the scores.
        normalize: Normalize,
    },
    /// Reciprocal rank fusion: `(1 - weight) / (60 + rank by model) + weight / (60 + rank by first
    /// stage)`. Ranks count from 1, and equal scores share the better rank.
    Rrf {
        /// The first stage's share, in [0, 1].
        weight: f32,
    },
}

impl Blend {
    /// Returns the default share of the first stage in [`Blend::Linear`], for a normalisation.
    pub fn linear_weight(normalize: Normalize) -> f32 {
        match normalize {
            // This is a bonus of at most 0.06 on a score whose spread within a list is some 0.1.
            Normalize::MinMax | Normalize::None => 0.06,
            Normalize::ZScore => 0.15,
        }
    }

    /// The default share of the first stage in [`Blend::Rrf`].
    pub const RRF_WEIGHT: f32 = 0.3;

    /// Checks the weight.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it is not in [0, 1].
    pub fn check(self) -> Result<Self> {
        match self {
            Blend::Linear { weight, .. } | Blend::Rrf { weight } if !(0.0..=1.0).contains(&weight) => {
                Err(Error::InvalidArgument(format!("the blend's weight is {weight}; expected a share from 0 to 1")))
            }
            _ => Ok(self),
        }
    }

    /// Mixes the scores of a list. `model` and `first_stage` have one element per candidate, and so
    /// has the result. Higher is better in all three. The order of the candidates does not matter.
    /// [`Blend::None`] returns `model`. A NaN of the model stays NaN. All other results are finite:
    /// mixed scores beyond half the range of f32, which only [`Normalize::None`] can have, become
    /// the last numbers of that range, in their order.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn combine(self, model: &[f32], first_stage: &[f64]) -> Vec<f32> {
        assert_eq!(model.len(), first_stage.len(), "a first-stage score per candidate");
        let model: Vec<f64> = model.iter().copied().map(f64::from).collect();
        let mix = |weight: f32, model: Vec<f64>, first: Vec<f64>| {
            let weight = f64::from(weight);
            in_range(model.iter().zip(first).map(|(model, first)| (1.0 - weight) * model + weight * first).collect())
        };
        match self {
            Blend::None => model.iter().map(|&score| score as f32).collect(),
            Blend::Linear { weight, normalize: Normalize::None } => mix(weight, model, first_stage.to_vec()),
            Blend::Linear { weight, normalize: Normalize::MinMax } => mix(weight, model, min_max(first_stage)),
            Blend::Linear { weight, normalize: Normalize::ZScore } => {
                mix(weight, z_scores(&model), z_scores(first_stage))
            }
            Blend::Rrf { weight } => mix(weight, reciprocal_ranks(&model), reciprocal_ranks(first_stage)),
        }
    }

    /// Does [`Blend::combine`] for a list with candidates that have no text or no score. These do
    /// not count, and stay below all others, in the first stage's order. `left_out` has their
    /// positions, ascending.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn combine_without(self, model: &[f32], left_out: &[usize], first_stage: &[f64]) -> Vec<f32> {
        if self == Blend::None || left_out.is_empty() {
            return self.combine(model, first_stage);
        }
        let counted: Vec<usize> = (0..model.len()).filter(|index| left_out.binary_search(index).is_err()).collect();
        let model_scores: Vec<f32> = counted.iter().map(|&index| model[index]).collect();
        let first: Vec<f64> = counted.iter().map(|&index| first_stage[index]).collect();
        let mixed = self.combine(&model_scores, &first);
        let below_all = mixed.iter().copied().fold(0.0, f32::min) - 1.0;
        let mut all = vec![below_all; model.len()];
        counted.iter().zip(mixed).for_each(|(&index, score)| all[index] = score);
        let mut last = left_out.to_vec();
        last.sort_by(|&a, &b| first_stage[b].total_cmp(&first_stage[a]).then(a.cmp(&b)));
        let mut above = below_all + 1.0;
        for (place, &index) in last.iter().enumerate() {
            // For numbers so large that subtracting 1 changes nothing, this takes the next lower
            // one.
            above = (below_all - place as f32).min(above.next_down());
            all[index] = above;
        }
        all
    }
}

impl Default for Blend {
    fn default() -> Self {
        let normalize = Normalize::default();
        Blend::Linear { weight: Self::linear_weight(normalize), normalize }
    }
}

impl fmt::Display for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blend::None => f.write_str("none"),
            Blend::Linear { weight, normalize } => write!(f, "linear {weight} {normalize}"),
            Blend::Rrf { weight } => write!(f, "rrf {weight}"),
        }
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Normalize::None => "none",
            Normalize::MinMax => "minmax",
            Normalize::ZScore => "zscore",
        })
    }
}

impl FromStr for Normalize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Normalize::None, Normalize::MinMax, Normalize::ZScore];
        let found = known.into_iter().find(|normalize| normalize.to_string() == text);
        found.ok_or_else(|| {
            Error::InvalidArgument(format!("unknown normalisation '{text}'; expected none, minmax or zscore"))
        })
    }
}

/// Converts scores to f32. Scores beyond the range are moved to its ends, different scores to
/// different numbers.
fn in_range(scores: Vec<f64>) -> Vec<f32> {
    if scores.iter().all(|score| score.is_nan() || score.abs() <= f64::from(LIMIT)) {
        return scores.iter().map(|&score| score as f32).collect();
    }
    let beyond = |sign: f64| {
        let mut beyond: Vec<f64> = scores.iter().map(|score| score * sign).filter(|&s| s > f64::from(LIMIT)).collect();
        beyond.sort_by(f64::total_cmp);
        beyond.dedup();
        beyond
    };
    let (high, low) = (beyond(1.0), beyond(-1.0));
    // The largest one becomes the limit.
    let end = |beyond: &[f64], place: usize| {
        f32::from_bits(LIMIT.to_bits() - u32::try_from(beyond.len() - 1 - place).unwrap_or(u32::MAX >> 9))
    };
    let first = |beyond: &[f64]| if beyond.is_empty() { LIMIT } else { end(beyond, 0).next_down() };
    let place = |score: f64| match score {
        score if score.is_nan() => f32::NAN,
        score if score > f64::from(LIMIT) => end(&high, high.partition_point(|&other| other < score)),
        score if score < -f64::from(LIMIT) => -end(&low, low.partition_point(|&other| other < -score)),
        score => (score as f32).clamp(-first(&low), first(&high)),
    };
    scores.iter().map(|&score| place(score)).collect()
}

/// Scales scores from 0 to `1 - 1/n`; to half of that if all are equal.
fn min_max(scores: &[f64]) -> Vec<f64> {
    let most = 1.0 - 1.0 / scores.len().max(1) as f64;
    let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Scores that differ only by rounding are equal.
    let is_spread = highest - lowest > 4.0 * f64::EPSILON * highest.abs().max(lowest.abs());
    let place = |score: &f64| match (highest - lowest).is_finite() {
        _ if !is_spread => 0.5,
        true => (score - lowest) / (highest - lowest),
        false => (score / 2.0 - lowest / 2.0) / (highest / 2.0 - lowest / 2.0),
    };
    scores.iter().map(|score| most * place(score)).collect()
}

fn z_scores(scores: &[f64]) -> Vec<f64> {
    // Squares of these do not fit into f64. A power of two changes no digit.
    let largest = scores.iter().fold(0.0, |largest: f64, score| largest.max(score.abs()));
    if largest > 0.0 && !(1e-100..1e100).contains(&largest) {
        let scale = 2.0_f64.powf(-largest.log2().floor().clamp(-1000.0, 1000.0));
        let scaled: Vec<f64> = scores.iter().map(|score| score * scale).collect();
        return z_scores(&scaled);
    }
    // The sums are in the order of size, so that the order of the candidates does not change a bit.
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = scores.len().max(1) as f64;
    let mean = sorted.iter().sum::<f64>() / count;
    let deviation = (sorted.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count).sqrt();
    // Equal scores leave a deviation of rounding errors only.
    let is_spread = deviation > 4.0 * f64::EPSILON * mean.abs();
    scores.iter().map(|score| if is_spread { (score - mean) / deviation } else { score * 0.0 }).collect()
}

/// Returns `1 / (60 + rank)` for each score.
fn reciprocal_ranks(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let rank = |score: &f64| 1 + sorted.partition_point(|other| other > score);
    scores.iter().map(|score| if score.is_nan() { f64::NAN } else { 1.0 / (RRF_K + rank(score) as f64) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn linear(weight: f32, normalize: Normalize) -> Blend {
        Blend::Linear { weight, normalize }
    }

    #[test]
    fn each_way_of_mixing_gives_what_its_formula_says() {
        let (model, first) = ([0.5, 0.1, 0.3], [10.0, 30.0, 20.0]);
        assert_eq!(Blend::None.combine(&model, &first), model);
        assert_eq!(linear(0.5, Normalize::None).combine(&model, &first), [5.25, 15.05, 10.15]);
        let close = |found: Vec<f32>, expected: [f64; 3]| {
            let near = found.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6);
            assert!(near, "{found:?} {expected:?}");
        };
        let most = 2.0 / 3.0;
        close(linear(0.2, Normalize::MinMax).combine(&model, &first), [0.4, 0.08 + 0.2 * most, 0.24 + 0.1 * most]);
        let z = 1.5f64.sqrt();
        close(linear(0.25, Normalize::ZScore).combine(&model, &first), [0.5 * z, -0.5 * z, 0.0]);
        let rrf = |a: f64, b: f64| 0.7 / (60.0 + a) + 0.3 / (60.0 + b);
        close(Blend::Rrf { weight: 0.3 }.combine(&model, &first), [rrf(1.0, 3.0), rrf(3.0, 1.0), rrf(2.0, 2.0)]);
    }

    #[test]
    fn lists_of_one_and_of_equals_have_scores() {
        for blend in [Blend::default(), linear(0.15, Normalize::ZScore), Blend::Rrf { weight: 0.5 }] {
            assert!(blend.combine(&[], &[]).is_empty());
            let one = blend.combine(&[0.25], &[7.0]);
            // Ranks ignore rounding.
            let second = if matches!(blend, Blend::Rrf { .. }) { 0.1 + 0.2 } else { 0.3 };
            let equal = blend.combine(&[0.25, 0.25], &[0.1 + 0.2, second]);
            assert!(one[0].is_finite() && equal[0].is_finite());
            assert!((equal[0] - equal[1]).abs() < 1e-6, "{blend}: {equal:?}");
            assert!(blend.combine(&[f32::NAN, 0.5], &[1.0, 2.0])[0].is_nan(), "{blend} hides a NaN");
        }
    }

    #[test]
    fn scores_at_the_ends_of_their_range_are_mixed_in_their_order() {
        let first = [1.7e308, -1.7e308, 0.0, 1.6e308, f64::MAX, f64::MIN, 3.0];
        let model = [0.1; 7];
        let by_first = |scores: &[f32]| {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order
        };
        for normalize in [Normalize::None, Normalize::MinMax, Normalize::ZScore] {
            for weight in [0.06, 0.5, 1.0] {
                let mixed = linear(weight, normalize).combine(&model, &first);
                assert!(mixed.iter().all(|score| score.is_finite()), "{normalize}: {mixed:?}");
                let order = by_first(&mixed);
                assert_eq!((&order[..3], order[6]), (&[4, 0, 3][..], 5), "{normalize} {weight}: {mixed:?}");
            }
        }
        // numpy: (x - min) / (max - min) * (1 - 1/n), and (x - mean) / std, both in longdouble.
        let pair = linear(1.0, Normalize::MinMax).combine(&[0.0; 2], &[1.7e308, -1.7e308]);
        assert_eq!(pair, [0.5, 0.0]);
        let pair = linear(1.0, Normalize::ZScore).combine(&[0.0; 2], &[1.7e308, -1.7e308]);
        assert_eq!(pair, [1.0, -1.0]);
        let tiny = linear(1.0, Normalize::ZScore).combine(&[0.0; 2], &[1e-300, 3e-300]);
        assert_eq!(tiny, [-1.0, 1.0]);
        let mixed = linear(1.0, Normalize::None).combine_without(&[0.0; 4], &[1, 3], &[1.7e308, 2.0, -1.7e308, 5.0]);
        assert!(mixed.iter().all(|score| score.is_finite()), "{mixed:?}");
        assert_eq!(by_first(&mixed), [0, 2, 3, 1], "{mixed:?}");
    }

    #[test]
    fn a_weight_outside_of_a_share_is_refused() {
        for weight in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert!(Blend::Rrf { weight }.check().is_err());
            assert!(linear(weight, Normalize::MinMax).check().is_err());
        }
        assert!(Blend::default().check().is_ok() && Blend::None.check().is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: prop::test_runner::RngSeed::Fixed(1),
            ..Default::default()
        })]

        /// This allows a reader with little memory to drop candidates that others beat in both
        /// scores.
        #[test]
        fn better_in_both_is_never_worse_mixed_and_the_order_of_candidates_does_not_matter(
            pairs in prop::collection::vec((-1.0f32..1.0, -50.0f64..50.0), 1..40),
            weight in 0.0f32..1.0,
            which in 0usize..3,
        ) {
            let blend = [linear(weight, Normalize::MinMax), linear(weight, Normalize::ZScore), Blend::Rrf { weight }][which];
            let split = |pairs: &[(f32, f64)]| {
                (pairs.iter().map(|p| p.0).collect::<Vec<_>>(), pairs.iter().map(|p| p.1).collect::<Vec<_>>())
            };
            let (model, first) = split(&pairs);
            let mixed = blend.combine(&model, &first);
            for a in 0..pairs.len() {
                for b in 0..pairs.len() {
                    if model[a] >= model[b] && first[a] >= first[b] {
                        prop_assert!(mixed[a] >= mixed[b], "{blend}: {} < {}", mixed[a], mixed[b]);
                    }
                }
            }
            let reversed: Vec<(f32, f64)> = pairs.iter().rev().copied().collect();
            let (model, first) = split(&reversed);
            let mut again = blend.combine(&model, &first);
            again.reverse();
            prop_assert_eq!(mixed, again);
        }
    }
}
