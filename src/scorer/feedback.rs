//! Feedback inside a list: the best candidates show what the others should be like.
//!
//! ```text
//! p  = softmax(s / 0.02)               s  [n]       the scores that the list is ordered by
//! d  = sum_i p_i v_i - mean_i v_i      v  [n, dim]  unit embeddings of the candidates' best windows; d [dim]
//! s' = s + w (v . d)                   s' [n]       the new order; w = 0.5
//! ```
//!
//! `d` points from the middle of the list to its best candidates. A list without a clear best
//! candidate has a short `d`, and stays as it is. The cost is `4 n dim` multiply-adds, 0.15 million
//! for 100 candidates of 384 numbers; nothing is encoded.
//!
//! - **It changes the order only.** [`Scored::score`](super::Scored::score), the least score and
//!   everything that compares lists use the score before feedback. After feedback, lists without a
//!   relevant candidate are harder to tell from others.
//! - **Equal texts count once** in `p` and in the mean, by the best of their scores: copies do not
//!   outvote the rest. (Equal texts have equal vectors; vectors are compared.)
//! - **Lists of fewer than three distinct texts** stay as they are. By the formula, two texts never
//!   change places either.
//! - **A candidate without text or score** does not take part and comes last. A candidate with a
//!   score but without a vector does not count in `d`. It moves as the list's mean vector would: it
//!   neither gains nor loses against the others.
//! - **In a list longer than [`MAX_CANDIDATES`]** only that many of the best take part; the others
//!   stay below them, in their order. Therefore vectors take at most 1.5 MB per list (of 384
//!   numbers).
//! - The sums are in f64, in an order that the vectors decide. The result has the same bits for any
//!   order of the candidates, batch and number of threads.
//!
//! Feedback is on by default where first-stage scores are mixed in ([`Blend`](crate::Blend)),
//! because the order depends on the list there already. nDCG@10 of BM25's top 100 gains .006 on
//! average over 14 collections that took no part in the choice of the constants: 11 up and 3 down,
//! the worst by .004. Temperatures of .015 to .03 and weights of .3 to .6 differ little. Queries
//! with 5 to 14 relevant candidates gain most, those with one gain nothing.
//! `benches/record/2026-11-29-feedback.md` has the measurements and the alternatives that were
//! tried.

use std::fmt;
use std::str::FromStr;

use super::unit_vector::UnitVector;
use crate::ranking::{self, Hit};
use crate::{Error, Result};

/// The temperature of the softmax, by which scores are divided.
const TEMPERATURE: f64 = 0.02;

/// Maximum number of a list's best candidates that take part.
pub const MAX_CANDIDATES: usize = 1000;

/// Minimum number of distinct texts; with fewer the order stays as it is.
const MIN_TEXTS: usize = 3;

/// Number of parallel partial sums of a dot product.
const LANES: usize = 8;

/// Feedback: the best candidates of a list change the order of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Feedback {
    /// On with [`Feedback::WEIGHT`], if first-stage scores are mixed in and the scorer gives
    /// vectors.
    #[default]
    Auto,
    /// Off.
    Off,
    /// On with this weight, in [0, 10], also without first-stage scores; 0 is off. A scorer that
    /// gives no vectors is an error.
    Weight(f32),
}

impl Feedback {
    /// The default weight.
    pub const WEIGHT: f32 = 0.5;

    /// Checks the weight.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when it is not in [0, 10].
    pub fn check(self) -> Result<Self> {
        match self {
            Feedback::Weight(weight) if !(0.0..=10.0).contains(&weight) => Err(Error::InvalidOption {
                option: "feedback",
                why: format!("is {weight}; expected a weight from 0 to 10, such as {}", Self::WEIGHT),
            }),
            _ => Ok(self),
        }
    }

    /// Returns the weight for a list; `None` without feedback. `is_blended` is true if first-stage
    /// scores are mixed in.
    pub fn weight(self, is_blended: bool) -> Option<f32> {
        match self {
            Feedback::Auto => is_blended.then_some(Self::WEIGHT),
            Feedback::Off => None,
            Feedback::Weight(weight) => Some(weight).filter(|&weight| weight > 0.0),
        }
    }
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Feedback::Auto => f.pad("auto"),
            Feedback::Off => f.pad("off"),
            Feedback::Weight(weight) => weight.fmt(f),
        }
    }
}

