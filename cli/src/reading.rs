//! Warnings about truncated and unknown texts.

use nearsort::ScoreKind;
use nearsort::answer::Readings;
use nearsort::job::Totals;

use crate::args::Talk;
use crate::hints::{Warning, unscored_example, warn};

/// Warns of queries that were truncated and of those that the model does not know.
pub fn warn_of_readings(talk: Talk, readings: &Readings, max_tokens: usize, kind: ScoreKind) {
    let first = |id: &Option<String>| id.clone().unwrap_or_default();
    warn(
        talk,
        &Warning::TruncatedQueries {
            truncated: readings.truncated,
            queries: readings.queries,
            first: first(&readings.first_truncated),
            max_tokens,
            reads_pairs: matches!(kind, ScoreKind::Logit | ScoreKind::Probability),
        },
    );
    let first = first(&readings.first_unknown);
    warn(talk, &Warning::UnknownQueries { unknown: readings.unknown, queries: readings.queries, first });
}

/// Warns of queries and candidates. `candidates` is the total that the number of truncated ones
/// refers to.
pub fn warn_of_totals(talk: Talk, totals: &Totals, candidates: usize, kind: ScoreKind) {
    let Totals { truncated, no_first_stage, unscored, max_tokens, .. } = *totals;
    warn_of_readings(talk, &totals.readings, max_tokens, kind);
    warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
    warn(talk, &Warning::Empty { number: totals.empty, ids: totals.empty_ids.clone() });
    warn(talk, &Warning::NoFirstStage { unscored: no_first_stage, candidates });
    let example = totals.unscored_example.as_ref().map(|(id, reason)| unscored_example(id, reason));
    let example = example.unwrap_or_default();
    warn(talk, &Warning::Unscored { unscored, candidates: totals.candidates, example });
}
