//! The data that a comparison shows.

use nearsort::compare::ComparisonReport;

/// The library's report, and the command line of this call.
pub struct View {
    pub report: ComparisonReport,
    pub command: String,
}
