//! A ranking, and the parts of replies that dialects share.

use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::error::WireError;
use super::rerank::{DocumentForm, RerankRequest, Span};
use super::scores::{Contract, Native, ScoreMap};

/// A document with its number from the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Position in the request.
    pub index: usize,
    /// The model's number: finite, or minus infinity for a document without text or without a
    /// score.
    pub native: f64,
    /// Candidates for `relevant_spans`; the reply applies threshold and count.
    pub spans: Vec<Span>,
}

/// Tokens that the model read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub tokens: u64,
}

/// An answer to a rerank request.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankAnswer {
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    pub model: String,
    pub native: Native,
    /// By score, then input. Private: the order is checked once.
    ranked: Vec<Candidate>,
    pub usage: Usage,
    /// Number of scored documents, if a deadline cut the work short.
    pub scored: Option<usize>,
}

impl RerankAnswer {
    /// Orders the candidates by the model's number. Equal ones keep their order, which is the order
    /// of the request or, of a model that ranks by a finer number, the library's. The order is
    /// taken before a map to [0, 1] can round.
    ///
    /// # Errors
    /// NaN or plus infinity.
    pub fn new(id: String, model: String, native: Native, mut candidates: Vec<Candidate>) -> Result<Self, WireError> {
        if let Some(bad) = candidates.iter().find(|candidate| !is_score(candidate.native)) {
            return Err(WireError::NotFinite { index: bad.index });
        }
        // 0.0 - -0.0: equal numbers must tie, which total_cmp denies to the two zeros.
        let key = |candidate: &Candidate| candidate.native + 0.0;
        candidates.sort_by(|a, b| key(b).total_cmp(&key(a)));
        Ok(Self { id, created: 0, model, native, ranked: candidates, usage: Usage { tokens: 0 }, scored: None })
    }

    /// Returns the candidates, best first.
    pub fn ranked(&self) -> &[Candidate] {
        &self.ranked
    }

    /// Returns the map from numbers to scores for this request.
    pub(super) fn score_map(&self, request: &RerankRequest) -> ScoreMap {
        let raw = request.raw_scores || request.dialect == Dialect::Nim;
        ScoreMap::choose(self.native, if raw { Contract::Raw } else { Contract::Unit })
    }

    /// Returns the first `top_n` candidates.
    pub(super) fn top(&self, request: &RerankRequest) -> &[Candidate] {
        let wanted = request.top_n.unwrap_or(usize::MAX).min(self.ranked.len());
        &self.ranked[..wanted]
    }

    /// Returns `{index, relevance_score, document?, relevant_spans?}`, which all dialects but TEI,
    /// NIM and Weaviate share.
    pub(super) fn results(&self, request: &RerankRequest) -> Value {
        let map = self.score_map(request);
        self.top(request).iter().map(|candidate| result(candidate, request, map)).collect()
    }

    /// Returns the warnings for the client: ignored fields, and a deadline that cut the work short.
    pub(super) fn warnings(&self, request: &RerankRequest) -> Vec<String> {
        let documents = request.documents.len();
        let partial = |scored| format!("the deadline has passed: {scored} of {documents} documents are scored");
        request.warnings.iter().cloned().chain(self.scored.map(partial)).collect()
    }

    pub(super) fn usage(&self) -> Value {
        json!({ "prompt_tokens": self.usage.tokens, "total_tokens": self.usage.tokens })
    }
}

/// Returns true for a finite number, and for minus infinity, which marks a text without content.
pub(super) fn is_score(native: f64) -> bool {
    native.is_finite() || native == f64::NEG_INFINITY
}

fn result(candidate: &Candidate, request: &RerankRequest, map: ScoreMap) -> Value {
    let mut result = Map::new();
    result.insert("index".into(), json!(candidate.index));
    result.insert("relevance_score".into(), json!(map.apply(candidate.native)));
    // Absent, never null: LiteLLM's and xinference's clients die of a null.
    if let (Some(form), Some(document)) = (request.return_documents, request.documents.get(candidate.index)) {
        let value = match form {
            DocumentForm::Object => json!({ "text": document.text }),
            DocumentForm::Text => json!(document.text),
        };
        result.insert("document".into(), value);
    }
    if let Some(options) = request.relevant_spans {
        let relevant = candidate.spans.iter().filter(|span| span.score > options.threshold);
        let spans = relevant.take(options.max_spans.unwrap_or(usize::MAX));
        let list = spans.map(|s| json!({ "start": s.start, "end": s.end, "score": s.score.clamp(0.0, 1.0) }));
        result.insert("relevant_spans".into(), list.collect());
    }
    Value::Object(result)
}
