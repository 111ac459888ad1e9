//! A loaded model: loaded once, shared by many rerankers and threads.
//!
//! [`Model::load`] finds a model by its name and loads it. [`RankOptions`] of a
//! [`Reranker`](crate::Reranker) then set how it ranks lists. A clone is the same model.
//!
//! ```
//! use nearsort::{Model, ModelOptions, RankOptions, Reranker, Scoring};
//!
//! # fn main() -> nearsort::Result<()> {
//! let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
//! let query = "Where is the Eiffel Tower?";
//! let docs = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
//!
//! // Many rerankers, and many threads, share it.
//! let best = Reranker::new(&model).rank(query, &docs).top_k(10).run()?;
//! let cosine = Reranker::with(&model, RankOptions::by(Scoring::Cosine))?;
//! assert_eq!(best.hits[0].index, cosine.rank(query, &docs).run()?.hits[0].index);
//!
//! // A score of one's own, and a cascade: cheap for all, dear for the best.
//! let overlap = |query: &str, text: &str| query.split(' ').filter(|word| text.contains(word)).count() as f32;
//! let own = Model::from_fn(overlap);
//! let stages = [(model.by(Scoring::Hybrid), 200), ((&own).into(), 10)];
//! assert_eq!(Reranker::cascade(stages)?.rank(query, &docs).run()?.hits[0].index, 1);
//! # Ok(())
//! # }
//! ```

mod config;
mod embed;
mod load;
mod options;
mod predict;
mod rank;
mod reading;
mod service;
mod stage;
mod tokens;

use std::fmt;
use std::sync::Arc;

pub use config::ModelConfig;
pub use embed::{Embedded, Embedding};
pub use options::{Connect, DEFAULT_MODEL, ModelOptions};
pub use predict::Predicted;
pub(crate) use rank::Prepared;
pub use rank::RankOptions;
pub use stage::ModelStage;

use crate::Result;
use crate::cache::CachedEncoder;
use crate::encoder::{CrossEncoder, Encoder, LocalEncoder, ModelInfo};
use crate::engine::ModelMemory;
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::scorer::{ScoreKind, Scored, ScoredList, Scorer, Scoring};
use crate::service::Service;

/// The task of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Gives vectors of texts; local models also give vectors of their tokens.
    Embed,
    /// Gives only vectors of tokens: a late-interaction (ColBERT) model.
    EmbedTokens,
    /// Reads a pair together and gives a score: a cross-encoder.
    CrossEncode,
    /// Answers with grades or orders, in words: a language model.
    Judge,
    /// Gives the scores of a rerank service.
    Rerank,
    /// Does what a scorer of your own does.
    Custom,
}

/// A loaded model; cheap to clone, and shared by its clones.
#[derive(Clone)]
pub struct Model {
    name: String,
    loaded: Loaded,
}

#[derive(Clone)]
enum Loaded {
    Embedder {
        /// The encoder without a cache, because a cache keeps no token vectors.
        encoder: Arc<dyn Encoder>,
        /// The same encoder, if it runs on this machine.
        local: Option<Arc<LocalEncoder>>,
        cached: Option<Arc<CachedEncoder>>,
        /// The default scoring.
        scoring: Scoring,
    },
    CrossEncoder(Arc<CrossEncoder>),
    Judge(Judge),
    Scorer {
        scorer: Arc<dyn Scorer>,
        task: Task,
    },
}

/// A language model of a service, as a judge.
#[derive(Clone)]
struct Judge {
    service: Arc<dyn Service>,
    options: JudgeOptions,
    /// The default method of judging, and its scorer.
    method: JudgeMethod,
    scorer: Arc<dyn Scorer>,
}

/// A scorer by a function of the user's own.
struct ByFunction<F>(F);

impl<F: Fn(&str, &str) -> f32 + Send + Sync> Scorer for ByFunction<F> {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        Ok(candidates.iter().map(|candidate| Scored::new(self.0(query, candidate))).collect::<Vec<_>>().into())
    }
}

impl Model {
    /// Creates a model from a function of query and candidate; higher is better.
    ///
    /// ```
    /// use nearsort::{Model, Reranker};
    ///
    /// # fn overlap(query: &str, text: &str) -> f32 {
    /// #     query.split(' ').filter(|word| text.contains(word)).count() as f32
    /// # }
    /// let own = Reranker::new(Model::from_fn(|q, d| overlap(q, d)));
    /// assert_eq!(own.rank("red boats", &["a boat", "two red boats"]).run().unwrap().hits[0].index, 1);
    /// ```
    pub fn from_fn(score: impl Fn(&str, &str) -> f32 + Send + Sync + 'static) -> Self {
        Self::from_scorer(Arc::new(ByFunction(score)))
    }

    /// Creates a model from a scorer of your own.
    pub fn from_scorer(scorer: Arc<dyn Scorer>) -> Self {
        let name = scorer.model().map_or_else(|| "custom".to_owned(), |model| model.name);
        Self { name, loaded: Loaded::Scorer { scorer, task: Task::Custom } }
    }

    /// Creates a model from an encoder of your own. Its default scoring is cosine, which every
    /// encoder supports.
    pub fn from_encoder(encoder: Arc<dyn Encoder>) -> Self {
        let name = encoder.model().map_or_else(|| "custom".to_owned(), |model| model.name);
        Self { name, loaded: Loaded::Embedder { encoder, local: None, cached: None, scoring: Scoring::Cosine } }
    }

    /// Returns the model's name, as in its files or its service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the model's task.
    pub fn task(&self) -> Task {
        match &self.loaded {
            Loaded::Embedder { encoder, .. } if encoder.has_text_vectors() => Task::Embed,
            Loaded::Embedder { .. } => Task::EmbedTokens,
            Loaded::CrossEncoder(_) => Task::CrossEncode,
            Loaded::Judge(_) => Task::Judge,
            Loaded::Scorer { task, .. } => *task,
        }
    }

    /// Returns the scoring of an embedding model if [`RankOptions::scoring`] asks for none; `None`
    /// for other models.
    pub fn default_scoring(&self) -> Option<Scoring> {
        match &self.loaded {
            Loaded::Embedder { scoring, .. } => Some(*scoring),
            _ => None,
        }
    }

    /// Returns the model and how it runs; `None` for a scorer without that information.
    pub fn info(&self) -> Option<ModelInfo> {
        match &self.loaded {
            Loaded::Embedder { encoder, .. } => encoder.model(),
            Loaded::CrossEncoder(model) => Some(model.model()),
            Loaded::Judge(judge) => judge.scorer.model(),
            Loaded::Scorer { scorer, .. } => scorer.model(),
        }
    }

    /// Returns the bytes that the model's weights take on this machine; none for a service's model
    /// and for a scorer of your own. Clones and readings of a model share them.
    pub fn memory(&self) -> ModelMemory {
        match &self.loaded {
            Loaded::Embedder { local: Some(local), .. } => local.memory(),
            Loaded::CrossEncoder(model) => model.memory(),
            _ => ModelMemory::default(),
        }
    }

    /// Returns the model's encoder, if it embeds. It includes the cache, if one was given.
    pub fn encoder(&self) -> Option<Arc<dyn Encoder>> {
        match &self.loaded {
            Loaded::Embedder { cached: Some(cached), .. } => Some(Arc::clone(cached) as Arc<dyn Encoder>),
            Loaded::Embedder { encoder, .. } => Some(Arc::clone(encoder)),
            _ => None,
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("task", &self.task()).finish_non_exhaustive()
    }
}
