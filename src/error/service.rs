//! Errors of services over HTTP.

use super::stopped::Stopped;

/// The reason why a request to a service failed. No message contains a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service rejects the request, and a retry would not help.
    #[error("{host} answers {status}: {message}")]
    Refused {
        /// The service's host.
        host: String,
        /// HTTP status.
        status: u16,
        /// The service's code for the error, such as `insufficient_quota`.
        code: Option<String>,
        /// The parameter that the service rejects, if it names one.
        param: Option<String>,
        /// The service's message.
        message: String,
    },
    /// All tries failed.
    #[error("{host}: {reason}; gave up after {tries} tries")]
    Unavailable {
        /// The service's host.
        host: String,
        /// The failure of the last try.
        reason: String,
        /// The number of tries.
        tries: usize,
    },
    /// The next request could cost more than the rest of the budget.
    #[error(
        "the budget of ${budget:.2} does not allow another request: ${spent:.4} are spent or under way, and it may cost ${next:.4}"
    )]
    OverBudget {
        /// The budget, in dollars.
        budget: f64,
        /// The dollars that are spent, or reserved by requests under way.
        spent: f64,
        /// The maximum cost of the next request, in dollars.
        next: f64,
    },
    /// The recording that is replayed has no answer to this request.
    #[error("{0} has no answer to a request that this run makes; record it again with the same input and options")]
    NotRecorded(String),
    /// The answer does not have the service's format.
    #[error("{host} sent a malformed response: {message}")]
    Malformed {
        /// The service's host.
        host: String,
        /// The problem with the answer.
        message: String,
    },
    /// The call ended early.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// An address, key or file cannot be used.
    #[error("{0}")]
    Setup(String),
}
