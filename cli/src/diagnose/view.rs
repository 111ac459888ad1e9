//! All that a diagnosis shows.

use nearsort::diagnose::Report;

use nearsort::ModelRun;

/// Everything that is shown.
pub struct View {
    pub report: Report,
    pub model: ModelRun,
    /// Longest text in tokens.
    pub max_tokens: usize,
    /// Queries that prompts and poolings were tried on.
    pub tried_queries: usize,
    /// What was left out.
    pub notes: Vec<String>,
    /// This call.
    pub command: String,
    /// What to type instead; `None` where nothing is recommended.
    pub recommended: Option<String>,
    /// The same by the profile that was saved.
    pub by_profile: Option<String>,
    pub seed: u64,
    pub resamples: usize,
}
