//! Findings on quality: whether reranking helps, what would help, and what prevents it.

use super::{Finding, FindingKind, Gains, Measurements, Severity};
use crate::diagnose::choice::Gain;
use crate::diagnose::decision::MIN_GAIN;
use crate::diagnose::effect::{SIGNIFICANCE, is_gain, is_loss, verdict_kind};
use crate::diagnose::figures::{EXAMPLES, interval, percent};
use crate::diagnose::lists::Scene;
use crate::diagnose::measured::JudgedMeasurements;
use crate::diagnose::report::{Action, Quality, VerdictKind};
use crate::eval::holm;
use crate::{Blend, Scoring};

/// Maximum share of queries without a relevant candidate. Above one in five, the first stage needs
/// work, not the reranker.
const MAX_WITHOUT_RELEVANT: f64 = 0.2;
/// Minimum mean of the best possible order. Below it, a fifth of the measure's range is lost before
/// reranking.
const MIN_ORACLE: f64 = 0.8;
/// Cutoff for a measure without one: the number of results that people look at.
const USUAL_CUTOFF: usize = 10;

pub(super) fn findings(scene: &Scene<'_>, measured: &Measurements) -> Vec<Finding> {
    let mut findings = Vec::from_iter(shallow_lists(scene, measured));
    let Some(judged) = &measured.judged else { return findings };
    let quality = &judged.quality;
    findings.extend(effect(scene, measured, judged));
    findings.extend(cosine_alone_loses(scene, judged));
    findings.extend(judged.gains.as_ref().map(|found| gains(judged, found)).into_iter().flatten());
    findings.extend(recall_ceiling(scene, quality));
    findings.extend(too_deep(scene, judged));
    findings
}

/// Returns the remedy in the words of the recommendation.
fn remedy(judged: &JudgedMeasurements) -> String {
    match &judged.recommendation {
        found if found.action == Action::Change => format!("use {}", found.arguments),
        _ => "leave the first stage's order, or try another model: no configuration of this one was shown to win"
            .to_owned(),
    }
}

fn effect(scene: &Scene<'_>, measured: &Measurements, judged: &JudgedMeasurements) -> Option<Finding> {
    let quality = &judged.quality;
    let comparison = &quality.effect.comparison;
    let difference = format!("{} {}", interval(&comparison.difference), scene.options.measure);
    let counted =
        format!("{} queries better, {} worse, {} the same", comparison.wins, comparison.losses, comparison.ties);
    let finding = match verdict_kind(comparison) {
        VerdictKind::Helps | VerdictKind::CannotSay => return None,
        VerdictKind::Hurts => {
            let evidence =
                format!("reranking with {} changes the first stage by {difference}; {counted}", scene.setting());
            let worst = quality.worst.iter().map(|query| query.id.clone());
            Finding::new(FindingKind::RerankingHurts, Severity::Problem, evidence, remedy(judged))
                .examples(worst.take(EXAMPLES))
        }
        VerdictKind::NoEvidence => {
            let needed = quality.effect.queries_needed;
            let queries = measured.counts.judged_queries;
            let remedy = match needed {
                Some(needed) if needed > queries => format!(
                    "judge more queries: about {needed} would show a difference of this size (80 % power, normal approximation)"
                ),
                _ => "judge more queries, or accept that both orders are worth the same".to_owned(),
            };
            let evidence = format!("the difference of {difference} over {queries} queries may be chance; {counted}");
            let finding = Finding::new(FindingKind::NoEvidence, Severity::Warning, evidence, remedy);
            needed.into_iter().fold(finding, |finding, needed| finding.number("queries_needed", needed as f64))
        }
    };
    let p_value = comparison.p_value.unwrap_or(1.0);
    Some(finding.number("difference", comparison.difference.mean).number("p_value", p_value))
}

/// Checks if cosine without the first stage's scores is below the first stage, while
/// cross-validation finds a configuration above cosine.
fn cosine_alone_loses(scene: &Scene<'_>, judged: &JudgedMeasurements) -> Option<Finding> {
    let quality = &judged.quality;
    let is_cosine = scene.setting().scoring == Scoring::Cosine && scene.setting().blend == Blend::None;
    let comparison = &quality.effect.comparison;
    let choice = quality.choice.as_ref();
    let is_beaten = choice.is_some_and(|choice| is_gain(&choice.over_setting));
    if !is_cosine || comparison.difference.mean >= 0.0 || !(is_loss(comparison) || is_beaten) {
        return None;
    }
    let chance = if is_loss(comparison) { "more than chance" } else { "which alone may be chance" };
    let mut evidence = format!(
        "cosine alone loses against the first stage: {} {}, {chance}",
        interval(&comparison.difference),
        scene.options.measure
    );
    if let Some(choice) = choice.filter(|_| is_beaten) {
        evidence.push_str(&format!(
            "; what cross-validation chooses ({}) is {} above cosine and {} above the first stage",
            choice.chosen,
            interval(&choice.over_setting.difference),
            interval(&choice.over_first_stage.difference)
        ));
    }
    let severity = if is_loss(comparison) { Severity::Problem } else { Severity::Warning };
    let finding = Finding::new(FindingKind::CosineAloneLoses, severity, evidence, remedy(judged));
    Some(finding.number("difference", comparison.difference.mean))
}

