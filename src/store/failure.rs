//! The reason why a source failed.

use crate::Error;

/// The reason why one source did not provide the files.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error of the source: the reason, for the list in the final error.
    Source(String),
    /// An error of this machine's disk. Other sources would fail too.
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
