//! What models of services do.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// What a model of a service does with texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceKind {
    /// It gives vectors.
    Embeddings,
    /// It is a language model, which is asked how well candidates answer a query.
    Judge,
    /// It scores candidates for a query by itself.
    Rerank,
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Embeddings => "embeddings",
            Self::Judge => "judge",
            Self::Rerank => "rerank",
        })
    }
}

impl FromStr for ServiceKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = [Self::Embeddings, Self::Judge, Self::Rerank];
        known.into_iter().find(|kind| kind.to_string() == text).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "'{text}' is no kind of a service's model; known are embeddings, judge and rerank"
            ))
        })
    }
}
