//! Tests that the choice never uses the queries that it reports on, and the recommendations.

use super::synthetic::{Generator, Signals, configuration};
use super::{Plan, healthy, options, report};
use crate::diagnose::choice::{choose, cross_validate, folds};
use crate::diagnose::effect::mean;
use crate::diagnose::grid::{HalfValues, Values};
use crate::diagnose::{Action, Configuration, FindingKind, VerdictKind};
use crate::eval::{Test, compare};
use crate::{Blend, Scoring};

#[test]
fn folds_are_even_and_the_seed_s() {
    let found = folds(23, 5, 1);
    let sizes: Vec<usize> = (0..5).map(|fold| found.iter().filter(|&&of| of == fold).count()).collect();
    assert_eq!(sizes, [5, 5, 5, 4, 4]);
    assert_eq!(found, folds(23, 5, 1));
    assert_ne!(found, folds(23, 5, 2));
}

/// Both halves of the documents have the values of the whole.
fn alike(whole: Vec<Vec<f64>>) -> Values {
    let half = || HalfValues { values: whole.clone(), counts: vec![true; whole[0].len()] };
    Values { halves: [half(), half()], whole }
}

#[test]
fn no_query_has_a_part_in_the_choice_that_it_is_reported_by() {
    // Configuration q + 1 has the value 1 for query q and 0 for any other, so a choice that uses q
    // takes it.
    let queries = 40;
    let one_hot = |at: usize| (0..queries).map(|query| f64::from(query + 1 == at)).collect::<Vec<f64>>();
    let values: Vec<Vec<f64>> = (0..=queries).map(one_hot).collect();
    let pool: Vec<usize> = (0..values.len()).collect();
    let classes = vec![0; values.len()];
    let found = cross_validate(&alike(values), &classes, &pool, &folds(queries, 5, 1));
    assert_eq!((found.held_out, found.unseen), (vec![0.0; queries], vec![0.0; queries]));
    assert_eq!(found.picks.len(), 10);
}

#[test]
fn a_choice_by_one_half_is_measured_by_the_other() {
    // Configuration 1 gains 1 on the first half and loses 1 on the second; of the last query only
    // the second half counts.
    let queries = 40;
    let row = |value: f64| vec![value; queries];
    let mut counts = [vec![true; queries], vec![true; queries]];
    counts[0][queries - 1] = false;
    let [first, second] = counts;
    let halves = [
        HalfValues { values: vec![row(0.0), row(1.0)], counts: first },
        HalfValues { values: vec![row(0.0), row(-1.0)], counts: second },
    ];
    let values = Values { whole: vec![row(0.0), row(0.5)], halves };
    let found = cross_validate(&values, &[0, 1], &[0, 1], &folds(queries, 5, 1));
    assert_eq!(found.picks, [1, 0].repeat(5));
    assert_eq!(found.held_out, row(0.25));
    let mut expected = row(-0.5);
    expected[queries - 1] = -1.0;
    assert_eq!(found.unseen, expected);
}

#[test]
fn among_random_scores_there_is_no_gain() {
    let mut generator = Generator::new(5);
    let mut draw = || (0..200).map(|_| generator.uniform()).collect::<Vec<f64>>();
    let values: Vec<Vec<f64>> = (0..60).map(|_| draw()).collect();
    let pool: Vec<usize> = (0..values.len()).collect();
    let classes: Vec<usize> = pool.iter().map(|&at| usize::from(at > 0)).collect();
    let best = values.iter().map(|of| mean(of)).fold(0.0, f64::max);
    assert!(best > 0.54, "the best of sixty looks good where it was chosen: {best}");
    let values = alike(values);
    let found = cross_validate(&values, &classes, &pool, &folds(200, 5, 1));
    let honest = compare(&values.whole[0], &found.held_out, Test::Randomisation, &options().resampling).unwrap();
    assert!(honest.difference.low < 0.0, "{honest:?}");
    assert!(mean(&found.held_out) < 0.53, "{}", mean(&found.held_out));
}

#[test]
fn the_simplest_within_a_standard_error_is_chosen() {
    let mut generator = Generator::new(6);
    let base: Vec<f64> = (0..100).map(|_| generator.uniform()).collect();
    let mut shifted = |by: f64| base.iter().map(|value| value + by + 0.2 * generator.normal()).collect::<Vec<f64>>();
    let values = vec![base.clone(), shifted(0.004), shifted(0.2), shifted(0.2)];
    let (pool, all) = ([0, 1, 2, 3], (0..100).collect::<Vec<_>>());
    assert!(choose(&values, &[0, 1, 3, 2], &pool[..2], &all) == 0);
    assert_eq!(choose(&values, &[0, 1, 3, 2], &pool, &all), 3);
    assert_eq!(choose(&values, &[0, 1, 2, 3], &pool, &all), 2);
}

