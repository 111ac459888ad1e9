//! Options of a model that embeds.

use super::requests::ModelLimits;
use crate::provider::{MAX_INPUT_TOKENS, MAX_REQUEST_INPUTS, MAX_REQUEST_TOKENS};
use crate::service::{Provider, TokenCounter};

/// Options of a model that embeds.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Number of components that the service is asked for; `None`: the model's default.
    pub dimensions: Option<usize>,
    /// Maximum number of tokens of a text. The rest is cut and reported. `None`:
    /// [`MAX_INPUT_TOKENS`] for OpenAI's models. Other models' tokens are not known, so their texts
    /// are not cut here; the service may cut or refuse them.
    pub max_tokens: Option<usize>,
    /// Prefix of every query.
    pub query_prompt: String,
    /// Prefix of every document.
    pub document_prompt: String,
    /// Number of requests under way at once.
    pub concurrency: usize,
    /// Maximum number of texts in one request.
    pub request_inputs: usize,
    /// Maximum number of tokens in one request.
    pub request_tokens: usize,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            dimensions: None,
            max_tokens: None,
            query_prompt: String::new(),
            document_prompt: String::new(),
            concurrency: 8,
            request_inputs: MAX_REQUEST_INPUTS,
            request_tokens: MAX_REQUEST_TOKENS,
        }
    }
}

impl RemoteOptions {
    pub(super) fn limits(&self, provider: Provider, model: &str) -> ModelLimits {
        let counter = TokenCounter::for_model(provider, model);
        let max_tokens = self.max_tokens.or(counter.is_exact().then_some(MAX_INPUT_TOKENS));
        let (request_inputs, request_tokens) = (self.request_inputs.max(1), self.request_tokens.max(1));
        ModelLimits { counter, max_tokens, request_inputs, request_tokens }
    }
}