impl FromStr for Feedback {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Feedback::Auto),
            "off" => Ok(Feedback::Off),
            _ => match text.parse() {
                Ok(weight) => Feedback::Weight(weight).check(),
                Err(_) => Err(Error::InvalidOption {
                    option: "feedback",
                    why: format!("is '{text}'; expected auto, off or a weight from 0 to 10"),
                }),
            },
        }
    }
}

/// A candidate that takes part, with its position and score, and its vector.
pub(super) struct Member {
    pub hit: Hit,
    pub vector: Option<UnitVector>,
}

/// Returns the members in their new order by each weight, with their new scores; `None` if none has
/// a vector.
///
/// # Errors
/// [`Error::NotANumber`] for a vector that is not finite, naming the candidate;
/// [`Error::InvalidArgument`] for vectors of different lengths.
pub(super) fn reordered(mut members: Vec<Member>, weights: &[f32]) -> Result<Option<Vec<Vec<Hit>>>> {
    if members.iter().all(|member| member.vector.is_none()) {
        return Ok(None);
    }
    // Equal scores keep the order of the candidates.
    members.sort_unstable_by_key(|member| member.hit.index);
    let is_finite =
        |member: &Member| member.vector.as_ref().is_none_or(|vector| vector.as_slice().iter().all(|x| x.is_finite()));
    if let Some(member) = members.iter().find(|member| !is_finite(member)) {
        return Err(Error::NotANumber { index: member.hit.index });
    }
    let scores: Vec<f32> = members.iter().map(|member| member.hit.score).collect();
    let vectors: Vec<Option<&[f32]>> =
        members.iter().map(|member| member.vector.as_ref().map(UnitVector::as_slice)).collect();
    let index = |position: usize| members[position].hit.index;
    let shifts = shifts(&scores, &vectors, TEMPERATURE)?;
    let by_weight = |&weight: &f32| {
        let hits = ranking::rank(&moved(&scores, shifts.as_deref(), weight.into()))?;
        Ok(hits.into_iter().map(|hit| Hit { index: index(hit.index), ..hit }).collect())
    };
    weights.iter().map(by_weight).collect::<Result<_>>().map(Some)
}

/// A text with a vector.
struct Text<'a> {
    vector: &'a [f32],
    /// The best score among the text's candidates.
    score: f64,
}

/// Computes `s'` by the formula above, `[n]`, for `scores` `[n]` and their [`shifts`].
fn moved(scores: &[f32], shifts: Option<&[f64]>, weight: f64) -> Vec<f32> {
    let Some(shifts) = shifts else { return scores.to_vec() };
    scores.iter().zip(shifts).map(|(&score, shift)| (f64::from(score) + weight * shift) as f32).collect()
}

/// Computes `v . d` of every candidate, `[n]`, for `scores` `[n]` and `vectors` `[n, dim]`; `None`
/// if there are too few texts.
fn shifts(scores: &[f32], vectors: &[Option<&[f32]>], temperature: f64) -> Result<Option<Vec<f64>>> {
    let texts = distinct(scores, vectors);
    let dim = texts.first().map_or(0, |text| text.vector.len());
    if let Some(other) = texts.iter().map(|text| text.vector.len()).find(|&len| len != dim) {
        return Err(Error::InvalidArgument(format!(
            "the candidates' vectors differ in length: {dim} and {other} numbers"
        )));
    }
    if texts.len() < MIN_TEXTS {
        return Ok(None);
    }
    let direction = direction(&texts, dim, temperature);
    let of_mean = texts.iter().map(|text| dot(text.vector, &direction)).sum::<f64>() / texts.len() as f64;
    let shift = |vector: &Option<&[f32]>| vector.map_or(of_mean, |vector| dot(vector, &direction));
    Ok(Some(vectors.iter().map(shift).collect()))
}

