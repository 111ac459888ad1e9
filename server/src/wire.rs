//! The wire formats: parses request bodies into neutral requests, and writes neutral answers as
//! reply bodies.
//!
//! Rerank clients speak nine dialects. [`route`] maps a path to an [`Endpoint`] and, under a prefix
//! such as `/jina`, to a forced [`Dialect`]. Elsewhere the keys of the body decide
//! ([`Dialect::detect`]). All dialects are read into one [`RerankRequest`]; [`rerank_reply`] writes
//! one [`RerankAnswer`] back in the dialect of the request.
//!
//! No function here panics on any body. Every refusal is a [`WireError`] that names the wrong key,
//! the value found and the expected one.

mod answer;
mod api_key;
mod body;
mod cohere;
mod dialect;
mod embed;
mod error;
mod error_body;
mod health;
mod infinity;
mod info;
mod jina;
mod keys;
mod nim;
mod openai;
mod read;
mod reply;
mod rerank;
mod route;
mod score;
mod scores;
mod search;
mod tei;
mod tei_embed;
mod tei_predict;
mod tei_tokenize;
mod token_ids;
mod union;
mod value;
mod vllm;
mod voyage;
mod weaviate;
mod write;

pub use answer::{Candidate, RerankAnswer, Usage};
pub use api_key::{KEY_HEADERS, presented_keys};
pub use body::RequestLimits;
pub use dialect::Dialect;
pub use embed::{EmbedRequest, EmbedSurface, Embeddings, Format};
pub use error::WireError;
pub use error_body::error_reply;
pub use health::{ModelEntry, health_reply, models_reply};
pub use info::{Info, ModelKind};
pub use openai::read_embeddings;
pub use read::{Reading, read_rerank};
pub use reply::Reply;
pub use rerank::{ApiVersion, Document, DocumentForm, OnDeadline, RerankRequest, Side, Span, SpanOptions, span};
pub use route::{Endpoint, Route, route};
pub use score::{ScoreAnswer, ScoreRequest, ScoreSurface, read_score, read_similarity};
pub use scores::{Contract, Native, ScoreMap};
pub use search::{SearchAnswer, SearchHit, SearchRequest, read_search};
pub use tei_embed::{RootRequest, read_embed, read_root};
pub use tei_predict::{PredictRequest, PredictText, Prediction, predict_reply, read_predict};
pub use tei_tokenize::{Token, TokenizeRequest, read_tokenize, tokenize_reply};
pub use token_ids::TokenIds;
pub use write::rerank_reply;

// Parts of the description of the API.
pub(crate) use keys::Field;
pub(crate) use read::keys;
pub(crate) use route::{paths, prefixes};

/// The keys of the bodies that are read one by one, for the test of their description.
#[cfg(test)]
pub(crate) mod body_keys {
    pub(crate) use super::openai::KEYS as EMBEDDINGS;
    pub(crate) use super::score::{OTHER_KEYS as SCORE_OTHER, SIDES as SCORE_SIDES, SIMILARITY_KEYS as SIMILARITY};
    pub(crate) use super::search::KEYS as SEARCH;
    pub(crate) use super::tei_embed::EMBED_KEYS as EMBED;
    pub(crate) use super::tei_predict::KEYS as PREDICT;
    pub(crate) use super::tei_tokenize::KEYS as TOKENIZE;
}
