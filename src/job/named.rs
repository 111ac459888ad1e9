//! Errors about positions, with the names that users know.

use crate::Error;
use crate::io::{Query, Row};

/// An error about a query names a position; the user knows the id of the query there.
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

/// An error about a score names a position; the user knows the row.
pub(super) fn of_candidate(error: Error, row: &Row) -> Error {
    match error {
        Error::NotANumber { .. } => Error::at(error, format!("id '{}', line {}", row.id, row.line)),
        error => error,
    }
}
