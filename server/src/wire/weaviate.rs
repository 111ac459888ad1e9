//! Weaviate's reranker-transformers (`modules/reranker-transformers/clients/ranker.go`).

use serde_json::{Value, json};

use super::answer::{Candidate, RerankAnswer};
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

pub(super) const KEYS: Keys =
    &[("documents", Field::Documents), ("property", Field::NoEffect), ("raw_scores", Field::RawScores)];

/// All scores in the order of the *request*: Weaviate gives `scores[i]` to its i-th object and
/// sorts itself.
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    let map = answer.score_map(request);
    let mut by_input: Vec<&Candidate> = answer.ranked().iter().collect();
    by_input.sort_by_key(|candidate| candidate.index);
    let score = |candidate: &Candidate| {
        let text = request.documents.get(candidate.index).map_or("", |document| document.text.as_str());
        json!({ "document": text, "score": map.apply(candidate.native) })
    };
    let scores: Vec<Value> = by_input.into_iter().map(score).collect();
    json!({ "query": request.query, "scores": scores })
}
