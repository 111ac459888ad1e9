//! Estimates the cost of judging, without a service.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::call::Call;
use crate::service::{Origin, Price, Provider, Reply, Request, Service, ServiceError, TokenCount, TokenCounter};

/// An answer that every judge can read.
const ANSWER: &str = r#"{"score": 0, "ranking": [1]}"#;

/// A service that sends nothing. It counts the questions of a judge and answers each one at once.
/// Second questions after an unreadable answer are not counted, because they cannot be foreseen.
/// Answers in a cache are counted.
pub struct Rehearsal {
    provider: Provider,
    model: String,
    estimate: Mutex<JudgeEstimate>,
}

/// The estimated cost of judging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgeEstimate {
    /// The number of requests.
    pub requests: u64,
    /// The maximum number of tokens.
    pub tokens: TokenCount,
}

impl JudgeEstimate {
    /// Returns the maximum price, in dollars.
    pub fn dollars(&self, price: &Price) -> f64 {
        price.dollars(self.tokens.into())
    }
}

impl Rehearsal {
    /// Creates a rehearsal in place of a model.
    pub fn new(provider: Provider, model: impl Into<String>) -> Self {
        Self { provider, model: model.into(), estimate: Mutex::default() }
    }

    /// Returns the estimate for the questions so far.
    pub fn estimate(&self) -> JudgeEstimate {
        *self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if tokens are counted as the service counts them; else the count is an upper
    /// estimate.
    pub fn is_exact(&self) -> bool {
        TokenCounter::for_model(self.provider, &self.model).is_exact()
    }

    fn answer(&self, request: &Request) -> Result<Value, ServiceError> {
        let reranks = self.provider.reranks().ok().filter(|reranks| reranks.path() == request.path);
        match reranks {
            Some(reranks) => Ok(reranks.example(reranks.count(&request.body))),
            None => Ok(self.provider.chats()?.example(ANSWER)),
        }
    }
}

impl Service for Rehearsal {
    fn provider(&self) -> Provider {
        self.provider
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn host(&self) -> String {
        "nowhere".into()
    }

    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError> {
        call.check()?;
        let mut estimate = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        estimate.requests += 1;
        estimate.tokens.input += request.at_most.input;
        estimate.tokens.output += request.at_most.output;
        estimate.tokens.search_units += request.at_most.search_units;
        Ok(Reply { body: self.answer(request)?, latency: Duration::ZERO, origin: Origin::Recording })
    }
}
