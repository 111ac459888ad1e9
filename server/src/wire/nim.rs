//! NVIDIA NIM's `/v1/ranking` (langchain-nvidia-ai-endpoints 1.5.0, llama-index nvidia-rerank
//! 0.7.0).

use serde_json::{Value, json};

use super::answer::{Candidate, RerankAnswer};
use super::keys::{Field, Keys};
use super::rerank::RerankRequest;

/// `{model, query: {text}, passages: [{text}], truncate}`; strings are taken as well.
pub(super) const KEYS: Keys =
    &[("passages", Field::Documents), ("top_n", Field::TopN), ("truncate", Field::Truncation)];

/// Raw numbers, best first.
pub(super) fn write(request: &RerankRequest, answer: &RerankAnswer) -> Value {
    let map = answer.score_map(request);
    let ranking = |c: &Candidate| json!({ "index": c.index, "logit": map.apply(c.native) });
    let rankings: Vec<Value> = answer.top(request).iter().map(ranking).collect();
    json!({ "rankings": rankings, "usage": answer.usage() })
}
