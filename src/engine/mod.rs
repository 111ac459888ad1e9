//! The CPU engine, and the input and output of a forward pass for all backends.
//!
//! [`NativeBackend`] computes BERT, its relatives, ModernBERT and Qwen3 on the `kernels`. Each
//! architecture has a file (`bert`, `deberta`, `modernbert`, `qwen3`) that reads like its paper;
//! `prenorm` is the forward pass of the last two. `batch` is the input of the layers, `linear`
//! packs weights and calls the products, `norm` prepares their input, `attention` computes heads,
//! `scratch` holds a worker's buffers, and `profile` measures times.
//!
//! # Floors
//! all-MiniLM-L6-v2 costs 21.2 M operations per token in linear layers, and `9,216 n^2` for
//! attention of a text of `n` tokens: 1.76 G at 80 tokens. Two Zen 4 cores reach 927 Gop/s in i8,
//! 467 in bf16, 230 in f32. Without any other work this is 545, 265 and 131 passages of 80 tokens
//! per second. On AVX2 a core's multipliers do 64 operations of 16-bit integers per cycle and 32 of
//! f32: i8 is twice as fast, not four times. The weights are 10.6 million numbers, and a
//! micro-batch of 512 tokens reads each once. At full speed in i8 this is some 0.3 GB/s per core,
//! from the L3 cache. In f32, where 42 MB may not fit it, it is 0.3 GB/s from memory.
//!
//! Batches are ragged: the token ids of many sequences back to back, with their offsets. A backend
//! that needs rectangles pads inside, and its callers never see padding. Hidden states leave the
//! backend one sequence at a time through a sink. Therefore pooling needs no second copy, and a
//! caller that needs the token vectors (late interaction) gets them from the same pass.

mod aligned;
mod answer;
mod attention;
mod batch;
mod bert;
mod between;
mod config;
mod deberta;
mod disentangled;
mod finite;
mod forward;
mod head;
mod layer;
mod linear;
mod modernbert;
mod native;
mod norm;
mod operand;
mod packed;
mod packing;
mod prenorm;
mod profile;
mod qwen3;
mod rope;
mod scratch;
mod split_columns;
mod token_table;
mod weights;

use std::fmt;
use std::str::FromStr;

use ndarray::ArrayView2;

pub use answer::AnswerHead;
pub use batch::MICRO_BATCH_TOKENS;
pub(crate) use finite::{all_finite, first_not_finite};
pub use head::ClassificationHead;
pub use native::NativeBackend;
pub use profile::{Operation, PassTimes};
pub use token_table::TokenTable;
pub use weights::WeightsFile;
pub(crate) use weights::{Float, layers_held};
#[cfg(feature = "candle")]
pub(crate) use weights::{distilbert_name, root_prefix};

use crate::call::Call;
use crate::kernels::{Isa, Kernels};
use crate::{Error, Result};

/// The arithmetic of the linear layers, which are nearly all of a forward pass. Everything between
/// them is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
    /// Weights and inputs rounded to bfloat16, sums in f32.
    Bf16,
    /// Weights as i8 with a scale per output, inputs as integers with a scale and a zero point per
    /// token, sums in i32.
    I8,
}

impl Precision {
    /// All values, the most exact first.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::I8];

    /// Returns the fastest precision on these kernels that keeps embeddings within a mean cosine of
    /// 0.999 to f32. This is bf16 on a matrix unit, where i8 is hardly faster and less exact, and
    /// i8 on other vector units.
    pub fn fastest(kernels: &Kernels) -> Self {
        match kernels.isa() {
            _ if kernels.tiles.is_some() => Precision::Bf16,
            Isa::Scalar => Precision::F32,
            _ => Precision::I8,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::I8 => "i8",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Precision::ALL.into_iter().find(|precision| precision.to_string() == text);
        known.ok_or_else(|| Error::InvalidArgument(format!("unknown precision '{text}'; expected f32, bf16 or i8")))
    }
}

/// Token ids of several sequences, back to back.
#[derive(Debug, Clone, Default)]
pub struct RaggedBatch {
    token_ids: Vec<u32>,
    /// Offsets into `token_ids`; always one longer than the number of sequences, first 0.
    cu_seqlens: Vec<usize>,
    /// The start of each sequence's second part in `token_ids`; the sequence's end if it has none.
    second_parts: Vec<usize>,
    /// For each sequence, the number of its first tokens that its tokens attend to.
    attended: Vec<usize>,
}

impl RaggedBatch {
    /// Creates an empty batch.
    pub fn new() -> Self {
        Self { token_ids: Vec::new(), cu_seqlens: vec![0], second_parts: Vec::new(), attended: Vec::new() }
    }

    /// Creates a batch of these sequences.
    pub fn of<'a>(sequences: impl Iterator<Item = &'a [u32]>) -> Self {
        let mut batch = Self::new();
        sequences.for_each(|ids| batch.push(ids));
        batch
    }

    /// Appends a sequence.
    pub fn push(&mut self, token_ids: &[u32]) {
        self.push_pair(token_ids, &[]);
    }

    /// Appends a sequence of two parts, as cross-encoders read them. In models with token types,
    /// `second` is of type 1.
    pub fn push_pair(&mut self, first: &[u32], second: &[u32]) {
        self.token_ids.extend_from_slice(first);
        self.second_parts.push(self.token_ids.len());
        self.token_ids.extend_from_slice(second);
        self.cu_seqlens.push(self.token_ids.len());
        self.attended.push(first.len() + second.len());
    }

