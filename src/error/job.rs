//! What keeps a job from beginning or going on.

use std::fmt;
use std::path::PathBuf;

/// Why a job cannot begin, or cannot go on. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Another process is at work on it.
    #[error("another process is at work on {}; wait for it, or give another output", output.display())]
    Busy {
        /// What the job writes.
        output: PathBuf,
    },
    /// The folder that the job needs is somebody else's.
    #[error("{} is needed for the job, but it is not nearsort's: {why}; nothing in it was changed; move it away, or give another output", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What tells that.
        why: String,
    },
    /// The manifest of the folder cannot be read.
    #[error("{}: not the manifest of a job: {why}; give everything as it was to go on with it, or begin the job anew", file.display())]
    NoManifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The folder holds an unfinished job of other inputs, another model or other options.
    #[error("{} holds an unfinished job, but {difference}; give everything as it was to go on with it, or begin the job anew", folder.display())]
    Differs {
        /// The folder.
        folder: PathBuf,
        /// The first thing that differs.
        difference: Difference,
    },
    /// What the job has kept is damaged.
    #[error("cannot go on with the job: {why}; begin the job anew")]
    CannotGoOn {
        /// What is damaged.
        why: String,
    },
    /// Outputs that are to be joined are shards of different jobs.
    #[error("{} and {} are not of one job: {difference}", one.display(), other.display())]
    NotOneJob {
        /// An output.
        one: PathBuf,
        /// Another.
        other: PathBuf,
        /// The first thing that differs.
        difference: Difference,
    },
    /// A job that leaves nothing on the disk cannot go on.
    #[error("only a job with an output file, and without an input from standard input, can be resumed")]
    NotResumable,
}

/// In what two jobs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// In the value of an option.
    Option {
        /// Its name, such as `top-k`.
        name: String,
        /// What it was, as JSON.
        was: String,
        /// What it is, as JSON.
        is: String,
    },
    /// In something else, in words.
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
