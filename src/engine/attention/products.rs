//! The two products of attention in rows: queries by keys, and weights by values.

use std::ops::Range;

use super::head::{AttentionHead, BLOCK_ROWS};
use crate::engine::aligned::Aligned;
use crate::engine::scratch::HeadScratch;
use crate::kernels::{Bf16Rows, Gemm, Left, Output, OutputRows, Right, SharedRows, padded_len};

/// The products of one head of one sequence, in one type of numbers.
pub(super) trait Products {
    /// Packs the keys and values, once per head. Columns behind the last key are zeros.
    fn pack(&self, head: &AttentionHead<'_>, scratch: &mut HeadScratch);

    /// Writes the scores of a block of rows for the keys `seen`, `[rows, seen]`, to
    /// `scratch.scores`.
    fn scores(&self, head: &AttentionHead<'_>, rows: &Range<usize>, seen: &Range<usize>, scratch: &mut HeadScratch);

    /// Computes the softmax of the scores of `rows` rows, and writes the sums of the values `seen`,
    /// weighted by it, to `context`.
    fn context(
        &self,
        head: &AttentionHead<'_>,
        rows: usize,
        seen: &Range<usize>,
        context: SharedRows<f32>,
        scratch: &mut HeadScratch,
    );
}

/// Products of f32. Values are read in place.
pub(super) struct F32Products;

impl Products for F32Products {
    fn pack(&self, head: &AttentionHead<'_>, scratch: &mut HeadScratch) {
        let (nr, dim, keys) = (head.panel(), head.heads.dim, head.attended());
        let packed = scratch.keys.at_least(dim * padded_len(keys));
        for (panel, first) in packed.chunks_mut(nr * dim).zip((0..keys).step_by(nr)) {
            let count = nr.min(keys - first);
            head.kernels.elementwise.transpose(&head.keys[first * dim..], dim, count, dim, panel);
        }
    }

    fn scores(&self, head: &AttentionHead<'_>, rows: &Range<usize>, seen: &Range<usize>, scratch: &mut HeadScratch) {
        let dim = head.heads.dim;
        let queries = Left { rows: &head.queries[rows.start * dim..], stride: dim, m: rows.len() };
        multiply_keys(&head.kernels.gemm_f32, queries, scratch.keys.as_slice(), seen, &mut scratch.scores);
    }

    fn context(
        &self,
        head: &AttentionHead<'_>,
        rows: usize,
        seen: &Range<usize>,
        context: SharedRows<f32>,
        scratch: &mut HeadScratch,
    ) {
        let dim = head.heads.dim;
        let scores = scratch.scores.at_least(rows * seen.len());
        let mut sums = [0.0; BLOCK_ROWS.end];
        head.kernels.elementwise.exp_rows(scores, &mut sums[..rows]);
        let factors = sums.map(|sum| 1.0 / sum);
        let weights = Left { rows: scores, stride: seen.len(), m: rows };
        let values = Right::RowMajor(&head.values[seen.start * dim..], dim);
        let out = Output::plain(OutputRows::Shared(context), head.heads.width(), 0..dim);
        let out = Output { row_scales: &factors[..rows], ..out };
        head.kernels.gemm_f32.multiply(weights, values, seen.end.min(head.attended()) - seen.start, out);
    }
}

/// Products of bfloat16 with sums in f32: queries, keys, values and weights are rounded.
pub(super) struct Bf16Products<'a>(pub(super) &'a Bf16Rows);

/// A head must have this many numbers, or a multiple: a transposition moves pairs in blocks of
/// [`kernels::ROW_PAD`](crate::kernels::ROW_PAD).
pub(in super::super) const BF16_DIM: usize = 2 * crate::kernels::ROW_PAD;

impl Products for Bf16Products<'_> {
    fn pack(&self, head: &AttentionHead<'_>, scratch: &mut HeadScratch) {
        let (nr, dim, keys) = (head.panel(), head.heads.dim, head.attended());
        assert_eq!(nr, head.kernels.gemm_bf16.nr(), "both products have panels of one width");
        let halves = &mut scratch.halves;
        let rounded = halves.rows.at_least(keys * dim);
        self.0.round(head.keys, rounded);
        let packed = halves.keys.at_least(dim * padded_len(keys));
        for (panel, rows) in packed.chunks_mut(nr * dim).zip(rounded.chunks(nr * dim)) {
            head.kernels.elementwise.transpose_pairs(rows, dim / 2, panel);
        }
        self.0.round(head.values, rounded);
        let packed = halves.values.at_least(dim * keys.next_multiple_of(2));
        self.0.pack_rows(rounded, dim, value_panel(head), packed);
    }

    fn scores(&self, head: &AttentionHead<'_>, rows: &Range<usize>, seen: &Range<usize>, scratch: &mut HeadScratch) {
        let dim = head.heads.dim;
        let halves = &mut scratch.halves;
        let rounded = halves.rows.at_least(rows.len() * dim);
        self.0.round(&head.queries[rows.start * dim..rows.end * dim], rounded);
        let queries = Left { rows: rounded, stride: dim, m: rows.len() };
        multiply_keys(&head.kernels.gemm_bf16, queries, halves.keys.as_slice(), seen, &mut scratch.scores);
    }

    fn context(
        &self,
        head: &AttentionHead<'_>,
        rows: usize,
        seen: &Range<usize>,
        context: SharedRows<f32>,
        scratch: &mut HeadScratch,
    ) {
        let (dim, stride) = (head.heads.dim, seen.len());
        let halves = &mut scratch.halves;
        let weights = halves.weights.at_least(rows * stride);
        let mut sums = [0.0; BLOCK_ROWS.end];
        self.0.softmax(scratch.scores.at_least(rows * stride), weights, &mut sums[..rows]);
        let factors = sums.map(|sum| 1.0 / sum);
        let (nr, keys) = (value_panel(head), head.attended().next_multiple_of(2));
        let seen = seen.start..seen.end.min(keys);
        for (panel, values) in halves.values.as_slice()[..dim * keys].chunks_exact(nr * keys).enumerate() {
            let weights = Left { rows: &*weights, stride, m: rows };
            let out = OutputRows::Shared(context.from(panel * nr));
            let out = Output { row_scales: &factors[..rows], ..Output::plain(out, head.heads.width(), 0..nr) };
            let values = Right::Packed(&values[seen.start * nr..]);
            head.kernels.gemm_bf16.multiply(weights, values, seen.len(), out);
        }
    }
}

/// Multiplies a block of queries by the keys `seen`, of all keys in panels.
fn multiply_keys<T: Copy>(
    gemm: &Gemm<T>,
    queries: Left<'_, T>,
    keys: &[T],
    seen: &Range<usize>,
    scores: &mut Aligned<f32>,
) {
    let dim = queries.stride;
    let scores = scores.at_least(queries.m * seen.len());
    let out = Output::plain(OutputRows::Whole(scores), seen.len(), 0..seen.len());
    gemm.multiply(queries, Right::Packed(&keys[seen.start * dim..]), dim, out);
}

/// Returns the number of a value's numbers in a panel.
fn value_panel(head: &AttentionHead<'_>) -> usize {
    head.kernels.gemm_bf16.nr().min(head.heads.dim)
}
