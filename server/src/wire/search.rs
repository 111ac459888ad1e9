//! `POST /search`: the best rows of an index. The format is nearsort's own, because no other server
//! has this endpoint.

use serde_json::{Map, Value, json};

use super::body::{RequestLimits, object, unknown_keys};
use super::error::WireError;
use super::openai::given;
use super::reply::Reply;
use super::value::{integer, text, wrong};

pub(crate) const KEYS: &[&str] = &["query", "index", "model", "top_n", "top_k", "deadline_ms"];

/// Default number of rows.
const TOP_N: usize = 10;

/// A search request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRequest {
    /// The name of the index; None: the only one.
    pub index: Option<String>,
    /// Not blank.
    pub query: String,
    /// Number of rows, from 1 to the limit of texts.
    pub top_n: usize,
    /// Milliseconds from the arrival, at least 1.
    pub deadline_ms: Option<u64>,
    pub warnings: Vec<String>,
}

/// A row that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// The row's number in the index.
    pub row: u64,
    pub id: String,
    /// The cosine, in [-1, 1].
    pub score: f64,
}

/// An answer to a search request.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchAnswer {
    pub id: String,
    pub index: String,
    pub model: String,
    /// Best first.
    pub hits: Vec<SearchHit>,
    /// Tokens of the query.
    pub tokens: u64,
}

/// Reads a `/search` body: `{query, index?, top_n?, deadline_ms?}`. `model` is another name of
/// `index`, `top_k` of `top_n`.
///
/// # Errors
/// No query or a blank one, a value of a wrong type, `top_n` of 0 or beyond the limit of texts.
pub fn read_search(bytes: &[u8], limits: &RequestLimits) -> Result<SearchRequest, WireError> {
    let body = object(bytes, limits)?;
    let wanted = "a text to search for";
    let value = given(&body, "query").ok_or(WireError::Missing { key: "query".to_owned(), wanted })?;
    let query = text("query", value)?;
    if query.trim().is_empty() {
        return Err(wrong("query", value, wanted));
    }
    let most = u64::try_from(limits.texts).unwrap_or(u64::MAX);
    let count = first(&body, &["top_n", "top_k"]).map(|(key, value)| integer(key, value, 1, most)).transpose()?;
    Ok(SearchRequest {
        index: first(&body, &["index", "model"]).map(|(key, value)| text(key, value)).transpose()?,
        query,
        top_n: count.and_then(|n| usize::try_from(n).ok()).unwrap_or(TOP_N),
        deadline_ms: given(&body, "deadline_ms").map(|v| integer("deadline_ms", v, 1, u64::MAX)).transpose()?,
        warnings: unknown_keys(&body, KEYS.iter().copied()),
    })
}

/// Returns the first of the keys that is given.
fn first<'a>(body: &'a Map<String, Value>, keys: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    keys.iter().find_map(|key| Some((*key, given(body, key)?)))
}

impl SearchAnswer {
    /// Writes `{id, index, model, score_kind, results: [{row, id, score}], usage}`. Scores are
    /// those of `nearsort search`.
    ///
    /// # Errors
    /// A score that is not finite.
    pub fn reply(&self, request: &SearchRequest) -> Result<Reply, WireError> {
        if let Some(index) = self.hits.iter().position(|hit| !hit.score.is_finite()) {
            return Err(WireError::NotFinite { index });
        }
        let result = |hit: &SearchHit| json!({ "row": hit.row, "id": hit.id, "score": hit.score });
        let body = json!({
            "id": self.id,
            "index": self.index,
            "model": self.model,
            "score_kind": "cosine",
            "results": self.hits.iter().map(result).collect::<Value>(),
            "usage": { "prompt_tokens": self.tokens, "total_tokens": self.tokens },
        });
        Ok(Reply::json(&body).with_warnings(&request.warnings))
    }
}
