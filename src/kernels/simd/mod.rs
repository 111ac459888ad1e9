//! Vectors of f32 and i32, the basis of the engine's kernels.
//!
//! An operation (a tile of a matrix product, a layer norm, a softmax) is written once over
//! [`Simd`], and each instruction set supplies the vectors. The generic code is `#[inline(always)]`
//! and has no target features of its own. The entry functions of a table (see the `entries!`
//! macros) have `#[target_feature]`, and everything below them is inlined there.
//!
//! Rows are padded with zeros to whole blocks of [`ROW_PAD`] elements, a multiple of every `LANES`.
//! Therefore no kernel has a tail.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;

/// Number of elements in a block: rows of the engine's matrices are padded with zeros to a multiple
/// of it.
pub const ROW_PAD: usize = 16;

/// Returns `len` rounded up to whole blocks of [`ROW_PAD`]; `usize::MAX` if `usize` cannot hold it.
pub const fn padded_len(len: usize) -> usize {
    match len.checked_next_multiple_of(ROW_PAD) {
        Some(padded) => padded,
        None => usize::MAX,
    }
}

/// # Panics
/// If `len` is not a multiple of [`ROW_PAD`].
pub(super) fn check_padded(len: usize) {
    assert!(len.is_multiple_of(ROW_PAD), "rows must be padded to a multiple of {ROW_PAD}, found {len}");
}

/// Vectors of `LANES` elements.
///
/// # Safety
/// Methods may be called only where the implementation's instruction set is available. Pointers
/// need no alignment, and must be good for `LANES` elements.
pub(super) unsafe trait Simd {
    /// A vector of f32.
    type F: Copy;
    /// A vector of i32.
    type I: Copy;
    const LANES: usize;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(at: *const f32) -> Self::F;
    unsafe fn store(at: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// Computes `a * b + c`. It is rounded once if the hardware does so, and always in the same way
    /// on one instruction set.
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Returns the larger of each pair. NaN in `b` is returned; NaN in `a` may be lost, as on x86.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// Returns the smaller of each pair. NaN as in [`Simd::max`].
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// Returns `x`, with infinity in place of NaN.
    unsafe fn nan_to_infinity(x: Self::F) -> Self::F;
    /// Returns the sum of all lanes, added in a fixed order.
    unsafe fn sum(x: Self::F) -> f32;
    unsafe fn largest(x: Self::F) -> f32;

    /// Transposes `LANES` vectors.
    unsafe fn transpose(block: &mut [Self::F]);

    unsafe fn splat_i32(x: i32) -> Self::I;
    unsafe fn load_i32(at: *const i32) -> Self::I;
    unsafe fn add_i32(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I;
    /// Returns the low halves of the products.
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn and_i32(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn shift_left<const BITS: u32>(x: Self::I) -> Self::I;
    unsafe fn shift_right<const BITS: u32>(x: Self::I) -> Self::I;
    /// Returns the nearest integers, halves to even. Values must fit an i32.
    unsafe fn round(x: Self::F) -> Self::I;
    /// Returns the nearest floats.
    unsafe fn to_f32(x: Self::I) -> Self::F;
    /// Returns the same bits as integers.
    unsafe fn bits(x: Self::F) -> Self::I;
    /// Returns the same bits as floats.
    unsafe fn from_bits(x: Self::I) -> Self::F;

    /// Writes the low byte of each lane.
    unsafe fn store_low_u8(at: *mut u8, x: Self::I);
    /// Writes the low half of each lane.
    unsafe fn store_low_u16(at: *mut u16, x: Self::I);

    /// Reads bfloat16.
    #[inline(always)]
    unsafe fn widen_bf16(at: *const u16) -> Self::F {
        // SAFETY: good for LANES reads by contract.
        unsafe {
            let mut wide = [0; ROW_PAD];
            (0..Self::LANES).for_each(|lane| wide[lane] = i32::from(at.add(lane).read_unaligned()));
            Self::from_bits(Self::shift_left::<16>(Self::load_i32(wide.as_ptr())))
        }
    }

    /// Prefetches the cache line of an address, which may be any address.
    unsafe fn prefetch(at: *const u8);
    /// Does [`Simd::prefetch`] into the L2 cache.
    #[inline(always)]
    unsafe fn prefetch_l2(at: *const u8) {
        // SAFETY: an address may be anywhere.
        unsafe { Self::prefetch(at) }
    }
}

/// Computes `e^x`, for `x` up to about 88. Returns the smallest normal number below -87.3, and NaN
/// for NaN.
///
/// It uses `x = n ln 2 + r` with `|r| <= ln 2 / 2`, and a polynomial for `e^r` (Cephes `expf`,
/// Moshier): within 2 ULP.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::F) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        let x = S::max(S::splat(-87.33654), x);
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let whole = S::to_f32(n);
        let r = S::mul_add(whole, S::splat(-0.693_359_4), x);
        let r = S::mul_add(whole, S::splat(2.121_944_4e-4), r);
        let mut p = S::splat(1.987_569_1e-4);
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = S::mul_add(p, r, S::splat(c));
        }
        let p = S::mul_add(p, S::mul(r, r), S::add(r, S::splat(1.0)));
        // This computes 2^n from its exponent bits.
        let scale = S::from_bits(S::shift_left::<23>(S::add_i32(n, S::splat_i32(127))));
        S::mul(p, scale)
    }
}

/// Computes `2^x` for `x <= 0`, within 8e-5 of itself. Below -125 it is nearly zero; NaN for NaN.
///
/// It uses `x = n + r` with `|r| <= 1/2`. Adding 1.5 x 2^23 + 127 leaves `n + 127` in the low bits
/// of the mantissa, from where it goes to the exponent of `2^n`. `2^r` is a minimax fit of the
/// relative error (Lawson's weights over Chebyshev nodes), 7.5e-5. The result is rounded to
/// bfloat16, whose steps are 3.9e-3 wide. VSCALEFPS would save an instruction, but takes a hundred
/// cycles if its result is subnormal.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
pub(super) unsafe fn exp2<S: Simd>(x: S::F) -> S::F {
    const ROUNDER: f32 = 12_582_912.0 + 127.0;
    // SAFETY: the caller's promise.
    unsafe {
        let x = S::max(S::splat(-125.0), x);
        let shifted = S::add(x, S::splat(ROUNDER));
        let r = S::sub(x, S::sub(shifted, S::splat(ROUNDER)));
        let p = S::mul_add(S::splat(0.055_171_67), r, S::splat(0.242_611_13));
        let p = S::mul_add(S::mul_add(p, r, S::splat(0.693_260_97)), r, S::splat(0.999_928_06));
        S::mul(p, S::from_bits(S::shift_left::<23>(S::bits(shifted))))
    }
}

/// Rounds to the nearest bfloat16, halves to even, in the low half of each lane; the upper half is
/// not cleared. NaN becomes infinity, because the carry of rounding could turn some NaNs into
/// zeros.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
pub(super) unsafe fn round_bf16<S: Simd>(x: S::F) -> S::I {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = S::bits(S::nan_to_infinity(x));
        let odd = S::and_i32(S::shift_right::<16>(bits), S::splat_i32(1));
        S::shift_right::<16>(S::add_i32(bits, S::add_i32(odd, S::splat_i32(0x7fff))))
    }
}
