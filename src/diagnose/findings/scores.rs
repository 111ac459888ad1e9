//! Findings on the scores of both stages, and on trials of other prompts or another pooling.

use super::{Finding, FindingKind, Measurements, Severity};
use crate::Result;
use crate::diagnose::agreement::tau_b;
use crate::diagnose::effect::{is_gain, mean};
use crate::diagnose::figures::{interval, percent};
use crate::diagnose::lists::{ObservedList, Scene};
use crate::diagnose::observations::Change;
use crate::diagnose::trials::better;
use crate::eval::{Test, bootstrap_mean, compare};

/// Minimum gain of the reversed order. With this gain, at a p-value far below the usual level, the
/// reversed order is the right one.
const MIN_REVERSED_GAIN: f64 = 0.01;
const REVERSED_P: f64 = 0.01;
/// Maximum tau of ranks and scores of one file for a finding. They agree (tau 1) unless one of them
/// is reversed (tau -1).
const MAX_RANK_TAU: f64 = -0.5;
/// Maximum tau of the two stages for a finding. Two rankings for the same queries agree somewhat,
/// or not at all; such a disagreement has another reason.
const MAX_MODEL_TAU: f64 = -0.2;
/// Minimum length of a list whose order is examined.
const MIN_LIST: usize = 3;
/// Maximum share of candidates whose place is decided by their id.
const MAX_TIED: f64 = 0.05;
/// Share of tied candidates above which the scores do not distinguish texts.
const MOSTLY_TIED: f64 = 0.5;
/// Minimum deviation of a list's scores. Scores of the fastest precision differ from exact ones in
/// the third digit, so closer scores are ordered by rounding.
const MIN_DEVIATION: f64 = 0.005;
/// Maximum share of candidates whose place in the first stage is decided by their id. Above it, its
/// scores were rounded, or they are classes.
const MAX_FIRST_STAGE_TIED: f64 = 0.2;

pub(super) fn findings(scene: &Scene<'_>, measured: &Measurements) -> Result<Vec<Finding>> {
    let mut findings = Vec::from_iter(inverted_order(scene, measured)?);
    findings.extend(tied_scores(measured));
    findings.extend(narrow_scores(scene, measured));
    findings.extend(first_stage_ties(measured));
    let prompts = better(measured.trials(), |change| matches!(change, Change::Prompts { .. }));
    let pooling = better(measured.trials(), |change| matches!(change, Change::Pooling(_)));
    for (kind, found) in [(FindingKind::WrongPrompt, prompts), (FindingKind::WrongPooling, pooling)] {
        findings.extend(found.first().map(|trial| {
            let evidence = format!(
                "{} beat the setting's by {} {} ({}, {} queries tried)",
                trial.name,
                interval(&trial.comparison.difference),
                scene.options.measure,
                trial.scoring,
                trial.queries
            );
            Finding::new(kind, Severity::Problem, evidence, format!("use {}", trial.arguments))
                .number("gain", trial.comparison.difference.mean)
                .number("adjusted_p_value", trial.adjusted_p)
        }));
    }
    Ok(findings)
}

fn inverted_order(scene: &Scene<'_>, measured: &Measurements) -> Result<Option<Finding>> {
    let mut signs = Vec::new();
    let mut severity = Severity::Warning;
    let ranks = mean_rank_tau(scene);
    if let Some(tau) = ranks.filter(|&tau| tau < MAX_RANK_TAU) {
        signs.push(format!("ranks and scores of the run contradict each other (Kendall's tau {tau:.2}): the best rank has the lowest score"));
        severity = Severity::Problem;
    }
    if let Some(gain) = reversed_gain(scene)? {
        signs.push(format!("the first stage is better upside down, by {} {}", interval(&gain), scene.options.measure));
        severity = Severity::Problem;
    }
    if let Some((agreement, taus)) = &measured.agreement
        && agreement.model_kendall_tau < MAX_MODEL_TAU
        && bootstrap_mean(taus, scene.resampling()).high < 0.0
    {
        let tau = agreement.model_kendall_tau;
        signs.push(format!("the model's scores run against the first stage's (Kendall's tau {tau:.2})"));
    }
    let remedy = "if the run's scores are distances, or it was sorted ascending, negate them (score = -distance) before reranking: everything here \
                  takes a higher score as better";
    let tau = measured.agreement.as_ref().map_or(0.0, |(agreement, _)| agreement.model_kendall_tau);
    Ok((!signs.is_empty()).then(|| {
        let finding = Finding::new(FindingKind::InvertedOrder, severity, signs.join("; "), remedy);
        let finding = finding.number("model_kendall_tau", tau);
        ranks.into_iter().fold(finding, |finding, tau| finding.number("rank_kendall_tau", tau))
    }))
}

