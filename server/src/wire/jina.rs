//! Jina (its official page was not read: third-party OpenAPI, llama.cpp and LocalAI's "Jina
//! style").

use serde_json::{Value, json};

use super::answer::RerankAnswer;
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

pub(super) const KEYS: Keys = &[
    ("documents", Field::Documents),
    ("top_n", Field::TopN),
    ("return_documents", Field::ReturnDocuments),
    ("max_doc_length", Field::MaxTokensPerDoc),
    ("truncation", Field::Truncation),
];

/// Haystack's JinaRanker reads `results`, `model` and `usage`.
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    json!({ "model": answer.model, "object": "list", "usage": answer.usage(), "results": answer.results(request) })
}
