//! Makes [`Observations`](super::Observations) from files and a model.
//!
//! This is the only part of `diagnose` that uses a model. [`DiagnoseFiles::read`] reads queries, a
//! run, its documents and judgements. [`observe`] scores every pair: one pass for cosine and
//! MaxSim, one in windows over truncated texts, and other prompts and poolings on some of the
//! judged queries. The model is loaded once; all trials share its weights.
//!
//! ```
//! use nearsort::diagnose::{Material, ObserveOptions, Options, diagnose, observe};
//! use nearsort::io::Qrels;
//! use nearsort::{Call, Model, ModelOptions};
//!
//! # fn main() -> nearsort::Result<()> {
//! let mut material = Material::default();
//! let louvre = material.document("d1", "The Louvre is a museum.");
//! let tower = material.document("d2", "The Eiffel Tower stands in Paris.");
//! material.query("q1", "Where is the Eiffel Tower?", [(louvre, 7.1), (tower, 6.8)]); // what the search found
//! material.qrels = Some(Qrels::from_judgements([("q1", "d2", 1)])?);
//! let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
//! let observed = observe(material, &model, &ObserveOptions::default(), &(), &Call::new())?;
//! let report = diagnose(&observed.observations, &Options::default())?;
//! assert_eq!(report.counts.judged_queries, 1);
//! # Ok(())
//! # }
//! ```

mod families;
mod material;
mod observed;
mod read;
mod room;
mod trials;

pub use material::{AskedQuery, Found, Material, Passage};
pub use observed::{ObserveOptions, Observed, observe, observe_scores};
pub use read::DiagnoseFiles;
pub use trials::{TRIED_CANDIDATES, TRIED_QUERIES};
