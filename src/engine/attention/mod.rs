//! Multi-head attention over ragged batches: `softmax(Q K^T) V` per sequence and head (Vaswani et
//! al. 2017). The factor `1 / sqrt(head_dim)` is in the weights of Q.
//!
//! ```text
//! for head, sequence:                              each head's queries, keys and values are matrices [tokens, head_dim] of their own
//!     keys = panels of the transpose of K          [head_dim, n]
//!     for block of rows of Q:                      so many that scores stay in L1/L2
//!         scores = Q_block x keys                  [rows, n]
//!         mask, e^(score - max), sums
//!         context = scores x V / sums              [rows, head_dim]
//! ```
//! The two products are computed in f32. In the precisions below f32 they are computed in bfloat16
//! where the processor multiplies it faster; see `products`.
//!
//! With a sliding window or in a causal model a block only reads the keys that its rows attend to.
//! Several heads may share their keys and values (Ainslie et al. 2023). Tokens that no token
//! attends to (ColBERT's expansion of queries) come last in a sequence; their keys and values are
//! left out. A row without any key gets zeros, as in PyTorch. Floor: `4 n^2 head_dim` operations
//! per head, half of it in a causal model. At 80 tokens and 12 heads of 32 this is 59 MFLOP
//! per passage in 6 layers, against 1,700 in the linear layers.
//!
//! In rows of queries, keys and values, `[3, heads, head_dim]`, the 128 bytes of a head would be
//! 4,608 bytes apart. Each token would be on another page, and all of them in eight of the 64 sets
//! of an L1 cache. Therefore the layer in front writes each head's matrix separately.

mod products;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rayon::prelude::*;

pub(super) use self::products::BF16_DIM;
use self::products::{Bf16Products, F32Products, Products};
use super::batch::{Batch, Heads};
use super::disentangled::{Relative, RelativeHead};
use super::scratch::{HeadScratch, Pool};
use crate::kernels::{self, Bf16Rows, Kernels, SharedRows, Tiles, padded_len};

/// Size in bytes of a head's scores in flight: half an L1 cache, so that scores and keys stay in
/// it.
const SCORE_BYTES: usize = 24 << 10;
/// The range of the number of rows in a block; both are multiples of every tile's rows.
const BLOCK_ROWS: Range<usize> = 12..48;

/// Computes attention for all sequences of a batch: `qkv` is [`Heads::matrices`] of `[tokens,
/// head_dim]`, `context` `[tokens, width]`. `relative` are the terms of distances, if the model has
/// them; `bf16` is set for products of bfloat16. With more than one thread, heads run in parallel.
pub(super) fn attend(
    batch: &Batch<'_>,
    (heads, relative): (&Heads, Option<&Relative>),
    bf16: Option<&Bf16Rows>,
    qkv: &[f32],
    context: &mut [f32],
    pool: &Pool<HeadScratch>,
) {
    if batch.hides_tokens() {
        // Rows without a key are skipped below.
        context.fill(0.0);
    }
    // SAFETY: `context` stays borrowed until the end, and heads write different columns.
    let shared = unsafe { SharedRows::new(context) };
    let size = batch.tokens() * heads.dim;
    let head = |index: usize, scratch: &mut HeadScratch| {
        let parts = heads.matrices_of(index).map(|matrix| &qkv[matrix * size..][..size]);
        let relative = relative.map(|relative| relative.head(batch.kernels, index, (heads.count, heads.dim)));
        for (edges, &attended) in batch.cu_seqlens.windows(2).zip(batch.attended).filter(|(_, attended)| **attended > 0)
        {
            let [queries, keys, values] = parts.map(|part| &part[edges[0] * heads.dim..edges[1] * heads.dim]);
            let [keys, values] = [keys, values].map(|part| &part[..attended * heads.dim]);
            let head = Head { kernels: batch.kernels, heads, queries, keys, values, relative };
            let context = shared.from(edges[0] * heads.width() + index * heads.dim);
            match bf16 {
                Some(rows) => head.attend(&Bf16Products(rows), context, scratch),
                None => head.attend(&F32Products, context, scratch),
            }
        }
    };
    if batch.threads == 1 {
        pool.with(HeadScratch::new, |scratch| (0..heads.count).for_each(|index| head(index, scratch)));
    } else {
        (0..heads.count).into_par_iter().for_each(|index| pool.with(HeadScratch::new, |scratch| head(index, scratch)));
    }
}

