//! What goes wrong with services over HTTP.

use super::stopped::Stopped;

/// Why a question has no answer. No message of these holds a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service does not take the request, and asking again would not help.
    #[error("{host} answers {status}: {message}")]
    Refused {
        /// The service's host.
        host: String,
        /// HTTP status.
        status: u16,
        /// The service's own name of the error, such as `insufficient_quota`.
        code: Option<String>,
        /// The parameter that it does not take, where it names one.
        param: Option<String>,
        /// What it says.
        message: String,
    },
    /// No answer after every try.
    #[error("{host}: {reason}; gave up after {tries} tries")]
    Unavailable {
        /// The service's host.
        host: String,
        /// What the last try came to.
        reason: String,
        /// How often it was tried.
        tries: usize,
    },
    /// The next request could cost more than is left.
    #[error(
        "the budget of ${budget:.2} does not allow another request: ${spent:.4} are spent or under way, and it may cost ${next:.4}"
    )]
    OverBudget {
        /// In dollars.
        budget: f64,
        /// In dollars.
        spent: f64,
        /// In dollars.
        next: f64,
    },
    /// A replay has no answer to this.
    #[error("{0} has no answer to a request that this run makes; record it again with the same input and options")]
    NotRecorded(String),
    /// What was answered is not what the service's format says.
    #[error("{host} answers what is no answer: {message}")]
    Malformed {
        /// The service's host.
        host: String,
        /// What is wrong with it.
        message: String,
    },
    /// The call that asks ended early.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// An address, key or file that cannot be used.
    #[error("{0}")]
    Setup(String),
}
