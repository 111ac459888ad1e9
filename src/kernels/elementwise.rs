//! The operations of a layer between its products: activations, norms, softmax, quantising and
//! rounding of rows.
//!
//! Floors, for a Zen 4 core and a passage of 80 tokens of all-MiniLM-L6-v2 (6 layers, 384 wide,
//! 1,536 between): GELU 0.74 M elements of some 25 instructions, softmax 0.46 M of 18, quantising
//! 1.3 M of 6, layer norm 0.4 M of 8. At two vector instructions per cycle and 16 lanes this is 1 M
//! cycles, a tenth of the integer products' 2.3 GMAC / 64. On AVX2 with 8 lanes it is twice that,
//! but the products take twice as long too.

use super::activation::{Activation, activated};
use super::gemm::extent;
use super::gemm::products::Code;
use super::norms::{NormOperands, RmsNorm};
use super::simd::{self, ROW_PAD, Simd, check_padded};
use std::marker::PhantomData;

/// Applies `activation` to `len` elements, a multiple of `LANES`.
///
/// # Safety
/// The instruction set is available, and `at` is good for `len` reads and writes.
#[inline(always)]
pub(super) unsafe fn activate<S: Simd>(activation: Activation, at: *mut f32, len: usize) {
    let mut i = 0;
    while i < len {
        // SAFETY: the caller's promise.
        unsafe { S::store(at.add(i), activated::<S, 1>(activation, [S::load(at.add(i))])[0]) }
        i += S::LANES;
    }
}

/// Computes `out = a * b`, elementwise; `out` may be `a`.
///
/// # Safety
/// The instruction set is available, and the pointers are good for `len` elements, a multiple of
/// `LANES`.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd>(a: *const f32, b: *const f32, len: usize, out: *mut f32) {
    let mut i = 0;
    while i < len {
        // SAFETY: the caller's promise.
        unsafe { S::store(out.add(i), S::mul(S::load(a.add(i)), S::load(b.add(i)))) }
        i += S::LANES;
    }
}

/// Powers of e in one type of numbers.
///
/// # Safety
/// As [`Simd`].
pub(super) unsafe trait Powers {
    type Simd: Simd;
    /// The type of the powers in memory.
    type Number;
    /// Computes `e^x` for `x <= 0`.
    unsafe fn exp(x: <Self::Simd as Simd>::F) -> <Self::Simd as Simd>::F;
    /// Writes `LANES` powers.
    unsafe fn store(at: *mut Self::Number, x: <Self::Simd as Simd>::F);
}

/// Powers of f32, within 2 ULP.
pub(super) struct InF32<S>(PhantomData<S>);

// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl<S: Simd> Powers for InF32<S> {
    type Simd = S;
    type Number = f32;
    #[inline(always)]
    unsafe fn exp(x: S::F) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { simd::exp::<S>(x) }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, x: S::F) {
        // SAFETY: the caller's promise.
        unsafe { S::store(at, x) }
    }
}

/// Rows of `len` scores, and the destination of their powers, which may be the same memory.
pub(super) struct Exponentials<T> {
    pub(super) scores: *const f32,
    pub(super) len: usize,
    pub(super) powers: *mut T,
    pub(super) sums: *mut f32,
}

/// Writes `e^(score - max)` of `R` consecutive rows from `row` on and the sum of each: softmaxes
/// that are not yet divided by it. Sums are of the powers before they are rounded to
/// [`Powers::Number`]. Rows are computed in parallel, because in one row each step waits for the one
/// before.
///
/// # Safety
/// The instruction set is available, and the pointers are good for the rows, whose length is a
/// multiple of `LANES`.
#[inline(always)]
unsafe fn exp_side_by_side<P: Powers, const R: usize>(job: &Exponentials<P::Number>, row: usize) {
    let len = job.len;
    // SAFETY: the caller's promise.
    unsafe {
        let (scores, powers) = (job.scores.add(row * len), job.powers.add(row * len));
        let mut largest = [P::Simd::splat(f32::NEG_INFINITY); R];
        for i in (0..len).step_by(P::Simd::LANES) {
            for r in 0..R {
                largest[r] = P::Simd::max(largest[r], P::Simd::load(scores.add(r * len + i)));
            }
        }
        for r in 0..R {
            largest[r] = P::Simd::splat(P::Simd::largest(largest[r]));
        }
        let mut sum = [P::Simd::splat(0.0); R];
        for i in (0..len).step_by(P::Simd::LANES) {
            for r in 0..R {
                let e = P::exp(P::Simd::sub(P::Simd::load(scores.add(r * len + i)), largest[r]));
                P::store(powers.add(r * len + i), e);
                sum[r] = P::Simd::add(sum[r], e);
            }
        }
        for r in 0..R {
            *job.sums.add(row + r) = P::Simd::sum(sum[r]);
        }
    }
}

