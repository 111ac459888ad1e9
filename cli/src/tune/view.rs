//! The data that tuning shows.

use nearsort::ModelRun;
use nearsort::compare::Judgements;
use nearsort::diagnose::Tuning;

/// The data that tuning shows.
pub struct View {
    pub tuning: Tuning,
    pub model: ModelRun,
    pub judgements: Judgements,
    /// Notes on what was left out.
    pub notes: Vec<String>,
    /// Commands that use the recommendation; empty if nothing else is recommended.
    pub commands: Vec<String>,
}
