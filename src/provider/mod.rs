//! The wire formats of services: the requests and answers of each provider.
//!
//! A provider is one file here with an `impl` of [`Wire`], declared below, and one line in
//! `providers!` of `known.rs`. This module has only data and pure functions. [`crate::service`]
//! sends the requests, and [`crate::remote`] builds encoders, judges and rerankers on them. Neither
//! depends on a particular provider.
//!
//! A provider offers what it implements of [`Embeds`], [`Chats`] and [`Reranks`].
//!
//! [`Wire`]: wire::Wire

mod answer;
mod anthropic;
mod azure;
mod chat;
mod kind;
mod known;
mod openai;
mod rerank;
mod vectors;
mod wire;

#[cfg(feature = "remote")]
pub(crate) use answer::AnswerSize;
pub use answer::TokenCount;
pub(crate) use answer::Wrong;
pub use anthropic::ANTHROPIC_VERSION;
pub use azure::AZURE_API_VERSION;
pub(crate) use chat::{
    Alternative, AnswerForm, AnswerToken, ChatAnswer, ChatPrompt, Chats, Parameter, Question, Unusable, excerpt,
};
pub use kind::ServiceKind;
pub use known::Provider;
pub(crate) use known::any_error_words;
pub use openai::{MAX_INPUT_TOKENS, MAX_REQUEST_INPUTS, MAX_REQUEST_TOKENS};
pub(crate) use wire::{Embeds, Facts, Reranks};
