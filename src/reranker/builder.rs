//! What a [`Reranker`] is made of.

mod judge;
mod service;

use std::sync::Arc;

use super::Reranker;
use crate::blend::Blend;
use crate::cache::{CachedEncoder, EmbeddingCache};
use crate::candle_backend::Device;
use crate::encoder::{Encoder, Engine, LocalEncoder, LocalEncoderOptions, Overrides, Precision, ProgressFn};
use crate::remote::is_embedding_model;
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::scorer::{BiEncoderScorer, LongText, Scorer, Scoring};
use crate::service::Service;
use crate::store::{ModelSpec, ModelStore, StoreOptions};
use crate::{Error, Result};

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// Collects what a [`Reranker`] is made of.
#[derive(Default)]
pub struct RerankerBuilder {
    model: Option<String>,
    store: Option<ModelStore>,
    encoder: LocalEncoderOptions,
    scoring: Option<Scoring>,
    long_text: Option<LongText>,
    blend: Option<Blend>,
    cache: Option<EmbeddingCache>,
    service: Option<Arc<dyn Service>>,
    concurrency: Option<usize>,
    judge: Option<(JudgeMethod, JudgeOptions)>,
}

impl RerankerBuilder {
    /// A name of the registry, `org/name[@revision]` on the hub, a folder, or a model of a service: `openai:text-embedding-3-large` embeds,
    /// `openai:gpt-4o` and `anthropic:...` judge ([`RerankerBuilder::judge`]). Default: [`DEFAULT_MODEL`].
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Where models are looked for. Default: what the environment says, [`StoreOptions::from_env`].
    pub fn store(mut self, store: ModelStore) -> Self {
        self.store = Some(store);
        self
    }

    /// Which score of the encoder's pass. Default: [`Scoring::Hybrid`].
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.scoring = Some(scoring);
        self
    }

    /// What becomes of candidates that are longer than the model takes. Default: [`Scoring::default_long_text`].
    pub fn long_text(mut self, long_text: LongText) -> Self {
        self.long_text = Some(long_text);
        self
    }

    /// How the first stage's scores are mixed in, where there are some. Default: [`Scoring::default_blend`].
    pub fn blend(mut self, blend: Blend) -> Self {
        self.blend = Some(blend);
        self
    }

    /// Takes the embeddings of texts from a cache, and puts new ones into it. For [`Scoring::Cosine`] with [`LongText::Truncate`] only: all
    /// else needs the vectors of every token, which no cache keeps.
    pub fn cache(mut self, cache: EmbeddingCache) -> Self {
        self.cache = Some(cache);
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

    /// Called with the number of texts just encoded; from any thread.
    pub fn progress(mut self, progress: ProgressFn) -> Self {
        self.encoder.progress = Some(progress);
        self
    }

    /// How the model of a service is reached. Default: over HTTP with key and address of the environment, [`crate::service::ServiceOptions::from_env`].
    pub fn service(mut self, service: Arc<dyn Service>) -> Self {
        self.service = Some(service);
        self
    }

    /// Requests to a service under way at once. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests);
        self
    }

    /// Finds the model, downloads it if need be, and loads it. A service scores by [`Scoring::Cosine`], with texts cut, unless something else is asked for, which it
    /// cannot do.
    ///
    /// # Errors
    /// Those of [`ModelStore::get`] and [`LocalEncoder::load`]; [`Error::InvalidArgument`] for a blend's weight that is no share, and for a
    /// cache with a scoring that has no use for it.
    pub fn build(mut self) -> Result<Reranker> {
        if let Some((provider, model)) = self.remote_name() {
            return match self.judge.is_some() || !is_embedding_model(provider, &model) {
                true => self.build_judge(provider, &model),
                false => self.build_remote(provider, &model),
            };
        }
        if self.judge.is_some() {
            return Err(Error::InvalidArgument("only a model of a service can judge, such as openai:gpt-4o".into()));
        }
        let scoring = self.scoring.unwrap_or(Scoring::Hybrid);
        let long_text = self.long_text.unwrap_or(scoring.default_long_text());
        let blend = self.blend.unwrap_or(scoring.default_blend()).check()?;
        let cache = self.cache.take();
        if cache.is_some() {
            check_cached(scoring, long_text)?;
        }
        let progress = self.encoder.progress.clone();
        let encoder = Arc::new(self.build_encoder()?);
        let local: Arc<dyn Encoder> = Arc::clone(&encoder) as Arc<dyn Encoder>;
        let by_local: Arc<dyn Scorer> = Arc::new(BiEncoderScorer::new(Arc::clone(&local), scoring, long_text)?);
        let mut reranker = Reranker {
            scorer: Arc::clone(&by_local),
            explainer: by_local,
            cached: None,
            encoder: Some(Arc::clone(&encoder)),
            judged: None,
            long_text,
            blend,
        };
        if let Some(cache) = cache {
            let mut cached = CachedEncoder::new(local, cache, &encoder.files().name)?;
            if let Some(progress) = progress {
                cached = cached.progress(progress);
            }
            let cached = Arc::new(cached);
            let by_cached = BiEncoderScorer::new(Arc::clone(&cached) as Arc<dyn Encoder>, scoring, long_text)?;
            (reranker.scorer, reranker.cached) = (Arc::new(by_cached), Some(cached));
        }
        Ok(reranker)
    }

    /// The encoder alone, local or of a service.
    ///
    /// # Errors
    /// As [`RerankerBuilder::build`].
    pub fn build_any_encoder(self) -> Result<Arc<dyn Encoder>> {
        match self.remote_name() {
            Some((provider, model)) => self.remote_encoder(provider, &model),
            None => Ok(Arc::new(self.build_encoder()?)),
        }
    }

    /// The local encoder alone: for embedding a corpus.
    ///
    /// # Errors
    /// As [`RerankerBuilder::build`].
    pub fn build_encoder(self) -> Result<LocalEncoder> {
        let spec = ModelSpec::parse(self.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
        let store = match self.store {
            Some(store) => store,
            None => ModelStore::new(StoreOptions::from_env()?),
        };
        LocalEncoder::load(store.get(&spec)?, self.encoder)
    }
}

/// The cache keeps one vector per text.
fn check_cached(scoring: Scoring, long_text: LongText) -> Result<()> {
    let refused = |message: &str| Err(Error::InvalidArgument(message.into()));
    match (scoring, long_text) {
        (Scoring::Cosine, LongText::Truncate) => Ok(()),
        (Scoring::Cosine, LongText::Window) => refused(
            "the embedding cache keeps whole texts, not their windows; with --cache say --long truncate, or leave --cache out",
        ),
        (Scoring::MaxSim | Scoring::Hybrid, _) => refused(
            "the embedding cache keeps embeddings, and this scoring needs the vectors of every token too, some 80 times as much; with --cache \
             say --scoring cosine, or leave --cache out",
        ),
    }
}