/// Reports a scoring or a blend that is better than the setting's. Each one is cross-validated with
/// everything else unchanged.
fn gains(judged: &JudgedMeasurements, gains: &Gains) -> Vec<Finding> {
    let both = [
        (FindingKind::WeakScoringMode, gains.scoring, "another scoring"),
        (FindingKind::BlendHelps, gains.blend, "another share of the first stage"),
    ];
    let p_values = both.map(|(_, gain, _)| gain.over_setting.p_value.unwrap_or(1.0));
    let finding = |((kind, gain, what), adjusted): ((FindingKind, Gain, &str), f64)| {
        let difference = gain.over_setting.difference;
        let is_real = difference.low > 0.0 && difference.mean >= MIN_GAIN && adjusted < SIGNIFICANCE;
        is_real.then(|| {
            let evidence = format!(
                "{what} is better: choosing it by cross-validation gains {}; with all else as it is, {} is chosen",
                interval(&difference),
                gain.chosen
            );
            let remedy = match judged.recommendation.action {
                Action::Change => remedy(judged),
                _ => format!("use {}", gain.chosen.arguments()),
            };
            Finding::new(kind, Severity::Warning, evidence, remedy)
                .number("gain", difference.mean)
                .number("adjusted_p_value", adjusted)
        })
    };
    both.into_iter().zip(holm(&p_values)).filter_map(finding).collect()
}

fn recall_ceiling(scene: &Scene<'_>, quality: &Quality) -> Option<Finding> {
    let ceiling = &quality.ceiling;
    let is_low = ceiling.share_without_relevant >= MAX_WITHOUT_RELEVANT || ceiling.oracle < MIN_ORACLE;
    if !is_low {
        return None;
    }
    let rel = scene.options.measure.rel();
    let judged = scene.judged();
    let without = judged.iter().filter(|list| {
        list.num_relevant(rel) > 0 && !(0..list.candidates.len()).any(|place| list.is_relevant(place, rel))
    });
    let evidence = format!(
        "{} queries ({}) have no relevant document among their candidates, and {} of the relevant ones are there on average; the best order would \
         reach {:.3} {}",
        ceiling.queries_without_relevant,
        percent(ceiling.share_without_relevant),
        percent(ceiling.recall),
        ceiling.oracle,
        scene.options.measure
    );
    let remedy = "let the first stage give more or other candidates (a second first stage, expanded queries): a reranker cannot find missing documents";
    let finding = Finding::new(FindingKind::RecallCeiling, Severity::Warning, evidence, remedy);
    let finding =
        finding.number("oracle", ceiling.oracle).number("share_without_relevant", ceiling.share_without_relevant);
    Some(finding.number("recall", ceiling.recall).examples(without.map(|list| list.query.id.clone()).take(EXAMPLES)))
}

fn shallow_lists(scene: &Scene<'_>, measured: &Measurements) -> Option<Finding> {
    let cutoff = scene.options.measure.cutoff().unwrap_or(USUAL_CUTOFF);
    let [_, median, _] = measured.counts.list_lengths;
    if median > cutoff {
        return None;
    }
    let evidence = format!(
        "half of the lists have at most {median} candidates, and the cutoff is {cutoff}: reranking can only reorder what is within the cutoff anyway"
    );
    let remedy = "let the first stage give more candidates; 50 to 100 are usual";
    let finding = Finding::new(FindingKind::ShallowLists, Severity::Warning, evidence, remedy);
    Some(finding.number("median_candidates", median as f64))
}

fn too_deep(scene: &Scene<'_>, judged: &JudgedMeasurements) -> Option<Finding> {
    let (depth, comparison) = judged.better_depth.filter(|(_, found)| found.difference.mean >= MIN_GAIN)?;
    let evidence = format!(
        "reranking only the first {depth} candidates is better than this setting: {} {}; what lies deeper is put too high",
        interval(&comparison.difference),
        scene.options.measure
    );
    let finding = Finding::new(
        FindingKind::TooDeep,
        Severity::Warning,
        evidence,
        format!("use `depth={depth}`, or give the first stage a larger share"),
    );
    Some(finding.number("depth", depth as f64).number("gain", comparison.difference.mean))
}
