//! A worker's buffers: allocated by the first batch, reused by all later ones.

use std::sync::{Mutex, MutexGuard};

use super::aligned::Aligned;
use super::between::Between;
use super::disentangled::RelativeScratch;
use super::operand::Operand;
use crate::kernels::AttentionBuffers;

/// The buffers of one worker. Each grows to the largest batch seen; see
/// [`super::MICRO_BATCH_TOKENS`] for its size.
pub(super) struct Scratch {
    /// Hidden states, `[tokens, hidden]`.
    pub(super) hidden: Aligned<f32>,
    /// Hidden states after a norm, where they must not replace the residual.
    pub(super) normed: Aligned<f32>,
    /// The data between the two layers of the feed-forward part, for a block of rows: `[rows,
    /// intermediate]`.
    pub(super) middle: Between,
    /// The kept half of a gated layer, for a block of rows.
    pub(super) gated: Aligned<f32>,
    /// The input of a layer's first product, for all rows.
    pub(super) operand: Operand,
    /// The input of the products behind attention, for a block of rows.
    pub(super) inner_operand: Operand,
    pub(super) attention: AttentionScratch,
}

/// The buffers of attention.
pub(super) struct AttentionScratch {
    /// Queries, keys and values of each head, matrices of `[tokens, head_dim]`.
    pub(super) qkv: Aligned<f32>,
    /// Queries, keys and values for the matrix unit, in panels of 32 columns.
    pub(super) panels: Aligned<u16>,
    /// The result of attention, `[tokens, heads x head_dim]`.
    pub(super) context: Between,
    /// The buffers of the threads that compute heads.
    pub(super) heads: BufferPool<HeadScratch>,
}

/// The buffers of one head of one sequence.
pub(super) struct HeadScratch {
    /// Keys, packed for a product: panels of `[head_dim, tokens]`.
    pub(super) keys: Aligned<f32>,
    /// The scores, `[rows, tokens]`.
    pub(super) scores: Aligned<f32>,
    /// The operands of products of bfloat16.
    pub(super) halves: HalfBuffers,
    /// The buffers of the terms of distances.
    pub(super) relative: RelativeScratch,
    /// The buffers of the matrix unit.
    pub(super) tiles: AttentionBuffers,
}

/// Operands of attention in bfloat16.
pub(super) struct HalfBuffers {
    /// Rows that were rounded: keys, values, or the queries of a block.
    pub(super) rows: Aligned<u16>,
    /// Keys in panels.
    pub(super) keys: Aligned<u16>,
    /// Values in panels.
    pub(super) values: Aligned<u16>,
    /// The softmax of the scores, `[rows, tokens]`.
    pub(super) weights: Aligned<u16>,
}

impl HeadScratch {
    pub(super) fn new() -> Self {
        Self {
            keys: Aligned::new(),
            scores: Aligned::new(),
            halves: HalfBuffers {
                rows: Aligned::new(),
                keys: Aligned::new(),
                values: Aligned::new(),
                weights: Aligned::new(),
            },
            relative: RelativeScratch::new(),
            tiles: AttentionBuffers::new(),
        }
    }
}

impl Scratch {
    const fn new() -> Self {
        Self {
            hidden: Aligned::new(),
            normed: Aligned::new(),
            middle: Between::new(),
            gated: Aligned::new(),
            operand: Operand::new(),
            inner_operand: Operand::new(),
            attention: AttentionScratch {
                qkv: Aligned::new(),
                panels: Aligned::new(),
                context: Between::new(),
                heads: BufferPool::new(),
            },
        }
    }
}

/// A pool of unused buffers.
pub(super) struct BufferPool<T>(Mutex<Vec<Box<T>>>);

impl<T> BufferPool<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Runs `work` with buffers of its own.
    pub(super) fn with<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let taken = self.lock().pop();
        let mut buffers = taken.unwrap_or_else(|| Box::new(new()));
        let result = work(&mut buffers);
        self.lock().push(buffers);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<T>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl BufferPool<Scratch> {
    /// Runs `work` with a worker's buffers.
    pub(super) fn scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        self.with(Scratch::new, work)
    }
}
