//! Diagnoses of a reranker.

mod charts;
mod html;
mod json;
mod tables;
mod text;
mod view;
mod words;

pub use view::DiagnosisView;

use crate::Result;

impl DiagnosisView<'_> {
    /// Returns the report for a terminal of this many columns.
    pub fn text(&self, width: usize) -> String {
        text::report(self, width)
    }

    /// Returns the report as one JSON object: the library's report, and the model and call that made
    /// it.
    ///
    /// # Errors
    /// [`ReportError::Json`](crate::ReportError::Json).
    pub fn json(&self) -> Result<String> {
        json::document(self)
    }

    /// Returns the report as one self-contained page.
    ///
    /// # Errors
    /// [`ReportError::Chart`](crate::ReportError::Chart).
    pub fn html(&self) -> Result<String> {
        html::page(self)
    }
}
