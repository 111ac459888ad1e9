//! Kinds of service models.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The task of a service's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceKind {
    /// It embeds texts.
    Embeddings,
    /// It is a language model, which judges how well candidates answer a query.
    Judge,
    /// It reranks: it scores candidates for a query by itself.
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
                "unknown kind of a service's model '{text}'; expected embeddings, judge or rerank"
            ))
        })
    }
}