/// Does [`exp_side_by_side`] for any number of rows.
///
/// # Safety
/// As there, for `rows` rows. Scores that do not count are -inf.
#[inline(always)]
pub(super) unsafe fn exp_rows<P: Powers>(job: &Exponentials<P::Number>, rows: usize) {
    let mut row = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while row + 4 <= rows {
            exp_side_by_side::<P, 4>(job, row);
            row += 4;
        }
        while row < rows {
            exp_side_by_side::<P, 1>(job, row);
            row += 1;
        }
    }
}

/// A row to quantise, and its destination.
pub(super) struct ToCodes {
    pub(super) x: *const f32,
    /// The factor of each number, applied first; null for none.
    pub(super) factors: *const f32,
    pub(super) len: usize,
    pub(super) max_code: i32,
    pub(super) codes: *mut u8,
}

/// Quantises a row to codes of 0 to `max_code` and returns its scale and zero point; see the `gemm`
/// module. Codes cannot express NaN or infinity, so a row with one of them has NaN as its scale.
///
/// # Safety
/// The instruction set is available; `x` is good for `len` reads, a multiple of `LANES`, and
/// `codes` for as many codes; `factors` is null or good for as many reads.
#[inline(always)]
pub(super) unsafe fn quantize<S: Simd, C: Code>(row: &ToCodes) -> (f32, i32) {
    // SAFETY: the caller's promise.
    unsafe {
        match row.factors.is_null() {
            true => quantize_numbers::<S, C, false>(row),
            false => quantize_numbers::<S, C, true>(row),
        }
    }
}

impl ToCodes {
    /// Returns the numbers from `i` on, times their factors if there are any.
    ///
    /// # Safety
    /// As [`quantize`]; `i` is a multiple of `LANES` below `len`, and `factors` is not null if
    /// `SCALED`.
    #[inline(always)]
    unsafe fn numbers<S: Simd, const SCALED: bool>(&self, i: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe {
            let x = S::load(self.x.add(i));
            if SCALED { S::mul(x, S::load(self.factors.add(i))) } else { x }
        }
    }
}

/// Does [`quantize`] for numbers with or without factors.
///
/// # Safety
/// As there; `factors` is not null if `SCALED`.
#[inline(always)]
unsafe fn quantize_numbers<S: Simd, C: Code, const SCALED: bool>(row: &ToCodes) -> (f32, i32) {
    // SAFETY: the caller's promise.
    unsafe {
        let range = Range::<S>::of::<SCALED>(row);
        let least = -S::largest(S::sub(S::splat(0.0), range.least));
        let width = S::largest(range.largest) - least;
        let inverse = if width > 0.0 { row.max_code as f32 / width } else { 0.0 };
        let zero = (-least * inverse).round_ties_even();
        let (factor, offset, top) = (S::splat(inverse), S::splat(zero), S::splat(row.max_code as f32));
        let mut i = 0;
        while i < row.len {
            let code = S::mul_add(row.numbers::<S, SCALED>(i), factor, offset);
            let code = S::max(S::min(code, top), S::splat(0.0));
            C::store::<S>(row.codes.add(i * C::BYTES), S::round(code));
            i += S::LANES;
        }
        (width / row.max_code as f32 + S::sum(range.poison), zero as i32 - C::SHIFT)
    }
}

/// The range of numbers, per lane.
struct Range<S: Simd> {
    least: S::F,
    largest: S::F,
    /// 0 while all numbers are finite.
    poison: S::F,
}

impl<S: Simd> Range<S> {
    /// Returns the range of a row. It always includes 0, so that padding and zeros are exact.
    ///
    /// # Safety
    /// As [`quantize_numbers`].
    #[inline(always)]
    unsafe fn of<const SCALED: bool>(row: &ToCodes) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = S::splat(0.0);
            // There are two, because each step of one waits for the step before.
            let mut even = Self { least: zero, largest: zero, poison: zero };
            let mut odd = Self { least: zero, largest: zero, poison: zero };
            let mut i = 0;
            while i + 2 * S::LANES <= row.len {
                even.add(row.numbers::<S, SCALED>(i));
                odd.add(row.numbers::<S, SCALED>(i + S::LANES));
                i += 2 * S::LANES;
            }
            if i < row.len {
                even.add(row.numbers::<S, SCALED>(i));
            }
            Self {
                least: S::min(even.least, odd.least),
                largest: S::max(even.largest, odd.largest),
                poison: S::add(even.poison, odd.poison),
            }
        }
    }

    /// # Safety
    /// The instruction set is available.
    #[inline(always)]
    unsafe fn add(&mut self, v: S::F) {
        // SAFETY: the caller's promise.
        unsafe {
            (self.least, self.largest) = (S::min(self.least, v), S::max(self.largest, v));
            self.poison = S::mul_add(v, S::splat(0.0), self.poison);
        }
    }
}

