//! Voyage (voyageai 0.5.0, docs).

use serde_json::{Value, json};

use super::answer::RerankAnswer;
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

pub(super) const KEYS: Keys = &[
    ("documents", Field::Documents),
    ("top_k", Field::TopN),
    ("top_n", Field::TopN),
    ("return_documents", Field::ReturnDocuments),
    ("truncation", Field::Truncation),
    ("output_dtype", Field::NoEffect),
];

/// The SDK reads `data[]` and `usage.total_tokens`; a document is a string.
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    json!({ "object": "list", "data": answer.results(request), "model": answer.model, "usage": answer.usage() })
}
