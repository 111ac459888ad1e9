//! Multi-head attention over ragged batches: `softmax(Q K^T) V` per sequence and head (Vaswani et al. 2017). The factor
//! `1 / sqrt(head_dim)` is in the weights of Q.
//!
//! ```text
//! for sequence, head:
//!     keys = transpose K                       [head_dim, n]
//!     for block of rows of Q:                  so many that scores stay in L1/L2
//!         scores = Q_block x keys              [rows, n], f32 product
//!         mask, e^(score - max), sums
//!         context = scores x V / sums          [rows, head_dim], straight out of the packed queries, keys and values
//! ```
//! With a sliding window a block reads only the keys that its rows can see. Floor: `4 n^2 head_dim` operations a head in f32; at 80
//! tokens and 12 heads of 32 that is 59 MFLOP a passage in 6 layers, against 1,700 of the linear layers.

use std::ops::Range;

use rayon::prelude::*;

use super::layer::Batch;
use super::scratch::{HeadScratch, Pool};
use crate::kernels::{Activation, Kernels, Left, Output, OutputRows, Right, SharedRows, padded_len};

/// Bytes of scores in flight per head: half an L1 cache, so that they and the keys stay near.
const SCORE_BYTES: usize = 24 << 10;
/// Rows of a block: a multiple of every tile's rows.
const BLOCK_ROWS: Range<usize> = 12..48;

/// The shape of attention in a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) count: usize,
    /// Numbers of a head, padding included.
    pub(super) dim: usize,
    /// Tokens to each side that a token sees; `None`: all.
    pub(super) window: Option<usize>,
}

impl Heads {
    /// Width of queries, of keys, of values.
    pub(super) fn width(&self) -> usize {
        self.count * self.dim
    }
}

/// Attention of all sequences of a batch: `qkv` is `[tokens, 3 x width]`, `context` `[tokens, width]`. With more than one thread, heads run
/// side by side.
pub(super) fn attend(batch: &Batch<'_>, heads: &Heads, qkv: &[f32], context: &mut [f32], pool: &Pool<HeadScratch>) {
    let kernels = batch.kernels;
    // SAFETY: `context` stays borrowed until the end, and heads write different columns.
    let shared = unsafe { SharedRows::new(context) };
    let head = |head: usize, scratch: &mut HeadScratch| {
        for edges in batch.cu_seqlens.windows(2) {
            Head { kernels, heads, head, qkv, rows: edges[0]..edges[1] }.attend(shared, scratch);
        }
    };
    if batch.threads == 1 {
        pool.with(HeadScratch::new, |scratch| (0..heads.count).for_each(|index| head(index, scratch)));
    } else {
        (0..heads.count).into_par_iter().for_each(|index| pool.with(HeadScratch::new, |scratch| head(index, scratch)));
    }
}

/// One head of one sequence.
struct Head<'a> {
    kernels: &'a Kernels,
    heads: &'a Heads,
    head: usize,
    qkv: &'a [f32],
    /// The sequence's rows.
    rows: Range<usize>,
}

impl<'a> Head<'a> {
    fn attend(&self, context: SharedRows, scratch: &mut HeadScratch) {
        let tokens = self.rows.len();
        if tokens == 0 {
            return;
        }
        let padded = padded_len(tokens);
        let keys = scratch.keys.at_least(self.heads.dim * padded);
        let source = &self.qkv[self.at(0, 1)..];
        self.kernels.elementwise.transpose(source, 3 * self.heads.width(), tokens, self.heads.dim, keys);
        let block = (SCORE_BYTES / (4 * padded).max(1)).clamp(BLOCK_ROWS.start, BLOCK_ROWS.end);
        for first in (0..tokens).step_by(block) {
            let rows = first..(first + block).min(tokens);
            let seen = self.seen(&rows, tokens);
            let columns = padded_len(seen.len());
            let scores = scratch.scores.at_least(rows.len() * columns);
            self.scores(&rows, &seen, &keys[seen.start..], padded, scores);
            self.mask(&rows, &seen, scores);
            let mut factors = [0.0; BLOCK_ROWS.end];
            for (row, factor) in scores.chunks_exact_mut(columns).zip(&mut factors) {
                *factor = 1.0 / self.kernels.elementwise.exp_row(row);
            }
            self.context(&rows, &seen, scores, &factors[..rows.len()], context);
        }
    }

    /// The keys that the rows of a block see, from a multiple of the padding on.
    fn seen(&self, rows: &Range<usize>, tokens: usize) -> Range<usize> {
        match self.heads.window {
            None => 0..tokens,
            Some(window) => {
                let first = rows.start.saturating_sub(window);
                first / crate::kernels::ROW_PAD * crate::kernels::ROW_PAD..(rows.end + window).min(tokens)
            }
        }
    }

    /// Where part 0 (queries), 1 (keys) or 2 (values) of a token of the sequence begins.
    fn at(&self, token: usize, part: usize) -> usize {
        let width = self.heads.width();
        (self.rows.start + token) * 3 * width + part * width + self.head * self.heads.dim
    }

    fn scores(&self, rows: &Range<usize>, seen: &Range<usize>, keys: &[f32], padded: usize, scores: &mut [f32]) {
        let columns = padded_len(seen.len());
        let queries = Left { rows: &self.qkv[self.at(rows.start, 0)..], stride: 3 * self.heads.width(), m: rows.len() };
        let out = plain(OutputRows::Whole(scores), columns, 0..columns);
        self.kernels.gemm_f32.multiply(queries, Right::RowMajor(keys, padded), self.heads.dim, out);
    }

    /// What a row does not see gets -inf.
    fn mask(&self, rows: &Range<usize>, seen: &Range<usize>, scores: &mut [f32]) {
        let columns = padded_len(seen.len());
        for (token, scores) in rows.clone().zip(scores.chunks_exact_mut(columns)) {
            scores[seen.len()..].fill(f32::NEG_INFINITY);
            if let Some(window) = self.heads.window {
                let first = token.saturating_sub(window).saturating_sub(seen.start);
                let end = (token + window + 1).min(seen.end) - seen.start;
                scores[..first].fill(f32::NEG_INFINITY);
                scores[end..].fill(f32::NEG_INFINITY);
            }
        }
    }

    fn context(&self, rows: &Range<usize>, seen: &Range<usize>, scores: &[f32], factors: &[f32], context: SharedRows) {
        let width = self.heads.width();
        let columns = padded_len(seen.len());
        let weights = Left { rows: scores, stride: columns, m: rows.len() };
        let values = Right::RowMajor(&self.qkv[self.at(seen.start, 2)..], 3 * width);
        let first = (self.rows.start + rows.start) * width + self.head * self.heads.dim;
        let out = plain(OutputRows::Shared(context.from(first)), width, 0..self.heads.dim);
        let out = Output { row_scales: factors, ..out };
        self.kernels.gemm_f32.multiply(weights, values, seen.len(), out);
    }
}

/// An output without bias, residual or activation.
fn plain(rows: OutputRows<'_>, stride: usize, columns: Range<usize>) -> Output<'_> {
    Output { rows, stride, columns, bias: &[], add: false, activation: Activation::None, row_scales: &[] }
}
