//! Norms of rows: layer norm and RMS norm.

use super::simd::{Simd, check_padded};

/// The operands of [`layer_norm`] beside the row.
pub(super) struct NormOperands {
    pub(super) gamma: *const f32,
    pub(super) beta: *const f32,
    /// Number of elements that count; the rest of `padded` are zeros and stay so.
    pub(super) len: usize,
    pub(super) padded: usize,
    pub(super) eps: f32,
}

impl NormOperands {
    /// # Panics
    /// If the lengths are not padded or do not fit.
    pub(super) fn new(gamma: &[f32], beta: &[f32], len: usize, eps: f32) -> Self {
        let padded = gamma.len();
        check_padded(padded);
        assert!(beta.len() == padded && len <= padded, "gamma and beta of {padded}");
        Self { gamma: gamma.as_ptr(), beta: beta.as_ptr(), len, padded, eps }
    }
}

/// Computes `(x - mean) / sqrt(variance + eps) * gamma + beta` (Ba et al. 2016) in place, with the
/// variance in a second pass over the row.
///
/// # Safety
/// The instruction set is available; `x`, `gamma` and `beta` are good for `padded` elements, and
/// those beyond `len` are zero.
#[inline(always)]
pub(super) unsafe fn layer_norm<S: Simd>(x: *mut f32, norm: &NormOperands) {
    // SAFETY: the caller's promise.
    unsafe {
        let moments = Moments::<S>::of(x, norm);
        let mut i = 0;
        while i < norm.padded {
            S::store(x.add(i), moments.normalized(x, norm, i));
            i += S::LANES;
        }
    }
}

/// The mean of a row, and the reciprocal of its standard deviation.
pub(super) struct Moments<S: Simd> {
    center: S::F,
    scale: S::F,
}

impl<S: Simd> Moments<S> {
    /// # Safety
    /// As [`layer_norm`].
    #[inline(always)]
    pub(super) unsafe fn of(x: *const f32, norm: &NormOperands) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let count = norm.len as f32;
            let mut sums = [S::splat(0.0); 2];
            let mut i = 0;
            while i + 2 * S::LANES <= norm.padded {
                sums[0] = S::add(sums[0], S::load(x.add(i)));
                sums[1] = S::add(sums[1], S::load(x.add(i + S::LANES)));
                i += 2 * S::LANES;
            }
            // ROW_PAD is an even number of vectors on every instruction set except AVX-512, where a
            // row may end in a single one.
            if i < norm.padded {
                sums[0] = S::add(sums[0], S::load(x.add(i)));
            }
            let mean = S::sum(S::add(sums[0], sums[1])) / count;
            let center = S::splat(mean);
            let mut squares = [S::splat(0.0); 2];
            let mut i = 0;
            while i + 2 * S::LANES <= norm.len {
                for half in 0..2 {
                    let d = S::sub(S::load(x.add(i + half * S::LANES)), center);
                    squares[half] = S::mul_add(d, d, squares[half]);
                }
                i += 2 * S::LANES;
            }
            if i + S::LANES <= norm.len {
                let d = S::sub(S::load(x.add(i)), center);
                squares[0] = S::mul_add(d, d, squares[0]);
                i += S::LANES;
            }
            let mut rest = S::sum(S::add(squares[0], squares[1]));
            // The padding begins in this vector. Its zeros are no longer zero after the mean is
            // subtracted.
            for at in i..norm.len {
                rest += (*x.add(at) - mean) * (*x.add(at) - mean);
            }
            Self { center, scale: S::splat(1.0 / (rest / count + norm.eps).sqrt()) }
        }
    }

    /// Returns the vector of normalised numbers from `i` on.
    ///
    /// # Safety
    /// As [`layer_norm`]; `i` is a multiple of `LANES` below `padded`.
    #[inline(always)]
    pub(super) unsafe fn normalized(&self, x: *const f32, norm: &NormOperands, i: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe {
            let d = S::mul(S::sub(S::load(x.add(i)), self.center), self.scale);
            S::mul_add(d, S::load(norm.gamma.add(i)), S::load(norm.beta.add(i)))
        }
    }
}

/// The operands of [`rms_norm`] beside the row.
pub(super) struct RmsNorm {
    pub(super) gamma: *const f32,
    /// Number of elements that count; the rest of `padded` are zeros and stay so.
    pub(super) len: usize,
    pub(super) padded: usize,
    pub(super) eps: f32,
}

impl RmsNorm {
    /// # Panics
    /// If the lengths are not padded or do not fit.
    pub(super) fn new(gamma: &[f32], len: usize, eps: f32) -> Self {
        let padded = gamma.len();
        check_padded(padded);
        assert!(len <= padded, "gamma of {padded}");
        Self { gamma: gamma.as_ptr(), len, padded, eps }
    }
}

/// Computes `x / sqrt(mean of x^2 + eps) * gamma` (Zhang and Sennrich 2019) in place.
///
/// # Safety
/// The instruction set is available; `x` and `gamma` are good for `padded` elements, and those
/// beyond `len` are zero.
#[inline(always)]
pub(super) unsafe fn rms_norm<S: Simd>(x: *mut f32, norm: &RmsNorm) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut squares = [S::splat(0.0); 2];
        let mut i = 0;
        while i + 2 * S::LANES <= norm.padded {
            for half in 0..2 {
                let v = S::load(x.add(i + half * S::LANES));
                squares[half] = S::mul_add(v, v, squares[half]);
            }
            i += 2 * S::LANES;
        }
        if i < norm.padded {
            let v = S::load(x.add(i));
            squares[0] = S::mul_add(v, v, squares[0]);
        }
        let mean = S::sum(S::add(squares[0], squares[1])) / norm.len as f32;
        let scale = S::splat(1.0 / (mean + norm.eps).sqrt());
        let mut i = 0;
        while i < norm.padded {
            let y = S::mul(S::mul(S::load(x.add(i)), scale), S::load(norm.gamma.add(i)));
            S::store(x.add(i), y);
            i += S::LANES;
        }
    }
}
