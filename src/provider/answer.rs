//! What is known of an answer, whatever it holds: its size, its faults, its usage.

use crate::call::ServiceTokens;

/// What is wrong with an answer, and with which text of the request where it is about one.
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

/// The most that an answer may have beside its envelope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnswerSize {
    pub bytes: u64,
    /// JSON values, counted by commas and brackets, also in strings.
    pub values: u64,
}

/// Tokens and search units as a service counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// Of what is sent.
    pub input: u64,
    /// Of what is answered.
    pub output: u64,
    /// Units by which some services bill searches instead of tokens.
    pub search_units: u64,
}

impl From<TokenCount> for ServiceTokens {
    /// The most that a request may take.
    fn from(count: TokenCount) -> Self {
        let TokenCount { input, output, search_units } = count;
        Self { input, cached_input: 0, output, search_units }
    }
}
