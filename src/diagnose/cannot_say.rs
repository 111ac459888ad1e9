//! Questions that the data cannot answer.

use super::choice::MIN_QUERIES;
use super::lists::Scene;
use super::measured::Measurements;
use crate::LongText;

/// Returns the open questions, each with the data that would answer it.
pub(super) fn cannot_say(scene: &Scene<'_>, measured: &Measurements) -> Vec<String> {
    let mut open = Vec::new();
    let mut say = |is_open: bool, text: &str| open.extend(is_open.then(|| text.to_owned()));
    let Measurements { counts, lengths, .. } = measured;
    let is_judged = counts.judged_candidates > 0;
    if !is_judged {
        let why = match (&scene.observations.qrels, counts.judged_queries) {
            (None, _) => "there are no judgements (`qrels=`)",
            (Some(_), 0) => "no query of the run is judged",
            (Some(_), _) => "no candidate is judged",
        };
        say(true, &format!("whether reranking helps or hurts, and which queries: {why}"));
        say(
            true,
            "how good the best order of these candidates would be: relevant candidates are unknown without judgements",
        );
        say(true, "which scoring, blend, depth, prompt and pooling is best: comparing them needs judgements");
        say(
            true,
            "whether agreement with the first stage is good or bad: a better order and a worse one both disagree with it",
        );
    }
    let few = format!(
        "which configuration is best: {} judged queries are too few; at least {MIN_QUERIES} are needed",
        counts.judged_queries
    );
    say(is_judged && counts.judged_queries < MIN_QUERIES, &few);
    let windows_missing =
        lengths.truncated_share > 0.0 && !scene.has_windows && scene.setting().long_text == LongText::Truncate;
    say(is_judged && windows_missing, "whether windows help with the texts that were cut: they were not tried");
    say(
        is_judged && scene.observations.trials.is_empty(),
        "whether other prompts or another pooling fit the model better: none was tried",
    );
    let no_tokens = lengths.tokens[4] == 0;
    say(no_tokens, "how long the texts are for the model and whether it knows their language: tokens were not counted");
    let ranks_missing = scene.lists.iter().flat_map(|list| &list.candidates).all(|candidate| candidate.rank.is_none());
    say(ranks_missing, "whether the run's ranks and scores contradict each other: it states no ranks");
    open
}
