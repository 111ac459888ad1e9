//! The JSON form of judgements, for reports.

use serde::Serialize;

/// Judgements, by people or by a model.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct JudgementsDocument<'a> {
    /// The source, such as a file's name.
    file: &'a str,
    /// The judges: `people` or `model`.
    by: &'static str,
    /// Number of judged queries.
    queries: usize,
}

impl<'a> JudgementsDocument<'a> {
    /// Creates the form of judgements of so many queries.
    pub(crate) fn new(file: &'a str, by_model: bool, queries: usize) -> Self {
        Self { file, by: if by_model { "model" } else { "people" }, queries }
    }
}
