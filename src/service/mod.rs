//! Services over HTTP that embed, judge or rerank texts: requests, answers and prices.
//!
//! This module does not interpret requests. `provider` has the formats, and the encoders, judges
//! and rerankers in `remote` use them. A [`Service`] sends a request and handles what all services
//! have in common: keys, timeouts, retries, limits per minute, prices, the budget and recordings.
//!
//! [`HttpService`] sends requests. A [`Recording`] in front of it records requests and answers, or
//! replays them without it. An [`Account`] at a [`Meter`] counts and enforces the budget. The
//! maximum price of a try is reserved before it is sent, and settled by the `usage` of the answer.
//! So the usage that services report never exceeds the budget. A lost answer counts in full,
//! because the service may have done the work.
//!
//! Retried are 408, 409, 429, 5xx, broken connections, timeouts, and answers that are not JSON.
//! Pauses double; a `Retry-After` takes precedence up to [`ServiceOptions::max_pause`]. Not retried
//! are other 4xx, and 429 for lack of credit. Redirects are not followed. An answer of 200 with
//! only an `error` counts as a refusal. The maximum size of an answer, in bytes and values, follows
//! from its request (`answer_size.rs`).

#[cfg(feature = "remote")]
mod answer_size;
#[cfg(feature = "remote")]
mod http;
#[cfg(not(feature = "remote"))]
#[path = "http_off.rs"]
mod http;
#[cfg(feature = "remote")]
mod limits;
mod meter;
mod options;
mod prices;
mod recording;
#[cfg(feature = "remote")]
mod refusal;
mod secret;
#[cfg(feature = "remote")]
mod tokens;
#[cfg(not(feature = "remote"))]
#[path = "tokens_off.rs"]
mod tokens;

use std::time::Duration;

use serde_json::Value;

use crate::call::Call;

pub use crate::call::{ServiceTokens, ServiceUsage};
pub use crate::error::ServiceError;
pub use crate::provider::{ANTHROPIC_VERSION, AZURE_API_VERSION, Provider, ServiceKind, TokenCount};
pub use http::HttpService;
pub use meter::{Account, Meter};
pub use options::ServiceOptions;
pub use prices::{Price, Prices};
pub use recording::{Recording, question_hash};
pub use secret::Secret;
pub use tokens::TokenCounter;

/// A request to a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The path under the service's address: `/embeddings`, `/chat/completions`, `/messages`,
    /// `/rerank`.
    pub path: &'static str,
    /// The body. Equal bodies are equal questions for recordings and caches.
    pub body: Value,
    /// The maximum usage, for the limits per minute and the budget.
    pub at_most: TokenCount,
}

/// The origin of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The service sent it now, for its price.
    Service,
    /// Kept from an earlier run.
    Cache,
    /// Read from a recording.
    Recording,
}

/// A successful answer of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The body, valid JSON.
    pub body: Value,
    /// Time from sending to the last byte, without earlier tries. For a replayed answer, the time
    /// at its recording.
    pub latency: Duration,
    /// The origin of the answer.
    pub origin: Origin,
}

/// A model of a service. Threads may send requests in parallel; the caller chooses how many.
pub trait Service: Send + Sync {
    /// Returns the provider whose formats the service uses.
    fn provider(&self) -> Provider;

    /// Returns the model's name at the service.
    fn model(&self) -> &str;

    /// Returns the host for reports, without secrets.
    fn host(&self) -> String;

    /// Sends a request, retries where that can help, and waits for the limits. `call` ends waits
    /// and counts the usage.
    ///
    /// # Errors
    /// Those of [`ServiceError`]; [`ServiceError::Stopped`] if the call ends before there is an
    /// answer.
    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError>;

    /// Counts a request that was not sent because the answer was in the cache. A service that
    /// counts nothing does nothing.
    fn count_kept(&self, _call: &Call<'_>) {}

    /// Reports that an answer could be read. A cache may keep this answer, and only answers that
    /// were reported.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] if it cannot be kept.
    fn keep(&self, _request: &Request, _reply: &Reply) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Asks the service itself, because a kept or recorded answer could not be read. Returns `None`
    /// if there is no service to ask.
    fn ask_anew(&self, _request: &Request, _call: &Call<'_>) -> Option<Result<Reply, ServiceError>> {
        None
    }
}

impl<S: Service + ?Sized> Service for std::sync::Arc<S> {
    fn provider(&self) -> Provider {
        (**self).provider()
    }

    fn model(&self) -> &str {
        (**self).model()
    }

    fn host(&self) -> String {
        (**self).host()
    }

    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError> {
        (**self).send(request, call)
    }

    fn count_kept(&self, call: &Call<'_>) {
        (**self).count_kept(call);
    }

    fn keep(&self, request: &Request, reply: &Reply) -> Result<(), ServiceError> {
        (**self).keep(request, reply)
    }

    fn ask_anew(&self, request: &Request, call: &Call<'_>) -> Option<Result<Reply, ServiceError>> {
        (**self).ask_anew(request, call)
    }
}
