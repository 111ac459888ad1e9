//! Names the text that an error is about.

use std::fmt;

/// The text that an error is about, by positions that count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextName {
    /// The query of the list at this position.
    Query(usize),
    /// The document at this position.
    Document(usize),
    /// A query and a document together, as a cross-encoder reads them.
    Pair {
        /// The query's position.
        query: usize,
        /// The document's position.
        document: usize,
    },
}

impl TextName {
    /// Maps the positions by `query` and `document`.
    pub(super) fn renumbered(self, query: impl Fn(usize) -> usize, document: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Query(at) => Self::Query(query(at)),
            Self::Document(at) => Self::Document(document(at)),
            Self::Pair { query: q, document: d } => Self::Pair { query: query(q), document: document(d) },
        }
    }
}

impl fmt::Display for TextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(at) => write!(f, "query {at} (counted from 0)"),
            Self::Document(at) => write!(f, "document {at} (counted from 0)"),
            Self::Pair { query, document } => write!(f, "query {query} with document {document} (counted from 0)"),
        }
    }
}
