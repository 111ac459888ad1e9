//! Multi-head attention over ragged batches: `softmax(Q K^T) V` per sequence and head (Vaswani et
//! al. 2017). The factor `1 / sqrt(head_dim)` is in the weights of Q.
//!
//! ```text
//! for head, sequence:                              each head's queries, keys and values are matrices [tokens, head_dim] of their own
//!     keys = panels of the transpose of K          [head_dim, n]
//!     for block of rows of Q:                      so many that scores stay in L1/L2
//!         scores = Q_block x keys                  [rows, n], f32 product
//!         mask, e^(score - max), sums
//!         context = scores x V / sums              [rows, head_dim]
//! ```
//! With a sliding window or in a causal model a block only reads the keys that its rows attend to.
//! Several heads may share their keys and values (Ainslie et al. 2023). Tokens that no token
//! attends to (ColBERT's expansion of queries) come last in a sequence; their keys and values are
//! left out. A row without any key gets zeros, as in PyTorch. Floor: `4 n^2 head_dim` operations
//! per head in f32, half of it in a causal model. At 80 tokens and 12 heads of 32 this is 59 MFLOP
//! per passage in 6 layers, against 1,700 in the linear layers.
//!
//! In rows of queries, keys and values, `[3, heads, head_dim]`, the 128 bytes of a head would be
//! 4,608 bytes apart. Each token would be on another page, and all of them in eight of the 64 sets
//! of an L1 cache. Therefore the layer in front writes each head's matrix separately.

use std::ops::Range;

use rayon::prelude::*;

use super::batch::{Batch, Heads};
use super::disentangled::{Relative, RelativeHead};
use super::scratch::{HeadScratch, Pool};
use crate::kernels::{self, Kernels, Left, Output, OutputRows, Right, SharedRows, Tiles, padded_len};

/// Size in bytes of a head's scores in flight: half an L1 cache, so that scores and keys stay in
/// it.
const SCORE_BYTES: usize = 24 << 10;
/// The range of the number of rows in a block; both are multiples of every tile's rows.
const BLOCK_ROWS: Range<usize> = 12..48;

