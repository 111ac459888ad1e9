//! The data that a comparison shows.

use nearsort::compare::ComparisonReport;

/// A comparison, and the call that made it.
pub struct ComparisonView<'a> {
    /// The comparison.
    pub report: &'a ComparisonReport,
    /// The command line or the call, for the page.
    pub command: String,
}
