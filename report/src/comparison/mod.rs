//! Comparisons of systems.

mod charts;
mod html;
mod tables;
mod text;
mod view;

pub use view::ComparisonView;

use crate::Result;

impl ComparisonView<'_> {
    /// Returns the report for a terminal of this many columns.
    pub fn text(&self, width: usize) -> String {
        text::report(self.report, width)
    }

    /// Returns the report as Markdown.
    pub fn markdown(&self) -> String {
        text::markdown(self.report)
    }

    /// Returns the report as one self-contained page.
    ///
    /// # Errors
    /// [`ReportError::Chart`](crate::ReportError::Chart).
    pub fn html(&self) -> Result<String> {
        html::page(self)
    }
}
