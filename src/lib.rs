//! nearsort: a local reranker.
#![deny(missing_docs)]

pub mod error;

pub use error::{Error, Result};
