//! Evaluations of runs.

mod chart;
mod tables;

use nearsort::eval::EvalReport;

use crate::Result;

/// An evaluation.
pub struct EvaluationView<'a> {
    /// The evaluation.
    pub report: &'a EvalReport,
    /// True to show the values of each query too.
    pub per_query: bool,
}

impl EvaluationView<'_> {
    /// Returns tables for a terminal.
    pub fn text(&self) -> String {
        tables::plain(self.report, self.per_query)
    }

    /// Returns tables as Markdown.
    pub fn markdown(&self) -> String {
        tables::markdown(self.report, self.per_query)
    }

    /// Returns the first measure at each cutoff as a chart (SVG). The report must have cutoffs.
    ///
    /// # Errors
    /// [`ReportError::Chart`](crate::ReportError::Chart).
    pub fn chart(&self) -> Result<String> {
        chart::svg(self.report)
    }
}
