//! The one error type of the library.
//!
//! Messages name options by their names in the library: `` `max_tokens=` ``, and with a value `` `blend=none` ``. Who speaks to people
//! that know them by other names puts these there by [`with_names`]. What to do that differs from face to face is a [`Remedy`].

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

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. Each message says what failed, where, and what to do about it.
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
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A row of an input file is unusable.
    #[error("{file}:{line}: {message}")]
    BadRow {
        /// The file's name as the user gave it, `-` for standard input.
        file: String,
        /// 1-based line number.
        line: u64,
        /// What is wrong and what to do.
        message: String,
    },
    /// The input as a whole is unusable (format not recognised, no such column ...).
    #[error("{file}: {message}")]
    BadInput {
        /// The file's name as the user gave it, `-` for standard input.
        file: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A service gave no answer.
    #[error(transparent)]
    Service(ServiceError),
    /// The call was cancelled by its token.
    #[error("{}", Stopped::Cancelled)]
    Cancelled,
    /// The call was not done when its deadline came.
    #[error("{}", Stopped::DeadlineExceeded)]
    DeadlineExceeded,
    /// A name that is neither in the registry, nor `org/name`, nor a folder.
    #[error("unknown model '{name}': {hint}")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// Near names, and the forms that are accepted.
        hint: String,
    },
    /// Every source of a model failed. The message lists each one with its reason, then what to do.
    #[error("cannot get the model '{model}':\n{}\n{hint}", attempts.iter().map(|a| format!("  - {a}")).collect::<Vec<_>>().join("\n"))]
    ModelUnavailable {
        /// The model's name.
        model: String,
        /// One line per source tried: which, and why it failed.
        attempts: Vec<String>,
        /// What to do.
        hint: String,
    },
    /// A file's content is not what its checksum or its size says.
    #[error("{} is corrupted: expected {expected}, found {found}; {hint}", path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// The known sha256 or size.
        expected: String,
        /// The file's own.
        found: String,
        /// What to do.
        hint: Remedy,
    },
    /// A model's own file says something that cannot be used.
    #[error("{}: {message}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// No forward pass exists for this architecture.
    #[error("this architecture is not supported: {found}; supported are {supported}")]
    UnsupportedArchitecture {
        /// What config.json says: its `model_type` or `architectures`, or another key with its value.
        found: String,
        /// The supported ones, comma-separated.
        supported: String,
    },
    /// The requested device does not exist here or was not compiled in.
    #[error("the device '{device}' cannot be used: {message}")]
    Device {
        /// What was asked for.
        device: String,
        /// Why not, and what to do.
        message: String,
    },
    /// The forward pass failed.
    #[error("{context}: {message}")]
    Compute {
        /// What was being done.
        context: String,
        /// The backend's message.
        message: String,
    },
    /// A score is not a number; ranking it would be meaningless.
    #[error("the score of candidate {index} (counted from 0) is not a number")]
    NotANumber {
        /// 0-based position of the candidate in the input.
        index: usize,
    },
    /// What the model makes of a query is not a number; no candidate can be scored against it.
    #[error("the model's numbers for query {index} (counted from 0) are not finite")]
    QueryNotANumber {
        /// 0-based position of the query.
        index: usize,
    },
    /// Another error, with the name of what it is about: a query, a candidate, the line of a file.
    #[error("{source}: {place}")]
    At {
        /// What is wrong.
        source: Box<Error>,
        /// With what.
        place: String,
    },
    /// What a run names is not there.
    #[error("{message}")]
    MissingTexts {
        /// The run, how many queries or documents, and the file that lacks them.
        message: String,
    },
    /// A blend was asked for, and there are no first-stage scores.
    #[error(
        "`blend=` needs the first stage's scores, and no candidate of the query '{query}' has a field 'score'; name the field with `score_field=`"
    )]
    NoFirstStage {
        /// The query's id.
        query: String,
    },
    /// A job cannot begin, or cannot go on.
    #[error(transparent)]
    Job(#[from] JobError),
    /// An argument is out of its range.
    #[error("{0}")]
    InvalidArgument(String),
    /// An option has a value that cannot be used, or has no use here.
    #[error("{option} {why}")]
    InvalidOption {
        /// The option's name, such as `max_tokens`.
        option: &'static str,
        /// Why not, and what to do. It goes on where the option's name stands.
        why: String,
    },
    /// A text is longer than what is read of it, and was not to be cut.
    #[error(
        "{text} has {tokens} tokens, more than the {limit} that are read; shorten it, or have it cut with `truncate=end`"
    )]
    TooLong {
        /// Which text.
        text: TextName,
        /// Its tokens; special tokens and prompt included where `limit` is that of all tokens.
        tokens: usize,
        /// The most that are read.
        limit: usize,
    },
    /// Another error, with what to do about it.
    #[error("{source}; {remedy}")]
    Advised {
        /// What is wrong.
        source: Box<Error>,
        /// What helps.
        remedy: Remedy,
    },
    /// The embedding cache cannot be used.
    #[error("cannot {action} the embedding cache {}: {message}", folder.display())]
    Cache {
        /// The verb: "open", "read", "write", "remove" ...
        action: &'static str,
        /// The cache's folder.
        folder: PathBuf,
        /// Why not, and what to do.
        message: String,
    },
    /// The feature is switched off in this build.
    #[error("this build of nearsort has no {feature} support; rebuild with `--features {feature}`")]
    FeatureOff {
        /// The cargo feature.
        feature: &'static str,
    },
}

/// What to do about a disk that takes no more.
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
    /// The same error with the name of what it is about.
    pub(crate) fn at(error: Error, place: String) -> Self {
        Error::At { source: Box::new(error), place }
    }

    /// The same error with what to do about it.
    pub(crate) fn advised(self, remedy: Remedy) -> Self {
        Error::Advised { source: Box::new(self), remedy }
    }

    /// The same error, where it names a text, by the text's position elsewhere.
    pub(crate) fn renumbered(self, query: impl Fn(usize) -> usize, document: impl Fn(usize) -> usize) -> Self {
        match self {
            Error::TooLong { text, tokens, limit } => {
                Error::TooLong { text: text.renumbered(query, document), tokens, limit }
            }
            other => other,
        }
    }

    /// An [`Error::Io`] closure for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
