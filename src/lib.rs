//! nearsort puts the best candidates first: a local reranker.
//!
//! A first stage (BM25, a vector store, a list) gives candidates for a query. A transformer on this
//! machine embeds the query and the candidates, SIMD kernels score them, and they come back sorted.
//! No API key, no service, no Python.
//!
//! A model is loaded once, and serves many rerankers and threads. Every ranking returns an
//! [`Answer`].
//!
//! ```
//! use nearsort::{Model, ModelOptions, Reranker};
//!
//! # fn main() -> nearsort::Result<()> {
//! let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
//! let docs = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
//! let answer = Reranker::new(&model).rank("Where is the Eiffel Tower?", &docs).top_k(10).run()?;
//! for hit in &answer.hits {
//!     println!("{:.4}  {}", hit.score, docs[hit.index]);
//! }
//! println!("{} tokens by {}", answer.usage.tokens, answer.model.name);
//! # Ok(())
//! # }
//! ```
//!
//! Documents may be rows of any type. This example adds the scores of the search that found them,
//! and a token that cancels the call; see [`Ranking`] and [`Call`] for deadlines and progress:
//!
//! ```
//! # use nearsort::{CancelToken, Model, ModelOptions, Reranker};
//! # struct Row { text: String, bm25: f64 }
//! # impl AsRef<str> for Row { fn as_ref(&self) -> &str { &self.text } }
//! # fn main() -> nearsort::Result<()> {
//! # let (model, query) = (Model::load("all-MiniLM-L6-v2", ModelOptions::default())?, "Where is the Eiffel Tower?");
//! # let rows = [Row { text: "The Louvre.".into(), bm25: 7.1 }, Row { text: "The Eiffel Tower.".into(), bm25: 6.9 }];
//! # let token = CancelToken::new();
//! let answer = Reranker::new(&model).rank(query, &rows).first_stage(|r| r.bm25).cancel(&token).run()?;
//! # assert!(answer.is_blended && answer.hits[0].index == 1);
//! # Ok(())
//! # }
//! ```
//!
//! Scores may come from a function of your own or from a language model of a service. Stages use
//! cheap scores for all candidates and expensive ones for the best:
//!
//! ```no_run
//! # use nearsort::{Model, ModelOptions, Reranker, Scoring};
//! # fn overlap(query: &str, text: &str) -> f32 { query.split(' ').filter(|word| text.contains(word)).count() as f32 }
//! # fn main() -> nearsort::Result<()> {
//! # let (query, docs, key) = ("Where is the Eiffel Tower?", ["The Louvre.", "The Eiffel Tower."], "sk-...");
//! # let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
//! let own = Reranker::new(Model::from_fn(|q, d| overlap(q, d)));
//! # own.rank(query, &docs).run()?;
//! let judge = Model::load("openai:gpt-4o-mini", ModelOptions::default().api_key(key).budget(2.00))?;
//! let best = Reranker::cascade([(model.by(Scoring::Hybrid), 200), (judge.pointwise(), 10)])?.rank(query, &docs).run()?;
//! # println!("{:?} for {:?} dollars", best.hits, best.usage.service.dollars);
//! # Ok(())
//! # }
//! ```
//!
//! The parts can be used alone. [`LocalEncoder`] turns texts into vectors. A [`Scorer`] of your own
//! goes into [`Model::from_scorer`]. [`similarity`] and [`ranking`] work on any matrix. [`store`]
//! fetches and verifies models. [`eval`] measures runs. [`compare`] compares models, runs and
//! grades. [`diagnose`] explains why reranking does not help.
//!
//! Downloaded models are stored where the hub's own tools keep theirs (`HF_HUB_CACHE`, `HF_HOME`).
//! Models from a mirror are stored in nearsort's cache folder; see [`StoreOptions`]. Embeddings are
//! kept for later runs on request; see [`cache`].
#![deny(missing_docs)]

pub mod answer;
pub mod blend;
pub mod cache;
pub mod call;
pub mod candle_backend;
#[cfg(feature = "diagnose")]
pub mod compare;
#[cfg(feature = "diagnose")]
pub mod diagnose;
pub mod encoder;
pub mod engine;
pub mod error;
#[cfg(feature = "eval")]
pub mod eval;
mod foreign;
mod hex;
pub mod index;
pub mod io;
pub mod job;
pub mod kernels;
pub mod model;
// Only requests to services need this.
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
mod provider;
pub mod ranking;
pub mod remote;
mod reranker;
pub mod scorer;
// Only answers of services need this.
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
mod scrub;
pub mod service;
pub mod similarity;
pub mod store;
mod text;
mod threads;

/// The cargo features of this build.
pub const FEATURES: &[&str] = &[
    #[cfg(feature = "cache")]
    "cache",
    #[cfg(feature = "candle")]
    "candle",
    #[cfg(feature = "diagnose")]
    "diagnose",
    #[cfg(feature = "eval")]
    "eval",
    #[cfg(feature = "files")]
    "files",
    #[cfg(feature = "hub")]
    "hub",
    #[cfg(feature = "parquet")]
    "parquet",
    #[cfg(feature = "remote")]
    "remote",
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "metal")]
    "metal",
];

pub use answer::{ModelRun, Ranked};
pub use blend::{Blend, Normalize};
pub use cache::{CacheOptions, CachedEncoder, EmbeddingCache};
pub use call::{Call, CancelToken, Usage};
pub use candle_backend::Device;
pub use encoder::{
    Contract, CrossEncoder, CrossEncoderOptions, Embeddings, Encoder, Engine, LocalEncoder, LocalEncoderOptions,
    ModelInfo, ModelKind, Overrides, Pooling, Precision, Prompt, Reading, Role, Token, TokenEncoder, Truncate,
};
pub use error::{Error, JobError, Result};
pub use index::{Index, IndexBuilder, IndexScorer};
pub use model::{
    Connect, DEFAULT_MODEL, Embedded, Embedding, Model, ModelConfig, ModelOptions, ModelStage, Predicted, RankOptions,
};
pub use ranking::Hit;
pub use reranker::{Answer, OnDeadline, Ranking, Reranker, StageBy, StageSpec};
pub use scorer::{
    BiEncoderScorer, CandidateList, CascadeScorer, CrossEncoderScorer, Feedback, LongText, QueryReading, ScoreKind,
    Scored, ScoredList, Scorer, Scoring, StageInfo, StageScore, WhyNot, WindowScore,
};
pub use store::{ModelSpec, ModelStore, StoreOptions};
