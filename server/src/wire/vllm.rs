//! vLLM (its docs; pull request 38827 for the token limits; LiteLLM's `hosted_vllm`).

use serde_json::{Value, json};

use super::answer::RerankAnswer;
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

pub(super) const KEYS: Keys = &[
    ("documents", Field::Documents),
    ("top_n", Field::TopN),
    ("return_documents", Field::ReturnDocuments),
    ("truncate_prompt_tokens", Field::TokensPerPair),
    ("truncation_side", Field::TruncationSide),
    ("priority", Field::NoEffect),
    ("rank_fields", Field::RankFields),
    ("max_chunks_per_doc", Field::NoEffect),
];

pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    json!({
        "id": answer.id,
        "model": answer.model,
        "usage": answer.usage(),
        "results": answer.results(request),
    })
}
