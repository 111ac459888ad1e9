//! The known providers, and what each one offers.

use std::fmt;

use serde_json::Value;

use super::chat::Chats;
use super::kind::ServiceKind;
use super::wire::{Embeds, ErrorWords, Reranks, Wire};
use crate::call::ServiceTokens;
use crate::error::ServiceError;

/// Defines the providers: one line each, in the order in which messages name them.
macro_rules! providers {
    ($($(#[$doc:meta])* $name:ident = $wire:expr;)+) => {
        /// A provider, with its own formats of requests and answers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Provider {
            $($(#[$doc])* $name,)+
        }

        impl Provider {
            /// Every provider.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) fn wire(self) -> &'static dyn Wire {
                match self {
                    $(Self::$name => &$wire,)+
                }
            }
        }
    };
}

providers! {
    /// OpenAI, and every server that speaks its formats.
    OpenAi = super::openai::OpenAi;
    /// OpenAI's models in Azure: other addresses, and the key in another header.
    Azure = super::azure::Azure;
    /// Anthropic.
    Anthropic = super::anthropic::Anthropic;
    /// Cohere's rerank models.
    Cohere = super::rerank::COHERE;
    /// Jina's rerank models, and every server with Jina's form of `/rerank`: vLLM, infinity,
    /// llama.cpp, LocalAI.
    Jina = super::rerank::JINA;
    /// Voyage's rerank models.
    Voyage = super::rerank::VOYAGE;
    /// A server of text-embeddings-inference with a rerank model.
    Tei = super::rerank::TEI;
}

impl ServiceTokens {
    /// Reads the usage from an answer. Returns `None` if it reports none, as some compatible
    /// servers do.
    pub fn of(provider: Provider, body: &Value) -> Option<Self> {
        provider.wire().usage(body)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.wire().facts().name)
    }
}

impl Provider {
    /// Splits the name of a service's model, such as `openai:gpt-4o-mini`, `azure:DEPLOYMENT` or
    /// `cohere:rerank-v4.0-pro`, into provider and model. Returns `None` for any other name.
    ///
    /// ```
    /// use nearsort::service::Provider;
    /// assert_eq!(Provider::of_name("openai:gpt-4o-mini"), Some((Provider::OpenAi, "gpt-4o-mini")));
    /// assert_eq!(Provider::of_name("BAAI/bge-m3"), None);
    /// ```
    pub fn of_name(name: &str) -> Option<(Self, &str)> {
        let (provider, model) = name.trim().split_once(':')?;
        let provider = Self::ALL.iter().find(|known| known.wire().facts().name == provider)?;
        (!model.is_empty()).then_some((*provider, model))
    }

    /// Returns the likely task of a model, by provider and name. Models of `openai` and `azure`
    /// with `embed` in their name embed, the others judge; those of `anthropic` judge; those of
    /// `cohere`, `jina`, `voyage` and `tei` rerank. [`crate::ModelOptions::kind`] overrides it.
    ///
    /// ```
    /// use nearsort::service::{Provider, ServiceKind};
    /// assert_eq!(Provider::OpenAi.guess_kind("text-embedding-3-large"), ServiceKind::Embeddings);
    /// assert_eq!(Provider::OpenAi.guess_kind("gpt-4o"), ServiceKind::Judge);
    /// assert_eq!(Provider::Cohere.guess_kind("rerank-v4.0-pro"), ServiceKind::Rerank);
    /// ```
    pub fn guess_kind(self, model: &str) -> ServiceKind {
        self.wire().guess_kind(model)
    }

    /// Returns true if a provider offers models of a kind.
    pub fn offers(self, kind: ServiceKind) -> bool {
        let wire = self.wire();
        match kind {
            ServiceKind::Embeddings => wire.embeds().is_some(),
            ServiceKind::Judge => wire.chats().is_some(),
            ServiceKind::Rerank => wire.reranks().is_some(),
        }
    }

    /// Checks that a provider offers models of a kind.
    ///
    /// # Errors
    /// [`ServiceError::Setup`], naming the providers that do.
    pub fn check_offers(self, kind: ServiceKind) -> Result<(), ServiceError> {
        match self.offers(kind) {
            true => Ok(()),
            false => Err(self.offers_none(kind)),
        }
    }

    pub(crate) fn embeds(self) -> Result<&'static dyn Embeds, ServiceError> {
        self.wire().embeds().ok_or_else(|| self.offers_none(ServiceKind::Embeddings))
    }

    pub(crate) fn chats(self) -> Result<&'static dyn Chats, ServiceError> {
        self.wire().chats().ok_or_else(|| self.offers_none(ServiceKind::Judge))
    }

    pub(crate) fn reranks(self) -> Result<&'static dyn Reranks, ServiceError> {
        self.wire().reranks().ok_or_else(|| self.offers_none(ServiceKind::Rerank))
    }

    fn offers_none(self, kind: ServiceKind) -> ServiceError {
        let (what, other) = match kind {
            ServiceKind::Embeddings => ("embeddings", " or a local model"),
            ServiceKind::Judge => ("language models that judge", ""),
            ServiceKind::Rerank => ("rerank models", " or a local model"),
        };
        let known = Self::ALL.iter().filter(|provider| provider.offers(kind));
        let known: Vec<String> = known.map(|provider| format!("{provider}:")).collect();
        let title = self.wire().facts().title;
        ServiceError::Setup(format!("{title} has no {what}; use {}{other} for them", known.join(", ")))
    }
}

