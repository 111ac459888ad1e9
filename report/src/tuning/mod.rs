//! Tunings of a reranker to a collection.

mod text;
mod view;

pub use view::TuningView;

impl TuningView<'_> {
    /// Returns the report for a terminal of this many columns.
    pub fn text(&self, width: usize) -> String {
        text::report(self, width)
    }
}
