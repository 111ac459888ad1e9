//! Agreement of two rankings, and ties in a ranking. No judgements are needed.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde::Serialize;

use super::ranking::trec_order;
use crate::io::ScoredDocument;

/// Persistence of the [`rank_biased_overlap`] in [`ListAgreement`]: 86 % of the weight is on the
/// first ten.
pub const RBO_P: f64 = 0.9;

/// Depth of the overlap in [`ListAgreement`].
pub const OVERLAP_DEPTH: usize = 10;

/// Returns Kendall's tau-b of two scores of the same items, in -1..=1, with ties counted. Returns
/// `None` if one of the two is constant or there are fewer than two items. (Kendall, 1945) O(n log
/// n), by Knight (1966).
///
/// ```
/// use nearsort::eval::kendall_tau_b;
/// assert_eq!(kendall_tau_b(&[3.0, 2.0, 1.0], &[0.9, 0.5, 0.1]), Some(1.0));
/// assert_eq!(kendall_tau_b(&[3.0, 2.0, 1.0], &[0.5, 0.5, 0.5]), None);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn kendall_tau_b(first: &[f64], second: &[f64]) -> Option<f64> {
    assert_eq!(first.len(), second.len(), "two scores per item");
    let mut pairs: Vec<(f64, f64)> = first.iter().copied().zip(second.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied_first = tied_pairs(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let tied_both = tied_pairs(&pairs);
    let mut by_first: Vec<f64> = pairs.into_iter().map(|pair| pair.1).collect();
    let swaps = sort_counting(&mut by_first);
    let tied_second = tied_pairs(&by_first);
    let all = num_pairs(first.len());
    let concordant_less_discordant = all - tied_first - tied_second + tied_both - 2.0 * swaps as f64;
    let scale = ((all - tied_first) * (all - tied_second)).sqrt();
    (scale > 0.0).then(|| concordant_less_discordant / scale)
}

fn num_pairs(count: usize) -> f64 {
    count as f64 * (count as f64 - 1.0) / 2.0
}

/// Returns the number of pairs of equal values. The values are in order.
fn tied_pairs<T: PartialEq>(ordered: &[T]) -> f64 {
    ordered.chunk_by(|a, b| a == b).map(|group| num_pairs(group.len())).sum()
}

/// Sorts ascending by merging, and returns the number of pairs that were in the other order.
fn sort_counting(values: &mut [f64]) -> usize {
    let middle = values.len() / 2;
    if middle == 0 {
        return 0;
    }
    let mut swaps = sort_counting(&mut values[..middle]) + sort_counting(&mut values[middle..]);
    let (left, right) = (values[..middle].to_vec(), values[middle..].to_vec());
    let (mut from_left, mut from_right) = (0, 0);
    for value in values.iter_mut() {
        let take_left = from_right == right.len() || (from_left < left.len() && left[from_left] <= right[from_right]);
        if take_left {
            *value = left[from_left];
            from_left += 1;
        } else {
            swaps += left.len() - from_left;
            *value = right[from_right];
            from_right += 1;
        }
    }
    swaps
}

/// Returns the rank-biased overlap of two orders, extrapolated, in 0..=1: RBO_EXT, equation 32 of
/// Webber, Moffat and Zobel (2010), for lists of any two lengths, which may have different items.
/// X_d is the number of items that the first d of both share, and s <= l are the two lengths:
///
/// `(1-p)/p * (sum over d in 1..=l of X_d/d p^d + sum over d in s+1..=l of X_s (d-s)/(s d) p^d) +
/// ((X_l-X_s)/l + X_s/s) p^l`
///
/// It is 1 for equal orders, and 0 for orders without shared items or if only one list is empty. No
/// item may occur twice in an order.
///
/// ```
/// use nearsort::eval::rank_biased_overlap;
/// assert_eq!(rank_biased_overlap(&["a", "b"], &["b", "a"], 0.5), 0.5);
/// ```
///
/// # Panics
/// If `p` is not above 0 and below 1.
pub fn rank_biased_overlap<T: Eq + Hash>(first: &[T], second: &[T], p: f64) -> f64 {
    assert!(p > 0.0 && p < 1.0, "the persistence of a reader is a probability, not {p}");
    let (short, long) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    let shared = shared_by_depth(short, long);
    let Some((&at_long, &at_short)) = shared.last().zip(short.len().checked_sub(1).map(|last| &shared[last])) else {
        return if long.is_empty() { 1.0 } else { 0.0 };
    };
    let (s, l) = (short.len() as f64, long.len() as f64);
    let (mut weight, mut sum) = (1.0, 0.0);
    for (depth, shared) in (1..).zip(&shared) {
        let depth = f64::from(depth);
        weight *= p;
        sum += weight * (shared / depth + at_short * (depth - s).max(0.0) / (s * depth));
    }
    ((1.0 - p) / p * sum + ((at_long - at_short) / l + at_short / s) * weight).clamp(0.0, 1.0)
}

/// Returns the number of items that the first d of both share, for every d up to the longer length.
fn shared_by_depth<T: Eq + Hash>(short: &[T], long: &[T]) -> Vec<f64> {
    let mut seen = HashSet::with_capacity(2 * long.len());
    let mut shared = 0.0;
    let at = |(place, item)| {
        for item in std::iter::once(item).chain(short.get(place)) {
            shared += if seen.insert(item) { 0.0 } else { 1.0 };
        }
        shared
    };
    long.iter().enumerate().map(at).collect()
}

/// Returns the share of the first `depth` items that two orders have in common, in 0..=1. For
/// shorter lists it is the share of the longer one. It is 1 for two empty lists.
pub fn overlap<T: Eq + Hash>(first: &[T], second: &[T], depth: usize) -> f64 {
    let [first, second] = [first, second].map(|order| &order[..depth.min(order.len())]);
    let longer = first.len().max(second.len());
    if longer == 0 {
        return 1.0;
    }
    let known: HashSet<&T> = first.iter().collect();
    second.iter().filter(|item| known.contains(item)).count() as f64 / longer as f64
}

/// A query's results in trec_eval's order: scores as f32, descending, then ids descending.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedList<'a> {
    documents: Vec<ScoredDocument<'a>>,
}

