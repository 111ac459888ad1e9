//! text-embeddings-inference: `/rerank` (`router/src/http/types.rs`).

use serde_json::{Map, Value, json};

use super::answer::{Candidate, RerankAnswer};
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

/// `top_n` is not TEI's: LiteLLM's `huggingface/` sends it and does not cut the list itself.
pub(super) const KEYS: Keys = &[
    ("texts", Field::Documents),
    ("top_n", Field::TopN),
    ("return_text", Field::ReturnDocuments),
    ("return_documents", Field::ReturnDocuments),
    ("raw_scores", Field::RawScores),
    ("truncate", Field::Truncation),
    ("truncation_direction", Field::TruncationSide),
];

/// A bare list, sorted (Haystack takes the first entries) and complete (LlamaIndex expects every
/// text).
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    let map = answer.score_map(request);
    let entry = |candidate: &Candidate| {
        let mut entry = Map::new();
        entry.insert("index".into(), json!(candidate.index));
        if request.return_documents.is_some() {
            let document = request.documents.get(candidate.index);
            entry.insert("text".into(), json!(document.map(|document| &document.text)));
        }
        entry.insert("score".into(), json!(map.apply(candidate.native)));
        Value::Object(entry)
    };
    answer.top(request).iter().map(entry).collect()
}
