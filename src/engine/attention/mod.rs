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

mod head;
mod products;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::head::{AttentionHead, BLOCK_ROWS};
pub(super) use self::products::BF16_DIM;
use self::products::{Bf16Products, F32Products, Products};
use super::batch::{Batch, Heads};
use super::disentangled::Relative;
use super::scratch::{BufferPool, HeadScratch};
use crate::kernels::{self, Bf16Rows, SharedRows, Tiles, padded_len};

/// Size in bytes of a head's scores in flight: half an L1 cache, so that scores and keys stay in
/// it.
const SCORE_BYTES: usize = 24 << 10;

/// Computes attention for all sequences of a batch: `qkv` is [`Heads::matrices`] of `[tokens,
/// head_dim]`, `context` `[tokens, width]`. `relative` are the terms of distances, if the model has
/// them; `bf16` is set for products of bfloat16. With more than one thread, heads run in parallel.
pub(super) fn attend(
    batch: &Batch<'_>,
    (heads, relative): (&Heads, Option<&Relative>),
    bf16: Option<&Bf16Rows>,
    qkv: &[f32],
    context: &mut [f32],
    pool: &BufferPool<HeadScratch>,
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
            let head = AttentionHead { kernels: batch.kernels, heads, queries, keys, values, relative };
            let context = shared.from(edges[0] * heads.width() + index * heads.dim);
            match bf16 {
                Some(rows) => attend_head(&head, &Bf16Products(rows), context, scratch),
                None => attend_head(&head, &F32Products, context, scratch),
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
    pool: &BufferPool<HeadScratch>,
) {
    if batch.hides_tokens() {
        // Rows without a key are skipped.
        context.fill(0);
    }
    let (before, after) = heads.reach();
    let attention = kernels::TileAttention {
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

/// Writes the head's columns of the sequence's rows, which begin at `context`.
fn attend_head(
    head: &AttentionHead<'_>,
    products: &impl Products,
    context: SharedRows<f32>,
    scratch: &mut HeadScratch,
) {
    let tokens = head.seeing();
    products.pack(head, scratch);
    if let Some(relative) = head.relative {
        relative.read_keys(head.keys, tokens, &mut scratch.relative);
    }
    let block = (SCORE_BYTES / (4 * padded_len(head.attended()))).clamp(BLOCK_ROWS.start, BLOCK_ROWS.end);
    for first in (0..tokens).step_by(block) {
        let rows = first..(first + block).min(tokens);
        let seen = head.seen(&rows);
        products.scores(head, &rows, &seen, scratch);
        let scores = scratch.scores.at_least(rows.len() * seen.len());
        if let Some(relative) = head.relative {
            let queries = &head.queries[first * head.heads.dim..];
            let scores = (&mut *scores, seen.len());
            relative.add((&rows, tokens), queries, head.attended(), scores, &mut scratch.relative);
        }
        head.mask(&rows, &seen, scores);
        products.context(head, rows.len(), &seen, context.from(first * head.heads.width()), scratch);
    }
}
