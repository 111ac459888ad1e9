//! What became of queries on their way into the model.

use serde::{Deserialize, Serialize};

use crate::scorer::QueryReading;

/// The queries of a run that were cut, and those that the model does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings {
    /// All.
    pub queries: usize,
    /// Those that were cut.
    pub truncated: usize,
    /// The id of the first of them.
    pub first_truncated: Option<String>,
    /// Those of which the model knows no token.
    pub unknown: usize,
    /// The id of the first of them.
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
