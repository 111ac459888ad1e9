//! A rerank request, independent of its dialect.

use std::num::NonZeroU32;
use std::ops::Range;

use super::body::RequestLimits;
use super::dialect::Dialect;
use super::error::WireError;

/// A rerank request.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankRequest {
    /// The dialect to answer in.
    pub dialect: Dialect,
    /// Cohere's, from the path: `/v1/` or not.
    pub api_version: ApiVersion,
    /// None: the client names none, or infinity-client's placeholder.
    pub model: Option<String>,
    pub query: String,
    /// At least one. Empty texts are allowed.
    pub documents: Vec<Document>,
    /// Results wanted, at least 1; None (also for 0): all. May exceed the documents.
    pub top_n: Option<usize>,
    /// True if the body has the key `top_n`, null included: Voyage's clients send `top_k`.
    pub names_top_n: bool,
    /// None: results carry no document.
    pub return_documents: Option<DocumentForm>,
    /// Scores as the model gives them: logits, cosines.
    pub raw_scores: bool,
    pub instruction: Option<String>,
    /// A prompt of the model, by name.
    pub prompt_name: Option<String>,
    pub max_tokens_per_doc: Option<NonZeroU32>,
    pub max_tokens_per_query: Option<NonZeroU32>,
    /// vLLM's `truncate_prompt_tokens`: query and document together.
    pub max_tokens_per_pair: Option<NonZeroU32>,
    /// True if long texts are cut; false makes them an error. None: the server's default.
    pub truncation: Option<bool>,
    /// The end that is cut away.
    pub truncation_side: Option<Side>,
    pub relevant_spans: Option<SpanOptions>,
    /// 0 to 999; lower is sooner.
    pub priority: u16,
    /// Milliseconds from the arrival, at least 1.
    pub deadline_ms: Option<u64>,
    pub on_deadline: OnDeadline,
    /// Fields that were ignored.
    pub warnings: Vec<String>,
}

impl RerankRequest {
    /// A request that came in no body: all documents, without any field that a client may add.
    ///
    /// # Errors
    /// No documents, or more documents or bytes than the limits allow.
    pub fn new(query: String, documents: Vec<String>, limits: &RequestLimits) -> Result<Self, WireError> {
        limits.check("documents", documents.len())?;
        let bytes = documents.iter().fold(query.len(), |sum, text| sum.saturating_add(text.len()));
        if bytes > limits.body_bytes {
            return Err(WireError::BodyTooLarge { bytes, limit: limits.body_bytes });
        }
        Ok(Self {
            dialect: Dialect::Union,
            api_version: ApiVersion::V2,
            model: None,
            query,
            documents: documents.into_iter().map(|text| Document { text, fields: Vec::new() }).collect(),
            top_n: None,
            names_top_n: false,
            return_documents: None,
            raw_scores: false,
            instruction: None,
            prompt_name: None,
            max_tokens_per_doc: None,
            max_tokens_per_query: None,
            max_tokens_per_pair: None,
            truncation: None,
            truncation_side: None,
            relevant_spans: None,
            priority: 0,
            deadline_ms: None,
            on_deadline: OnDeadline::Error,
            warnings: Vec::new(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    V1,
    V2,
}

/// The form of documents in results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentForm {
    /// `{"text": …}`: Cohere v1, Jina, vLLM; LiteLLM's model refuses null and strings.
    Object,
    /// The text itself: infinity, Voyage, TEI; infinity-client's model refuses objects.
    Text,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The text that is scored and returned.
    pub text: String,
    /// The fields that `text` was read from; empty if the document was a string.
    pub fields: Vec<String>,
}

/// The end of a text that truncation removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The action when the deadline passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDeadline {
    /// Refuses the request.
    Error,
    /// Returns the documents scored so far, marked `"scored": n`.
    Partial,
}

/// Cohere's `relevant_spans` with mode "enabled".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpanOptions {
    /// In [0, 1]; only spans that score higher are returned. Cohere's default: 0.1.
    pub threshold: f64,
    /// Spans per document; None: all.
    pub max_spans: Option<usize>,
}

/// A relevant stretch of a document, in code points, end exclusive (cohere 7.3.1,
/// `RerankRelevantSpanResponse`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    /// In [0, 1].
    pub score: f64,
}

/// Returns the span of a byte range of `text`. None if the range does not lie on characters of the
/// text.
pub fn span(text: &str, bytes: Range<usize>, score: f64) -> Option<Span> {
    let inside = text.get(bytes.clone())?;
    let start = text.get(..bytes.start)?.chars().count();
    Some(Span { start, end: start + inside.chars().count(), score })
}
