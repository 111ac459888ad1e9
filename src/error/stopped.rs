//! Reasons why a call ended early.

/// The reason why a call ended before its work was done. Nothing is left half-written, and what the
/// call worked with is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// Its token was cancelled.
    #[error("the call was cancelled")]
    Cancelled,
    /// Its deadline has passed.
    #[error("the call's deadline has passed")]
    DeadlineExceeded,
}
