//! Row operations in front of products of bfloat16, for attention in rows: rounding, pairs of
//! neighbours, softmax.
//!
//! A product of bfloat16 multiplies pairs of neighbours in `k` (see `gemm`). The keys of a head are
//! such pairs already: two numbers of a key are 32 bits, which a transposition moves like one f32.
//! Values have their neighbours in the next row, so two rows are interleaved.
//!
//! Floor, for a Zen 4 core and a head of 80 tokens of 32: the products take 2 x 205,000
//! multiply-adds at 32 a cycle, 12,800 cycles, half of f32's. The 400 vectors of the softmax take
//! some 15 instructions each, 3,000 cycles at two a cycle; the other operations here less than
//! 1,000.

use super::elementwise::{Exponentials, Powers};
use super::gemm::extent;
use super::simd::{self, ROW_PAD, Simd, check_padded};
use std::marker::PhantomData;

/// The rounding of vectors to bfloat16, halves to even.
///
/// # Safety
/// As [`Simd`].
pub(super) unsafe trait Round {
    type Simd: Simd;
    /// Rounds and writes `LANES` numbers.
    unsafe fn store(at: *mut u16, x: <Self::Simd as Simd>::F);
}

/// Rounding by integer operations.
pub(super) struct ByIntegers<S>(PhantomData<S>);

// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl<S: Simd> Round for ByIntegers<S> {
    type Simd = S;
    #[inline(always)]
    unsafe fn store(at: *mut u16, x: S::F) {
        // SAFETY: the caller's promise.
        unsafe { S::store_low_u16(at, simd::round_bf16::<S>(x)) }
    }
}

/// Rounding by VCVTNEPS2BF16; subnormal numbers become zero.
#[cfg(target_arch = "x86_64")]
pub(super) struct ByInstruction;

// SAFETY: the method names the features that it needs, and touches LANES elements.
#[cfg(target_arch = "x86_64")]
unsafe impl Round for ByInstruction {
    type Simd = simd::avx512::Avx512;
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn store(at: *mut u16, x: std::arch::x86_64::__m512) {
        // SAFETY: good for LANES writes by contract; `__m256bh` has the size of 16 numbers of 16
        // bits, and its bits are theirs.
        unsafe { at.cast::<std::arch::x86_64::__m256bh>().write_unaligned(std::arch::x86_64::_mm512_cvtneps_pbh(x)) }
    }
}

/// Rounds `len` numbers.
///
/// # Safety
/// The instruction set is available; the pointers are good for `len` elements, a multiple of
/// `LANES`.
#[inline(always)]
pub(super) unsafe fn round<R: Round>(x: *const f32, len: usize, out: *mut u16) {
    for i in (0..len).step_by(R::Simd::LANES) {
        // SAFETY: the caller's promise.
        unsafe { R::store(out.add(i), R::Simd::load(x.add(i))) }
    }
}

/// Powers of e that are rounded to bfloat16, within 8e-5 of themselves before.
pub(super) struct Rounded<R>(PhantomData<R>);

// SAFETY: only calls the methods of the vectors and of the rounding, under the same contract.
unsafe impl<R: Round> Powers for Rounded<R> {
    type Simd = R::Simd;
    type Number = u16;
    #[inline(always)]
    unsafe fn exp(x: <R::Simd as Simd>::F) -> <R::Simd as Simd>::F {
        // SAFETY: the caller's promise.
        unsafe { simd::exp2::<R::Simd>(R::Simd::mul(x, R::Simd::splat(std::f32::consts::LOG2_E))) }
    }
    #[inline(always)]
    unsafe fn store(at: *mut u16, x: <R::Simd as Simd>::F) {
        // SAFETY: the caller's promise.
        unsafe { R::store(at, x) }
    }
}

