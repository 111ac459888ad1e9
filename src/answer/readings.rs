//! Counts of queries that were cut or that the model does not know.

use serde::{Deserialize, Serialize};

use crate::scorer::QueryReading;

/// Counts of a run's queries that were cut, and of those that the model does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings {
    /// Number of queries.
    pub queries: usize,
    /// Number of queries that were cut.
    pub truncated: usize,
    /// The id of the first query that was cut.
    pub first_truncated: Option<String>,
    /// Number of queries without any token that the model knows.
    pub unknown: usize,
    /// The id of the first query without any known token.
    pub first_unknown: Option<String>,
}

impl Readings {
    /// Counts a query.
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
}
