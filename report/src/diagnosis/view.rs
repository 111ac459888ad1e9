//! The data that a diagnosis shows.

use nearsort::ModelRun;
use nearsort::diagnose::Report;

/// A diagnosis, and the model and call that made it.
pub struct DiagnosisView<'a> {
    /// The diagnosis.
    pub report: &'a Report,
    /// The model, and how it ran.
    pub model: &'a ModelRun,
    /// Maximum number of tokens of a text.
    pub max_tokens: usize,
    /// Number of queries that prompts and poolings were tried on.
    pub tried_queries: usize,
    /// Notes on what was left out.
    pub notes: &'a [String],
    /// The command line of this call.
    pub command: String,
    /// The recommended command; `None` if nothing is recommended.
    pub recommended: Option<String>,
    /// The same command with the saved profile.
    pub by_profile: Option<String>,
    /// The seed of the resamples.
    pub seed: u64,
    /// Number of bootstrap resamples.
    pub resamples: usize,
}
