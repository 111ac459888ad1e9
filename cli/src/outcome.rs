//! What a verb comes to.

use std::io;
use std::path::PathBuf;

/// What a verb comes to when it does not fail.
pub enum Outcome {
    Done,
    /// The work was done and nothing passed the threshold.
    Nothing,
}

/// What a verb fails with.
pub enum Failure {
    /// Said on stderr.
    Error(String),
    /// Whoever read our output has gone.
    BrokenPipe,
    /// Not a whole command line; the help was printed.
    Usage,
}

impl Failure {
    /// What the system says of a file: "cannot {action} {path}: ...", and what to do about a full disk.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| nearsort::Error::Io { action, path, source }.into()
    }
}

pub type Run = Result<Outcome, Failure>;

impl From<nearsort::Error> for Failure {
    fn from(error: nearsort::Error) -> Self {
        match &error {
            nearsort::Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::Error(error.to_string()),
        }
    }
}

impl From<nearsort::service::ServiceError> for Failure {
    fn from(error: nearsort::service::ServiceError) -> Self {
        Failure::Error(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::io("write", "to standard output")(error),
        }
    }
}
