//! Compares systems: their quality, their agreement, their cost, and the queries on which they
//! disagree.
//!
//! A [`System`] is a ranking of every query. It comes from a run ([`System::of_run`]), from a model
//! that reranked the first stage's lists ([`FirstStage::rerank`]), or from grades
//! ([`System::by_grades`]). [`compare`] compares the others with the first one. Judgements are
//! needed for quality only. [`CompareFiles`] and [`Texts::open`] read files; everything else can be
//! in memory.
//!
//! ```
//! use nearsort::compare::{CompareOptions, FirstStage, FirstStageOptions, Judgements, System, SystemKind, Texts, compare};
//! use nearsort::io::{Qrels, Run};
//! use nearsort::{Call, Model, ModelOptions, RankOptions, Reranker, Scoring};
//!
//! # fn main() -> nearsort::Result<()> {
//! let texts = Texts::new(
//!     [("q1", "Where is the Eiffel Tower?")],
//!     [("d1", "The Louvre is a museum."), ("d2", "The Eiffel Tower stands in Paris.")],
//! );
//! let mut run = Run::default(); // what the search found
//! run.push("q1", "d1", 7.1);
//! run.push("q1", "d2", 6.8);
//! let qrels = Qrels::from_judgements([("q1", "d2", 1)])?;
//! let judgements = Judgements { qrels, source: "mine".into(), by_model: false };
//!
//! let first_stage = FirstStage::new(&run, &texts, &FirstStageOptions::default(), &())?;
//! let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
//! let mut systems = vec![System::of_run("search", SystemKind::FirstStage, "search", run.clone())];
//! for scoring in [Scoring::Cosine, Scoring::Hybrid] {
//!     let reranker = Reranker::with(&model, RankOptions::by(scoring))?;
//!     systems.push(first_stage.rerank(scoring.to_string(), model.name(), &reranker, &(), &Call::new())?);
//! }
//! let report = compare(systems, Some(judgements), &texts, &CompareOptions::default())?;
//! let [search, _, hybrid] = [0, 1, 2].map(|at| report.systems[at].measured[0].mean().unwrap().mean); // nDCG@10
//! assert!(hybrid > search);
//! println!("{}", report.to_json(None));
//! # Ok(())
//! # }
//! ```
//!
//! This module prints nothing and reads no environment variables.

mod document;
mod files;
mod first_stage;
mod judgements;
mod options;
mod report;
mod runs;
mod spec;
mod system;
mod texts;

pub use files::{Collection, CompareFiles};
pub use first_stage::{FirstStage, FirstStageOptions};
pub use judgements::Judgements;
pub use options::CompareOptions;
pub use report::{ComparisonReport, DisputedQuery, SystemReport, TopDocument, check_measures, compare};
pub use spec::RankedModel;
pub use system::{Cost, System, SystemKind};
pub use texts::Texts;
