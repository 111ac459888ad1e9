//! Errors that keep a job from starting or resuming.

use std::fmt;
use std::path::PathBuf;

/// The reason why a job cannot start or resume. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Another process is working on the job.
    #[error("another process writes {}; wait for it, or give another output", output.display())]
    Busy {
        /// The output of the job.
        output: PathBuf,
    },
    /// The folder that the job needs was not made by nearsort.
    #[error("{} is needed for the job, but it is not nearsort's: {why}; nothing in it was changed; move it away, or give another output", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The evidence for that.
        why: String,
    },
    /// The manifest in the folder cannot be read.
    #[error("{}: not the manifest of a job: {why}; rerun with the same inputs and options to resume it, or begin the job anew", file.display())]
    NoManifest {
        /// The manifest.
        file: PathBuf,
        /// The problem with it.
        why: String,
    },
    /// The folder holds an unfinished job with other inputs, another model or other options.
    #[error("{} holds an unfinished job, but {difference}; rerun with the same inputs and options to resume it, or begin the job anew", folder.display())]
    Differs {
        /// The folder.
        folder: PathBuf,
        /// The first thing that differs.
        difference: Difference,
    },
    /// The data that the job has kept is damaged.
    #[error("cannot resume the job: {why}; begin the job anew")]
    CannotGoOn {
        /// The damage.
        why: String,
    },
    /// Outputs to be joined are shards of different jobs.
    #[error("{} and {} belong to different jobs: {difference}", one.display(), other.display())]
    NotOneJob {
        /// One output.
        one: PathBuf,
        /// Another output.
        other: PathBuf,
        /// The first thing that differs.
        difference: Difference,
    },
    /// A job that keeps nothing on disk cannot resume.
    #[error("only a job with an output file, and without an input from standard input, can be resumed")]
    NotResumable,
}

/// The difference between two jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// Another value of an option.
    Option {
        /// Its name, such as `top-k`.
        name: String,
        /// The earlier value, as JSON.
        was: String,
        /// The present value, as JSON.
        is: String,
    },
    /// Another difference, in words.
    Other(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { name, was, is } => write!(f, "the option {name} was {was} and is {is} now"),
            Self::Other(what) => f.write_str(what),
        }
    }
}
