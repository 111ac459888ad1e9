//! infinity (`pymodels.py`; infinity-client 0.0.78).

use serde_json::{Value, json};

use super::answer::RerankAnswer;
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

pub(super) const KEYS: Keys = &[
    ("documents", Field::Documents),
    ("top_n", Field::TopN),
    ("return_documents", Field::ReturnDocuments),
    ("raw_scores", Field::RawScores),
    // LiteLLM's `infinity/` sends Cohere's body.
    ("rank_fields", Field::RankFields),
    ("max_chunks_per_doc", Field::NoEffect),
];

/// The client wants `results`, `model`, both counts of `usage`, and exactly this `object`; a
/// document is a string.
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    json!({
        "object": "rerank",
        "results": answer.results(request),
        "model": answer.model,
        "usage": answer.usage(),
        "id": answer.id,
        "created": answer.created,
    })
}