/// Returns true if `is_said` holds for the error words of any provider.
pub(crate) fn any_error_words(is_said: impl Fn(&ErrorWords) -> bool) -> bool {
    Provider::ALL.iter().any(|provider| is_said(&provider.wire().facts().errors))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_services_have_a_provider_before_the_colon() {
        assert_eq!(Provider::of_name("azure:my-deployment"), Some((Provider::Azure, "my-deployment")));
        assert_eq!(Provider::of_name("openai:BAAI/bge:x"), Some((Provider::OpenAi, "BAAI/bge:x")));
        assert_eq!(Provider::of_name("tei:BAAI/bge-reranker"), Some((Provider::Tei, "BAAI/bge-reranker")));
        for other in ["openai", "openai:", "org/name", "mistral:x", "./openai:x"] {
            assert_eq!(Provider::of_name(other), None, "{other}");
        }
    }

    #[test]
    fn every_provider_has_a_name_of_its_own_and_offers_what_it_guesses() {
        let names: HashSet<String> = Provider::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), Provider::ALL.len());
        for provider in Provider::ALL {
            for model in ["gpt-4o", "text-embedding-3-small", "rerank-2.5", "claude-embed", ""] {
                assert!(provider.offers(provider.guess_kind(model)), "{provider}:{model}");
            }
        }
    }

    #[test]
    fn kinds_are_guessed_by_name_as_the_docs_say() {
        use ServiceKind::{Embeddings, Judge, Rerank};
        for (name, kind) in [
            ("openai:text-embedding-3-large", Embeddings),
            ("azure:my-EMBED", Embeddings),
            ("openai:gpt-4o", Judge),
            ("azure:my-deployment", Judge),
            ("anthropic:claude-embed", Judge),
            ("cohere:rerank-v4.0-pro", Rerank),
            ("jina:jina-reranker-v2-base-multilingual", Rerank),
            ("voyage:rerank-2.5", Rerank),
            ("tei:anything", Rerank),
        ] {
            let (provider, model) = Provider::of_name(name).unwrap();
            assert_eq!(provider.guess_kind(model), kind, "{name}");
        }
        for kind in [Embeddings, Judge, Rerank] {
            assert_eq!(kind.to_string().parse::<ServiceKind>().unwrap(), kind);
        }
        assert!("rank".parse::<ServiceKind>().unwrap_err().to_string().contains("embeddings, judge or rerank"));
    }

    #[test]
    fn what_a_provider_does_not_offer_is_said_with_those_that_do() {
        let said = |provider: Provider, kind| provider.check_offers(kind).unwrap_err().to_string();
        assert_eq!(
            said(Provider::Anthropic, ServiceKind::Embeddings),
            "Anthropic has no embeddings; use openai:, azure: or a local model for them"
        );
        assert!(said(Provider::Cohere, ServiceKind::Judge).contains("use openai:, azure:, anthropic: for them"));
        assert!(said(Provider::OpenAi, ServiceKind::Rerank).contains("cohere:, jina:, voyage:, tei: or a local"));
    }

    #[test]
    fn usage_is_read_in_each_providers_form() {
        let openai = json!({"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}});
        let found = ServiceTokens::of(Provider::OpenAi, &openai);
        assert_eq!(found, Some(ServiceTokens { input: 9, cached_input: 4, output: 2, search_units: 0 }));
        let embedding = json!({"usage": {"prompt_tokens": 8, "total_tokens": 8}});
        assert_eq!(
            ServiceTokens::of(Provider::Azure, &embedding),
            Some(ServiceTokens { input: 8, ..ServiceTokens::default() })
        );
        let claude = json!({"usage": {"input_tokens": 3, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 5, "output_tokens": 2}});
        let expected = ServiceTokens { input: 9, cached_input: 5, output: 2, search_units: 0 };
        assert_eq!(ServiceTokens::of(Provider::Anthropic, &claude), Some(expected));
        assert_eq!(ServiceTokens::of(Provider::OpenAi, &json!({"data": []})), None);
    }
}
