//! Agreement of rankings against scipy and the package rbo; `make_agreement.py` wrote what they
//! say.

use nearsort::eval::{
    ListAgreement, RankedList, Ties, disagreement, kendall_tau_b, overlap, percentile, rank_biased_overlap,
};
use nearsort::io::ScoredDocument;
use proptest::prelude::*;
use serde_json::Value;

use super::{numbers, path};

fn cases(name: &str) -> Vec<Value> {
    let stored: Value = serde_json::from_slice(&std::fs::read(path("agreement.json")).unwrap()).unwrap();
    stored[name].as_array().unwrap().clone()
}

fn ids(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

#[test]
fn tau_is_that_of_scipy_ties_included() {
    let cases = cases("tau");
    assert!(cases.len() >= 60);
    for case in cases {
        let found = kendall_tau_b(&numbers(&case["first"]), &numbers(&case["second"]));
        let expected = case["tau"].as_f64();
        assert!((found.unwrap_or(9.0) - expected.unwrap_or(9.0)).abs() < 1e-12, "{found:?}, not {expected:?}");
    }
}

#[test]
fn rank_biased_overlap_is_that_of_the_package_rbo_for_lists_of_any_two_lengths() {
    let cases = cases("rbo");
    assert!(cases.iter().any(|case| ids(&case["first"]).len() != ids(&case["second"]).len()));
    for case in cases {
        let p = case["p"].as_f64().unwrap();
        let found = rank_biased_overlap(&ids(&case["first"]), &ids(&case["second"]), p);
        let expected = case["rbo"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }
}

#[test]
fn percentiles_are_interpolated_as_numpy_does() {
    // numpy.percentile([15, 20, 35, 40, 50], [50, 95, 0, 100])
    let values = [35.0, 15.0, 50.0, 20.0, 40.0];
    let found = [0.5, 0.95, 0.0, 1.0].map(|share| percentile(&values, share).unwrap());
    assert_eq!(found.map(|value| (value * 1e9).round() / 1e9), [35.0, 48.0, 15.0, 50.0]);
    assert_eq!(percentile(&[], 0.5), None);
}

/// Documents d0, d1, ... with scores of few levels, so that there are ties.
fn list() -> impl Strategy<Value = Vec<(String, u8)>> {
    prop::collection::btree_map(0_u8..30, 0_u8..8, 0..25)
        .prop_map(|found| found.into_iter().map(|(id, score)| (format!("d{id}"), score)).collect())
}

fn ranked(list: &[(String, u8)]) -> RankedList<'_> {
    let documents: Vec<ScoredDocument<'_>> =
        list.iter().map(|(id, score)| ScoredDocument { id, score: f64::from(*score) }).collect();
    RankedList::new(&documents)
}

/// A fixed number of cases from a fixed seed.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, rng_seed: prop::test_runner::RngSeed::Fixed(1), ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn agreement_is_symmetric_and_in_its_range(first in list(), second in list()) {
        let [first, second] = [&first, &second].map(|list| ranked(list));
        let found = ListAgreement::of(&first, &second);
        let reversed = ListAgreement::of(&second, &first);
        prop_assert!((found.rbo - reversed.rbo).abs() < 1e-12);
        prop_assert_eq!(found.overlap_at_10, reversed.overlap_at_10);
        prop_assert_eq!(found.num_common, reversed.num_common);
        prop_assert_eq!(found.kendall_tau.is_some(), reversed.kendall_tau.is_some());
        let [tau, other] = [found, reversed].map(|found| found.kendall_tau.unwrap_or(0.0));
        prop_assert!((tau - other).abs() < 1e-12 && tau.abs() <= 1.0 + 1e-12);
        prop_assert!((0.0..=1.0).contains(&found.rbo) && (0.0..=1.0).contains(&found.overlap_at_10));
        let dispute = disagreement(&[first, second]).unwrap();
        prop_assert!((dispute - (1.0 - found.rbo)).abs() < 1e-12);
    }

    #[test]
    fn a_ranking_agrees_with_itself_and_not_with_one_of_other_documents(list in list()) {
        let ranking = ranked(&list);
        let found = ListAgreement::of(&ranking, &ranking);
        prop_assert!((found.rbo - 1.0).abs() < 1e-9 && found.overlap_at_10 == 1.0);
        prop_assert!(found.kendall_tau.is_none_or(|tau| (tau - 1.0).abs() < 1e-12));
        let others: Vec<(String, u8)> = list.iter().map(|(id, score)| (format!("x{id}"), *score)).collect();
        if !list.is_empty() {
            let apart = ListAgreement::of(&ranking, &ranked(&others));
            prop_assert_eq!((apart.rbo, apart.overlap_at_10, apart.num_common, apart.kendall_tau), (0.0, 0.0, 0, None));
        }
    }

    #[test]
    fn an_order_turned_round_has_the_opposite_tau(scores in prop::collection::vec(0_u8..9, 2..40)) {
        let first: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
        let second: Vec<f64> = first.iter().map(|score| -score).collect();
        let expected = kendall_tau_b(&first, &first).map(|_| -1.0);
        prop_assert!((kendall_tau_b(&first, &second).unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12);
    }

    #[test]
    fn the_share_of_ties_is_that_of_all_pairs_counted(scores in prop::collection::vec(0_u8..5, 2..30), cutoff in 1_usize..12) {
        let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
        let pairs = || (1..scores.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let tied = pairs().filter(|&(a, b)| scores[a] == scores[b]).count() as f64 / pairs().count() as f64;
        let found = Ties::of(&scores, cutoff);
        prop_assert!((found.tied_pairs - tied).abs() < 1e-12);
        let above = scores.iter().filter(|&&score| scores.iter().filter(|&&other| other > score).count() < cutoff);
        prop_assert_eq!(found.at_cutoff, above.count() > cutoff);
    }

    #[test]
    fn overlap_counts_what_both_have(first in list(), second in list(), depth in 1_usize..12) {
        let [first, second] = [&first, &second].map(|list| ranked(list).ids().into_iter().map(str::to_owned).collect::<Vec<_>>());
        let [a, b] = [&first, &second].map(|ids| &ids[..depth.min(ids.len())]);
        let both = a.iter().filter(|id| b.contains(id)).count() as f64;
        let longer = a.len().max(b.len()) as f64;
        prop_assert_eq!(overlap(&first, &second, depth), if longer > 0.0 { both / longer } else { 1.0 });
    }
}