impl<'a> RankedList<'a> {
    /// Orders documents with finite scores. No document may occur twice.
    pub fn new(documents: &[ScoredDocument<'a>]) -> Self {
        let (order, _) = trec_order(documents);
        Self { documents: order.into_iter().map(|place| documents[place as usize]).collect() }
    }

    /// Returns the documents, best first.
    pub fn documents(&self) -> &[ScoredDocument<'a>] {
        &self.documents
    }

    /// Returns the documents' ids, best first.
    pub fn ids(&self) -> Vec<&'a str> {
        self.documents.iter().map(|document| document.id).collect()
    }

    /// Returns the documents' scores as f32, highest first.
    pub fn scores(&self) -> Vec<f32> {
        self.documents.iter().map(|document| document.score as f32).collect()
    }
}

/// The agreement of two rankings of one query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ListAgreement {
    /// [`kendall_tau_b`] of the scores of the documents that both have.
    pub kendall_tau: Option<f64>,
    /// [`rank_biased_overlap`] of the orders with [`RBO_P`].
    pub rbo: f64,
    /// [`overlap`] of the orders to [`OVERLAP_DEPTH`].
    pub overlap_at_10: f64,
    /// The number of documents that both have.
    pub num_common: usize,
}

impl ListAgreement {
    /// Compares two rankings of one query. The result does not depend on their order.
    ///
    /// ```
    /// use nearsort::eval::{ListAgreement, RankedList};
    /// use nearsort::io::ScoredDocument;
    /// let list = |scores: [(&'static str, f64); 2]| RankedList::new(&scores.map(|(id, score)| ScoredDocument { id, score }));
    /// let found = ListAgreement::of(&list([("d1", 2.0), ("d2", 1.0)]), &list([("d1", 7.0), ("d3", 6.0)]));
    /// assert_eq!((found.num_common, found.overlap_at_10, found.kendall_tau), (1, 0.5, None));
    /// ```
    pub fn of(first: &RankedList<'_>, second: &RankedList<'_>) -> Self {
        let known: HashMap<&str, f32> = second.documents.iter().map(|found| (found.id, found.score as f32)).collect();
        let both = first.documents.iter().filter_map(|found| Some((found.score as f32, *known.get(found.id)?)));
        let (in_first, in_second): (Vec<f64>, Vec<f64>) = both.map(|(a, b)| (f64::from(a), f64::from(b))).unzip();
        let (first, second) = (first.ids(), second.ids());
        Self {
            kendall_tau: kendall_tau_b(&in_first, &in_second),
            rbo: rank_biased_overlap(&first, &second, RBO_P),
            overlap_at_10: overlap(&first, &second, OVERLAP_DEPTH),
            num_common: in_first.len(),
        }
    }
}

/// The agreement of two systems: means over the queries that both have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanAgreement {
    /// The mean over the queries for which tau is defined; `None` if there are none.
    pub kendall_tau: Option<f64>,
    /// The mean, in 0..=1.
    pub rbo: f64,
    /// The mean, in 0..=1.
    pub overlap_at_10: f64,
    /// The number of queries that both have.
    pub queries: usize,
}

impl MeanAgreement {
    /// Returns the means; `None` without a query.
    pub fn over(queries: &[ListAgreement]) -> Option<Self> {
        let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        Some(Self {
            kendall_tau: mean(queries.iter().filter_map(|query| query.kendall_tau).collect()),
            rbo: mean(queries.iter().map(|query| query.rbo).collect())?,
            overlap_at_10: mean(queries.iter().map(|query| query.overlap_at_10).collect())?,
            queries: queries.len(),
        })
    }
}

