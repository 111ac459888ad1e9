//! The order of all results: score descending, then input position ascending.
//!
//! `-0.0` equals `0.0`. NaN has no place in any order, so it is an error that names the candidate.
//! Infinities are valid scores. [`rank`] sorts everything in O(n log n). [`top_k`] and [`TopK`]
//! keep the best `k` in O(n log k) time and O(k) memory, and return exactly the first `k` of
//! [`rank`].

mod falling;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

pub use falling::strictly_falling;
use serde::Serialize;

use crate::error::{Error, Result};

/// A candidate and its score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hit {
    /// 0-based position of the candidate in the input.
    pub index: usize,
    /// The score; higher is better.
    pub score: f32,
}

impl Hit {
    /// Returns `Less` if `self` comes before `other` in the results. The order is total if no score
    /// is NaN.
    pub fn order(&self, other: &Hit) -> Ordering {
        let by_score = other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal);
        by_score.then(self.index.cmp(&other.index))
    }
}

/// Ranks all candidates, best first; `scores[i]` is the score of candidate `i`.
///
/// # Errors
/// [`Error::NotANumber`] with the first candidate whose score is NaN.
///
/// ```
/// let hits = nearsort::ranking::rank(&[0.1, 0.9, 0.9])?;
/// assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 2, 0]);
/// # Ok::<(), nearsort::Error>(())
/// ```
pub fn rank(scores: &[f32]) -> Result<Vec<Hit>> {
    let mut hits =
        scores.iter().enumerate().map(|(index, &score)| numbered(index, score)).collect::<Result<Vec<_>>>()?;
    hits.sort_unstable_by(Hit::order);
    Ok(hits)
}

/// Returns the best `k` candidates, best first: all of them if there are no more than `k`, none if
/// `k` is 0.
///
/// # Errors
/// [`Error::NotANumber`] with the first candidate whose score is NaN, even one that `k` would leave
/// out.
pub fn top_k(scores: &[f32], k: usize) -> Result<Vec<Hit>> {
    if k >= scores.len() {
        return rank(scores);
    }
    let mut best = TopK::new(k);
    for (index, &score) in scores.iter().enumerate() {
        best.push(index, score)?;
    }
    Ok(best.into_hits())
}

/// Keeps the best `k` of a stream of candidates, which may come in any order. Of equal scores the
/// lower position wins, not the earlier arrival.
#[derive(Debug, Clone)]
pub struct TopK {
    k: usize,
    /// The kept candidates, the worst on top.
    kept: BinaryHeap<Kept>,
}

impl TopK {
    /// Creates a heap that keeps at most `k` candidates.
    pub fn new(k: usize) -> Self {
        TopK { k, kept: BinaryHeap::new() }
    }

    /// Adds the candidate at position `index`. Positions must be distinct.
    ///
    /// # Errors
    /// [`Error::NotANumber`] if the score is NaN; the kept candidates stay.
    pub fn push(&mut self, index: usize, score: f32) -> Result<()> {
        let hit = numbered(index, score)?;
        if self.kept.len() < self.k {
            self.kept.push(Kept(hit));
        } else if let Some(mut worst) = self.kept.peek_mut()
            && hit.order(&worst.0).is_lt()
        {
            *worst = Kept(hit);
        }
        Ok(())
    }

    /// Returns the score that a candidate must exceed to be kept, or reach at an earlier position
    /// than the last kept one. This is -inf while there is room, and +inf if `k` is 0.
    pub fn least(&self) -> f32 {
        match self.kept.peek() {
            Some(worst) if self.kept.len() >= self.k => worst.0.score,
            None if self.k == 0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Returns the positions of the kept candidates, in no order.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        self.kept.iter().map(|kept| kept.0.index)
    }

    /// Returns the kept candidates, best first.
    pub fn into_hits(self) -> Vec<Hit> {
        self.kept.into_sorted_vec().into_iter().map(|kept| kept.0).collect()
    }
}

/// Returns the positions of the candidates that can be among the best `k` by some mean of two
/// scores: those that fewer than `k` others beat in both. Each candidate is given with its
/// position; the result is ascending. O(n log n).
///
/// A reader of many candidates can drop most of them with this before the mean is known. Positions
/// decide between equals, as everywhere. Of two means that are equal only by rounding, the one that
/// is higher in both scores counts as higher.
pub fn undominated(candidates: &[(usize, f64, f64)], k: usize) -> Vec<usize> {
    let mut order: Vec<&(usize, f64, f64)> = candidates.iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.total_cmp(&a.2)).then(a.0.cmp(&b.0)));
    // The k best second scores among the candidates before, whose first scores are at least as
    // high. The worst of them is on top.
    let mut best: BinaryHeap<std::cmp::Reverse<Total>> = BinaryHeap::with_capacity(k.min(candidates.len()) + 1);
    let mut kept = Vec::new();
    for &&(index, _, second) in &order {
        if best.len() < k {
            best.push(std::cmp::Reverse(Total(second)));
        } else if best.peek().is_some_and(|worst| worst.0 < Total(second)) {
            best.pop();
            best.push(std::cmp::Reverse(Total(second)));
        } else {
            continue;
        }
        kept.push(index);
    }
    kept.sort_unstable();
    kept
}

/// A float ordered by `total_cmp`.
#[derive(PartialEq)]
struct Total(f64);

impl Eq for Total {}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn numbered(index: usize, score: f32) -> Result<Hit> {
    if score.is_nan() { Err(Error::NotANumber { index }) } else { Ok(Hit { index, score }) }
}

