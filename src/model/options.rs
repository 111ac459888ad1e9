//! How a model is loaded.

use std::sync::Arc;

use crate::Result;
use crate::cache::EmbeddingCache;
use crate::candle_backend::Device;
use crate::encoder::{Engine, LocalEncoderOptions, Overrides, Precision};
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::service::{Provider, Service, ServiceKind};
use crate::store::ModelStore;

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// Reaches a model of a service.
pub type Connect = Arc<dyn Fn(Provider, &str) -> Result<Arc<dyn Service>> + Send + Sync>;

/// How a model is loaded. What it does with a list is said by [`RankOptions`](super::RankOptions).
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

/// How a service is reached over HTTP and what it may cost, where the environment does not say.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct AccountOptions {
    pub api_key: Option<String>,
    pub base_url: Option<String>,
    pub budget: Option<f64>,
}

impl ModelOptions {
    /// Where models are looked for. Default: what the environment says, [`StoreOptions::from_env`](crate::StoreOptions::from_env).
    pub fn store(mut self, store: ModelStore) -> Self {
        self.store = Some(store);
        self
    }

    /// Takes the embeddings of texts from a cache, and puts new ones into it. Such a model scores by cosine with
    /// texts cut only: all else needs the vectors of every token, which no cache keeps. Of a judge or a rerank
    /// service the cache keeps the answers.
    pub fn cache(mut self, cache: EmbeddingCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// What a reranker that is asked a question, such as Qwen3-Reranker, is to look for. Default: [`crate::encoder::DEFAULT_INSTRUCTION`].
    pub fn instruction(mut self, instruction: impl Into<String>) -> Self {
        self.instruction = Some(instruction.into());
        self
    }

    /// Where the forward pass runs. Default: the CPU.
    pub fn device(mut self, device: Device) -> Self {
        self.encoder.device = device;
        self
    }

    /// What computes the forward pass. Default: the native engine where it knows the model and the device is the CPU, else candle.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.encoder.engine = Some(engine);
        self
    }

    /// Arithmetic of the forward pass. Default: [`Precision::fastest`] by the native engine, f32 by candle.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.encoder.precision = Some(precision);
        self
    }

    /// Threads for tokenizing and encoding. Default: one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.encoder.threads = Some(threads);
        self
    }

    /// Tokens per batch; bounds the memory of a forward pass.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.encoder.batch_tokens = tokens;
        self
    }

    /// Prompts, length limit and dimension other than the model's own.
    pub fn overrides(mut self, overrides: Overrides) -> Self {
        self.encoder.overrides = overrides;
        self
    }

    /// The key of the model's service. Default: the environment's.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.account.api_key = Some(key.into());
        self
    }

    /// The address of the model's service, such as `http://127.0.0.1:8000/v1`. Default: the environment's, then the provider's own.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.account.base_url = Some(url.into());
        self
    }

    /// The most that the model's service may cost, in dollars, over the life of the model. Default: no limit.
    pub fn budget(mut self, dollars: f64) -> Self {
        self.account.budget = Some(dollars);
        self
    }

    /// The service behind the model. Default: over HTTP with key and address of the environment, [`crate::service::ServiceOptions::from_env`].
    pub fn service(self, service: Arc<dyn Service>) -> Self {
        self.connect(Arc::new(move |_, _| Ok(Arc::clone(&service))))
    }

    /// How models of services are reached. Default: as [`ModelOptions::service`] says.
    pub fn connect(mut self, connect: Connect) -> Self {
        self.connect = Some(connect);
        self
    }

    /// What the model of a service does. Default: what [`Provider::guess_kind`] makes of its name.
    pub fn kind(mut self, kind: ServiceKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Asks the model of a service to judge, whatever its name. Default: pointwise, where that is the model's kind.
    pub fn judge(mut self, method: JudgeMethod, options: JudgeOptions) -> Self {
        self.judge = Some((method, options));
        self
    }

    /// Requests to a service under way at once. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests);
        self
    }

    pub(crate) fn kind_of(&self, provider: Provider, model: &str) -> ServiceKind {
        self.kind.unwrap_or_else(|| provider.guess_kind(model))
    }
}
