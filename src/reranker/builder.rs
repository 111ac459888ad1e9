//! What a [`Reranker`] is made of.

mod cascade;
mod judge;
mod rerank;
mod service;

use std::sync::Arc;

use super::{Reranker, StageSpec};
use crate::blend::Blend;
use crate::cache::{CachedEncoder, EmbeddingCache};
use crate::candle_backend::Device;
use crate::encoder::{
    CrossEncoder, CrossEncoderOptions, Encoder, Engine, LocalEncoder, LocalEncoderOptions, ModelKind, Overrides,
    Precision, ProgressFn, no_text_vectors,
};
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::scorer::{BiEncoderScorer, CrossEncoderScorer, LongText, Scorer, Scoring};
use crate::service::{Provider, Service, ServiceKind};
use crate::store::{ModelFiles, ModelSpec, ModelStore, StoreOptions};
use crate::{Error, Result};

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// Reaches a model of a service.
pub type Connect = Arc<dyn Fn(Provider, &str) -> Result<Arc<dyn Service>> + Send + Sync>;

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
    connect: Option<Connect>,
    concurrency: Option<usize>,
    kind: Option<ServiceKind>,
    judge: Option<(JudgeMethod, JudgeOptions)>,
    raw_scores: Option<bool>,
    instruction: Option<String>,
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

    /// Where models are looked for. Default: what the environment says, [`StoreOptions::from_env`].
    pub fn store(mut self, store: ModelStore) -> Self {
        self.store = Some(store);
        self
    }

    /// Which score of an embedding model's pass. Default: [`Scoring::Hybrid`]; [`Scoring::MaxSim`], the only one, of a late-interaction
    /// (ColBERT) model.
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.scoring = Some(scoring);
        self
    }

    /// What becomes of candidates that are longer than the model takes. Default: [`Scoring::default_long_text`].
    pub fn long_text(mut self, long_text: LongText) -> Self {
        self.long_text = Some(long_text);
        self
    }

    /// How the first stage's scores are mixed in, where there are some. Default: [`Scoring::default_blend`]; [`Blend::None`] for cross-encoders, which
    /// read the words themselves, and for stages.
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

    /// Of a cross-encoder: logits (`true`) or probabilities as scores. Default: what the model's files want, which for most is probabilities.
    pub fn raw_scores(mut self, raw_scores: bool) -> Self {
        self.raw_scores = Some(raw_scores);
        self
    }

    /// What a reranker that is asked a question, such as Qwen3-Reranker, is to look for. Default: [`crate::encoder::DEFAULT_INSTRUCTION`].
    pub fn instruction(mut self, instruction: impl Into<String>) -> Self {
        self.instruction = Some(instruction.into());
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

    /// The service behind the model. Default: over HTTP with key and address of the environment, [`crate::service::ServiceOptions::from_env`].
    pub fn service(self, service: Arc<dyn Service>) -> Self {
        self.connect(Arc::new(move |_, _| Ok(Arc::clone(&service))))
    }

    /// How models of services are reached, the model's own and those of stages. Default: as [`RerankerBuilder::service`] says.
    pub fn connect(mut self, connect: Connect) -> Self {
        self.connect = Some(connect);
        self
    }

    /// What models of services do, the model's own and those of stages. Default: what
    /// [`Provider::guess_kind`] makes of the name.
    pub fn kind(mut self, kind: ServiceKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Requests to a service under way at once. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests);
        self
    }

    /// Finds the model, downloads it if need be, and loads it. Its files tell whether it is an embedding model or a cross-encoder. A service scores by
    /// [`Scoring::Cosine`], with texts cut, unless something else is asked for, which it cannot do.
    ///
    /// # Errors
    /// Those of [`ModelStore::get`], [`LocalEncoder::load`] and [`CrossEncoder::load`]; [`Error::InvalidArgument`] for a blend's weight that
    /// is no share, and for settings that the kind of model has no use for.
    pub fn build(self) -> Result<Reranker> {
        if !self.stages.is_empty() {
            return self.build_cascade();
        }
        if let Some((provider, model)) = self.remote_name() {
            let kind = if self.judge.is_some() { ServiceKind::Judge } else { self.kind_of(provider, &model) };
            return match kind {
                ServiceKind::Embeddings => self.build_remote(provider, &model),
                ServiceKind::Judge => self.build_judge(provider, &model),
                ServiceKind::Rerank => self.build_rerank(provider, &model),
            };
        }
        if self.judge.is_some() {
            return Err(Error::InvalidArgument("only a model of a service can judge, such as openai:gpt-4o".into()));
        }
        if let (Some(_), Some(scoring)) = (&self.cache, self.scoring) {
            // Before a model is fetched for nothing.
            check_cached(scoring, self.long_text.unwrap_or(scoring.default_long_text()))?;
        }
        let files = self.files()?;
        match ModelKind::of(&files)? {
            ModelKind::Encoder => self.build_bi_encoder(files, Scoring::Hybrid),
            ModelKind::LateInteraction => {
                self.check_late_interaction(&files.name)?;
                self.build_bi_encoder(files, Scoring::MaxSim)
            }
            ModelKind::CrossEncoder => self.build_cross_encoder(files),
        }
    }

    fn kind_of(&self, provider: Provider, model: &str) -> ServiceKind {
        self.kind.unwrap_or_else(|| provider.guess_kind(model))
    }

    /// `default`: how it scores when nobody says.
    fn build_bi_encoder(mut self, files: ModelFiles, default: Scoring) -> Result<Reranker> {
        self.check_bi_encoder(&files.name)?;
        let scoring = self.scoring.unwrap_or(default);
        let long_text = self.long_text.unwrap_or(scoring.default_long_text());
        let blend = self.blend.unwrap_or(scoring.default_blend()).check()?;
        let cache = self.cache.take();
        if cache.is_some() {
            check_cached(scoring, long_text)?;
        }
        let progress = self.encoder.progress.clone();
        let encoder = Arc::new(LocalEncoder::load(files, self.encoder)?);
        let local: Arc<dyn Encoder> = Arc::clone(&encoder) as Arc<dyn Encoder>;
        let by_local: Arc<dyn Scorer> = Arc::new(BiEncoderScorer::new(Arc::clone(&local), scoring, long_text)?);
        let mut reranker = Reranker { encoder: Some(Arc::clone(&encoder)), long_text, ..plain(by_local, blend) };
        if let Some(cache) = cache {
            let mut cached = CachedEncoder::new(local, cache, &encoder.files().name)?;
            if let Some(progress) = progress {
                cached = cached.progress(progress);
            }
            let cached = Arc::new(cached);
            let by_cached = BiEncoderScorer::new(Arc::clone(&cached) as Arc<dyn Encoder>, scoring, long_text)?;
            (reranker.scorer, reranker.cached) = (Arc::new(by_cached), vec![cached]);
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

    fn build_cross_encoder(self, files: ModelFiles) -> Result<Reranker> {
        self.check_cross_encoder(&files.name)?;
        let blend = self.blend.unwrap_or(Blend::None).check()?;
        let options = CrossEncoderOptions { local: self.encoder, instruction: self.instruction };
        let mut scorer = CrossEncoderScorer::new(Arc::new(CrossEncoder::load(files, options)?));
        if let Some(raw_scores) = self.raw_scores {
            scorer = scorer.raw_scores(raw_scores);
        }
        Ok(plain(Arc::new(scorer), blend))
    }

    fn check_bi_encoder(&self, name: &str) -> Result<()> {
        let refused = |option: &str| {
            Err(Error::InvalidArgument(format!(
                "{option} is for cross-encoders, and {name} is an embedding model: leave it out"
            )))
        };
        match (self.raw_scores, &self.instruction) {
            (Some(_), _) => refused("--raw-scores"),
            (_, Some(_)) => refused("--instruction"),
            _ => Ok(()),
        }
    }

    fn check_late_interaction(&self, name: &str) -> Result<()> {
        if let Some(scoring) = self.scoring.filter(|scoring| *scoring != Scoring::MaxSim) {
            return Err(Error::InvalidArgument(format!(
                "{name} is a late-interaction (ColBERT) model, which scores by maxsim alone: it has no vector of a text for --scoring {scoring} \
                 (nor for `nearsort diagnose`); leave --scoring out"
            )));
        }
        match self.cache {
            Some(_) => Err(Error::InvalidArgument(format!(
                "--cache keeps embeddings of texts, and {name} is a late-interaction (ColBERT) model, which has none: leave it out"
            ))),
            None => Ok(()),
        }
    }

    fn check_cross_encoder(&self, name: &str) -> Result<()> {
        let refused = |option: &str, why: &str| {
            Err(Error::InvalidArgument(format!(
                "{option} is for embedding models, and {name} is a cross-encoder, {why}: leave it out"
            )))
        };
        if self.scoring.is_some() {
            return refused("--scoring (and `nearsort diagnose`)", "whose scores are its own");
        }
        if self.long_text == Some(LongText::Window) {
            return refused("--long window", "which reads the beginning of a long text");
        }
        if self.cache.is_some() {
            return refused("--cache", "which has no embeddings to keep");
        }
        Ok(())
    }

    /// The encoder alone: for embedding a corpus.
    ///
    /// # Errors
    /// Those of [`ModelStore::get`] and [`LocalEncoder::load`]; [`Error::InvalidArgument`] for a late-interaction model, which has no
    /// embeddings of texts ([`LocalEncoder::load`] itself takes it).
    pub fn build_encoder(self) -> Result<LocalEncoder> {
        let files = self.files()?;
        if ModelKind::of(&files)? == ModelKind::LateInteraction {
            return Err(no_text_vectors(&files.name));
        }
        LocalEncoder::load(files, self.encoder)
    }

    fn files(&self) -> Result<ModelFiles> {
        let spec = ModelSpec::parse(self.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
        match &self.store {
            Some(store) => store.get(&spec),
            None => ModelStore::new(StoreOptions::from_env()?).get(&spec),
        }
    }
}

/// A reranker by one scorer.
fn plain(scorer: Arc<dyn Scorer>, blend: Blend) -> Reranker {
    Reranker { blend, ..Reranker::from_scorer(scorer) }
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
