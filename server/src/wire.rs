//! The wire: request bodies in, neutral requests out; neutral answers in, reply bodies out.
//!
//! Rerank clients speak nine dialects. [`route`] maps a path to an [`Endpoint`] and, under a prefix such as `/jina`, to a
//! forced [`Dialect`]. Elsewhere the keys of the body decide ([`Dialect::detect`]). All dialects are read into one
//! [`RerankRequest`]; [`rerank_reply`] writes one [`RerankAnswer`] back in the dialect of the request.
//!
//! No function here panics, whatever the body holds. Every refusal is a [`WireError`] that says which key is wrong, what was
//! found and what is wanted.

mod answer;
mod body;
mod cohere;
mod dialect;
mod embed;
mod error;
mod error_body;
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
mod tei;
mod tei_embed;
mod tei_predict;
mod tei_tokenize;
mod union;
mod value;
mod vllm;
mod voyage;
mod weaviate;
mod write;

pub use answer::{Candidate, RerankAnswer, Usage};
pub use body::Limits;
pub use dialect::Dialect;
pub use embed::{EmbedRequest, EmbedSurface, Embeddings, Format, Input, TokenIds};
pub use error::WireError;
pub use error_body::error_reply;
pub use info::{Info, ModelKind};
pub use openai::read_embeddings;
pub use read::{Reading, read_rerank};
pub use reply::Reply;
pub use rerank::{ApiVersion, Document, DocumentForm, OnDeadline, RerankRequest, Side, Span, SpanOptions, span};
pub use route::{Endpoint, Route, route};
pub use score::{ScoreAnswer, ScoreRequest, ScoreSurface, read_score, read_similarity};
pub use scores::{Contract, Native, ScoreMap};
pub use tei_embed::{RootRequest, read_embed, read_root};
pub use tei_predict::{PredictRequest, PredictText, Prediction, predict_reply, read_predict};
pub use tei_tokenize::{Token, TokenizeRequest, read_tokenize, tokenize_reply};
pub use write::rerank_reply;