/// A hit that is not NaN, in the order of the results: the worst is the greatest.
#[derive(Debug, Clone, Copy)]
struct Kept(Hit);

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Kept {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn indices(hits: &[Hit]) -> Vec<usize> {
        hits.iter().map(|hit| hit.index).collect()
    }

    #[test]
    fn equal_scores_keep_the_input_order() {
        let scores = [0.5, 1.0, 0.5, 1.0, 0.5];
        assert_eq!(indices(&rank(&scores).unwrap()), [1, 3, 0, 2, 4]);
        assert_eq!(indices(&top_k(&scores, 3).unwrap()), [1, 3, 0]);
    }

    #[test]
    fn negative_zero_equals_zero() {
        assert_eq!(indices(&rank(&[-0.0, 0.0, -0.0]).unwrap()), [0, 1, 2]);
        assert_eq!(indices(&top_k(&[-0.0, 0.0, -0.0], 2).unwrap()), [0, 1]);
    }

    #[test]
    fn infinities_are_ordinary_scores() {
        let scores = [f32::NEG_INFINITY, f32::MIN, f32::INFINITY, f32::MAX];
        assert_eq!(indices(&rank(&scores).unwrap()), [2, 3, 1, 0]);
    }

    #[test]
    fn nan_is_an_error_that_names_the_first_such_candidate() {
        let scores = [9.0, 8.0, f32::NAN, -f32::NAN];
        for result in [rank(&scores), top_k(&scores, 0), top_k(&scores, 1), top_k(&scores, 9)] {
            assert!(matches!(result, Err(Error::NotANumber { index: 2 })));
        }
    }

    #[test]
    fn no_candidates_no_places_and_more_places_than_candidates() {
        assert!(rank(&[]).unwrap().is_empty());
        assert!(top_k(&[], 3).unwrap().is_empty());
        assert!(top_k(&[1.0], 0).unwrap().is_empty());
        assert_eq!(indices(&top_k(&[1.0, 2.0], usize::MAX).unwrap()), [1, 0]);
    }

    #[test]
    fn a_hit_serialises_as_index_and_score() {
        let json = serde_json::to_string(&Hit { index: 3, score: 0.5 }).unwrap();
        assert_eq!(json, r#"{"index":3,"score":0.5}"#);
    }

    /// Generates scores with few distinct values, so that there are many ties and special values.
    fn scores() -> impl Strategy<Value = Vec<f32>> {
        let score = prop_oneof![
            prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.25, f32::INFINITY, f32::NEG_INFINITY]),
            -1.0f32..1.0,
        ];
        prop::collection::vec(score, 0..200)
    }

    /// Returns a configuration with a fixed number of cases and a fixed seed, without a file of
    /// past failures.
    fn config() -> ProptestConfig {
        ProptestConfig {
            failure_persistence: None,
            rng_seed: prop::test_runner::RngSeed::Fixed(1),
            ..Default::default()
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn top_k_is_the_prefix_of_the_full_sort(scores in scores(), k in 0usize..250) {
            let full = rank(&scores).unwrap();
            prop_assert_eq!(&top_k(&scores, k).unwrap()[..], &full[..k.min(full.len())]);
        }

        #[test]
        fn the_best_by_any_mean_are_undominated(
            pairs in prop::collection::vec((0u8..12, 0u8..12), 0..60),
            k in 0usize..8,
            weight in 1u8..8,
        ) {
            let candidates: Vec<(usize, f64, f64)> =
                pairs.iter().enumerate().map(|(index, &(a, b))| (index, f64::from(a), f64::from(b))).collect();
            let kept = undominated(&candidates, k);
            let weight = f32::from(weight) / 8.0;
            let mixed: Vec<f32> =
                pairs.iter().map(|&(a, b)| (1.0 - weight) * f32::from(a) + weight * f32::from(b)).collect();
            for hit in top_k(&mixed, k).unwrap() {
                prop_assert!(kept.contains(&hit.index), "{hit:?} was forgotten");
            }
            // Dropping candidates in steps loses no more.
            let (first, rest) = candidates.split_at(candidates.len() / 2);
            let mut stepwise: Vec<(usize, f64, f64)> = undominated(first, k).into_iter().map(|at| candidates[at]).collect();
            stepwise.extend_from_slice(rest);
            prop_assert_eq!(undominated(&stepwise, k), kept);
        }

        #[test]
        fn ranking_is_a_sorted_permutation(scores in scores()) {
            let hits = rank(&scores).unwrap();
            let mut seen = indices(&hits);
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..scores.len()).collect::<Vec<_>>());
            for pair in hits.windows(2) {
                prop_assert!(pair[0].score > pair[1].score || (pair[0].score == pair[1].score && pair[0].index < pair[1].index));
                prop_assert_eq!(pair[0].score.to_bits(), scores[pair[0].index].to_bits());
            }
        }

        #[test]
        fn a_stream_in_any_order_gives_the_same_hits(
            shuffled in scores().prop_map(|s| s.into_iter().enumerate().collect::<Vec<_>>()).prop_shuffle(),
            k in 0usize..50,
        ) {
            let mut best = TopK::new(k);
            let mut scores = vec![0.0; shuffled.len()];
            for &(index, score) in &shuffled {
                scores[index] = score;
                best.push(index, score).unwrap();
            }
            prop_assert_eq!(best.into_hits(), top_k(&scores, k).unwrap());
        }
    }
}
