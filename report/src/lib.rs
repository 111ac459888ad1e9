//! Results for people: nearsort's answers, evaluations, comparisons, diagnoses and tunings as text for
//! a terminal, as Markdown, as charts (SVG) and as self-contained pages (HTML).
//!
//! The library computes the results; everything here is a function of one of them. Nothing is
//! printed and no file is written.
#![deny(missing_docs)]

mod answer;
mod comparison;
mod diagnosis;
mod evaluation;
mod page;
mod text;
mod tuning;

use std::fmt;

pub use answer::answer_table;
pub use comparison::ComparisonView;
pub use diagnosis::DiagnosisView;
pub use evaluation::EvaluationView;
pub use page::terminal::width;
pub use text::{in_cell, visible};
pub use tuning::TuningView;

/// A report that could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportError {
    /// A chart cannot be drawn, with the reason.
    Chart(String),
    /// The report has no form in JSON, with the reason.
    Json(String),
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chart(why) => write!(f, "cannot draw a chart: {why}"),
            Self::Json(why) => write!(f, "the report cannot be written as JSON: {why}"),
        }
    }
}

impl std::error::Error for ReportError {}

/// A report as text, or the reason why there is none.
pub type Result<T, E = ReportError> = std::result::Result<T, E>;
