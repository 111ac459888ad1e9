//! Inputs and outputs of the tools. Clients and language models read the doc comments as
//! descriptions.

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

/// Default number of results.
pub(super) const TOP_K: usize = 10;

/// Maximum number of characters of a text in an answer, because tokens cost the caller money.
const SHOWN: usize = 300;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RerankInput {
    /// The question or search phrase that the candidates are ranked for
    pub query: String,
    /// The candidates' texts; give either these or `file`
    pub documents: Option<Vec<String>>,
    /// A file with the candidates, below a root folder of the server: text lines, JSONL, JSON, CSV, TSV, Parquet or Arrow
    pub file: Option<String>,
    /// Maximum number of results. Default: 10
    #[schemars(range(min = 1))]
    pub top_k: Option<usize>,
    /// A model name from the tool `models`. Default: the first
    pub model: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RerankOutput {
    /// The model that scored
    pub model: String,
    /// The kind of the scores, such as `hybrid` or `probability`
    pub score_kind: String,
    /// Number of candidates that were ranked
    pub candidates: usize,
    /// The best candidates, best first
    pub results: Vec<RankedText>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RankedText {
    /// Position of the candidate in the input, from 0
    pub index: usize,
    /// The candidate's id; absent if it does not come from a file
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The score; higher is better
    pub score: f64,
    /// The part of the candidate that gave the score, or its beginning; at most 300 characters
    pub best_window: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchInput {
    /// The question or search phrase
    pub query: String,
    /// An index name from the tool `models`. Default: the only one
    pub index: Option<String>,
    /// Maximum number of results. Default: 10
    #[schemars(range(min = 1))]
    pub top_k: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SearchOutput {
    /// The index that was searched
    pub index: String,
    /// The model that read the query
    pub model: String,
    /// The best rows, best first
    pub results: Vec<FoundRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FoundRow {
    /// The id of the text; an index keeps no texts
    pub id: String,
    /// The row of the index, from 0
    pub row: u64,
    /// The cosine, from -1 to 1; higher is better
    pub score: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ModelsOutput {
    /// Names for `model` of the tool `rerank`, the default first
    pub models: Vec<String>,
    /// Names for `index` of the tool `search`
    pub indexes: Vec<String>,
}

/// Cuts a text to the length that an answer shows.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shown("  short "), "short");
        let long = "é".repeat(SHOWN);
        assert_eq!(shown(&long), long);
        assert_eq!(shown(&(long.clone() + "é")), long + "…");
    }
}