fn plan(first_stage: f64, cosine: f64, maxsim: f64) -> Plan {
    Plan { signals: Signals { first_stage, cosine, maxsim }, ..Plan::default() }
}

#[test]
fn what_helps_is_kept() {
    let found = report(&healthy(Plan::default()));
    assert_eq!(found.verdict.kind, VerdictKind::Helps);
    assert!(found.verdict.text.starts_with("Reranking helps: nDCG@10 0."), "{}", found.verdict.text);
    let recommendation = found.recommendation.unwrap();
    assert_eq!(recommendation.action, Action::Keep);
    assert_eq!(recommendation.arguments, "--scoring hybrid --blend linear --blend-weight 0.06 --long truncate");
    assert_eq!(recommendation.profile.model.as_deref(), Some("a-model"));
}

#[test]
fn cosine_alone_is_told_what_wins() {
    let mut observations = healthy(plan(1.5, 0.8, 2.0));
    observations.setting.configuration =
        Configuration { scoring: Scoring::Cosine, blend: Blend::None, ..configuration() };
    let found = report(&observations);
    let finding = found.findings.iter().find(|finding| finding.name == FindingKind::CosineAloneLoses).unwrap();
    let recommendation = found.recommendation.unwrap();
    let choice = found.quality.unwrap().choice.unwrap();
    assert_eq!((recommendation.action, recommendation.configuration), (Action::Change, choice.chosen));
    assert!(choice.over_first_stage.difference.low > 0.0 && choice.over_setting.difference.low > 0.0);
    assert!(finding.remedy.contains(&choice.chosen.arguments()), "{}", finding.remedy);
    let said = ["Cosine alone loses against the first stage here.", &choice.chosen.arguments()];
    assert!(said.iter().all(|said| found.verdict.text.contains(said)), "{}", found.verdict.text);
}

#[test]
fn a_model_that_only_hurts_is_not_to_be_used() {
    let found = report(&healthy(plan(2.0, -0.5, -0.5)));
    assert_eq!(found.verdict.kind, VerdictKind::Hurts);
    let recommendation = found.recommendation.unwrap();
    assert_eq!((recommendation.action, recommendation.arguments.as_str()), (Action::DoNotRerank, ""));
    let quality = found.quality.unwrap();
    assert!(quality.worst.len() == 5 && quality.worst[0].after < quality.worst[0].before);
    let moved = &quality.worst[0].moved;
    assert!(moved[0].grade > Some(0) && moved[0].rank_after > moved[0].rank_before, "{moved:?}");
    let last = moved.last().unwrap();
    assert!(last.grade == Some(0) && last.rank_after < last.rank_before && !last.excerpt.is_empty(), "{moved:?}");
}

#[test]
fn without_evidence_the_queries_needed_are_told() {
    let found = report(&healthy(Plan { queries: 25, ..plan(1.0, 1.0, 1.0) }));
    assert_eq!(found.verdict.kind, VerdictKind::NoEvidence);
    let needed = found.quality.unwrap().effect.queries_needed.unwrap();
    assert!(
        needed > 25 && found.verdict.text.contains(&format!("about {needed} judged queries")),
        "{}",
        found.verdict.text
    );
    // Too few queries to choose by.
    let few = report(&healthy(Plan { queries: 12, ..plan(1.0, 1.0, 1.0) }));
    assert_eq!((few.verdict.kind, few.recommendation.unwrap().action), (VerdictKind::NoEvidence, Action::Keep));
    assert!(few.quality.unwrap().choice.is_none());
    assert!(few.cannot_say.iter().any(|open| open.contains("too few")), "{:?}", few.cannot_say);
}

#[test]
fn without_judgements_nothing_is_said_of_quality() {
    let mut observations = healthy(Plan::default());
    observations.qrels = None;
    let found = report(&observations);
    assert_eq!(found.verdict.kind, VerdictKind::CannotSay);
    assert!(found.quality.is_none() && found.recommendation.is_none());
    assert!(found.cannot_say.len() >= 4, "{:?}", found.cannot_say);
    let agreement = found.agreement.unwrap();
    assert!(agreement.kendall_tau > 0.2 && agreement.kendall_tau < 0.9, "{agreement:?}");
}
