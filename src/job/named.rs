//! Errors about positions, extended by the ids that users know.

use crate::Error;
use crate::io::{Query, Row};

/// Adds the query's id to an error that names the query's position.
pub(super) fn of_query<'a>(error: Error, query: impl FnOnce(usize) -> Option<&'a Query>) -> Error {
    let found = match &error {
        Error::QueryNotANumber { index } => query(*index),
        _ => None,
    };
    match found {
        Some(query) => Error::at(error, format!("query '{}'", query.id)),
        None => error,
    }
}

/// Adds the row's id and line to an error that names a score's position.
pub(super) fn of_candidate(error: Error, row: &Row) -> Error {
    match error {
        Error::NotANumber { .. } => Error::at(error, format!("id '{}', line {}", row.id, row.line)),
        error => error,
    }
}
