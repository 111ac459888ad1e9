//! The interface of the engine's architectures.

use super::batch::Batch;
use super::config::Config;
use super::linear::Linear;
use super::profile::{Laps, Operation};
use super::scratch::Scratch;
use crate::{Error, Result};

/// An architecture of the engine.
pub(super) trait Forward: Send + Sync {
    fn config(&self) -> &Config;

    /// Returns every linear layer with its operation.
    fn products(&self) -> Vec<(Operation, &Linear)>;

    /// Computes the last hidden states, `[tokens, padded hidden]`, into `scratch.hidden`.
    fn forward(&self, batch: &Batch<'_>, scratch: &mut Scratch, laps: &mut Laps) -> Result<()>;
}

/// Returns the error for a token or a position outside the tables.
pub(super) fn embedding_error(config: &Config, id: u32, position: usize) -> Error {
    let message = if id as usize >= config.vocab_size {
        format!("the token {id} is outside the vocabulary of {}", config.vocab_size)
    } else {
        format!(
            "a text has a token at position {position}; the model's last is {}",
            config.max_positions.saturating_sub(1)
        )
    };
    Error::Compute { context: "the forward pass failed".into(), message }
}
