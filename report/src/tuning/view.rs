//! The data that a tuning shows.

use nearsort::ModelRun;
use nearsort::compare::Judgements;
use nearsort::diagnose::Tuning;

/// A tuning, and the model and judgements that made it.
pub struct TuningView<'a> {
    /// The tuning.
    pub tuning: &'a Tuning,
    /// The model, and how it ran.
    pub model: &'a ModelRun,
    /// The judgements.
    pub judgements: &'a Judgements,
    /// Notes on what was left out.
    pub notes: &'a [String],
    /// Commands that use the recommendation; empty if nothing else is recommended.
    pub commands: Vec<String>,
}
