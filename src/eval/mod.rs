//! Evaluation: the quality of a run by relevance judgements, the significance of the difference
//! between two runs, and the agreement of runs.
//!
//! ```
//! use nearsort::eval::{Measure, evaluate};
//! use nearsort::io::{Qrels, Run};
//!
//! let qrels = Qrels::from_judgements([("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d1", 1)])?;
//! let mut run = Run::default();
//! run.push("q1", "d2", 0.9);
//! run.push("q1", "d1", 0.8);
//! let measures = ["nDCG@10", "RR", "P@1"].map(|name| name.parse::<Measure>());
//! let measures = measures.into_iter().collect::<Result<Vec<_>, _>>()?;
//! let evaluation = evaluate(&qrels, &run, &measures)?;
//! // RR of q1 is 1/2; q2, which the run lacks, counts 0.
//! assert_eq!(evaluation.values(1), [0.5, 0.0]);
//! assert_eq!(evaluation.aggregate(1), 0.25);
//! # Ok::<(), nearsort::Error>(())
//! ```
//!
//! # Which numbers these are
//!
//! They equal those of ir_measures 0.4.3 and of the programs that it calls; tests check this to
//! 1e-6:
//!
//! - **Queries.** Each judged query has a value. A query that the run lacks counts 0, in every
//!   measure. A query of the run without judgements is left out. The [`Evaluation`] counts both.
//! - **Order.** Scores as f32, descending, then document ids descending by their bytes, as in
//!   trec_eval. ir_measures computes some measures with other programs, and so they differ here
//!   too: `ERR` and `nDCG(dcg='exp-log2')` order by the scores as f64, then by ids descending
//!   (gdeval); `RR@k` and `Judged` by the scores as f64, then by ids *ascending*. The file's ranks
//!   are ignored.
//! - **Grades.** A document is relevant if it has at least the grade `rel`, by default 1. A
//!   negative grade means that the document was seen but not judged: it counts as judged for
//!   `Judged`, and as unjudged for all other measures.
//!
//! This module uses no model, prints nothing and reads no environment variables.

mod agreement;
mod comparison;
mod csv;
mod evaluation;
mod graded;
#[cfg(feature = "diagnose")]
mod judgements_document;
mod measure;
mod measured;
mod names;
mod ranking;
mod report;
#[cfg(feature = "diagnose")]
mod sample;
mod significance;

pub use agreement::{
    ListAgreement, MeanAgreement, OVERLAP_DEPTH, RBO_P, RankedList, Ties, disagreement, kendall_tau_b, overlap,
    rank_biased_overlap,
};
pub use comparison::{Comparison, TIE, Test, compare, curve_cutoffs};
pub use evaluation::{Evaluation, evaluate, evaluate_file, evaluate_run};
pub use graded::{GradedList, untied_scores};
#[cfg(feature = "diagnose")]
pub(crate) use judgements_document::JudgementsDocument;
pub use measure::{Measure, MeasureKind};
#[cfg(test)]
pub(crate) use measured::MeasuredDocument;
pub use measured::{Aggregate, Compared, Measured, measure_runs};
pub use ranking::{JudgedCandidates, JudgedRanking};
#[cfg(feature = "diagnose")]
pub(crate) use report::Pairs;
pub use report::{EvalOptions, EvalReport, EvaluatedRun, RunReport};
#[cfg(feature = "diagnose")]
pub(crate) use sample::{draw, hashed};
pub use significance::{Interval, Resampling, bootstrap_mean, holm, percentile, randomisation_test, t_test};