/// The two matrices of a transposition; strides in elements.
pub(super) struct Transposition {
    pub(super) rows: *const f32,
    pub(super) stride: usize,
    pub(super) num_rows: usize,
    pub(super) num_columns: usize,
    pub(super) out: *mut f32,
    pub(super) out_stride: usize,
}

/// Writes the transpose of `num_rows` rows of `num_columns` numbers, block by block. The output's
/// columns beyond `num_rows`, up to its padding, become zero.
///
/// # Safety
/// The instruction set is available; the pointers are good for their shapes; `num_columns` is a
/// multiple of `LANES`, and the output has a row for each, good for `num_rows` rounded up to a
/// multiple of `LANES`.
#[inline(always)]
pub(super) unsafe fn transpose<S: Simd>(job: &Transposition) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut block = [S::splat(0.0); ROW_PAD];
        for first in (0..job.num_rows).step_by(S::LANES) {
            for column in (0..job.num_columns).step_by(S::LANES) {
                for lane in 0..S::LANES {
                    block[lane] = match first + lane < job.num_rows {
                        true => S::load(job.rows.add((first + lane) * job.stride + column)),
                        false => S::splat(0.0),
                    };
                }
                S::transpose(&mut block[..S::LANES]);
                for lane in 0..S::LANES {
                    S::store(job.out.add((column + lane) * job.out_stride + first), block[lane]);
                }
            }
        }
    }
}

/// The elementwise kernels of one instruction set. Lengths are multiples of [`ROW_PAD`].
#[derive(Debug, Clone, Copy)]
pub struct Elementwise {
    pub(super) activate: unsafe fn(Activation, *mut f32, usize),
    pub(super) multiply: unsafe fn(*const f32, *const f32, usize, *mut f32),
    pub(super) layer_norm: unsafe fn(*mut f32, &NormOperands),
    pub(super) rms_norm: unsafe fn(*mut f32, &RmsNorm),
    pub(super) exp_rows: unsafe fn(&Exponentials<f32>, usize),
    pub(super) to_bf16: unsafe fn(*const f32, usize, *mut u16),
    pub(super) transpose: unsafe fn(&Transposition),
}

impl Elementwise {
    /// Applies a function to every element.
    ///
    /// # Panics
    /// If the length is not padded.
    pub fn activate(&self, activation: Activation, x: &mut [f32]) {
        check_padded(x.len());
        // SAFETY: the slice is good for its padded length, and the kernel is one that this
        // processor can run.
        unsafe { (self.activate)(activation, x.as_mut_ptr(), x.len()) }
    }

    /// Computes `a *= b`, elementwise.
    ///
    /// # Panics
    /// If the lengths differ or are not padded.
    pub fn multiply(&self, a: &mut [f32], b: &[f32]) {
        check_padded(a.len());
        assert_eq!(a.len(), b.len(), "the operands must have one length");
        // SAFETY: both slices are good for their padded length, and the kernel is one that this
        // processor can run.
        unsafe { (self.multiply)(a.as_ptr(), b.as_ptr(), a.len(), a.as_mut_ptr()) }
    }

    /// Applies layer norm to each row of `gamma.len()` elements, of which the first `len` count.
    /// `eps` is added to the variance. Padding must be zero in all three, and stays so.
    ///
    /// # Panics
    /// If the lengths are not padded or do not fit.
    pub fn layer_norm(&self, rows: &mut [f32], gamma: &[f32], beta: &[f32], len: usize, eps: f32) {
        let norm = NormOperands::new(gamma, beta, len, eps);
        assert!(rows.len().is_multiple_of(norm.padded), "rows of {}", norm.padded);
        for row in rows.chunks_exact_mut(norm.padded) {
            // SAFETY: every slice is good for `padded` elements, and the kernel is one that this
            // processor can run.
            unsafe { (self.layer_norm)(row.as_mut_ptr(), &norm) }
        }
    }

