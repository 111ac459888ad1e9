//! Collects what a [`Reranker`] is made of, by name.

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

/// Collects what a [`Reranker`] is made of: the name of a model, how it is loaded ([`ModelOptions`]), how it ranks ([`RankOptions`]), and stages.
#[derive(Default)]
pub struct RerankerBuilder {
    model: Option<String>,
    options: ModelOptions,
    rank: RankOptions,
    stages: Vec<StageSpec>,
}

impl Reranker {
    /// Starts from the default model on the CPU.
    pub fn builder() -> RerankerBuilder {
        RerankerBuilder::default()
    }
}

impl RerankerBuilder {
    /// A name of the registry, `org/name[@revision]` on the hub, a folder, or a model of a service: `openai:text-embedding-3-large` embeds,
    /// `openai:gpt-4o` and `anthropic:...` judge ([`RerankerBuilder::judge`]), `cohere:rerank-v4.0-pro` reranks ([`RerankerBuilder::kind`]). Default: [`DEFAULT_MODEL`].
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Where models are looked for. Default: what the environment says, [`StoreOptions::from_env`](crate::StoreOptions::from_env).
    pub fn store(mut self, store: ModelStore) -> Self {
        self.options = self.options.store(store);
        self
    }

    /// How the model ranks, all at once.
    pub fn rank(mut self, options: RankOptions) -> Self {
        self.rank = options;
        self
    }

