//! Products of quantised rows with i8 weights, and how both are made of f32; see the module above.

use super::super::elementwise::ToCodes;
use super::tile::{Finish, ProductJob, pointer};
use super::{ColumnPlace, Left, Output, Shape, step};

/// The product of quantised rows with i8 weights; see the module's documentation.
#[derive(Debug, Clone, Copy)]
pub struct GemmI8 {
    pub(in super::super) run: unsafe fn(&ProductJob),
    pub(in super::super) quantize: unsafe fn(&ToCodes) -> (f32, i32),
    pub(in super::super) nr: usize,
    pub(in super::super) k_step: usize,
    pub(in super::super) code_bytes: usize,
    pub(in super::super) max_code: i32,
}

/// The conversion of columns before rows become codes: some columns are fed in several equal parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct ColumnParts<'a> {
    /// The factor of each column's numbers; empty for none.
    pub factors: &'a [f32],
    /// Columns whose codes are repeated after those of all columns.
    pub copies: &'a [u32],
}

/// Rows of activation codes, with the scale and the zero point of each.
#[derive(Debug, Clone, Copy)]
pub struct QuantizedRows<'a> {
    /// `m` rows of `k` codes of [`GemmI8::code_bytes`] bytes, back to back.
    pub codes: &'a [u8],
    /// The scale of each row.
    pub scales: &'a [f32],
    /// The zero point of each row, in the kernel's form.
    pub zeros: &'a [i32],
}

/// i8 weights in panels, with the data of their columns.
#[derive(Debug, Clone, Copy)]
pub struct PackedI8<'a> {
    /// The panels.
    pub panels: &'a [i8],
    /// The scale of each column.
    pub scales: &'a [f32],
    /// The sum of each column's weights.
    pub sums: &'a [i32],
    /// The padded shape.
    pub shape: Shape,
}

impl GemmI8 {
    /// Returns the number of columns of a panel.
    pub fn nr(&self) -> usize {
        self.nr
    }

    /// Returns the bytes of an activation code.
    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// Returns the largest activation code for rows of `k` elements: all the kernel's bits, or as
    /// many as cannot overflow the sum.
    pub fn max_code(&self, k: usize) -> i32 {
        max_code(self.max_code, k)
    }

    /// Quantises rows of `k` elements (padded), `stride` apart: `x = scale (code - zero)`. The
    /// range of codes is spread over the row's own range, in which 0 is always included and exact.
    ///
    /// # Panics
    /// If a slice is shorter than `m` rows need.
    pub fn quantize_rows(
        &self,
        rows: Left<'_, f32>,
        k: usize,
        codes: &mut [u8],
        scales: &mut [f32],
        zeros: &mut [i32],
    ) {
        self.quantize_parts(rows, k, ColumnParts::default(), codes, scales, zeros);
    }

    /// Does [`GemmI8::quantize_rows`] for rows whose columns are fed in parts: each row becomes `k`
    /// codes, then those of the copies. The copied columns must be below `k`.
    ///
    /// # Panics
    /// If a slice is shorter than `m` rows need, or a copied column is out of range.
    pub fn quantize_parts(
        &self,
        rows: Left<'_, f32>,
        k: usize,
        parts: ColumnParts<'_>,
        codes: &mut [u8],
        scales: &mut [f32],
        zeros: &mut [i32],
    ) {
        let width = k.saturating_add(parts.copies.len());
        let bytes = width.saturating_mul(self.code_bytes);
        assert!(
            k.is_multiple_of(super::super::ROW_PAD) && width.is_multiple_of(super::super::ROW_PAD),
            "k must be padded"
        );
        rows.check(k);
        assert!(parts.factors.is_empty() || parts.factors.len() >= k, "fewer factors than columns");
        assert!(codes.len() >= rows.m.saturating_mul(bytes), "the codes are shorter than their shape");
        assert!(scales.len() >= rows.m && zeros.len() >= rows.m, "fewer scales or zero points than rows");
        let factors = pointer(parts.factors);
        let max_code = self.max_code(width);
        for row in 0..rows.m {
            let (from, to) = (&rows.rows[row * rows.stride..][..k], &mut codes[row * bytes..][..bytes]);
            let job = ToCodes { x: from.as_ptr(), factors, len: k, max_code, codes: to.as_mut_ptr() };
            // SAFETY: `from` holds `k` elements, `to` at least `k` codes, and the factors, if any,
            // are `k`, as asserted; the kernel is one that this processor can run.
            (scales[row], zeros[row]) = unsafe { (self.quantize)(&job) };
            self.copy_codes(to, k, parts.copies);
        }
    }

