//! Cohere v1 and v2 (cohere-openapi.yaml, e814c8a; cohere 7.3.1).

use serde_json::{Map, Value, json};

use super::answer::RerankAnswer;
use super::keys::{Field, Keys};
use super::rerank::{ApiVersion, RerankRequest};

/// Documents that one search unit pays for.
const SEARCH_UNIT: usize = 100;

pub(super) const KEYS: Keys = &[
    ("documents", Field::Documents),
    ("top_n", Field::TopN),
    ("return_documents", Field::ReturnDocuments),
    ("rank_fields", Field::RankFields),
    ("relevant_spans", Field::RelevantSpans),
    ("priority", Field::Priority),
    ("max_chunks_per_doc", Field::NoEffect),
];

pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    json!({
        "id": answer.id,
        "results": answer.results(request),
        "meta": meta(request, answer),
        "score_kind": answer.score_map(request).name(),
    })
}

/// Only keys and types that LiteLLM's model knows; that the answer is partial is a warning and a
/// header.
pub(super) fn meta(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    let version = match request.api_version {
        ApiVersion::V1 => "1",
        ApiVersion::V2 => "2",
    };
    let mut meta = Map::new();
    meta.insert("api_version".into(), json!({ "version": version }));
    meta.insert("billed_units".into(), json!({ "search_units": request.documents.len().div_ceil(SEARCH_UNIT) }));
    meta.insert("tokens".into(), json!({ "input_tokens": answer.usage.tokens, "output_tokens": 0 }));
    let warnings = answer.warnings(request);
    if !warnings.is_empty() {
        meta.insert("warnings".into(), json!(warnings));
    }
    Value::Object(meta)
}
