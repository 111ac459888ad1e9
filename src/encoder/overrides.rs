//! The user's settings that override a model's files.

use super::pooling::Pooling;

/// The user's settings that override the model's files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// The text put before every query; `Some("")` removes the model's.
    pub query_prompt: Option<String>,
    /// The text put before every document; `Some("")` removes the model's.
    pub document_prompt: Option<String>,
    /// Longest text in tokens.
    pub max_tokens: Option<usize>,
    /// The pooling of token vectors, in place of the model's own.
    pub pooling: Option<Pooling>,
    /// Number of components to keep of a vector (Matryoshka): the vector is cut, then normalised.
    pub dim: Option<usize>,
}