    /// Appends a sequence whose tokens only attend to its first `attended` tokens, as ColBERT
    /// expands queries. Hidden states are also computed for the other tokens, but no token attends
    /// to them. A number above the length counts as all tokens.
    pub fn push_expanded(&mut self, token_ids: &[u32], attended: usize) {
        self.push(token_ids);
        if let Some(last) = self.attended.last_mut() {
            *last = attended.min(token_ids.len());
        }
    }

    /// Appends sequence `index` of another batch, with its parts.
    ///
    /// # Panics
    /// When `index >= other.len()`.
    pub fn push_from(&mut self, other: &Self, index: usize) {
        let (first, second) = other.sequence(index).split_at(other.first_part_len(index));
        self.push_pair(first, second);
        if let Some(last) = self.attended.last_mut() {
            *last = other.attended_len(index);
        }
    }

    /// Returns the number of sequences.
    pub fn len(&self) -> usize {
        self.cu_seqlens.len() - 1
    }

    /// Returns true if there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the token ids of sequence `index`.
    ///
    /// # Panics
    /// When `index >= len()`.
    pub fn sequence(&self, index: usize) -> &[u32] {
        &self.token_ids[self.cu_seqlens[index]..self.cu_seqlens[index + 1]]
    }

    /// Returns the number of tokens of sequence `index` before its second part; all of them if it
    /// has none.
    ///
    /// # Panics
    /// When `index >= len()`.
    pub fn first_part_len(&self, index: usize) -> usize {
        self.second_parts[index] - self.cu_seqlens[index]
    }

    /// Returns the number of first tokens of sequence `index` that its tokens attend to.
    ///
    /// # Panics
    /// When `index >= len()`.
    pub fn attended_len(&self, index: usize) -> usize {
        self.attended[index]
    }

    /// Returns the token ids of every sequence, in order.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.cu_seqlens.windows(2).map(|w| &self.token_ids[w[0]..w[1]])
    }

    /// Returns the number of tokens of the longest sequence; 0 when empty.
    pub fn max_seqlen(&self) -> usize {
        self.sequences().map(<[u32]>::len).max().unwrap_or(0)
    }
}

/// Receives the last hidden states of one sequence: its index in the batch, and `[tokens,
/// hidden_size]`. Called once per sequence, in any order, possibly from several threads at once.
pub type HiddenSink<'a> = dyn Fn(usize, ArrayView2<'_, f32>) + Sync + 'a;

/// The bytes that the weights of a loaded model take. The memory of a forward pass is extra, and so
/// is the tokenizer's vocabulary: some 10 MB for 30,000 tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelMemory {
    /// Bytes in memory of the process, or of the device.
    pub own: u64,
    /// Bytes in files that are mapped into memory. Once the model is loaded, only rows of word
    /// embeddings are read from them, and the system can take the pages back.
    pub mapped: u64,
}

impl ModelMemory {
    /// Creates the value for this many bytes of the process.
    pub fn of_process(own: u64) -> Self {
        Self { own, mapped: 0 }
    }
}

/// A transformer's forward pass.
pub trait Backend: Send + Sync {
    /// Returns the width of a hidden state.
    fn hidden_size(&self) -> usize;

    /// Returns the bytes that the weights take; 0 if the backend does not know.
    fn memory(&self) -> ModelMemory {
        ModelMemory::default()
    }

    /// Computes the last hidden states of every sequence and passes each to `sink`. On a CPU it
    /// uses at most `threads` threads, those of the caller's rayon pool.
    ///
    /// The hidden states of a sequence depend neither on the other sequences of the batch nor on
    /// the number of threads. On a GPU other sequences may change the last bits: those of the
    /// batch, and those of concurrent calls.
    ///
    /// # Errors
    /// [`Error::Compute`] when the computation fails (out of device memory, a token id outside the
    /// vocabulary ...); [`Error::Cancelled`] and [`Error::DeadlineExceeded`] when `call` ends the
    /// work between two steps.
    fn forward(&self, batch: &RaggedBatch, threads: usize, call: &Call<'_>, sink: &HiddenSink<'_>) -> Result<()>;

    /// Does [`Backend::forward`] with sequences of different lengths padded into one rectangle
    /// under an attention mask. It serves to check the mask against [`Backend::forward`]. A backend
    /// that never pads computes the same as there.
    ///
    /// # Errors
    /// The errors of [`Backend::forward`].
    fn forward_padded(&self, batch: &RaggedBatch, sink: &HiddenSink<'_>) -> Result<()> {
        self.forward(batch, 1, &Call::new(), sink)
    }

    /// Checks that the backend computes sequences of up to `tokens` tokens that attend to a part of
    /// themselves ([`RaggedBatch::push_expanded`]).
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`] when it does not.
    fn check_expanded(&self, tokens: usize) -> Result<()> {
        let _ = tokens;
        Ok(())
    }
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
        batch.push_pair(&[7, 8], &[9]);
        assert_eq!((batch.sequence(3), batch.first_part_len(3), batch.first_part_len(0)), (&[7, 8, 9][..], 2, 3));
        batch.push_expanded(&[1, 2, 5, 5], 2);
        batch.push_expanded(&[1], 9);
        let attended: Vec<usize> = (0..batch.len()).map(|index| batch.attended_len(index)).collect();
        assert_eq!(attended, [3, 0, 1, 3, 2, 1]);

        let mut copied = RaggedBatch::new();
        [4, 3, 1].into_iter().for_each(|index| copied.push_from(&batch, index));
        assert_eq!(copied.sequences().collect::<Vec<_>>(), [&[1, 2, 5, 5][..], &[7, 8, 9], &[]]);
        assert_eq!((copied.attended_len(0), copied.first_part_len(0)), (2, 4));
        assert_eq!((copied.attended_len(1), copied.first_part_len(1)), (3, 2));
    }
}
