//! The reply to a rerank request, in its dialect.

use serde_json::Value;

use super::answer::RerankAnswer;
use super::dialect::Dialect;
use super::error::WireError;
use super::reply::Reply;
use super::rerank::RerankRequest;
use super::{cohere, infinity, jina, nim, tei, union, vllm, voyage, weaviate};

/// Writes the answer in the dialect of the request. A partial answer says so in the header
/// `x-nearsort-scored: n/m`, and in a warning.
///
/// # Errors
/// A candidate whose index is not a document of the request.
pub fn rerank_reply(request: &RerankRequest, answer: &RerankAnswer) -> Result<Reply, WireError> {
    let documents = request.documents.len();
    if let Some(bad) = answer.ranked().iter().find(|candidate| candidate.index >= documents) {
        return Err(WireError::Backend { detail: format!("index {} of {documents} documents", bad.index) });
    }
    let kind = answer.score_map(request).name();
    let warnings = answer.warnings(request);
    let bare = |body: Value| Reply::json(&body).with_notes(kind, &warnings);
    let mut reply = match request.dialect {
        Dialect::Union => Reply::json(&union::write(request, answer)),
        Dialect::Cohere => Reply::json(&cohere::write(request, answer)),
        Dialect::Jina => bare(jina::write(request, answer)),
        Dialect::Voyage => bare(voyage::write(request, answer)),
        Dialect::Tei => bare(tei::write(request, answer)),
        Dialect::Infinity => bare(infinity::write(request, answer)),
        Dialect::Vllm => bare(vllm::write(request, answer)),
        Dialect::Nim => bare(nim::write(request, answer)),
        Dialect::Weaviate => bare(weaviate::write(request, answer)),
    };
    if let Some(scored) = answer.scored {
        reply.headers.push(("x-nearsort-scored", format!("{scored}/{documents}")));
    }
    Ok(reply)
}
