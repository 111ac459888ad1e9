//! The verdict in plain words.

use super::effect::verdict_kind;
use super::report::{Action, Counts, Effect, Quality, Recommendation, Verdict, VerdictKind};
use super::{interval, plural};

/// What a report begins with.
pub(super) fn verdict(
    measure: &str,
    counts: &Counts,
    quality: Option<&Quality>,
    recommendation: Option<&Recommendation>,
    has_qrels: bool,
) -> Verdict {
    let Some(quality) = quality else {
        let text = if has_qrels {
            "Whether reranking helps cannot be said: no query of the run has judgements.".to_owned()
        } else {
            "Whether reranking helps cannot be said without judgements. The report shows what can be seen without them."
                .to_owned()
        };
        return Verdict { kind: VerdictKind::CannotSay, text };
    };
    let kind = verdict_kind(&quality.effect.comparison);
    let mut sentences = vec![effect_sentence(measure, kind, counts, &quality.effect, recommendation)];
    sentences.extend(recommendation.and_then(|found| recommendation_sentence(measure, quality, found)));
    let ceiling = &quality.ceiling;
    sentences.push(format!("The best order of these candidates would reach {:.3}.", ceiling.oracle));
    Verdict { kind, text: sentences.join(" ") }
}

fn effect_sentence(
    measure: &str,
    kind: VerdictKind,
    counts: &Counts,
    effect: &Effect,
    recommendation: Option<&Recommendation>,
) -> String {
    let name = recommendation.map_or("the setting".to_owned(), |_| "this setting".to_owned());
    let (first, reranked) = (effect.first_stage.mean, effect.reranked.mean);
    let difference = interval(&effect.comparison.difference);
    let over = format!("{} judged {}", counts.judged_queries, plural(counts.judged_queries, "query", "queries"));
    let numbers =
        format!("{measure} {first:.3} by the first stage, {reranked:.3} with {name}: {difference} over {over}");
    match kind {
        VerdictKind::Helps => format!("Reranking helps: {numbers}."),
        VerdictKind::Hurts => format!("Reranking hurts: {numbers}."),
        VerdictKind::NoEvidence | VerdictKind::CannotSay => {
            let needed = match effect.queries_needed {
                Some(needed) if needed > counts.judged_queries => {
                    format!(" To show a difference of this size, about {needed} judged queries would be needed.")
                }
                Some(_) => " It is at the edge of what so many queries can show.".to_owned(),
                None => " Both orders are worth the same.".to_owned(),
            };
            format!("No evidence either way: {numbers}.{needed}")
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
