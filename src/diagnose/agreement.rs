//! How much of one order another keeps.

use rayon::prelude::*;

use super::effect::mean;
use super::lists::{List, Scene};
use super::report::Agreement;

/// Persistence of the reader in [`rank_biased_overlap`]: 86 % of the weight is on the first ten.
const RBO_P: f64 = 0.9;

/// Depth of the overlap.
const OVERLAP_DEPTH: usize = 10;

/// One list's agreement.
struct OfList {
    tau: f64,
    model_tau: f64,
    rbo: f64,
    overlap: f64,
}

/// Averages over lists of at least two candidates, and the model's tau list by list; `None` where there is no such list.
pub(super) fn agreement(scene: &Scene<'_>) -> Option<(Agreement, Vec<f64>)> {
    let longer = scene.lists.par_iter().filter(|list| list.candidates.len() > 1);
    let of_lists: Vec<OfList> = longer.map(|list| of_list(scene, list)).collect();
    let mean_of = |value: fn(&OfList) -> f64| mean(&of_lists.iter().map(value).collect::<Vec<_>>());
    let agreement = Agreement {
        kendall_tau: mean_of(|list| list.tau),
        model_kendall_tau: mean_of(|list| list.model_tau),
        rbo: mean_of(|list| list.rbo),
        overlap_at_10: mean_of(|list| list.overlap),
    };
    (!of_lists.is_empty()).then(|| (agreement, of_lists.iter().map(|list| list.model_tau).collect()))
}

fn of_list(scene: &Scene<'_>, list: &List<'_>) -> OfList {
    let setting = scene.setting();
    let order = list.order(setting, scene.observations.setting.depth);
    let first: Vec<f64> = list.candidates.iter().map(|candidate| candidate.first_stage).collect();
    let mut places = vec![0.0; order.len()];
    order.iter().enumerate().for_each(|(rank, &place)| places[place as usize] = -(rank as f64));
    let model = list.model_scores(setting.scoring, setting.long_text);
    OfList {
        tau: kendall_tau_b(&first, &places),
        model_tau: kendall_tau_b(&first, &model.into_iter().map(f64::from).collect::<Vec<_>>()),
        rbo: rank_biased_overlap(&list.first_order, &order, RBO_P),
        overlap: overlap(&list.first_order, &order, OVERLAP_DEPTH),
    }
}

/// Kendall's tau-b of two scores of the same items, in -1..=1; 0 where one of them is constant. O(n log n), by Knight (1966).
///
/// # Panics
/// If the lengths differ.
pub(super) fn kendall_tau_b(first: &[f64], second: &[f64]) -> f64 {
    assert_eq!(first.len(), second.len(), "two scores per item");
    let mut pairs: Vec<(f64, f64)> = first.iter().copied().zip(second.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied_first = tied_pairs(pairs.iter().map(|pair| pair.0));
    let tied_both = tied_runs(&pairs);
    let mut by_first: Vec<f64> = pairs.into_iter().map(|pair| pair.1).collect();
    let swaps = sort_counting(&mut by_first);
    let tied_second = tied_pairs(by_first.into_iter());
    let count = first.len() as f64;
    let all = count * (count - 1.0) / 2.0;
    let concordant_less_discordant = all - tied_first - tied_second + tied_both - 2.0 * swaps as f64;
    let scale = ((all - tied_first) * (all - tied_second)).sqrt();
    if scale > 0.0 { concordant_less_discordant / scale } else { 0.0 }
}

/// Pairs of equal neighbours' groups, of values in order.
fn tied_pairs(ordered: impl Iterator<Item = f64>) -> f64 {
    tied_runs(&ordered.collect::<Vec<_>>())
}

fn tied_runs<T: PartialEq>(ordered: &[T]) -> f64 {
    let pairs = |group: &[T]| (group.len() * (group.len() - 1)) as f64 / 2.0;
    ordered.chunk_by(|a, b| a == b).map(pairs).sum()
}

/// Sorts ascending by merging, and counts the pairs that stood the other way round.
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

/// Rank-biased overlap of two orders of the same `n` places, extrapolated: `p^n * X_n/n + (1-p)/p * sum of p^d * X_d/d`, X_d being what
/// the first d share (equation 30 of Webber, Moffat and Zobel, 2010). In 0..=1; 1 for equal orders.
pub(super) fn rank_biased_overlap(first: &[u32], second: &[u32], p: f64) -> f64 {
    let mut seen = vec![0_u8; first.len()];
    let (mut shared, mut weight, mut sum) = (0_usize, 1.0, 0.0);
    for (depth, (&a, &b)) in (1..).zip(first.iter().zip(second)) {
        for place in [a, b] {
            seen[place as usize] += 1;
            shared += usize::from(seen[place as usize] == 2);
        }
        weight *= p;
        sum += weight * shared as f64 / f64::from(depth);
    }
    let whole = shared as f64 / first.len().max(1) as f64;
    whole * weight + (1.0 - p) / p * sum
}

/// The share of the first `depth` that two orders have in common, in 0..=1.
pub(super) fn overlap(first: &[u32], second: &[u32], depth: usize) -> f64 {
    let depth = depth.min(first.len());
    let shared = first[..depth].iter().filter(|place| second[..depth].contains(place)).count();
    super::share(shared, depth)
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
        near(kendall_tau_b(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]), -0.4714045207910316);
        near(
            kendall_tau_b(&[3.1, 0.2, 5.5, 4.4, 1.0, 2.2, 0.9], &[0.3, 0.1, 0.9, 0.2, 0.5, 0.4, 0.15]),
            0.4285714285714286,
        );
        near(kendall_tau_b(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1.0);
        near(kendall_tau_b(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
        near(kendall_tau_b(&[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]), 0.0);
        near(kendall_tau_b(&[1.0], &[3.0]), 0.0);
    }

    #[test]
    fn rank_biased_overlap_is_that_of_the_paper_s_formula() {
        // Overlaps 0, 1, 3 at depths 1, 2, 3: 0.9^3 + 0.1 / 0.9 * (0.81 / 2 + 0.729).
        near(rank_biased_overlap(&[0, 1, 2], &[2, 0, 1], 0.9), 0.729 + 0.1 / 0.9 * (0.405 + 0.729));
        near(rank_biased_overlap(&[3, 1, 0, 2], &[3, 1, 0, 2], 0.9), 1.0);
        near(rank_biased_overlap(&[0, 1], &[1, 0], 0.5), 0.25 + 0.25);
    }

    #[test]
    fn overlap_is_a_share_of_the_shorter_of_list_and_depth() {
        near(overlap(&[0, 1, 2, 3], &[1, 3, 2, 0], 2), 0.5);
        near(overlap(&[0, 1, 2, 3], &[1, 3, 2, 0], 10), 1.0);
    }
}
