//! Why a source did not give what was asked of it.

use crate::Error;

/// Why one source did not give the files.
#[derive(Debug)]
pub(super) enum Failure {
    /// The source's own fault: the reason, for the list in the final error.
    Source(String),
    /// The disk of this machine: no other source would fare better with it.
    Disk(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Io { .. } => Self::Disk(error),
            other => Self::Source(other.to_string()),
        }
    }
}
