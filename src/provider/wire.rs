//! The interface that every provider implements.

use serde_json::Value;

use super::answer::{AnswerSize, Wrong};
use super::chat::Chats;
use super::kind::ServiceKind;
use crate::call::ServiceTokens;

/// The fixed properties of a provider.
pub(crate) struct Facts {
    /// The name before the colon of a model's name.
    pub name: &'static str,
    /// The name in messages.
    pub title: &'static str,
    /// The default address.
    pub base_url: Option<&'static str>,
    /// The message if there is no default address and none was given.
    pub missing_base_url: &'static str,
    /// The environment variable with the address.
    pub base_url_variable: &'static str,
    /// The environment variables with the key; the first one that is set is used.
    pub key_variables: &'static [&'static str],
    /// True if a key is also needed at an address of the user's own.
    pub always_needs_key: bool,
    /// Domains whose hosts may get the key, subdomains included.
    pub domains: &'static [&'static str],
    /// The name under which prices are listed; for most providers, their own.
    pub prices_of: &'static str,
    /// True if the models may use OpenAI's tokens, depending on the model's name.
    pub has_openai_tokens: bool,
    /// Fields of a successful answer that hold the result.
    pub results: &'static [&'static str],
    pub errors: ErrorWords,
}

/// Words in a provider's errors. They are searched in every answer, because gateways pass on the
/// errors of others.
pub(crate) struct ErrorWords {
    /// Codes of a 429 that no waiting cures: the account has no credit.
    pub no_credit: &'static [&'static str],
    /// Codes of refusals because of the content or the length of the texts.
    pub about_texts: &'static [&'static str],
    /// Parts of messages with the same meaning, for answers without a code.
    pub about_texts_messages: &'static [&'static str],
}

impl ErrorWords {
    pub const NONE: Self = Self { no_credit: &[], about_texts: &[], about_texts_messages: &[] };
}

/// The wire format of a provider.
pub(crate) trait Wire: Send + Sync {
    fn facts(&self) -> &Facts;

    /// Returns the likely task of a model, by its name; see [`super::Provider::guess_kind`].
    fn guess_kind(&self, model: &str) -> ServiceKind;

    /// Returns the URL of a path under a base URL without a slash at its end.
    fn url(&self, base: &str, path: &str, _model: &str, _api_version: Option<&str>) -> String {
        format!("{base}{path}")
    }

    /// Returns the headers with the key and the format's version.
    fn headers(&self, key: Option<&str>, _api_version: Option<&str>) -> Vec<(&'static str, String)> {
        key.map(|key| ("authorization", format!("Bearer {key}"))).into_iter().collect()
    }

    /// Reads the usage from an answer. Returns `None` if it reports none, as some compatible
    /// servers do.
    fn usage(&self, body: &Value) -> Option<ServiceTokens>;

    /// Returns the parameter that an error's message names. Used if the body does not name it.
    fn refused_parameter<'a>(&self, _message: &'a str) -> Option<&'a str> {
        None
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        None
    }

    fn chats(&self) -> Option<&dyn Chats> {
        None
    }

    fn reranks(&self) -> Option<&dyn Reranks> {
        None
    }

    /// Returns the maximum size of the answer to a request.
    fn answer_size(&self, path: &str, body: &Value, output_tokens: u64) -> AnswerSize {
        if let Some(embeds) = self.embeds().filter(|embeds| embeds.path() == path) {
            return embeds.answer_size(body);
        }
        if let Some(reranks) = self.reranks().filter(|reranks| reranks.path() == path) {
            return reranks.answer_size(body);
        }
        self.chats().map(|chats| chats.answer_size(body, output_tokens)).unwrap_or_default()
    }
}

/// The embeddings of a provider.
pub(crate) trait Embeds: Send + Sync {
    /// Returns the path under the base URL.
    fn path(&self) -> &'static str;

    /// Returns the body of a request for the vectors of texts. `is_compact` asks for base64, if the
    /// service supports it.
    fn body(&self, model: &str, texts: &[&str], dimensions: Option<usize>, is_compact: bool) -> Value;

    /// Returns the name of the parameter that `is_compact` sets.
    fn compact_parameter(&self) -> &'static str;

    /// Returns the number of texts of a request.
    fn count(&self, body: &Value) -> usize;

    /// Returns the vectors of `count` texts in the texts' order, each of length 1. `dim` is the
    /// required number of components.
    fn vectors(&self, body: &Value, count: usize, dim: Option<usize>) -> Result<Vec<Vec<f32>>, Wrong>;

    fn answer_size(&self, body: &Value) -> AnswerSize;
}

/// The rerank models of a provider. They score each pair of query and document by itself, so a list
/// may be split into several requests.
pub(crate) trait Reranks: Send + Sync {
    /// Returns the path under the base URL.
    fn path(&self) -> &'static str;

    /// Returns true if the provider promises scores from 0 to 1.
    fn has_probabilities(&self) -> bool;

    /// Returns the maximum number of documents in one request.
    fn max_documents(&self) -> usize;

    /// Returns the maximum number of tokens in one request, with the query counted once per
    /// document.
    fn max_tokens(&self) -> usize;

    /// Returns the maximum number of search units of a request, by the tokens of its pairs of query
    /// and document.
    fn search_units(&self, pairs: &mut dyn Iterator<Item = usize>) -> u64;

    fn body(&self, model: &str, query: &str, documents: &[&str]) -> Value;

    /// Returns the number of documents of a request.
    fn count(&self, body: &Value) -> usize;

    /// Returns the scores of `count` documents in the documents' order. The answer may have them in
    /// any order.
    fn scores(&self, body: &Value, count: usize) -> Result<Vec<f32>, Wrong>;

    /// Returns a body in which [`Reranks::scores`] finds a score per document.
    fn example(&self, count: usize) -> Value;

    fn answer_size(&self, body: &Value) -> AnswerSize;
}
