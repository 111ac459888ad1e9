//! What became of queries on their way into the model, for answers and warnings.

use nearsort::{QueryReading, ScoreKind};
use serde::{Deserialize, Serialize};

use crate::args::Talk;
use crate::hints::{Warning, warn};

/// The queries of a run that were cut, and those that the model does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings {
    queries: usize,
    truncated: usize,
    first_truncated: Option<String>,
    unknown: usize,
    first_unknown: Option<String>,
}

impl Readings {
    pub fn add(&mut self, id: &str, reading: QueryReading) {
        self.queries += 1;
        if reading.truncated {
            self.truncated += 1;
            self.first_truncated.get_or_insert_with(|| id.to_owned());
        }
        if reading.unknown {
            self.unknown += 1;
            self.first_unknown.get_or_insert_with(|| id.to_owned());
        }
    }

    /// Warns of queries that were cut and of those that the model does not know.
    pub fn warn(&self, talk: Talk, max_tokens: usize, kind: ScoreKind) {
        let first = |id: &Option<String>| id.clone().unwrap_or_default();
        warn(
            talk,
            &Warning::TruncatedQueries {
                truncated: self.truncated,
                queries: self.queries,
                first: first(&self.first_truncated),
                max_tokens,
                reads_pairs: matches!(kind, ScoreKind::Logit | ScoreKind::Probability),
            },
        );
        let first = first(&self.first_unknown);
        warn(talk, &Warning::UnknownQueries { unknown: self.unknown, queries: self.queries, first });
    }
}
