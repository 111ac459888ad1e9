//! A loaded model: loaded once, ranked by in many ways, from many threads.
//!
//! [`Model::load`] finds a model by its name and loads it; what it is asked to do with a list is said later, by
//! [`RankOptions`] of a [`Reranker`](crate::Reranker). A clone is the same model.
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
pub use rank::RankOptions;
pub(crate) use rank::{Prepared, check_cached};
pub use stage::ModelStage;

use crate::Result;
use crate::cache::CachedEncoder;
use crate::encoder::{CrossEncoder, Encoder, LocalEncoder, ModelInfo};
use crate::engine::ModelMemory;
use crate::remote::judge::{JudgeMethod, JudgeOptions};
use crate::scorer::{ScoreKind, Scored, ScoredList, Scorer, Scoring};
use crate::service::Service;

/// What a model does with a query and candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Vectors of texts, and where the model is local of their tokens.
    Embed,
    /// Vectors of tokens alone: a late-interaction (ColBERT) model.
    EmbedTokens,
    /// A number for a pair that is read together.
    CrossEncode,
    /// Grades or orders, in words.
    Judge,
    /// Scores of a service.
    Rerank,
    /// Whatever a scorer of your own does.
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
        /// Without a cache, which knows no tokens.
        encoder: Arc<dyn Encoder>,
        /// The same one, where it runs on this machine.
        local: Option<Arc<LocalEncoder>>,
        cached: Option<Arc<CachedEncoder>>,
        /// How it scores when nobody says.
        scoring: Scoring,
    },
    CrossEncoder(Arc<CrossEncoder>),
    Judge(Judge),
    Scorer {
        scorer: Arc<dyn Scorer>,
        task: Task,
    },
}

/// A language model of a service.
#[derive(Clone)]
struct Judge {
    service: Arc<dyn Service>,
    options: JudgeOptions,
    /// How it judges when nobody says, and the scorer that does.
    method: JudgeMethod,
    scorer: Arc<dyn Scorer>,
}

/// A score of one's own for every pair.
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
    /// A model that is a function of query and candidate; higher is better.
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

    /// A model that is a scorer of your own.
    pub fn from_scorer(scorer: Arc<dyn Scorer>) -> Self {
        let name = scorer.model().map_or_else(|| "custom".to_owned(), |model| model.name);
        Self { name, loaded: Loaded::Scorer { scorer, task: Task::Custom } }
    }

    /// A model that is an encoder of your own. It scores by cosine when nobody says, which every encoder can.
    pub fn from_encoder(encoder: Arc<dyn Encoder>) -> Self {
        let name = encoder.model().map_or_else(|| "custom".to_owned(), |model| model.name);
        Self { name, loaded: Loaded::Embedder { encoder, local: None, cached: None, scoring: Scoring::Cosine } }
    }

    /// Its name, as its files or its service have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn task(&self) -> Task {
        match &self.loaded {
            Loaded::Embedder { encoder, .. } if encoder.has_text_vectors() => Task::Embed,
            Loaded::Embedder { .. } => Task::EmbedTokens,
            Loaded::CrossEncoder(_) => Task::CrossEncode,
            Loaded::Judge(_) => Task::Judge,
            Loaded::Scorer { task, .. } => *task,
        }
    }

    /// How it runs; `None` for a scorer that does not say.
    pub fn info(&self) -> Option<ModelInfo> {
        match &self.loaded {
            Loaded::Embedder { encoder, .. } => encoder.model(),
            Loaded::CrossEncoder(model) => Some(model.model()),
            Loaded::Judge(judge) => judge.scorer.model(),
            Loaded::Scorer { scorer, .. } => scorer.model(),
        }
    }

    /// Bytes that its weights take on this machine; none of a service's model and of a scorer of your own. Clones and readings of a model
    /// share them.
    pub fn memory(&self) -> ModelMemory {
        match &self.loaded {
            Loaded::Embedder { local: Some(local), .. } => local.memory(),
            Loaded::CrossEncoder(model) => model.memory(),
            _ => ModelMemory::default(),
        }
    }

    /// The encoder behind it, where it embeds; a cache stands before it, if one was given.
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
