//! Why a call ended before its work was done.

/// Why a call ended before its work was done. Nothing of it is left half-written, and what it used is as it was before.
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
