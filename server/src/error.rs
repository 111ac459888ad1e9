//! Errors that keep a server from starting.

use std::path::PathBuf;

use crate::net::Listen;

/// The server's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that keeps a server from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot be used. The message has its name, the reason and the remedy.
    #[error("{0}")]
    Setting(String),
    /// The server cannot listen on an address.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: Listen,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Other machines could connect, and no key was set.
    #[error(
        "{0} can be reached from other machines, and there are no API keys; set them with api_key_file, or allow this with no_auth (--no-auth)"
    )]
    Open(Listen),
    /// A file cannot be written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// An error of the library, for example of a model that cannot be loaded.
    #[error(transparent)]
    Model(#[from] nearsort::Error),
    /// A client on stdin violates the Model Context Protocol.
    #[error("the connection on stdin failed: {0}")]
    Client(String),
    /// The threads of the server cannot be started.
    #[error("cannot start the server's threads: {0}")]
    Threads(std::io::Error),
}
