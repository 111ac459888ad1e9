//! The verdict in plain words.

use super::effect::verdict_kind;
use super::figures::{interval, plural};
use super::finding::{Finding, FindingKind};
use super::lists::Scene;
use super::measured::Measurements;
use super::report::{Action, Effect, Quality, Recommendation, Verdict, VerdictKind};

/// Returns the verdict, with which a report begins.
pub(super) fn verdict(scene: &Scene<'_>, measured: &Measurements, findings: &[Finding]) -> Verdict {
    let Some(judged) = &measured.judged else {
        let why = match (&scene.observations.qrels, measured.counts.judged_queries) {
            (None, _) => "without judgements. The report shows what can be seen without them.",
            (Some(_), 0) => "from these judgements: they have none of the run's queries.",
            (Some(_), _) => {
                "from these judgements: they have none of the run's candidates. Do both name documents alike?"
            }
        };
        return Verdict { kind: VerdictKind::CannotSay, text: format!("Whether reranking helps cannot be said {why}") };
    };
    let (measure, quality) = (scene.options.measure.to_string(), &judged.quality);
    let kind = verdict_kind(&quality.effect.comparison);
    let mut sentences = vec![effect_sentence(&measure, kind, measured.counts.judged_queries, &quality.effect)];
    if findings.iter().any(|finding| finding.name == FindingKind::CosineAloneLoses) {
        sentences.push("Cosine alone loses against the first stage here.".to_owned());
    }
    sentences.extend(recommendation_sentence(&measure, quality, &judged.recommendation));
    sentences.push(format!("The best order of these candidates would reach {:.3}.", quality.ceiling.oracle));
    Verdict { kind, text: sentences.join(" ") }
}

fn effect_sentence(measure: &str, kind: VerdictKind, queries: usize, effect: &Effect) -> String {
    let (first, reranked) = (effect.first_stage.mean, effect.reranked.mean);
    let difference = interval(&effect.comparison.difference);
    let numbers = format!(
        "{measure} {first:.3} by the first stage, {reranked:.3} with this setting: {difference} over {queries} judged {}",
        plural(queries, "query", "queries")
    );
    match kind {
        VerdictKind::Helps => format!("Reranking helps: {numbers}."),
        VerdictKind::Hurts => format!("Reranking hurts: {numbers}."),
        VerdictKind::NoEvidence | VerdictKind::CannotSay => {
            let needed = match effect.queries_needed {
                Some(needed) if needed > queries => {
                    format!("To show a difference of this size, about {needed} judged queries would be needed.")
                }
                Some(_) => "This many queries can barely show such a difference.".to_owned(),
                None => "Both orders are worth the same.".to_owned(),
            };
            format!("No evidence either way: {numbers}. {needed}")
        }
    }
}

fn recommendation_sentence(measure: &str, quality: &Quality, found: &Recommendation) -> Option<String> {
    match (found.action, &quality.choice) {
        (Action::Change, Some(choice)) if choice.chosen == found.configuration => Some(format!(
            "Use {}, cross-validated {measure} {:.3}: {}.",
            found.configuration, choice.mean.mean, found.arguments
        )),
        (Action::Change, _) => Some(format!("Use {}.", found.arguments)),
        (Action::DoNotRerank, _) => {
            Some("Leave the first stage's order, or try another model: with this one nothing wins.".to_owned())
        }
        (Action::Keep, _) => None,
    }
}
