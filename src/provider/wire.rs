//! The form that every provider's file fills in.

use serde_json::Value;

use super::answer::{AnswerSize, Wrong};
use super::chat::Chats;
use super::kind::ServiceKind;
use crate::call::ServiceTokens;

/// What is fixed about a provider.
pub(crate) struct Facts {
    /// Stands before the colon of a model's name.
    pub name: &'static str,
    /// In messages.
    pub title: &'static str,
    /// Where requests go unless another address is given.
    pub base_url: Option<&'static str>,
    /// Said where there is no such address and none was given.
    pub missing_base_url: &'static str,
    /// Environment variable with the address.
    pub base_url_variable: &'static str,
    /// Environment variables with the key; the first that is set counts.
    pub key_variables: &'static [&'static str],
    /// Whether a key is needed at an address of the user's own too.
    pub always_needs_key: bool,
    /// Domains whose hosts may get the key, subdomains included.
    pub domains: &'static [&'static str],
    /// The provider in whose name prices are listed; its own name for most.
    pub prices_of: &'static str,
    /// Whether the models' tokens are OpenAI's, told by the model's name.
    pub has_openai_tokens: bool,
    /// Members of a successful answer that hold the result.
    pub results: &'static [&'static str],
    pub errors: ErrorWords,
}

/// Words in a provider's errors. They are looked for in every answer, for gateways pass on the
/// errors of others.
pub(crate) struct ErrorWords {
    /// Codes behind a 429 that no waiting cures: the account has no credit.
    pub no_credit: &'static [&'static str],
    /// Codes of refusals for what the texts say, or for their length.
    pub about_texts: &'static [&'static str],
    /// Parts of messages that say the same where there is no code.
    pub about_texts_messages: &'static [&'static str],
}

impl ErrorWords {
    pub const NONE: Self = Self { no_credit: &[], about_texts: &[], about_texts_messages: &[] };
}

/// The wire format of a provider.
pub(crate) trait Wire: Send + Sync {
    fn facts(&self) -> &Facts;

    /// What a model most likely does, by its name; [`super::Provider::guess_kind`].
    fn guess_kind(&self, model: &str) -> ServiceKind;

    /// The URL of a path under a base URL that has no slash at its end.
    fn url(&self, base: &str, path: &str, _model: &str, _api_version: Option<&str>) -> String {
        format!("{base}{path}")
    }

    /// Headers with the key and the format's version.
    fn headers(&self, key: Option<&str>, _api_version: Option<&str>) -> Vec<(&'static str, String)> {
        key.map(|key| ("authorization", format!("Bearer {key}"))).into_iter().collect()
    }

    /// What an answer says that it took; `None` where it says nothing, as some compatible servers.
    fn usage(&self, body: &Value) -> Option<ServiceTokens>;

    /// The parameter that an error's message speaks of, where the body does not name it.
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

    /// How large the answer to a request may be, told by what was asked.
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
    /// Under the base URL.
    fn path(&self) -> &'static str;

    /// The body of a request for the vectors of texts. `is_compact`: as base64, if the service can.
    fn body(&self, model: &str, texts: &[&str], dimensions: Option<usize>, is_compact: bool) -> Value;

    /// The parameter by which `is_compact` is asked for.
    fn compact_parameter(&self) -> &'static str;

    /// The texts of a request.
    fn count(&self, body: &Value) -> usize;

    /// The vectors of `count` texts in the texts' order, each of length 1. `dim`: how many
    /// components they must have.
    fn vectors(&self, body: &Value, count: usize, dim: Option<usize>) -> Result<Vec<Vec<f32>>, Wrong>;

    fn answer_size(&self, body: &Value) -> AnswerSize;
}

/// The rerank models of a provider. They score each pair of query and document by itself, so a list
/// may be cut into several requests.
pub(crate) trait Reranks: Send + Sync {
    /// Under the base URL.
    fn path(&self) -> &'static str;

    /// Whether the provider promises scores from 0 to 1.
    fn has_probabilities(&self) -> bool;

    /// Documents in one request.
    fn max_documents(&self) -> usize;

    /// Tokens in one request, the query counted once per document.
    fn max_tokens(&self) -> usize;

    /// The search units of a request at most, by the tokens of its pairs of query and document.
    fn search_units(&self, pairs: &mut dyn Iterator<Item = usize>) -> u64;

    fn body(&self, model: &str, query: &str, documents: &[&str]) -> Value;

    /// The documents of a request.
    fn count(&self, body: &Value) -> usize;

    /// The scores of `count` documents in the documents' order. They may come in any order.
    fn scores(&self, body: &Value, count: usize) -> Result<Vec<f32>, Wrong>;

    /// A body in which [`Reranks::scores`] finds a score per document.
    fn example(&self, count: usize) -> Value;

    fn answer_size(&self, body: &Value) -> AnswerSize;
}
