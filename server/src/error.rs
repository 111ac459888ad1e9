//! Why a server does not start.

use std::path::PathBuf;

use crate::net::Listen;

/// The server's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot be used: which, why, and what to do.
    #[error("{0}")]
    Setting(String),
    /// An address that cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: Listen,
        /// What the system says.
        source: std::io::Error,
    },
    /// Other machines could ask, and no key was set.
    #[error(
        "{0} can be reached from other machines, and there are no API keys: set some with api_key_file, or say no_auth (--no-auth) if that is meant"
    )]
    Open(Listen),
    /// A file that cannot be written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What the library says, such as of a model that cannot be loaded.
    #[error(transparent)]
    Model(#[from] nearsort::Error),
    /// A client on stdin that does not keep to the Model Context Protocol.
    #[error("the client on stdin broke off: {0}")]
    Client(String),
    /// The threads that serve cannot be started.
    #[error("cannot start the server's threads: {0}")]
    Threads(std::io::Error),
}
