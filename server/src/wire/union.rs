//! The union: the bodies of `/rerank`, `/v1/rerank` and `/v2/rerank` that show no other dialect.

use serde_json::{Map, Value, json};

use super::answer::RerankAnswer;
use super::cohere::meta;
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

/// Cohere v1 and v2, Jina, Voyage, vLLM, infinity and Xinference.
pub(super) const KEYS: Keys = &[
    ("documents", Field::Documents),
    ("top_n", Field::TopN),
    ("top_k", Field::TopN),
    ("return_documents", Field::ReturnDocuments),
    ("return_text", Field::ReturnDocuments),
    ("raw_scores", Field::RawScores),
    ("rank_fields", Field::RankFields),
    ("truncate_prompt_tokens", Field::TokensPerPair),
    ("truncation", Field::Truncation),
    ("truncate", Field::Truncation),
    ("truncation_side", Field::TruncationSide),
    ("relevant_spans", Field::RelevantSpans),
    ("priority", Field::Priority),
    ("max_chunks_per_doc", Field::NoEffect),
    ("return_len", Field::NoEffect),
    ("output_dtype", Field::NoEffect),
    // Xinference's client and RAGFlow's for SiliconFlow.
    ("kwargs", Field::NoEffect),
    ("overlap_tokens", Field::NoEffect),
    // Read only to be null: a body with one of them is of another dialect.
    ("texts", Field::NoEffect),
    ("passages", Field::NoEffect),
    ("property", Field::NoEffect),
];

/// `object` is absent: infinity-client wants "rerank" or nothing, Jina's own is "list".
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    let results = answer.results(request);
    let mut body = Map::new();
    body.insert("id".into(), json!(answer.id));
    body.insert("model".into(), json!(answer.model));
    // Voyage's clients read `data`; no body of theirs names `top_n`. With documents it would double
    // the answer.
    if !(request.return_documents.is_some() && request.names_top_n) {
        body.insert("data".into(), results.clone());
    }
    body.insert("results".into(), results);
    body.insert("usage".into(), answer.usage());
    body.insert("meta".into(), meta(request, answer));
    body.insert("score_kind".into(), json!(answer.score_map(request).name()));
    Value::Object(body)
}
