//! A builder of a [`Reranker`] from the name of a model.

mod cascade;

use std::sync::Arc;

use super::{Reranker, StageSpec};
use crate::Result;
use crate::blend::Blend;
use crate::cache::EmbeddingCache;
use crate::candle_backend::Device;
use crate::encoder::{Encoder, Engine, LocalEncoder, Overrides, Precision};
use crate::model::{Connect, DEFAULT_MODEL, Model, ModelOptions, RankOptions, check_cached};
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::scorer::{Feedback, LongText, Scoring};
use crate::service::{Provider, Service, ServiceKind};
use crate::store::ModelStore;

/// Builds a [`Reranker`] from the name of a model, options for loading it ([`ModelOptions`]) and
/// for ranking ([`RankOptions`]), and stages.
#[derive(Default)]
pub struct RerankerBuilder {
    model: Option<String>,
    options: ModelOptions,
    rank: RankOptions,
    stages: Vec<StageSpec>,
}

impl Reranker {
    /// Starts with the default model on the CPU.
    pub fn builder() -> RerankerBuilder {
        RerankerBuilder::default()
    }
}

impl RerankerBuilder {
    /// Sets the model: a name of the registry, `org/name[@revision]` on the hub, a folder, or a
    /// model of a service. `openai:text-embedding-3-large` embeds, `openai:gpt-4o` and
    /// `anthropic:...` judge ([`RerankerBuilder::judge`]), `cohere:rerank-v4.0-pro` reranks
    /// ([`RerankerBuilder::kind`]). Default: [`DEFAULT_MODEL`].
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Sets the store where models are looked up. Default: from the environment,
    /// [`StoreOptions::from_env`](crate::StoreOptions::from_env).
    pub fn store(mut self, store: ModelStore) -> Self {
        self.options = self.options.store(store);
        self
    }

    /// Sets all options for ranking at once.
    pub fn rank(mut self, options: RankOptions) -> Self {
        self.rank = options;
        self
    }