    /// Which score of an embedding model's pass. Default: [`Scoring::Hybrid`]; [`Scoring::MaxSim`], the only one, of a late-interaction
    /// (ColBERT) model.
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.rank.scoring = Some(scoring);
        self
    }

    /// What becomes of candidates that are longer than the model takes. Default: [`Scoring::default_long_text`].
    pub fn long_text(mut self, long_text: LongText) -> Self {
        self.rank.long_text = Some(long_text);
        self
    }

    /// How the first stage's scores are mixed in, where there are some. Default: [`Scoring::default_blend`]; [`Blend::None`] for cross-encoders, which
    /// read the words themselves, and for stages.
    pub fn blend(mut self, blend: Blend) -> Self {
        self.rank.blend = Some(blend);
        self
    }

    /// Whether the best candidates of a list change the order of the others, by their embeddings. Default: [`Feedback::Auto`]. Of stages it holds
    /// for those that embed.
    pub fn feedback(mut self, feedback: Feedback) -> Self {
        self.rank.feedback = feedback;
        self
    }

    /// Takes the embeddings of texts from a cache, and puts new ones into it. For [`Scoring::Cosine`] with [`LongText::Truncate`] only: all
    /// else needs the vectors of every token, which no cache keeps.
    pub fn cache(mut self, cache: EmbeddingCache) -> Self {
        self.options = self.options.cache(cache);
        self
    }

    /// Of a cross-encoder: logits (`true`) or probabilities as scores. Default: what the model's files want, which for most is probabilities.
    pub fn raw_scores(mut self, raw_scores: bool) -> Self {
        self.rank.raw_scores = Some(raw_scores);
        self
    }

    /// What a reranker that is asked a question, such as Qwen3-Reranker, is to look for. Default: [`crate::encoder::DEFAULT_INSTRUCTION`].
    pub fn instruction(mut self, instruction: impl Into<String>) -> Self {
        self.options = self.options.instruction(instruction);
        self
    }

    /// Scores in stages, each the best of the order that the one before it left; see [`CascadeScorer`](crate::CascadeScorer). The overrides hold
    /// for the model that ways of scoring go by, all else for every model.
    pub fn stages(mut self, stages: Vec<StageSpec>) -> Self {
        self.stages = stages;
        self
    }

    /// Where the forward pass runs. Default: the CPU.
    pub fn device(mut self, device: Device) -> Self {
        self.options = self.options.device(device);
        self
    }

    /// What computes the forward pass. Default: the native engine where it knows the model and the device is the CPU, else candle.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.options = self.options.engine(engine);
        self
    }

    /// Arithmetic of the forward pass. Default: [`Precision::fastest`] by the native engine, f32 by candle.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options = self.options.precision(precision);
        self
    }

    /// Threads for tokenizing and encoding. Default: one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options = self.options.threads(threads);
        self
    }

    /// Tokens per batch; bounds the memory of a forward pass.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.options = self.options.batch_tokens(tokens);
        self
    }

    /// Prompts, length limit and dimension other than the model's own.
    pub fn overrides(mut self, overrides: Overrides) -> Self {
        self.options = self.options.overrides(overrides);
        self
    }

    /// The service behind the model. Default: over HTTP with key and address of the environment, [`crate::service::ServiceOptions::from_env`].
    pub fn service(self, service: Arc<dyn Service>) -> Self {
        self.connect(Arc::new(move |_, _| Ok(Arc::clone(&service))))
    }

    /// How models of services are reached, the model's own and those of stages. Default: as [`RerankerBuilder::service`] says.
    pub fn connect(mut self, connect: Connect) -> Self {
        self.options = self.options.connect(connect);
        self
    }

    /// What models of services do, the model's own and those of stages. Default: what
    /// [`Provider::guess_kind`] makes of the name.
    pub fn kind(mut self, kind: ServiceKind) -> Self {
        self.options = self.options.kind(kind);
        self
    }

    /// Requests to a service under way at once. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.options = self.options.concurrency(requests);
        self
    }

    /// Finds the model, downloads it if need be, and loads it. Its files tell whether it is an embedding model or a cross-encoder. A service scores by
    /// [`Scoring::Cosine`], with texts cut, unless something else is asked for, which it cannot do.
    ///
    /// # Errors
    /// Those of [`ModelStore::get`], [`LocalEncoder::load`] and [`CrossEncoder::load`](crate::CrossEncoder::load); [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a blend's weight that
    /// is no share, and for settings that the kind of model has no use for.
    pub fn build(self) -> Result<Reranker> {
        if !self.stages.is_empty() {
            return self.build_cascade();
        }
        let rank = self.rank;
        Reranker::with(&self.load()?, rank)
    }

    /// The model alone, for many rerankers. Stages are not looked at.
    ///
    /// # Errors
    /// As [`RerankerBuilder::build`].
    pub fn load(self) -> Result<Model> {
        let name = self.name();
        if let (Some(_), Some(scoring), None) = (&self.options.cache, self.rank.scoring, Provider::of_name(name)) {
            // Before a model is fetched for nothing.
            check_cached(scoring, self.rank.long_text.unwrap_or(scoring.default_long_text()))?;
        }
        Model::load_for(name, self.options.clone(), &|task, name| self.rank.check(task, name))
    }

    /// The encoder alone, local or of a service.
    ///
    /// # Errors
    /// As [`RerankerBuilder::build`].
    pub fn build_any_encoder(self) -> Result<Arc<dyn Encoder>> {
        match Provider::of_name(self.name()) {
            Some((provider, model)) => self.options.clone().remote_encoder(provider, model),
            None => Ok(Arc::new(self.build_encoder()?)),
        }
    }

    /// The encoder alone: for embedding a corpus.
    ///
    /// # Errors
    /// As [`Model::load_local_encoder`].
    pub fn build_encoder(self) -> Result<LocalEncoder> {
        Model::load_local_encoder(self.name(), self.options.clone())
    }

    /// Asks the model of a service to judge, whatever its name, and so, of stages ([`RerankerBuilder::stages`]), each whose kind is to judge
    /// ([`RerankerBuilder::kind`]). Default: pointwise, where that is the model's kind.
    pub fn judge(mut self, method: JudgeMethod, options: JudgeOptions) -> Self {
        self.options = self.options.judge(method, options);
        self
    }

    fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(DEFAULT_MODEL)
    }
}