/// Returns the disagreement of several rankings of one query: 1 minus the mean of their pairwise
/// [`rank_biased_overlap`]s, in 0..=1. Returns `None` for fewer than two rankings.
pub fn disagreement(rankings: &[RankedList<'_>]) -> Option<f64> {
    let ids: Vec<Vec<&str>> = rankings.iter().map(RankedList::ids).collect();
    let pairs = (1..ids.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    let overlaps: Vec<f64> =
        pairs.map(|(first, second)| rank_biased_overlap(&ids[first], &ids[second], RBO_P)).collect();
    (!overlaps.is_empty()).then(|| 1.0 - overlaps.iter().sum::<f64>() / overlaps.len() as f64)
}

/// The ties of the scores of one list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ties {
    /// The share of pairs of documents with the same score, in 0..=1; 0 if there are no pairs.
    pub tied_pairs: f64,
    /// True if the last document above the cutoff has the score of the first one below: chance
    /// decides which of the two is in.
    pub at_cutoff: bool,
}

impl Ties {
    /// Counts the ties of scores in any order. None may be NaN.
    pub fn of(scores: &[f32], cutoff: usize) -> Self {
        let mut ordered = scores.to_vec();
        ordered.sort_unstable_by(|a, b| b.total_cmp(a));
        let all = num_pairs(ordered.len());
        let at_cutoff = cutoff > 0 && ordered.get(cutoff).is_some_and(|below| *below == ordered[cutoff - 1]);
        Self { tied_pairs: if all > 0.0 { tied_pairs(&ordered) / all } else { 0.0 }, at_cutoff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }

    #[test]
    fn tau_is_that_of_scipy() {
        // scipy.stats.kendalltau 1.17.1, which computes tau-b.
        let tau = |first: &[f64], second: &[f64]| kendall_tau_b(first, second).unwrap();
        near(tau(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]), -0.4714045207910316);
        near(tau(&[3.1, 0.2, 5.5, 4.4, 1.0, 2.2, 0.9], &[0.3, 0.1, 0.9, 0.2, 0.5, 0.4, 0.15]), 0.4285714285714286);
        near(tau(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
        assert_eq!(kendall_tau_b(&[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]), None);
        assert_eq!(kendall_tau_b(&[1.0], &[3.0]), None);
        assert_eq!(kendall_tau_b(&[], &[]), None);
    }

    #[test]
    fn rank_biased_overlap_is_that_of_the_paper_s_formula() {
        // Overlaps 0, 1, 3 at depths 1, 2, 3: 0.9^3 + 0.1 / 0.9 * (0.81 / 2 + 0.729).
        near(rank_biased_overlap(&[0, 1, 2], &[2, 0, 1], 0.9), 0.729 + 0.1 / 0.9 * (0.405 + 0.729));
        near(rank_biased_overlap(&[3, 1, 0, 2], &[3, 1, 0, 2], 0.9), 1.0);
        near(rank_biased_overlap(&[0, 1], &[1, 0], 0.5), 0.25 + 0.25);
        // s = 1, l = 2, X = 1, 1: 0.5 / 0.5 * (0.5 + 0.25 / 2 + 1 * 1 / 2 * 0.25) + (0 + 1) * 0.25.
        near(rank_biased_overlap(&[0], &[0, 1], 0.5), 1.0);
        near(rank_biased_overlap(&[1], &[0, 1], 0.5), 0.25 / 2.0 + 0.25 / 2.0);
        assert_eq!(rank_biased_overlap::<u32>(&[], &[], 0.9), 1.0);
        assert_eq!(rank_biased_overlap(&[], &[1], 0.9), 0.0);
    }

    #[test]
    fn overlap_is_a_share_of_the_shorter_of_list_and_depth() {
        near(overlap(&[0, 1, 2, 3], &[1, 3, 2, 0], 2), 0.5);
        near(overlap(&[0, 1, 2, 3], &[1, 3, 2, 0], 10), 1.0);
        near(overlap(&[0, 1, 2, 3], &[1], 10), 0.25);
        near(overlap::<u32>(&[], &[], 10), 1.0);
    }

    #[test]
    fn ties_are_pairs_and_may_lie_at_the_cutoff() {
        let ties = Ties::of(&[1.0, 3.0, 1.0, 2.0, 1.0], 2);
        assert_eq!((ties.tied_pairs, ties.at_cutoff), (0.3, false));
        assert!(Ties::of(&[1.0, 3.0, 1.0, 2.0, 1.0], 3).at_cutoff);
        assert_eq!(Ties::of(&[1.0], 1), Ties { tied_pairs: 0.0, at_cutoff: false });
        assert_eq!(Ties::of(&[f32::NEG_INFINITY; 2], 1), Ties { tied_pairs: 1.0, at_cutoff: true });
        assert!(!Ties::of(&[1.0, 1.0], 0).at_cutoff);
    }

    #[test]
    fn means_are_over_queries_and_tau_over_those_that_have_one() {
        let query = |kendall_tau, rbo| ListAgreement { kendall_tau, rbo, overlap_at_10: rbo, num_common: 3 };
        let mean = MeanAgreement::over(&[query(Some(0.5), 0.2), query(None, 0.6)]).unwrap();
        assert_eq!((mean.kendall_tau, mean.rbo, mean.queries), (Some(0.5), 0.4, 2));
        assert_eq!(MeanAgreement::over(&[query(None, 0.6)]).unwrap().kendall_tau, None);
        assert_eq!(MeanAgreement::over(&[]), None);
    }
}