    /// Sets the score of an embedding model. Default: [`Scoring::Hybrid`]; [`Scoring::MaxSim`] for
    /// a late-interaction (ColBERT) model, which has no other.
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.rank.scoring = Some(scoring);
        self
    }

    /// Sets the handling of candidates that are longer than the model takes. Default:
    /// [`Scoring::default_long_text`].
    pub fn long_text(mut self, long_text: LongText) -> Self {
        self.rank.long_text = Some(long_text);
        self
    }

    /// Sets the blend of first-stage scores, where there are any. Default:
    /// [`Scoring::default_blend`]; [`Blend::None`] for stages and for cross-encoders, which read
    /// the words themselves.
    pub fn blend(mut self, blend: Blend) -> Self {
        self.rank.blend = Some(blend);
        self
    }

    /// Sets the feedback: the best candidates of a list change the order of the others, by their
    /// embeddings. Default: [`Feedback::Auto`]. In a cascade it applies to the stages that embed.
    pub fn feedback(mut self, feedback: Feedback) -> Self {
        self.rank.feedback = feedback;
        self
    }

    /// Uses a cache for the embeddings of texts, and adds new ones to it. It only works for
    /// [`Scoring::Cosine`] with [`LongText::Truncate`]. Other scorings need the vectors of every
    /// token, which no cache keeps.
    pub fn cache(mut self, cache: EmbeddingCache) -> Self {
        self.options = self.options.cache(cache);
        self
    }

    /// Sets logits (`true`) or probabilities as the scores of a cross-encoder. Default: as the
    /// model's files say, which is probabilities for most.
    pub fn raw_scores(mut self, raw_scores: bool) -> Self {
        self.rank.raw_scores = Some(raw_scores);
        self
    }

    /// Sets the instruction of a reranker that is asked a question, such as Qwen3-Reranker.
    /// Default: [`crate::encoder::DEFAULT_INSTRUCTION`].
    pub fn instruction(mut self, instruction: impl Into<String>) -> Self {
        self.options = self.options.instruction(instruction);
        self
    }

    /// Scores in stages. Each stage scores the best candidates of the order that the one before it
    /// left; see [`CascadeScorer`](crate::CascadeScorer). The overrides apply to the reranker's own
    /// model, all other options to every model.
    pub fn stages(mut self, stages: Vec<StageSpec>) -> Self {
        self.stages = stages;
        self
    }

    /// Sets the device of the forward pass. Default: the CPU.
    pub fn device(mut self, device: Device) -> Self {
        self.options = self.options.device(device);
        self
    }

    /// Sets the engine of the forward pass. Default: the native engine if it supports the model and
    /// the device is the CPU, else candle.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.options = self.options.engine(engine);
        self
    }

    /// Sets the arithmetic of the forward pass. Default: [`Precision::fastest`] for the native
    /// engine, f32 for candle.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options = self.options.precision(precision);
        self
    }

    /// Sets the number of threads for tokenizing and encoding. Default: one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options = self.options.threads(threads);
        self
    }

    /// Sets the maximum number of tokens per batch, which bounds the memory of a forward pass.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.options = self.options.batch_tokens(tokens);
        self
    }

    /// Sets prompts, length limit, pooling and dimension that replace the model's own.
    pub fn overrides(mut self, overrides: Overrides) -> Self {
        self.options = self.options.overrides(overrides);
        self
    }

    /// Sets the service behind the model. Default: HTTP with key and address of the environment,
    /// [`crate::service::ServiceOptions::from_env`].
    pub fn service(self, service: Arc<dyn Service>) -> Self {
        self.connect(Arc::new(move |_, _| Ok(Arc::clone(&service))))
    }

    /// Sets the function that connects to services, for the model and for stages. Default: as for
    /// [`RerankerBuilder::service`].
    pub fn connect(mut self, connect: Connect) -> Self {
        self.options = self.options.connect(connect);
        self
    }

    /// Sets the task of services' models, for the model and for stages. Default:
    /// [`Provider::guess_kind`] of the name.
    pub fn kind(mut self, kind: ServiceKind) -> Self {
        self.options = self.options.kind(kind);
        self
    }

    /// Sets the maximum number of concurrent requests to a service. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.options = self.options.concurrency(requests);
        self
    }

    /// Finds the model, downloads it if it is missing, and loads it. Its files determine whether it
    /// is an embedding model or a cross-encoder. A service's embedding model scores by
    /// [`Scoring::Cosine`] with texts cut, and supports nothing else.
    ///
    /// # Errors
    /// The errors of [`ModelStore::get`], [`LocalEncoder::load`] and
    /// [`CrossEncoder::load`](crate::CrossEncoder::load);
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a blend's weight that is not a
    /// share, and for settings that do not apply to the kind of model.
    pub fn build(self) -> Result<Reranker> {
        if !self.stages.is_empty() {
            return self.build_cascade();
        }
        let rank = self.rank;
        Reranker::with(&self.load()?, rank)
    }

    /// Loads only the model, for many rerankers. Stages are ignored.
    ///
    /// # Errors
    /// The errors of [`RerankerBuilder::build`].
    pub fn load(self) -> Result<Model> {
        let name = self.name();
        if let (Some(_), Some(scoring), None) = (&self.options.cache, self.rank.scoring, Provider::of_name(name)) {
            // Check this before a model is downloaded.
            check_cached(scoring, self.rank.long_text.unwrap_or(scoring.default_long_text()))?;
        }
        Model::load_for(name, self.options.clone(), &|task, name| self.rank.check(task, name))
    }

    /// Loads only the encoder, local or of a service.
    ///
    /// # Errors
    /// The errors of [`RerankerBuilder::build`].
    pub fn build_any_encoder(self) -> Result<Arc<dyn Encoder>> {
        match Provider::of_name(self.name()) {
            Some((provider, model)) => self.options.clone().remote_encoder(provider, model),
            None => Ok(Arc::new(self.build_encoder()?)),
        }
    }

    /// Loads only the local encoder, for embedding a corpus.
    ///
    /// # Errors
    /// The errors of [`Model::load_local_encoder`].
    pub fn build_encoder(self) -> Result<LocalEncoder> {
        Model::load_local_encoder(self.name(), self.options.clone())
    }

    /// Makes a service's model a judge, whatever its name. In a cascade
    /// ([`RerankerBuilder::stages`]) this applies to each stage whose kind is to judge
    /// ([`RerankerBuilder::kind`]). Default: pointwise, if judging is the model's kind.
    pub fn judge(mut self, method: JudgeMethod, options: JudgeOptions) -> Self {
        self.options = self.options.judge(method, options);
        self
    }

    fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(DEFAULT_MODEL)
    }
}
