//! Options for loading a model.

use std::sync::Arc;

use crate::Result;
use crate::cache::EmbeddingCache;
use crate::candle_backend::Device;
use crate::encoder::{Engine, LocalEncoderOptions, Overrides, Precision};
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::service::{Provider, Service, ServiceKind};
use crate::store::ModelStore;

/// The default model.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// A function that connects to a model of a service.
pub type Connect = Arc<dyn Fn(Provider, &str) -> Result<Arc<dyn Service>> + Send + Sync>;

/// Options for loading a model. Its options for ranking lists are
/// [`RankOptions`](super::RankOptions).
#[derive(Clone, Default)]
pub struct ModelOptions {
    pub(crate) store: Option<ModelStore>,
    pub(crate) encoder: LocalEncoderOptions,
    pub(crate) cache: Option<EmbeddingCache>,
    pub(crate) connect: Option<Connect>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) kind: Option<ServiceKind>,
    pub(crate) judge: Option<(JudgeMethod, JudgeOptions)>,
    pub(crate) instruction: Option<String>,
    pub(crate) account: AccountOptions,
}

/// The key, address and budget of a service over HTTP, in place of the environment's.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct AccountOptions {
    pub api_key: Option<String>,
    pub base_url: Option<String>,
    pub budget: Option<f64>,
}

impl ModelOptions {
    /// Sets the store where models are looked up. Default: from the environment,
    /// [`StoreOptions::from_env`](crate::StoreOptions::from_env).
    pub fn store(mut self, store: ModelStore) -> Self {
        self.store = Some(store);
        self
    }

    /// Uses a cache for the embeddings of texts, and adds new ones to it. With a cache, a model
    /// only scores by cosine with texts cut. Other scorings need the vectors of every token, which
    /// no cache keeps. For a judge or a rerank service, the cache keeps the answers.
    pub fn cache(mut self, cache: EmbeddingCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Sets the instruction of a reranker that is asked a question, such as Qwen3-Reranker.
    /// Default: [`crate::encoder::DEFAULT_INSTRUCTION`].
    pub fn instruction(mut self, instruction: impl Into<String>) -> Self {
        self.instruction = Some(instruction.into());
        self
    }

    /// Sets the device of the forward pass. Default: the CPU.
    pub fn device(mut self, device: Device) -> Self {
        self.encoder.device = device;
        self
    }

    /// Sets the engine of the forward pass. Default: the native engine if it supports the model and
    /// the device is the CPU, else candle.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.encoder.engine = Some(engine);
        self
    }

    /// Sets the arithmetic of the forward pass. Default: [`Precision::fastest`] for the native
    /// engine, f32 for candle.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.encoder.precision = Some(precision);
        self
    }

    /// Sets the number of threads for tokenizing and encoding. Default: one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.encoder.threads = Some(threads);
        self
    }

    /// Sets the maximum number of tokens per batch, which bounds the memory of a forward pass.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.encoder.batch_tokens = tokens;
        self
    }

    /// Sets prompts, length limit, pooling and dimension that replace the model's own.
    pub fn overrides(mut self, overrides: Overrides) -> Self {
        self.encoder.overrides = overrides;
        self
    }

    /// Sets the key for the model's service. Default: the environment's.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.account.api_key = Some(key.into());
        self
    }

    /// Sets the address of the model's service, such as `http://127.0.0.1:8000/v1`. Default: the
    /// environment's, then the provider's own.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.account.base_url = Some(url.into());
        self
    }

    /// Sets the maximum cost of the model's service, in dollars, over the life of the model.
    /// Default: no limit.
    pub fn budget(mut self, dollars: f64) -> Self {
        self.account.budget = Some(dollars);
        self
    }

    /// Sets the service behind the model. Default: HTTP with key and address of the environment,
    /// [`crate::service::ServiceOptions::from_env`].
    pub fn service(self, service: Arc<dyn Service>) -> Self {
        self.connect(Arc::new(move |_, _| Ok(Arc::clone(&service))))
    }

    /// Sets the function that connects to services. Default: as for [`ModelOptions::service`].
    pub fn connect(mut self, connect: Connect) -> Self {
        self.connect = Some(connect);
        self
    }

    /// Sets the task of a service's model. Default: [`Provider::guess_kind`] of its name.
    pub fn kind(mut self, kind: ServiceKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Makes a service's model a judge, whatever its name. Default: pointwise, if judging is the
    /// model's kind.
    pub fn judge(mut self, method: JudgeMethod, options: JudgeOptions) -> Self {
        self.judge = Some((method, options));
        self
    }

    /// Sets the maximum number of concurrent requests to a service. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests);
        self
    }

    pub(crate) fn kind_of(&self, provider: Provider, model: &str) -> ServiceKind {
        self.kind.unwrap_or_else(|| provider.guess_kind(model))
    }
}