/// Returns the texts with vectors, each once, in the order of their vectors' bits, so that the
/// order of the candidates does not matter.
fn distinct<'a>(scores: &[f32], vectors: &[Option<&'a [f32]>]) -> Vec<Text<'a>> {
    let known = scores.iter().zip(vectors);
    let mut known: Vec<(&[f32], f64)> =
        known.filter_map(|(&score, vector)| vector.map(|vector| (vector, f64::from(score)))).collect();
    let bits = |vector: &'a [f32]| vector.iter().map(|x| x.to_bits());
    known.sort_unstable_by(|(a, _), (b, _)| bits(a).cmp(bits(b)));
    let is_one_text = |(a, _): &(&'a [f32], f64), (b, _): &(&'a [f32], f64)| bits(a).eq(bits(b));
    let text = |copies: &[(&'a [f32], f64)]| Text {
        vector: copies[0].0,
        score: copies.iter().map(|copy| copy.1).fold(f64::NEG_INFINITY, f64::max),
    };
    known.chunk_by(is_one_text).map(text).collect()
}

/// Computes `d`, `[dim]`.
fn direction(texts: &[Text<'_>], dim: usize, temperature: f64) -> Vec<f64> {
    let best = texts.iter().map(|text| text.score).fold(f64::NEG_INFINITY, f64::max);
    // Infinities are valid scores, but their difference is NaN.
    let power = |text: &Text<'_>| if text.score == best { 1.0 } else { ((text.score - best) / temperature).exp() };
    let powers: Vec<f64> = texts.iter().map(power).collect();
    let (total, mean) = (powers.iter().sum::<f64>(), 1.0 / texts.len() as f64);
    let mut direction = vec![0.0; dim];
    for (text, power) in texts.iter().zip(powers) {
        let share = power / total - mean;
        direction.iter_mut().zip(text.vector).for_each(|(sum, &x)| *sum += share * f64::from(x));
    }
    direction
}

/// Computes the dot product, with the same bits on every processor.
fn dot(vector: &[f32], direction: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (vector, direction) in vector.chunks(LANES).zip(direction.chunks(LANES)) {
        lanes.iter_mut().zip(vector).zip(direction).for_each(|((sum, &x), &y)| *sum += f64::from(x) * y);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEIGHT: f64 = 0.5;

    /// A vector length that is not a multiple of `LANES`.
    const DIM: usize = 11;

    fn unit(vector: &[f32]) -> UnitVector {
        UnitVector::new(vector).unwrap()
    }

    fn moved_by(scores: &[f32], vectors: &[UnitVector], weight: f64, temperature: f64) -> Vec<f32> {
        let vectors: Vec<Option<&[f32]>> = vectors.iter().map(|vector| Some(vector.as_slice())).collect();
        moved(scores, shifts(scores, &vectors, temperature).unwrap().as_deref(), weight)
    }

    fn order(scores: &[f32]) -> Vec<usize> {
        ranking::rank(scores).unwrap().iter().map(|hit| hit.index).collect()
    }

    fn bits(scores: &[f32]) -> Vec<u32> {
        scores.iter().map(|score| score.to_bits()).collect()
    }

    #[test]
    fn the_best_draw_what_is_like_them() {
        // The third vector is like the best one, the second is not.
        let vectors = [[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [-0.2, 1.0]].map(|vector| unit(&vector));
        let scores = [0.6, 0.42, 0.4, 0.3];
        assert_eq!(order(&scores), [0, 1, 2, 3]);
        assert_eq!(order(&moved_by(&scores, &vectors, WEIGHT, TEMPERATURE)), [0, 2, 1, 3]);
    }

    #[test]
    fn several_weights_give_what_each_gives_alone() {
        let vectors = [[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [-0.2, 1.0]].map(|vector| unit(&vector));
        let members = || {
            let hits = [0.6, 0.42, 0.4, 0.3].into_iter().enumerate().map(|(index, score)| Hit { index, score });
            hits.zip(&vectors).map(|(hit, vector)| Member { hit, vector: Some(vector.clone()) }).collect()
        };
        let weights = [0.1, 0.5, 2.0];
        let together = reordered(members(), &weights).unwrap().unwrap();
        assert_eq!(together.len(), weights.len());
        for (weight, hits) in weights.into_iter().zip(&together) {
            assert_eq!(reordered(members(), &[weight]).unwrap().unwrap()[0], *hits, "{weight}");
        }
        assert_ne!(together[0], together[2]);
    }

    #[test]
    fn few_texts_and_temperatures_at_their_ends() {
        let vectors = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]].map(|vector| unit(&vector));
        let scores = [0.5, 0.4, 0.3];
        for n in 0..MIN_TEXTS {
            assert_eq!(moved_by(&scores[..n], &vectors[..n], WEIGHT, TEMPERATURE), scores[..n]);
        }
        // Three candidates of two texts.
        let copies = [vectors[0].clone(), vectors[1].clone(), vectors[1].clone()];
        assert_eq!(moved_by(&scores, &copies, WEIGHT, TEMPERATURE), scores);
        // All candidates count the same, so that there is no direction.
        assert_eq!(bits(&moved_by(&scores, &vectors, WEIGHT, f64::INFINITY)), bits(&scores));
        // Only the best counts: d = v_0 - mean, and mean = [1.6, 1.8] / 3.
        let coldest = moved_by(&scores, &vectors, WEIGHT, 1e-300);
        let d = [1.0 - 1.6 / 3.0, -1.8 / 3.0];
        let expected = [0.5 + 0.5 * d[0], 0.4 + 0.5 * d[1], 0.3 + 0.5 * (0.6 * d[0] + 0.8 * d[1])];
        assert!(
            coldest.iter().zip(expected).all(|(a, b): (&f32, f64)| (f64::from(*a) - b).abs() < 1e-6),
            "{coldest:?}"
        );
        // Infinities are scores, and one of them takes all or nothing.
        let infinite = [f32::NEG_INFINITY, 0.4, f32::INFINITY];
        let moved = moved_by(&infinite, &vectors, WEIGHT, TEMPERATURE);
        assert_eq!((moved[0], moved[2], moved[1].is_finite()), (infinite[0], infinite[2], true));
    }

    #[test]
    fn vectors_that_are_not_finite_or_of_two_lengths_are_errors_and_none_is_no_feedback() {
        let member = |index: usize, vector: Option<UnitVector>| Member { hit: Hit { index, score: 0.5 }, vector };
        let list = |last: Option<UnitVector>| {
            let first = (0..3).map(|at| member(at, Some(unit(&[1.0, at as f32]))));
            reordered(first.chain([member(7, last)]).collect(), &[0.5])
        };
        assert!(list(None).unwrap().is_some());
        let error = list(UnitVector::new(&[f32::NAN, 1.0])).unwrap_err();
        assert!(matches!(error, Error::NotANumber { index: 7 }), "{error}");
        let error = list(Some(unit(&[1.0, 2.0, 3.0]))).unwrap_err().to_string();
        assert!(error.contains("differ in length"), "{error}");
        assert!(reordered(vec![member(0, None), member(1, None)], &[0.5]).unwrap().is_none());
        assert!(reordered(Vec::new(), &[0.5]).unwrap().is_none());
    }

    #[test]
    fn options_parse_print_and_are_checked() {
        for (text, expected) in [("auto", Feedback::Auto), ("off", Feedback::Off), ("0.25", Feedback::Weight(0.25))] {
            assert_eq!((text.parse::<Feedback>().unwrap(), expected.to_string().as_str()), (expected, text));
        }
        for text in ["on", "", "-0.1", "10.5", "nan", "inf"] {
            let error = text.parse::<Feedback>().unwrap_err();
            assert!(matches!(error, Error::InvalidOption { option: "feedback", .. }), "{text}: {error}");
        }
        let weights = |blended| {
            [Feedback::Auto, Feedback::Off, Feedback::Weight(0.2), Feedback::Weight(0.0)].map(|it| it.weight(blended))
        };
        assert_eq!(weights(true), [Some(0.5), None, Some(0.2), None]);
        assert_eq!(weights(false), [None, None, Some(0.2), None]);
    }

    /// Scores of two decimals give ties, and vectors from few directions give equal vectors.
    fn list() -> impl Strategy<Value = Vec<(f32, UnitVector)>> {
        let numbers =
            prop::collection::vec(-2i8..3, DIM).prop_filter("zeros", |numbers| numbers.iter().any(|&x| x != 0));
        let vector = numbers.prop_map(|numbers| unit(&numbers.into_iter().map(f32::from).collect::<Vec<_>>()));
        prop::collection::vec(((-100i8..100).prop_map(|score| f32::from(score) / 100.0), vector), 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: prop::test_runner::RngSeed::Fixed(1),
            ..Default::default()
        })]

        #[test]
        fn a_list_of_two_never_flips(list in list(), weight in 0.0f64..10.0, temperature in 1e-3f64..10.0) {
            for pair in list.chunks_exact(2) {
                let (scores, vectors): (Vec<f32>, Vec<UnitVector>) = pair.iter().cloned().unzip();
                prop_assert_eq!(order(&moved_by(&scores, &vectors, weight, temperature)), order(&scores));
                // The formula would not change the order either.
                let texts: Vec<Text<'_>> = scores.iter().zip(&vectors).map(|(&score, vector)| Text { vector: vector.as_slice(), score: score.into() }).collect();
                let d = direction(&texts, DIM, temperature);
                let by_formula: Vec<f64> = texts.iter().map(|text| text.score + weight * dot(text.vector, &d)).collect();
                prop_assert!((scores[0] > scores[1]) == (by_formula[0] > by_formula[1] + 1e-9), "{scores:?} {by_formula:?}");
            }
        }

        #[test]
        fn a_constant_added_to_all_scores_changes_nothing_else(list in list(), constant in -64i8..64) {
            // Sums of these are exact.
            let constant = f32::from(constant);
            let exact = |score: f32| (score * 128.0).round() / 128.0;
            let (scores, vectors): (Vec<f32>, Vec<UnitVector>) = list.into_iter().map(|(score, vector)| (exact(score), vector)).unzip();
            let raised: Vec<f32> = scores.iter().map(|score| score + constant).collect();
            let (moved, other) = (moved_by(&scores, &vectors, WEIGHT, TEMPERATURE), moved_by(&raised, &vectors, WEIGHT, TEMPERATURE));
            for (a, b) in moved.iter().zip(other) {
                prop_assert!((f64::from(*a) + f64::from(constant) - f64::from(b)).abs() < 1e-5, "{a} {b}");
            }
        }

        #[test]
        fn the_order_of_the_candidates_does_not_change_a_bit(
            list in list().prop_flat_map(|list| (Just(list.clone()), Just(list.into_iter().enumerate().collect::<Vec<_>>()).prop_shuffle())),
        ) {
            let (list, shuffled) = list;
            let (scores, vectors): (Vec<f32>, Vec<UnitVector>) = list.into_iter().unzip();
            let moved = moved_by(&scores, &vectors, WEIGHT, TEMPERATURE);
            let (places, pairs): (Vec<usize>, Vec<(f32, UnitVector)>) = shuffled.into_iter().unzip();
            let (scores, vectors): (Vec<f32>, Vec<UnitVector>) = pairs.into_iter().unzip();
            let again = moved_by(&scores, &vectors, WEIGHT, TEMPERATURE);
            for (place, score) in places.into_iter().zip(again) {
                prop_assert_eq!(score.to_bits(), moved[place].to_bits());
            }
        }

        #[test]
        fn copies_of_a_candidate_change_nothing_for_the_others(list in list(), copies in 1usize..20) {
            let (mut scores, mut vectors): (Vec<f32>, Vec<UnitVector>) = list.into_iter().unzip();
            let alone = moved_by(&scores, &vectors, WEIGHT, TEMPERATURE);
            if let (Some(score), Some(vector)) = (scores.last().copied(), vectors.last().cloned()) {
                scores.extend(vec![score; copies]);
                vectors.extend(vec![vector; copies]);
            }
            let with = moved_by(&scores, &vectors, WEIGHT, TEMPERATURE);
            prop_assert_eq!(bits(&with[..alone.len()]), bits(&alone));
        }
    }
}