    /// Copies the codes of columns to the end of a row, after its `k` codes.
    fn copy_codes(&self, row: &mut [u8], k: usize, copies: &[u32]) {
        let (codes, copied) = row.split_at_mut(k * self.code_bytes);
        let each = copied.chunks_exact_mut(self.code_bytes).zip(copies);
        each.for_each(|(to, &column)| {
            to.copy_from_slice(&codes[column as usize * self.code_bytes..][..self.code_bytes])
        });
    }

    /// Computes `a x b` with `m = a.scales.len()` rows.
    ///
    /// # Panics
    /// If an operand is shorter than its shape says.
    pub fn multiply(&self, a: QuantizedRows<'_>, b: PackedI8<'_>, out: Output<'_>) {
        let (m, Shape { n, k }) = (a.scales.len(), b.shape);
        let a_stride = k.saturating_mul(self.code_bytes);
        assert!(a.codes.len() >= m.saturating_mul(a_stride) && a.zeros.len() == m, "a is shorter than its shape");
        assert!(b.panels.len() >= b.shape.len() && b.scales.len() >= n && b.sums.len() >= n, "b is shorter than n x k");
        assert!(out.columns.end <= n, "there are {n} columns");
        assert!(out.row_scales.is_empty(), "the rows of an integer product have scales of their own");
        let finish = Finish::integers(a.scales, a.zeros, b.scales, b.sums);
        let job = ProductJob {
            m,
            steps: k / self.k_step,
            a: a.codes.as_ptr(),
            a_stride: step::<u8>(m, a_stride),
            b: b.panels.as_ptr().cast(),
            ..ProductJob::towards(out, m, self.nr, finish)
        };
        // SAFETY: the lengths were checked, and the table holds only kernels that this processor
        // can run.
        unsafe { (self.run)(&job) }
    }

    /// Quantises a column (a row of a linear layer's weights, `[n, k]`) and writes it into its
    /// place in the panels. Returns the column's scale and the sum of its weights. The other
    /// elements must be zero.
    ///
    /// # Panics
    /// If the column or `panels` does not fit the shape.
    pub fn pack_column(&self, weights: &[f32], column: usize, shape: Shape, panels: &mut [i8]) -> (f32, i32) {
        let place = shape.place(column, self.nr, self.k_step, panels.len());
        pack_codes(weights, shape, place, self.k_step, panels)
    }
}

/// Returns the largest code of at most `limit` for rows of `k` codes, with as many bits as cannot
/// overflow the sum.
pub(in super::super) fn max_code(limit: i32, k: usize) -> i32 {
    let safe = i32::MAX as usize / k.max(1).saturating_mul(127);
    // A code has a whole number of bits: 2^b - 1.
    let bits = usize::BITS - 1 - (safe + 1).leading_zeros();
    limit.min(((1u64 << bits) - 1).min(i32::MAX as u64) as i32)
}

/// Quantises a column of weights and writes it into its place. Returns its scale and the sum of its
/// weights.
///
/// # Panics
/// If the column does not fit the shape.
pub(in super::super) fn pack_codes(
    weights: &[f32],
    shape: Shape,
    place: ColumnPlace,
    k_step: usize,
    panels: &mut [i8],
) -> (f32, i32) {
    assert!(weights.len() <= shape.k, "a column of {} elements is longer than {}", weights.len(), shape.k);
    let scale = largest_size(weights) / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut sum = 0;
    let mut codes = [0; CODES];
    // Blocks end at the ends of steps.
    for (block, weights) in weights.chunks(CODES).enumerate() {
        let codes = &mut codes[..weights.len()];
        codes.iter_mut().zip(weights).for_each(|(code, w)| *code = nearest(w * inverse) as i8);
        sum += codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        let place = place.behind(block * CODES);
        match k_step {
            4 => place.write_steps::<4>(codes, panels),
            _ => place.write(codes.iter().copied(), panels),
        }
    }
    (scale, sum)
}

/// Number of weights that get codes together: a multiple of every `k_step`.
const CODES: usize = 256;

/// Returns the largest absolute value; NaN is ignored.
pub(crate) fn largest_size(numbers: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (blocks, rest) = numbers.as_chunks::<16>();
    // Each lane has its own maximum. With one maximum, each comparison would wait for the one
    // before.
    let mut lanes = [0.0; 16];
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, x)| *lane = larger(*lane, x.abs()));
    }
    lanes.into_iter().chain(rest.iter().map(|x| x.abs())).fold(0.0, larger)
}

/// Returns the nearest integer, halves to even, for an absolute value below 2^22. Adding 1.5 x 2^23
/// leaves it in the low bits of the mantissa. The library's `round` is a call where SSE4.1 cannot
/// be assumed.
pub(crate) fn nearest(x: f32) -> i32 {
    (x + 12_582_912.0).to_bits().wrapping_sub(0x4b40_0000) as i32
}
