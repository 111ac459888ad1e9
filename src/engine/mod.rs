//! What a forward pass takes and gives, whoever computes it.
//!
//! Batches are ragged: the token ids of many sequences back to back with their offsets. A backend that
//! needs rectangles pads on its own side, and nobody above it sees padding. Hidden states leave the backend
//! one sequence at a time through a sink, so that pooling costs no second copy and a caller that wants the
//! token vectors themselves (late interaction) takes them from the same pass.

use ndarray::ArrayView2;

use crate::Result;

/// Token ids of several sequences, back to back.
#[derive(Debug, Clone, Default)]
pub struct RaggedBatch {
    token_ids: Vec<u32>,
    /// Offsets into `token_ids`; always one longer than the number of sequences, first 0.
    cu_seqlens: Vec<usize>,
}

impl RaggedBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self { token_ids: Vec::new(), cu_seqlens: vec![0] }
    }

    /// Appends a sequence.
    pub fn push(&mut self, token_ids: &[u32]) {
        self.token_ids.extend_from_slice(token_ids);
        self.cu_seqlens.push(self.token_ids.len());
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.cu_seqlens.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Token ids of sequence `index`.
    ///
    /// # Panics
    /// When `index >= len()`.
    pub fn sequence(&self, index: usize) -> &[u32] {
        &self.token_ids[self.cu_seqlens[index]..self.cu_seqlens[index + 1]]
    }

    /// Token ids of every sequence, in order.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.cu_seqlens.windows(2).map(|w| &self.token_ids[w[0]..w[1]])
    }

    /// Number of tokens of the longest sequence; 0 when empty.
    pub fn max_seqlen(&self) -> usize {
        self.sequences().map(<[u32]>::len).max().unwrap_or(0)
    }
}

/// Receives the last hidden states of one sequence: its index in the batch, and `[tokens, hidden_size]`.
/// Called once per sequence, in any order, possibly from several threads at once.
pub type HiddenSink<'a> = dyn Fn(usize, ArrayView2<'_, f32>) + Sync + 'a;

/// A transformer's forward pass.
pub trait Backend: Send + Sync {
    /// Width of a hidden state.
    fn hidden_size(&self) -> usize;

    /// Computes the last hidden states of every sequence and hands each to `sink`.
    ///
    /// The hidden states of a sequence do not depend on the other sequences of the batch.
    ///
    /// # Errors
    /// [`Error::Compute`](crate::Error::Compute) when the computation fails (out of device memory, a token id
    /// outside the vocabulary ...).
    fn forward(&self, batch: &RaggedBatch, sink: &HiddenSink<'_>) -> Result<()>;

    /// The same, with sequences of different lengths padded into one rectangle under an attention mask.
    /// Slower on a CPU; exists so that the mask can be checked against [`Backend::forward`].
    ///
    /// # Errors
    /// As [`Backend::forward`].
    fn forward_padded(&self, batch: &RaggedBatch, sink: &HiddenSink<'_>) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ragged_batch_keeps_sequences_apart() {
        let mut batch = RaggedBatch::new();
        assert!(batch.is_empty());
        batch.push(&[1, 2, 3]);
        batch.push(&[]);
        batch.push(&[4]);
        assert_eq!(batch.len(), 3);
        assert_eq!(batch.sequence(0), [1, 2, 3]);
        assert_eq!(batch.sequence(1), [0u32; 0]);
        assert_eq!(batch.sequence(2), [4]);
        assert_eq!(batch.sequences().map(<[u32]>::len).collect::<Vec<_>>(), [3, 0, 1]);
        assert_eq!(batch.max_seqlen(), 3);
    }
}