/// Returns Kendall's tau of scores and stated ranks (taken so that agreement is 1), averaged over
/// lists that state ranks.
fn mean_rank_tau(scene: &Scene<'_>) -> Option<f64> {
    let tau = |list: &ObservedList<'_>| {
        let ranks: Option<Vec<f64>> = list.candidates.iter().map(|c| c.rank.map(|rank| -(rank as f64))).collect();
        let scores: Vec<f64> = list.candidates.iter().map(|candidate| candidate.first_stage).collect();
        ranks.filter(|ranks| ranks.len() >= MIN_LIST).map(|ranks| tau_b(&scores, &ranks))
    };
    let taus: Vec<f64> = scene.lists.iter().filter_map(tau).collect();
    (!taus.is_empty()).then(|| mean(&taus))
}

/// Returns the gain of the reversed first stage, if it is more than chance.
fn reversed_gain(scene: &Scene<'_>) -> Result<Option<crate::eval::Interval>> {
    let first = scene.values(|list| list.first_order.clone());
    let reversed = scene.values(|list| {
        let negated: Vec<f32> = list.candidates.iter().map(|candidate| -candidate.first_stage as f32).collect();
        list.judged.order(&negated)
    });
    let found = compare(&first, &reversed, Test::Randomisation, scene.resampling())?;
    let is_real = is_gain(&found) && found.p_value.is_some_and(|p| p < REVERSED_P);
    Ok(Some(found.difference).filter(|difference| is_real && difference.mean >= MIN_REVERSED_GAIN))
}

fn tied_scores(measured: &Measurements) -> Option<Finding> {
    let share = measured.spread.tied_share;
    let severity = match share {
        share if share >= MOSTLY_TIED => Severity::Problem,
        share if share >= MAX_TIED => Severity::Warning,
        _ => return None,
    };
    let finding = Finding::new(
        FindingKind::TiedScores,
        severity,
        format!(
            "{} of the candidates have exactly the score of another text in their list: their order is that of their ids",
            percent(share)
        ),
        "score with `precision=f32`; if that does not help, look whether the texts differ only beyond the model's length (`long_text=window`) or in what \
         its vocabulary lacks",
    );
    Some(finding.number("tied_share", share))
}

fn narrow_scores(scene: &Scene<'_>, measured: &Measurements) -> Option<Finding> {
    let spread = &measured.spread;
    let has_lists = scene.lists.iter().any(|list| list.candidates.len() >= MIN_LIST);
    if !has_lists || spread.median_deviation >= MIN_DEVIATION {
        return None;
    }
    let (severity, said) = match spread.median_range {
        0.0 => (Severity::Problem, "the model gives every candidate of a list the same score".to_owned()),
        range => {
            let deviation = spread.median_deviation;
            let said = format!(
                "the model's scores of a list lie within {range:.4} (standard deviation {deviation:.4}): rounding decides"
            );
            (Severity::Warning, said)
        }
    };
    let remedy = "check the model (nearsort models verify), its prompts and pooling; score with `precision=f32`";
    let finding = Finding::new(FindingKind::NarrowScores, severity, said, remedy);
    Some(finding.number("median_deviation", spread.median_deviation).number("median_range", spread.median_range))
}

fn first_stage_ties(measured: &Measurements) -> Option<Finding> {
    let share = measured.spread.first_stage_tied_share;
    if share < MAX_FIRST_STAGE_TIED {
        return None;
    }
    let finding = Finding::new(
        FindingKind::FirstStageTies,
        Severity::Warning,
        format!("{} of the candidates share their first-stage score with another one of their list", percent(share)),
        "write the run with all digits of its scores; where the first stage has no finer ones, take `blend=none` or a small `blend_weight=`",
    );
    Some(finding.number("first_stage_tied_share", share))
}
