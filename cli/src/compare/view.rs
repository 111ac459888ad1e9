//! What a comparison shows.

use nearsort::compare::ComparisonReport;

/// What is shown: what the library found, and this call.
pub struct View {
    pub report: ComparisonReport,
    pub command: String,
}
