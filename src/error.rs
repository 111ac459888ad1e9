//! The error type of the library.
//!
//! Messages name options as the library does: `` `max_tokens=` ``, and with a value `` `blend=none`
//! ``. The command, the server and Python replace these names by their own with [`with_names`]. A
//! [`Remedy`] holds advice that each of them words differently.

mod job;
mod names;
mod remedy;
mod service;
mod stopped;
mod text_name;

use std::path::PathBuf;

pub use job::{Difference, JobError};
pub use names::with_names;
pub use remedy::Remedy;
pub use service::ServiceError;
pub use stopped::Stopped;
pub use text_name::TextName;

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the library. Each message says what failed, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// The verb: "open", "read", "write", "rename" ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A row of an input file cannot be used.
    #[error("{file}:{line}: {message}")]
    BadRow {
        /// The file's name as the user gave it, `-` for standard input.
        file: String,
        /// 1-based line number.
        line: u64,
        /// The problem and what to do about it.
        message: String,
    },
    /// The input as a whole cannot be used (format not recognised, no such column ...).
    #[error("{file}: {message}")]
    BadInput {
        /// The file's name as the user gave it, `-` for standard input.
        file: String,
        /// The problem and what to do about it.
        message: String,
    },
    /// A request to a service failed.
    #[error(transparent)]
    Service(ServiceError),
    /// The call was cancelled by its token.
    #[error("{}", Stopped::Cancelled)]
    Cancelled,
    /// The call was still running at its deadline.
    #[error("{}", Stopped::DeadlineExceeded)]
    DeadlineExceeded,
    /// The name is neither in the registry, nor `org/name`, nor a folder.
    #[error("unknown model '{name}': {hint}")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// Similar names, and the accepted forms.
        hint: String,
    },
    /// All sources of a model failed. The message lists each one with its reason, then what to do.
    #[error("cannot get the model '{model}':\n{}\n{hint}", attempts.iter().map(|a| format!("  - {a}")).collect::<Vec<_>>().join("\n"))]
    ModelUnavailable {
        /// The model's name.
        model: String,
        /// One line per source tried: which, and why it failed.
        attempts: Vec<String>,
        /// The remedy.
        hint: String,
    },
    /// The content of a file does not match its checksum or its size.
    #[error("{} is corrupted: expected {expected}, found {found}; {hint}", path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// The known SHA-256 or size.
        expected: String,
        /// The SHA-256 or size of the file as it is.
        found: String,
        /// The remedy.
        hint: Remedy,
    },
    /// A file of a model has content that cannot be used.
    #[error("{}: {message}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// The problem and what to do about it.
        message: String,
    },
    /// No forward pass exists for this architecture.
    #[error("this architecture is not supported: {found}; supported are {supported}")]
    UnsupportedArchitecture {
        /// The value in config.json: `model_type` or `architectures`, or another key with its
        /// value.
        found: String,
        /// The supported architectures, comma-separated.
        supported: String,
    },
    /// The requested device does not exist on this machine or is not compiled in.
    #[error("the device '{device}' cannot be used: {message}")]
    Device {
        /// The device that was asked for.
        device: String,
        /// The reason and what to do about it.
        message: String,
    },
    /// The forward pass failed.
    #[error("{context}: {message}")]
    Compute {
        /// The operation that failed.
        context: String,
        /// The backend's message.
        message: String,
    },
    /// A score is NaN, so the candidates cannot be ranked.
    #[error("the score of candidate {index} (counted from 0) is not a number")]
    NotANumber {
        /// 0-based position of the candidate in the input.
        index: usize,
    },
    /// The model's numbers for a query are not finite, so no candidate can be scored against it.
    #[error("the model's numbers for query {index} (counted from 0) are not finite")]
    QueryNotANumber {
        /// 0-based position of the query.
        index: usize,
    },
    /// Another error, with the place where it happened: a query, a candidate, the line of a file.
    #[error("{source}: {place}")]
    At {
        /// The error itself.
        source: Box<Error>,
        /// The place.
        place: String,
    },
    /// A run refers to queries or documents that are missing.
    #[error("{message}")]
    MissingTexts {
        /// The run, the number of missing queries or documents, and the file that lacks them.
        message: String,
    },
    /// A blend was asked for, but there are no first-stage scores.
    #[error(
        "`blend=` needs the first stage's scores, and no candidate of the query '{query}' has a field 'score'; name the field with `score_field=`"
    )]
    NoFirstStage {
        /// The query's id.
        query: String,
    },
    /// A job cannot start or cannot resume.
    #[error(transparent)]
    Job(#[from] JobError),
    /// An argument is out of range.
    #[error("{0}")]
    InvalidArgument(String),
    /// The value of an option cannot be used, or the option has no effect here.
    #[error("{option} {why}")]
    InvalidOption {
        /// The option's name, such as `max_tokens`.
        option: &'static str,
        /// The reason and what to do about it. The message puts it right after the option's name.
        why: String,
    },
    /// A text is longer than the model reads, and truncation is off.
    #[error(
        "{text} has {tokens} tokens, more than the {limit} that are read; shorten it, or have it cut with `truncate=end`"
    )]
    TooLong {
        /// The text.
        text: TextName,
        /// The number of its tokens. Includes special tokens and prompt if `limit` does.
        tokens: usize,
        /// The maximum number of tokens that are read.
        limit: usize,
    },
    /// Another error, with a remedy.
    #[error("{source}; {remedy}")]
    Advised {
        /// The error itself.
        source: Box<Error>,
        /// The remedy.
        remedy: Remedy,
    },
    /// The embedding cache cannot be used.
    #[error("cannot {action} the embedding cache {}: {message}", folder.display())]
    Cache {
        /// The verb: "open", "read", "write", "remove" ...
        action: &'static str,
        /// The cache's folder.
        folder: PathBuf,
        /// The reason and what to do about it.
        message: String,
    },
    /// The feature is not compiled into this build.
    #[error("this build of nearsort has no {feature} support; rebuild with `--features {feature}`")]
    FeatureOff {
        /// The cargo feature.
        feature: &'static str,
    },
}

/// Returns the advice for errors of a full disk, as a suffix of the message; else an empty string.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => "; free some space on this disk, or write to another one",
        std::io::ErrorKind::QuotaExceeded => {
            "; your quota on this disk is used up: free some space, or write to another one"
        }
        std::io::ErrorKind::FileTooLarge => {
            "; the file system or `ulimit -f` allows no larger file: raise the limit, or write to another disk"
        }
        _ => "",
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Cancelled => Error::Cancelled,
            Stopped::DeadlineExceeded => Error::DeadlineExceeded,
        }
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Stopped(stopped) => stopped.into(),
            error => Error::Service(error),
        }
    }
}

impl Error {
    /// Adds the place where the error happened.
    pub(crate) fn at(error: Error, place: String) -> Self {
        Error::At { source: Box::new(error), place }
    }

    /// Adds a remedy to the error.
    pub(crate) fn advised(self, remedy: Remedy) -> Self {
        Error::Advised { source: Box::new(self), remedy }
    }

    /// Maps the position of a text that the error names by `query` or `document`. Other errors stay
    /// as they are.
    pub(crate) fn renumbered(self, query: impl Fn(usize) -> usize, document: impl Fn(usize) -> usize) -> Self {
        match self {
            Error::TooLong { text, tokens, limit } => {
                Error::TooLong { text: text.renumbered(query, document), tokens, limit }
            }
            other => other,
        }
    }

    /// Returns a closure for `map_err` that makes an [`Error::Io`].
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
