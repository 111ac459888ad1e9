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
//! let documents = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
//!
//! // Many rerankers, and many threads, share it.
//! let best = Reranker::new(&model)?.rank(query, &documents).top_k(10).run()?;
//! let cosine = Reranker::with(&model, RankOptions::by(Scoring::Cosine))?;
//! assert_eq!(best.hits[0].index, cosine.rank(query, &documents).run()?.hits[0].index);
//!
//! // With the scores of the search that found the documents; rows of any type will do.
//! struct Row(&'static str, Option<f64>);
//! impl AsRef<str> for Row {
//!     fn as_ref(&self) -> &str {
//!         self.0
//!     }
//! }
//! let rows = [Row("The Louvre is a museum.", Some(7.1)), Row("The Eiffel Tower stands in Paris.", None)];
//! assert!(Reranker::new(&model)?.rank(query, &rows).first_stage(|row| row.1).run()?.is_blended);
//!
//! // A score of one's own.
//! let overlap = |query: &str, text: &str| query.split(' ').filter(|word| text.contains(word)).count() as f32;
//! let own = Reranker::new(&Model::from_fn(overlap))?;
//! assert_eq!(own.rank(query, &documents).run()?.hits[0].index, 1);
//!
//! // Cheap for all, dear for the best. A judge of a service, `Model::load("openai:gpt-4o-mini", ...)`, is a stage like any other.
//! let stages = [(Reranker::with(&model, RankOptions::by(Scoring::Hybrid))?, 200), (own, 10)];
//! assert_eq!(Reranker::cascade(stages)?.rank(query, &documents).run()?.hits[0].index, 1);
//! # Ok(())
//! # }
//! ```

mod load;
mod options;
mod rank;
mod service;

use std::fmt;
use std::sync::Arc;

pub use options::{Connect, DEFAULT_MODEL, ModelOptions};
pub use rank::RankOptions;
pub(crate) use rank::{Prepared, check_cached, default_blend};

use crate::Result;
use crate::cache::CachedEncoder;
use crate::encoder::{CrossEncoder, Encoder, LocalEncoder, ModelInfo};
use crate::remote::judge::Tally;
use crate::scorer::{ScoreKind, Scored, ScoredList, Scorer, Scoring};

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
    Scorer {
        scorer: Arc<dyn Scorer>,
        /// Of a judge.
        judged: Option<Arc<Tally>>,
        task: Task,
    },
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
    pub fn from_fn(score: impl Fn(&str, &str) -> f32 + Send + Sync + 'static) -> Self {
        Self::from_scorer(Arc::new(ByFunction(score)))
    }

    /// A model that is a scorer of your own.
    pub fn from_scorer(scorer: Arc<dyn Scorer>) -> Self {
        let name = scorer.model().map_or_else(|| "custom".to_owned(), |model| model.name);
        Self { name, loaded: Loaded::Scorer { scorer, judged: None, task: Task::Custom } }
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
            Loaded::Scorer { task, .. } => *task,
        }
    }

    /// How it runs; `None` for a scorer that does not say.
    pub fn info(&self) -> Option<ModelInfo> {
        match &self.loaded {
            Loaded::Embedder { encoder, .. } => encoder.model(),
            Loaded::CrossEncoder(model) => Some(model.model()),
            Loaded::Scorer { scorer, .. } => scorer.model(),
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
