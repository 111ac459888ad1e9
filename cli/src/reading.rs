//! Warnings of what became of queries on their way into the model.

use nearsort::ScoreKind;
use nearsort::answer::Readings;

use crate::args::Talk;
use crate::hints::{Warning, warn};

/// Warns of queries that were cut and of those that the model does not know.
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
