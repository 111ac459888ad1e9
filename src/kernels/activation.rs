//! Functions of single numbers that are applied after a product.

use super::simd::{self, Simd};

/// A function applied to every element after a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// `x Phi(x)` with the normal distribution's `Phi`, by erf.
    Gelu,
    /// GELU's approximation by tanh (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)`, also called swish.
    Silu,
}

/// Coefficients of `erf(t / sqrt 2) / t` for `|t| <= 5.2` as a polynomial in `s = 2 t^2 / 5.2^2 -
/// 1`, lowest power first. It is a minimax fit (Lawson's weights over Chebyshev nodes) of 12
/// powers. GELU is within 1.3e-6 of the exact value for `|x| <= 12`.
const ERF: [f32; 13] = [
    0.271_899_88,
    -0.135_486_81,
    0.100_060_34,
    -0.079_882_6,
    0.063_814_53,
    -0.049_186_833,
    0.036_774_34,
    -0.026_206_624,
    0.015_115_626,
    -0.007_011_503_4,
    0.005_707_269,
    -0.005_007_403_4,
    0.001_717_511_4,
];
/// The bound beyond which erf is 1 to the last digit.
const ERF_END: f32 = 5.2;

/// Coefficients for `|t| <= 4` in 6 powers, a fit that is exactly 1 at the end. GELU is within
/// 1.9e-4, less than half a step of bfloat16 wherever its result is larger than 0.1. A code of 8 bits
/// is some 0.02 wide behind GELU.
const ERF_BEFORE_ROUNDING: [f32; 7] =
    [0.351_941_53, -0.168_849_1, 0.110_790_23, -0.070_952_155, 0.048_295_79, -0.033_069_015, 0.011_842_723];
/// The bound beyond which erf counts as 1.
const ERF_BEFORE_ROUNDING_END: f32 = 4.0;

/// Computes `x Phi(x) = x/2 + x/2 erf(x / sqrt 2)` by a polynomial up to `end`. It advances all `G`
/// vectors step by step, because each step waits four cycles for the one before.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
unsafe fn gelu<S: Simd, const G: usize, const C: usize>(x: [S::F; G], erf: &[f32; C], end: f32) -> [S::F; G] {
    // SAFETY: the caller's promise.
    unsafe {
        let (mut t, mut s, mut p, mut y) = (x, x, [S::splat(erf[C - 1]); G], x);
        for g in 0..G {
            t[g] = S::max(S::min(x[g], S::splat(end)), S::splat(-end));
            s[g] = S::mul_add(S::mul(t[g], t[g]), S::splat(2.0 / (end * end)), S::splat(-1.0));
        }
        for power in (0..C - 1).rev() {
            for g in 0..G {
                p[g] = S::mul_add(p[g], s[g], S::splat(erf[power]));
            }
        }
        for g in 0..G {
            let half = S::mul(x[g], S::splat(0.5));
            y[g] = S::mul_add(half, S::mul(p[g], t[g]), half);
        }
        y
    }
}

/// Computes `1 / (1 + e^-x)`.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
unsafe fn sigmoid<S: Simd>(x: S::F) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        // e^88 is the largest power that fits. There the sigmoid is 0 to the last digit that
        // counts.
        let e = simd::exp::<S>(S::min(S::sub(S::splat(0.0), x), S::splat(88.0)));
        S::div(S::splat(1.0), S::add(S::splat(1.0), e))
    }
}

/// Applies `activation` to `G` vectors.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
pub(super) unsafe fn activated<S: Simd, const G: usize>(activation: Activation, mut x: [S::F; G]) -> [S::F; G] {
    // SAFETY: the caller's promise.
    unsafe {
        match activation {
            Activation::None => {}
            Activation::Gelu => return gelu::<S, G, 13>(x, &ERF, ERF_END),
            Activation::GeluTanh => {
                for x in &mut x {
                    // 0.5 (1 + tanh u) = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
                    let cubic = S::mul_add(S::mul(*x, S::splat(0.044_715)), S::mul(*x, *x), *x);
                    *x = S::mul(*x, sigmoid::<S>(S::mul(cubic, S::splat(1.595_769))));
                }
            }
            Activation::Relu => x.iter_mut().for_each(|x| *x = S::max(S::splat(0.0), *x)),
            Activation::Silu => x.iter_mut().for_each(|x| *x = S::mul(*x, sigmoid::<S>(*x))),
        }
        x
    }
}

/// Does [`activated`] for numbers that are rounded next, to bfloat16 or to codes of 8 bits.
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn activated_before_rounding<S: Simd, const G: usize>(
    activation: Activation,
    x: [S::F; G],
) -> [S::F; G] {
    // SAFETY: the caller's promise.
    unsafe {
        match activation {
            Activation::Gelu => gelu::<S, G, 7>(x, &ERF_BEFORE_ROUNDING, ERF_BEFORE_ROUNDING_END),
            other => activated::<S, G>(other, x),
        }
    }
}
