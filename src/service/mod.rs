//! Services over HTTP that embed, judge or rerank texts: what is asked, what comes back, what it may cost.
//!
//! Nothing here knows what a request means: `provider` has the formats, and encoders, judges and rerankers (`remote`) ask by them. A [`Service`] sends
//! a request, and sees to everything that services have in common: keys, time-outs, what is tried again and when, limits per minute, prices, the budget,
//! recordings.
//!
//! [`HttpService`] sends. [`Recording`] before it writes down what was asked and answered, or answers without it. An [`Account`] at a [`Meter`] counts and keeps
//! the budget: the most that a try may cost is set aside before it is sent, and settled by the answer's `usage`. So what services report never passes the budget;
//! an answer that is lost on the way counts in full, for the service may have done the work.
//!
//! Tried again, with pauses that double and a `Retry-After` that wins up to [`ServiceOptions::max_pause`]: 408, 409, 429, 5xx, broken connections, time-outs,
//! answers that are no JSON. Never: other 4xx, and 429 for want of credit. Redirects are not followed. An answer of 200 that holds nothing but an `error` is read as
//! the refusal that it is. What an answer may have of bytes and values follows from its request (`answer_size.rs`).

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

/// One question to a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is asked for, under the service's address: `/embeddings`, `/chat/completions`, `/messages`, `/rerank`.
    pub path: &'static str,
    /// The body. Equal bodies are equal questions: recordings and caches go by it.
    pub body: Value,
    /// What it will take at most; limits per minute and the budget go by it.
    pub at_most: TokenCount,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Sent just now, and to be paid.
    Service,
    /// Kept from an earlier run.
    Cache,
    /// Read from a recording.
    Recording,
}

/// What a service answered with success.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The body, valid JSON.
    pub body: Value,
    /// From sending to the last byte, tries before the last not counted; as it was when it was recorded.
    pub latency: Duration,
    /// Where it comes from.
    pub origin: Origin,
}

/// A model of a service. Threads may ask side by side; how many requests are under way at once is the caller's choice.
pub trait Service: Send + Sync {
    /// Whose formats it speaks.
    fn provider(&self) -> Provider;

    /// The model's name as the service knows it.
    fn model(&self) -> &str;

    /// Where it is, for those who report it; without secrets.
    fn host(&self) -> String;

    /// Asks, tries again where that can help, and waits where limits say so. `call` ends waits and is told what it takes.
    ///
    /// # Errors
    /// As [`ServiceError`] says; [`ServiceError::Stopped`] when the call ends before there is an answer.
    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError>;

    /// Counts a request that a kept answer made needless. A service that counts nothing counts none of these.
    fn count_kept(&self, _call: &Call<'_>) {}

    /// Says that an answer could be read: whoever keeps answers may keep this one, and none of which nobody said so.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] when it cannot be kept.
    fn keep(&self, _request: &Request, _reply: &Reply) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Asks the service itself where a kept or recorded answer could not be read. `None` where nobody else can be asked.
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
