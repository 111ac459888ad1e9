//! The agreement of two orders.

use rayon::prelude::*;

use super::effect::mean;
use super::lists::{ObservedList, Scene};
use super::report::Agreement;
use crate::eval::{OVERLAP_DEPTH, RBO_P, kendall_tau_b, overlap, rank_biased_overlap};

/// The agreement of one list.
struct AgreementOfList {
    tau: f64,
    model_tau: f64,
    rbo: f64,
    overlap: f64,
}

/// Returns averages over lists of at least two candidates, and the model's tau of each list; `None`
/// if there is no such list.
pub(super) fn agreement(scene: &Scene<'_>) -> Option<(Agreement, Vec<f64>)> {
    let longer = scene.lists.par_iter().filter(|list| list.candidates.len() > 1);
    let of_lists: Vec<AgreementOfList> = longer.map(|list| of_list(scene, list)).collect();
    let mean_of = |value: fn(&AgreementOfList) -> f64| mean(&of_lists.iter().map(value).collect::<Vec<_>>());
    let agreement = Agreement {
        kendall_tau: mean_of(|list| list.tau),
        model_kendall_tau: mean_of(|list| list.model_tau),
        rbo: mean_of(|list| list.rbo),
        overlap_at_10: mean_of(|list| list.overlap),
    };
    (!of_lists.is_empty()).then(|| (agreement, of_lists.iter().map(|list| list.model_tau).collect()))
}

fn of_list(scene: &Scene<'_>, list: &ObservedList<'_>) -> AgreementOfList {
    let setting = scene.setting();
    let order = list.order(setting, scene.observations.setting.depth);
    let first: Vec<f64> = list.candidates.iter().map(|candidate| candidate.first_stage).collect();
    let mut places = vec![0.0; order.len()];
    order.iter().enumerate().for_each(|(rank, &place)| places[place as usize] = -(rank as f64));
    let model = list.model_scores(setting.scoring, setting.long_text);
    AgreementOfList {
        tau: tau_b(&first, &places),
        model_tau: tau_b(&first, &model.into_iter().map(f64::from).collect::<Vec<_>>()),
        rbo: rank_biased_overlap(&list.first_order, &order, RBO_P),
        overlap: overlap(&list.first_order, &order, OVERLAP_DEPTH),
    }
}

/// Returns Kendall's tau-b, or 0 if one of the two scores is constant, because it then says nothing
/// about the other.
pub(super) fn tau_b(first: &[f64], second: &[f64]) -> f64 {
    kendall_tau_b(first, second).unwrap_or(0.0)
}
