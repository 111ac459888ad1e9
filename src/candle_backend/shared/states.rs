//! The hidden states that one pass computes, shared by the calls whose sequences were in it.

use std::sync::Arc;

use ndarray::{Array3, ArrayView2, s};

use crate::Result;
use crate::engine::{Backend, RaggedBatch};

/// A backend that returns the hidden states of a whole batch at once. Its callers decide who reads
/// them, and when.
pub(crate) trait Passes: Backend {
    /// Computes the last hidden states of every sequence, in the order of the batch. Sequences are
    /// padded to one length if the model can do that.
    ///
    /// # Errors
    /// The errors of [`Backend::forward`], except that no call ends the work.
    fn states(&self, batch: &RaggedBatch) -> Result<Vec<TokenStates>>;
}

/// The hidden states of one sequence. They stay where the pass has put them, so nothing is copied.
pub(crate) struct TokenStates {
    /// `[sequences, padded tokens, hidden_size]`.
    pass: Arc<Array3<f32>>,
    sequence: usize,
    tokens: usize,
}

impl TokenStates {
    /// Cuts the result of a pass, `[sequences, padded tokens, hidden_size]`, into its sequences.
    /// `lengths` are their numbers of tokens.
    pub(crate) fn of_pass(pass: Array3<f32>, lengths: impl Iterator<Item = usize>) -> Vec<Self> {
        let pass = Arc::new(pass);
        let of = |(sequence, tokens)| Self { pass: Arc::clone(&pass), sequence, tokens };
        lengths.enumerate().map(of).collect()
    }

    /// Returns the states without padding, `[tokens, hidden_size]`.
    pub(crate) fn view(&self) -> ArrayView2<'_, f32> {
        self.pass.slice(s![self.sequence, ..self.tokens, ..])
    }
}