/// Writes the numbers of two rows alternately: `a[0], b[0], a[1], ...`.
///
/// # Safety
/// The instruction set is available; `a` and `b` are good for `len` numbers, a multiple of `LANES`,
/// and `out` for twice as many.
#[inline(always)]
pub(super) unsafe fn interleave<S: Simd>(a: *const u16, b: *const u16, len: usize, out: *mut u16) {
    for i in (0..len).step_by(S::LANES) {
        // SAFETY: the caller's promise. A widened number is the upper half of 32 bits.
        unsafe {
            let low = S::shift_right::<16>(S::bits(S::widen_bf16(a.add(i))));
            let pairs = S::add_i32(low, S::bits(S::widen_bf16(b.add(i))));
            S::store(out.add(2 * i).cast(), S::from_bits(pairs));
        }
    }
}

/// The row operations of processors that multiply bfloat16 themselves. Lengths are multiples of
/// [`ROW_PAD`].
#[derive(Debug, Clone, Copy)]
pub struct Bf16Rows {
    pub(super) round: unsafe fn(*const f32, usize, *mut u16),
    pub(super) softmax: unsafe fn(&Exponentials<u16>, usize),
    pub(super) interleave: unsafe fn(*const u16, *const u16, usize, *mut u16),
}

impl Bf16Rows {
    /// Rounds to bfloat16, halves to even. Subnormal numbers may become zero.
    ///
    /// # Panics
    /// If the lengths differ or are not padded.
    pub fn round(&self, x: &[f32], out: &mut [u16]) {
        check_padded(x.len());
        assert_eq!(x.len(), out.len(), "the operands must have one length");
        // SAFETY: both slices are good for their padded length, and the kernel is one that this
        // processor can run.
        unsafe { (self.round)(x.as_ptr(), x.len(), out.as_mut_ptr()) }
    }

    /// Writes `e^(score - max)` for each of `sums.len()` rows as bfloat16, and the sum of each
    /// before rounding. Scores of -inf add nothing. Powers are within 8e-5 of themselves, a
    /// fiftieth of a step of bfloat16.
    ///
    /// # Panics
    /// If there are no rows of one padded length.
    pub fn softmax(&self, scores: &[f32], weights: &mut [u16], sums: &mut [f32]) {
        let len = scores.len() / sums.len();
        check_padded(len);
        assert_eq!(scores.len(), len * sums.len(), "the rows must have one length");
        assert_eq!(scores.len(), weights.len(), "there must be a weight for each score");
        let powers = weights.as_mut_ptr();
        let job = Exponentials { scores: scores.as_ptr(), len, powers, sums: sums.as_mut_ptr() };
        // SAFETY: the slices are good for `sums.len()` rows and sums, and the kernel is one that
        // this processor can run.
        unsafe { (self.softmax)(&job, sums.len()) }
    }

    /// Packs rows of `dim` numbers as panels of `nr` columns of a product, `[dim / nr][rows / 2]
    /// [nr][2]`. An odd number of rows is padded with a row of zeros.
    ///
    /// # Panics
    /// If `nr` is not padded, `dim` is not a multiple of it, or the output is too short.
    pub fn pack_rows(&self, rows: &[u16], dim: usize, nr: usize, out: &mut [u16]) {
        check_padded(nr);
        assert!(dim.is_multiple_of(nr), "rows of {dim} are not whole panels of {nr}");
        let count = rows.len() / dim.max(1);
        let pairs = count.div_ceil(2);
        assert!(out.len() >= extent(2 * pairs, dim, dim), "the output is shorter than its shape");
        const ZEROS: [u16; ROW_PAD] = [0; ROW_PAD];
        for (panel, first) in (0..dim).step_by(nr).enumerate() {
            for pair in 0..pairs {
                for column in (0..nr).step_by(ROW_PAD) {
                    let numbers = |row: usize| match row < count {
                        true => &rows[row * dim + first + column..][..ROW_PAD],
                        false => &ZEROS,
                    };
                    let (a, b) = (numbers(2 * pair), numbers(2 * pair + 1));
                    let to = &mut out[((panel * pairs + pair) * nr + column) * 2..][..2 * ROW_PAD];
                    // SAFETY: all three are good for `ROW_PAD` numbers, the output for twice as
                    // many, and the kernel is one that this processor can run.
                    unsafe { (self.interleave)(a.as_ptr(), b.as_ptr(), ROW_PAD, to.as_mut_ptr()) }
                }
            }
        }
    }
}