    /// Applies an RMS norm to each row of `gamma.len()` elements, of which the first `len` count:
    /// `x / sqrt(mean of x^2 + eps) * gamma`. Padding must be zero in both, and stays so.
    ///
    /// # Panics
    /// If the lengths are not padded or do not fit.
    pub fn rms_norm(&self, rows: &mut [f32], gamma: &[f32], len: usize, eps: f32) {
        let norm = RmsNorm::new(gamma, len, eps);
        assert!(rows.len().is_multiple_of(norm.padded), "rows of {}", norm.padded);
        for row in rows.chunks_exact_mut(norm.padded) {
            // SAFETY: both slices are good for `padded` elements, and the kernel is one that this
            // processor can run.
            unsafe { (self.rms_norm)(row.as_mut_ptr(), &norm) }
        }
    }

    /// Replaces each of `sums.len()` rows by `e^(x - max)` and writes the sum of each; -inf adds
    /// nothing.
    ///
    /// # Panics
    /// If there are no rows of one padded length.
    pub fn exp_rows(&self, rows: &mut [f32], sums: &mut [f32]) {
        let len = rows.len() / sums.len();
        check_padded(len);
        assert_eq!(rows.len(), len * sums.len(), "the rows must have one length");
        let powers = rows.as_mut_ptr();
        let job = Exponentials { scores: powers, len, powers, sums: sums.as_mut_ptr() };
        // SAFETY: the slices are good for `sums.len()` rows and sums, and the kernel is one that
        // this processor can run.
        unsafe { (self.exp_rows)(&job, sums.len()) }
    }

    /// Rounds to bfloat16, halves to even.
    ///
    /// # Panics
    /// If the lengths differ or are not padded.
    pub fn to_bf16(&self, x: &[f32], out: &mut [u16]) {
        check_padded(x.len());
        assert_eq!(x.len(), out.len(), "the operands must have one length");
        // SAFETY: both slices are good for their padded length, and the kernel is one that this
        // processor can run.
        unsafe { (self.to_bf16)(x.as_ptr(), x.len(), out.as_mut_ptr()) }
    }

    /// Writes the transpose of the `num_rows` rows of `num_columns` numbers that begin `stride`
    /// apart in `rows`. The output has `num_columns` rows of `num_rows` numbers, padded with zeros.
    ///
    /// # Panics
    /// If `num_columns` is not padded or a slice is shorter than its shape.
    pub fn transpose(&self, rows: &[f32], stride: usize, num_rows: usize, num_columns: usize, out: &mut [f32]) {
        check_padded(num_columns);
        let out_stride = simd::padded_len(num_rows);
        assert!(rows.len() >= extent(num_rows, num_columns, stride), "the rows are shorter than their shape");
        assert!(out.len() >= num_columns.saturating_mul(out_stride), "the output is shorter than its shape");
        if num_columns == 0 {
            return;
        }
        // Blocks of vectors do not reach these rows.
        for row in out.chunks_exact_mut(out_stride.max(1)) {
            row[num_rows..].fill(0.0);
        }
        let (rows, out) = (rows.as_ptr(), out.as_mut_ptr());
        let job = Transposition { rows, stride, num_rows, num_columns, out, out_stride };
        // SAFETY: the lengths were checked, and the kernel is one that this processor can run.
        unsafe { (self.transpose)(&job) }
    }

    /// Does [`Elementwise::transpose`] for pairs of numbers of 16 bits: `rows` are rows of
    /// `num_pairs` pairs, back to back.
    ///
    /// # Panics
    /// If `num_pairs` is not padded or the output is shorter than its shape.
    pub fn transpose_pairs(&self, rows: &[u16], num_pairs: usize, out: &mut [u16]) {
        check_padded(num_pairs);
        let num_rows = rows.len() / (2 * num_pairs).max(1);
        let out_stride = simd::padded_len(num_rows);
        assert!(out.len() >= (2 * num_pairs).saturating_mul(out_stride), "the output is shorter than its shape");
        if num_rows == 0 {
            return;
        }
        // Blocks of vectors do not reach these rows.
        for row in out.chunks_exact_mut(2 * out_stride) {
            row[2 * num_rows..].fill(0);
        }
        let (rows, out) = (rows.as_ptr().cast(), out.as_mut_ptr().cast());
        let job = Transposition { rows, stride: num_pairs, num_rows, num_columns: num_pairs, out, out_stride };
        // SAFETY: the lengths were checked, a pair is moved like one f32, which needs no alignment
        // here, and the kernel is one that this processor can run.
        unsafe { (self.transpose)(&job) }
    }
}
