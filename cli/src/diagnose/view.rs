//! The data that a diagnosis shows.

use nearsort::diagnose::Report;

use nearsort::ModelRun;

/// The data that a diagnosis shows.
pub struct View {
    pub report: Report,
    pub model: ModelRun,
    /// Maximum number of tokens of a text.
    pub max_tokens: usize,
    /// Number of queries that prompts and poolings were tried on.
    pub tried_queries: usize,
    /// Notes on what was left out.
    pub notes: Vec<String>,
    /// The command line of this call.
    pub command: String,
    /// The recommended command; `None` if nothing is recommended.
    pub recommended: Option<String>,
    /// The same command with the saved profile.
    pub by_profile: Option<String>,
    pub seed: u64,
    pub resamples: usize,
}
