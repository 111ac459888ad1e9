//! Caches the answers of services.

use serde_json::Value;

use crate::Error;
use crate::cache::{CachedModel, EmbeddingCache};
use crate::call::Call;
use crate::service::{Origin, Provider, Reply, Request, Service, ServiceError, question_hash};

/// A [`Service`] behind a cache. A question that was answered before is not sent again; the service
/// counts it ([`Service::count_kept`]). Answers lie beside the embeddings, under one size limit.
///
/// Only answers that could be read are kept ([`Service::keep`]), so that a temporary failure does
/// not stay in the cache. A kept answer may be unreadable because it is damaged, or because an
/// earlier release kept it unread. It is requested again ([`Service::ask_anew`]).
///
/// An equal question has an equal answer. A caller that asks again because an answer could not be
/// read must change the question.
pub struct KeptAnswers {
    inner: Box<dyn Service>,
    cache: EmbeddingCache,
    model: CachedModel,
}

impl KeptAnswers {
    /// Puts a cache before a service.
    pub fn new(inner: Box<dyn Service>, cache: EmbeddingCache) -> Self {
        let name = format!("{}:{}", inner.provider(), inner.model());
        let model = CachedModel::new(name.clone(), format!("answers of {name} at {}", inner.host()));
        Self { inner, cache, model }
    }
}

/// Returns true if an answer has the requested vectors. All callers read vectors in the same way.
fn has_vectors(provider: Provider, request: &Request, reply: &Reply) -> bool {
    let embeds = provider.wire().embeds().filter(|embeds| embeds.path() == request.path);
    embeds.is_some_and(|embeds| embeds.vectors(&reply.body, embeds.count(&request.body), None).is_ok())
}

impl Service for KeptAnswers {
    fn provider(&self) -> Provider {
        self.inner.provider()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn host(&self) -> String {
        self.inner.host()
    }

    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError> {
        call.check()?;
        let key = self.model.question_key(&question_hash(self.provider(), self.model(), request));
        let setup = |error: Error| ServiceError::Setup(error.to_string());
        let kept = self.cache.get_answer(&key).map_err(setup)?;
        // An unreadable entry counts as missing.
        if let Some(body) = kept.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) {
            self.inner.count_kept(call);
            return Ok(Reply { body, latency: std::time::Duration::ZERO, origin: Origin::Cache });
        }
        let reply = self.inner.send(request, call)?;
        if has_vectors(self.provider(), request, &reply) {
            self.keep(request, &reply)?;
        }
        Ok(reply)
    }

    fn keep(&self, request: &Request, reply: &Reply) -> Result<(), ServiceError> {
        self.inner.keep(request, reply)?;
        if reply.origin == Origin::Cache {
            return Ok(());
        }
        let setup = |error: String| ServiceError::Setup(error);
        let key = self.model.question_key(&question_hash(self.provider(), self.model(), request));
        let bytes = serde_json::to_vec(&reply.body).map_err(|error| setup(error.to_string()))?;
        self.cache.put_answer(&self.model, &key, &bytes).map_err(|error| setup(error.to_string()))
    }

    fn ask_anew(&self, request: &Request, call: &Call<'_>) -> Option<Result<Reply, ServiceError>> {
        Some(self.inner.send(request, call))
    }

    fn count_kept(&self, call: &Call<'_>) {
        self.inner.count_kept(call);
    }
}
