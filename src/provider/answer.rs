//! Properties of every answer: its size, its faults, its usage.

use crate::call::ServiceTokens;

/// A fault of an answer, with the position of the text in the request if it is about one.
#[derive(Debug, PartialEq)]
pub(crate) struct Wrong {
    pub message: String,
    pub index: Option<usize>,
}

impl Wrong {
    pub fn about_all(message: impl Into<String>) -> Self {
        Self { message: message.into(), index: None }
    }

    pub fn about(index: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), index: Some(index) }
    }
}

/// The maximum size of an answer without its envelope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnswerSize {
    pub bytes: u64,
    /// JSON values, counted by commas and brackets, including those in strings.
    pub values: u64,
}

/// Tokens and search units as a service counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// Tokens of the request.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
    /// Units by which some services bill searches, in place of tokens.
    pub search_units: u64,
}

impl From<TokenCount> for ServiceTokens {
    /// Converts the maximum usage of a request.
    fn from(count: TokenCount) -> Self {
        let TokenCount { input, output, search_units } = count;
        Self { input, cached_input: 0, output, search_units }
    }
}