/// Does [`attend`] on a matrix unit: `panels` are queries, keys and values in panels of 32 columns,
/// `context` is tiles of bfloat16.
pub(super) fn attend_in_tiles(
    tiles: &Tiles,
    batch: &Batch<'_>,
    heads: &Heads,
    panels: &[u16],
    context: &mut [u16],
    pool: &Pool<HeadScratch>,
) {
    if batch.hides_tokens() {
        // Rows without a key are skipped.
        context.fill(0);
    }
    let (before, after) = heads.reach();
    let attention = kernels::Attention {
        heads: panels,
        count: heads.count,
        kv_count: heads.kv_count,
        dim: heads.dim,
        cu_seqlens: batch.cu_seqlens,
        attended: batch.attended,
        before,
        after,
        // SAFETY: `context` stays borrowed until the end, and heads write different columns.
        context: unsafe { SharedRows::new(context) },
    };
    if batch.threads == 1 {
        pool.with(HeadScratch::new, |scratch| tiles.attend(&attention, 0..heads.count, &mut scratch.tiles));
    } else {
        (0..heads.count).into_par_iter().for_each(|head| {
            pool.with(HeadScratch::new, |scratch| tiles.attend(&attention, head..head + 1, &mut scratch.tiles));
        });
    }
}

/// One head of one sequence that has keys: matrices of queries `[tokens, head_dim]`, of keys and
/// values `[attended, head_dim]`.
struct Head<'a> {
    kernels: &'a Kernels,
    heads: &'a Heads,
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    relative: Option<RelativeHead<'a>>,
}

impl Head<'_> {
    /// Returns the number of tokens that are attended to.
    fn attended(&self) -> usize {
        self.keys.len() / self.heads.dim
    }

    /// Returns the number of tokens that attend to a key: all, unless the keys end more than a
    /// window before the tokens do.
    fn seeing(&self) -> usize {
        let (before, _) = self.heads.reach();
        (self.queries.len() / self.heads.dim).min(self.attended() + before)
    }

    /// Writes the head's columns of the sequence's rows, which begin at `context`.
    fn attend(&self, products: &impl Products, context: SharedRows<f32>, scratch: &mut HeadScratch) {
        let tokens = self.seeing();
        products.pack(self, scratch);
        if let Some(relative) = self.relative {
            relative.read_keys(self.keys, tokens, &mut scratch.relative);
        }
        let block = (SCORE_BYTES / (4 * padded_len(self.attended()))).clamp(BLOCK_ROWS.start, BLOCK_ROWS.end);
        for first in (0..tokens).step_by(block) {
            let rows = first..(first + block).min(tokens);
            let seen = self.seen(&rows);
            scratch.scores.at_least(rows.len() * seen.len());
            products.scores(self, &rows, &seen, scratch);
            let scores = &mut scratch.scores.as_mut_slice()[..rows.len() * seen.len()];
            if let Some(relative) = self.relative {
                let queries = &self.queries[first * self.heads.dim..];
                let scores = (&mut *scores, seen.len());
                relative.add((&rows, tokens), queries, self.attended(), scores, &mut scratch.relative);
            }
            self.mask(&rows, &seen, scores);
            products.context(self, rows.len(), &seen, context.from(first * self.heads.width()), scratch);
        }
    }

    /// Returns the number of keys in a panel.
    fn panel(&self) -> usize {
        self.kernels.gemm_f32.nr()
    }

    /// Returns the keys that the rows of a block attend to, in whole panels. The last panel may
    /// have padding behind the last token.
    fn seen(&self, rows: &Range<usize>) -> Range<usize> {
        let (before, after) = self.heads.reach();
        let first = rows.start.saturating_sub(before) / self.panel() * self.panel();
        first..(rows.end + after).next_multiple_of(self.panel()).min(padded_len(self.attended()))
    }

    /// Sets the scores of keys that a row does not attend to to -inf.
    fn mask(&self, rows: &Range<usize>, seen: &Range<usize>, scores: &mut [f32]) {
        let (attended, (before, after)) = (self.attended(), self.heads.reach());
        for (token, scores) in rows.clone().zip(scores.chunks_exact_mut(seen.len())) {
            let first = token.saturating_sub(before).saturating_sub(seen.start);
            let end = (token + after + 1).min(attended) - seen.start;
            scores[..first].fill(f32::NEG_INFINITY);
            scores[end..].fill(f32::NEG_INFINITY);
        }
    }
}