/// Computes attention for all sequences of a batch: `qkv` is [`Heads::matrices`] of `[tokens,
/// head_dim]`, `context` `[tokens, width]`. `relative` are the terms of distances, if the model has
/// them. With more than one thread, heads run in parallel.
pub(super) fn attend(
    batch: &Batch<'_>,
    (heads, relative): (&Heads, Option<&Relative>),
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
            head.attend(shared.from(edges[0] * heads.width() + index * heads.dim), scratch);
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
    fn attend(&self, context: SharedRows<f32>, scratch: &mut HeadScratch) {
        let tokens = self.seeing();
        let padded = padded_len(self.attended());
        let keys = scratch.keys.at_least(self.heads.dim * padded);
        self.pack_keys(keys);
        if let Some(relative) = self.relative {
            relative.read_keys(self.keys, tokens, &mut scratch.relative);
        }
        let block = (SCORE_BYTES / (4 * padded)).clamp(BLOCK_ROWS.start, BLOCK_ROWS.end);
        for first in (0..tokens).step_by(block) {
            let rows = first..(first + block).min(tokens);
            let seen = self.seen(&rows);
            let scores = scratch.scores.at_least(rows.len() * seen.len());
            self.scores(&rows, &seen, keys, scores);
            if let Some(relative) = self.relative {
                let queries = &self.queries[first * self.heads.dim..];
                let scores = (&mut *scores, seen.len());
                relative.add((&rows, tokens), queries, self.attended(), scores, &mut scratch.relative);
            }
            self.mask(&rows, &seen, scores);
            let mut factors = [0.0; BLOCK_ROWS.end];
            let factors = &mut factors[..rows.len()];
            self.kernels.elementwise.exp_rows(scores, factors);
            factors.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
            self.context(&seen, scores, factors, context.from(first * self.heads.width()));
        }
    }

    /// Packs panels of the transposed keys. The columns behind the last token are zeros.
    fn pack_keys(&self, packed: &mut [f32]) {
        let (nr, dim, tokens) = (self.panel(), self.heads.dim, self.attended());
        for (panel, first) in packed.chunks_mut(nr * dim).zip((0..tokens).step_by(nr)) {
            let count = nr.min(tokens - first);
            self.kernels.elementwise.transpose(&self.keys[first * dim..], dim, count, dim, panel);
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

    fn scores(&self, rows: &Range<usize>, seen: &Range<usize>, keys: &[f32], scores: &mut [f32]) {
        let dim = self.heads.dim;
        let queries = Left { rows: &self.queries[rows.start * dim..], stride: dim, m: rows.len() };
        let out = Output::plain(OutputRows::Whole(scores), seen.len(), 0..seen.len());
        self.kernels.gemm_f32.multiply(queries, Right::Packed(&keys[seen.start * dim..]), dim, out);
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

    /// Computes the weighted sums of the values that a block attends to.
    fn context(&self, seen: &Range<usize>, scores: &[f32], factors: &[f32], context: SharedRows<f32>) {
        let dim = self.heads.dim;
        let weights = Left { rows: scores, stride: seen.len(), m: factors.len() };
        let values = Right::RowMajor(&self.values[seen.start * dim..], dim);
        let out = Output::plain(OutputRows::Shared(context), self.heads.width(), 0..dim);
        let out = Output { row_scales: factors, ..out };
        self.kernels.gemm_f32.multiply(weights, values, seen.end.min(self.attended()) - seen.start, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    /// Returns heads with keys and values of their own.
    fn heads(count: usize, dim: usize, window: Option<usize>) -> Heads {
        Heads { count, kv_count: count, dim, window, causal: false }
    }

    /// Returns the number of a head's matrix of queries, keys or values.
    fn matrix(heads: &Heads, part: usize, head: usize) -> usize {
        let shared = head * heads.kv_count / heads.count;
        [head, heads.count + shared, heads.count + heads.kv_count + shared][part]
    }

    /// Returns numbers between -1 and 1.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    /// Returns the offsets of sequences of these lengths.
    fn offsets(lengths: &[usize]) -> Vec<usize> {
        let mut cu_seqlens = vec![0];
        lengths.iter().for_each(|len| cu_seqlens.push(cu_seqlens[cu_seqlens.len() - 1] + len));
        cu_seqlens
    }

    /// Computes row `token` of a head's context by plain loops. `number` gives number `d` of a
    /// token in `[query, key, value]`.
    fn plain(attended: usize, token: usize, heads: &Heads, number: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
        let window = heads.window.unwrap_or(usize::MAX / 2);
        let last = if heads.causal { token } else { token + window };
        let seen = token.saturating_sub(window)..(last + 1).min(attended);
        if seen.is_empty() {
            return vec![0.0; heads.dim];
        }
        let score = |key: usize| (0..heads.dim).map(|d| number(0, token, d) * number(1, key, d)).sum::<f64>().exp();
        let scores: Vec<f64> = seen.clone().map(score).collect();
        let sum: f64 = scores.iter().sum();
        let weighted = |d| seen.clone().zip(&scores).map(|(key, score)| score * number(2, key, d)).sum::<f64>() / sum;
        (0..heads.dim).map(weighted).collect()
    }

    fn check(kernels: &'static Kernels, heads: &Heads, lengths: &[usize], threads: usize) {
        check_hidden(kernels, heads, lengths, lengths, threads);
    }

    /// Does [`check`] for sequences of which only the first `attended` tokens are attended to.
    fn check_hidden(kernels: &'static Kernels, heads: &Heads, lengths: &[usize], attended: &[usize], threads: usize) {
        let cu_seqlens = offsets(lengths);
        let tokens = cu_seqlens[lengths.len()];
        let batch =
            Batch { kernels, ids: &[], cu_seqlens: &cu_seqlens, second_parts: &[], attended, threads, call: None };
        let qkv = numbers(heads.matrices() * tokens * heads.dim);
        let mut context = vec![f32::NAN; tokens * heads.width()];
        attend(&batch, (heads, None), &qkv, &mut context, &Pool::new());
        for (sequence, head) in (0..lengths.len()).flat_map(|s| (0..heads.count).map(move |head| (s, head))) {
            let number = |part: usize, token: usize, d: usize| {
                let row = matrix(heads, part, head) * tokens + cu_seqlens[sequence] + token;
                f64::from(qkv[row * heads.dim + d])
            };
            for token in 0..lengths[sequence] {
                let expected = plain(attended[sequence], token, heads, number);
                let at = (cu_seqlens[sequence] + token) * heads.width() + head * heads.dim;
                for (found, expected) in context[at..][..heads.dim].iter().zip(expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(
                        error < 2e-5,
                        "{}: {heads:?}, {lengths:?}, {attended:?}, token {token}: {found}",
                        kernels.isa()
                    );
                }
            }
        }
    }

    #[test]
    fn context_agrees_with_plain_loops_in_all_shapes() {
        for isa in Isa::available() {
            let kernels: &'static Kernels = Box::leak(Box::new(Kernels::for_isa(isa).unwrap()));
            for (count, dim) in [(2, 16), (3, 32), (1, 48), (1, 64)] {
                for window in [None, Some(0), Some(3), Some(20), Some(64)] {
                    let heads = heads(count, dim, window);
                    check(kernels, &heads, &[1, 0, 5, 16, 17, 40, 0], 1);
                    check(kernels, &heads, &[131, 49], 2);
                    check_hidden(kernels, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
                    check_hidden(kernels, &heads, &[60, 131], &[59, 16], 2);
                }
            }
        }
    }

    #[test]
    fn causal_heads_that_share_keys_agree_with_plain_loops() {
        for isa in Isa::available() {
            let kernels: &'static Kernels = Box::leak(Box::new(Kernels::for_isa(isa).unwrap()));
            for (count, kv_count, dim) in [(4, 2, 16), (6, 2, 32), (3, 3, 16), (2, 1, 64)] {
                for (window, causal) in [(None, true), (Some(20), true), (Some(0), true), (Some(20), false)] {
                    let heads = Heads { count, kv_count, dim, window, causal };
                    check(kernels, &heads, &[1, 0, 5, 16, 17, 40, 0], 1);
                    check(kernels, &heads, &[131, 49], 2);
                    check(kernels, &heads, &[300], 1);
                    check_hidden(kernels, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
                }
            }
        }
    }

    /// Does [`check_hidden`] on a matrix unit, where the numbers and all weights are rounded to
    /// bfloat16.
    fn check_in_tiles(tiles: &Tiles, heads: &Heads, lengths: &[usize], attended: &[usize], threads: usize) {
        let cu_seqlens = offsets(lengths);
        let tokens = cu_seqlens[lengths.len()];
        let kernels = Kernels::best();
        let batch =
            Batch { kernels, ids: &[], cu_seqlens: &cu_seqlens, second_parts: &[], attended, threads, call: None };
        let rounded = |x: f32| half::bf16::from_f32(x).to_f32();
        let qkv: Vec<f32> = numbers(heads.matrices() * tokens * heads.dim).into_iter().map(rounded).collect();
        let mut panels = vec![0x7fc0; heads.matrices() * kernels::panel_rows(tokens) * heads.dim];
        tiles.round_heads(&qkv, heads.dim, heads.matrices(), &mut panels);
        let mut context = vec![0x7fc0; kernels::tiles_len(tokens, heads.width())];
        attend_in_tiles(tiles, &batch, heads, &panels, &mut context, &Pool::new());
        for (sequence, head) in (0..lengths.len()).flat_map(|s| (0..heads.count).map(move |head| (s, head))) {
            let number = |part: usize, token: usize, d: usize| {
                let row = matrix(heads, part, head) * tokens + cu_seqlens[sequence] + token;
                // The matrix unit computes powers of two.
                f64::from(qkv[row * heads.dim + d]) * if part == 0 { std::f64::consts::LN_2 } else { 1.0 }
            };
            for token in 0..lengths[sequence] {
                let expected = plain(attended[sequence], token, heads, number);
                for (d, expected) in expected.into_iter().enumerate() {
                    let (row, column) = (cu_seqlens[sequence] + token, head * heads.dim + d);
                    let tile = (row / 16 * heads.width() / 32 + column / 32) * 512;
                    let found = half::bf16::from_bits(context[tile + row % 16 * 32 + column % 32]).to_f32();
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 8e-3, "{heads:?}, {lengths:?}, {attended:?}, token {token}: {found}, {expected}");
                }
            }
        }
    }

    #[test]
    fn context_of_a_matrix_unit_agrees_with_plain_loops_in_all_shapes() {
        let amx = Kernels::for_isa(Isa::Amx).and_then(|kernels| kernels.tiles);
        for tiles in amx.into_iter().chain([Tiles::emulated()]) {
            for (count, dim) in [(2, 32), (1, 64)] {
                for window in [None, Some(0), Some(3), Some(20), Some(64)] {
                    let heads = heads(count, dim, window);
                    check_in_tiles(&tiles, &heads, &[1, 0, 5, 16, 17, 40, 0], &[1, 0, 5, 16, 17, 40, 0], 1);
                    check_in_tiles(&tiles, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
                    check_in_tiles(&tiles, &heads, &[60, 131], &[59, 16], 2);
                }
                // These have more keys than fit in memory at once.
                check_in_tiles(&tiles, &heads(count, dim, None), &[300], &[290], 1);
                check_in_tiles(&tiles, &heads(count, dim, Some(150)), &[420], &[420], 1);
            }
        }
    }

    #[test]
    fn causal_heads_that_share_keys_agree_with_plain_loops_on_a_matrix_unit() {
        let amx = Kernels::for_isa(Isa::Amx).and_then(|kernels| kernels.tiles);
        for tiles in amx.into_iter().chain([Tiles::emulated()]) {
            for (count, kv_count, dim) in [(4, 2, 32), (3, 1, 64)] {
                let heads = |window, causal| Heads { count, kv_count, dim, window, causal };
                check_in_tiles(&tiles, &heads(None, true), &[1, 0, 5, 33, 17, 40], &[1, 0, 5, 33, 17, 40], 1);
                check_in_tiles(&tiles, &heads(None, true), &[60, 131], &[59, 16], 2);
                check_in_tiles(&tiles, &heads(Some(20), true), &[131], &[131], 1);
                check_in_tiles(&tiles, &heads(Some(20), false), &[131], &[131], 1);
                // This has more keys than fit in memory at once.
                check_in_tiles(&tiles, &heads(None, true), &[300], &[300], 1);
            }
        }
    }
}
