//! Reasons for refusing a request.

use std::time::Duration;

/// The reason for a refusal. The text names the key, what was found, and what is wanted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WireError {
    #[error("the body is not valid JSON: {detail}")]
    NotJson { detail: String },
    #[error("the body is {found}; expected: a JSON object")]
    NotAnObject { found: String },
    #[error("the body has {bytes} bytes; the limit is {limit}: send fewer or shorter texts")]
    BodyTooLarge { bytes: usize, limit: usize },
    #[error("the request has about {tokens} tokens; the limit is {limit}: split it, or raise max_queue_tokens")]
    TooManyTokens { tokens: u64, limit: u64 },
    #[error("the body ended early or could not be read: {detail}")]
    BodyUnread { detail: String },
    #[error("the body did not arrive within {ms} ms")]
    BodyTimeOut { ms: u128 },
    #[error("the body has the type '{found}'; expected: application/json")]
    MediaType { found: String },
    #[error("'{key}' is {tokens} tokens long, and {limit} are read; shorten it, or allow truncation")]
    TooLong { key: String, tokens: usize, limit: usize },
    #[error("'{key}' cannot be used here: {reason}")]
    NotSupported { key: String, reason: String },
    #[error(
        "the host '{host}' is unknown to this server, which has no API keys; start it with allowed_host ({host}) to accept it"
    )]
    Host { host: String },
    #[error("'{key}' is missing; expected: {wanted}")]
    Missing { key: String, wanted: &'static str },
    #[error("'{key}' is {found}; expected: {wanted}")]
    Wrong { key: String, found: String, wanted: String },
    #[error("'{key}' is an empty list; expected: at least one text")]
    Empty { key: String },
    #[error("'{key}' has {found} entries; the limit is {limit}: split the request")]
    TooMany { key: String, found: usize, limit: usize },
    #[error(
        "'{key}' holds token ids, which belong to another model's tokenizer; send the texts themselves \
         (langchain-openai: OpenAIEmbeddings(check_embedding_ctx_length=False)), or start the server with \
         --openai-token-ids cl100k_base to have them decoded"
    )]
    TokenIds { key: String },
    #[error("unknown model '{model}'; this server has: {}", known.join(", "))]
    UnknownModel { model: String, known: Vec<String> },
    #[error("unknown endpoint {path}")]
    UnknownPath { path: String },
    #[error("{path} takes {wanted}, not {found}")]
    WrongMethod { path: String, found: String, wanted: &'static str },
    #[error("{path} is not offered: {reason}")]
    NotOffered { path: String, reason: &'static str },
    #[error("the API key is missing or wrong; send 'Authorization: Bearer KEY'")]
    Unauthorized,
    #[error("the server is overloaded; try again in {} ms", retry_after.as_millis())]
    Overloaded { retry_after: Duration },
    #[error("the server is not ready: {reason}")]
    Unavailable { reason: String },
    #[error("the deadline of {ms} ms has passed; ask for fewer documents or set 'on_deadline' to 'partial'")]
    Deadline { ms: u64 },
    #[error("the tokenizer failed: {detail}")]
    Tokenizer { detail: String },
    #[error("the model gave a number that is not finite for index {index}")]
    NotFinite { index: usize },
    #[error("the model failed: {detail}")]
    Backend { detail: String },
}

impl WireError {
    /// Makes the refusal for a panic, which the log has in full.
    pub(crate) fn internal() -> Self {
        Self::Backend { detail: "an internal error, which should be reported".to_owned() }
    }

    /// Returns the wrong key of the body, for OpenAI's `param`.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Missing { key, .. }
            | Self::Wrong { key, .. }
            | Self::Empty { key }
            | Self::TooMany { key, .. }
            | Self::TooLong { key, .. }
            | Self::NotSupported { key, .. }
            | Self::TokenIds { key } => Some(key),
            Self::UnknownModel { .. } => Some("model"),
            _ => None,
        }
    }
}
