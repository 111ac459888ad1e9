//! What a user says otherwise than a model's files.

use super::pooling::Pooling;

/// Settings of the user's that override the model's files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Put before every query; `Some("")` removes the model's.
    pub query_prompt: Option<String>,
    /// Put before every document; `Some("")` removes the model's.
    pub document_prompt: Option<String>,
    /// Longest text in tokens.
    pub max_tokens: Option<usize>,
    /// How token vectors become one, whatever the model's files say.
    pub pooling: Option<Pooling>,
    /// Components to keep of a vector (Matryoshka): the vector is cut, then normalised.
    pub dim: Option<usize>,
}
