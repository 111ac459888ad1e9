//! Functions of single numbers that stand behind a product.

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

/// `erf(t / sqrt 2) / t` for `|t| <= 5.2` as a polynomial in `s = 2 t^2 / 5.2^2 - 1`, lowest power first: a minimax fit (Lawson's
/// weights over Chebyshev nodes) of 12 powers. GELU is within 1.3e-6 of the exact value for `|x| <= 12`.
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
/// Beyond, erf is 1 to the last digit.
const ERF_END: f32 = 5.2;

/// `x Phi(x) = x/2 + x/2 erf(x / sqrt 2)`, step by step for all `G` vectors: each step waits four cycles for the one before.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
unsafe fn gelu<S: Simd, const G: usize>(x: [S::F; G]) -> [S::F; G] {
    // SAFETY: the caller's promise.
    unsafe {
        let (mut t, mut s, mut p, mut y) = (x, x, [S::splat(ERF[12]); G], x);
        for g in 0..G {
            t[g] = S::max(S::min(x[g], S::splat(ERF_END)), S::splat(-ERF_END));
            s[g] = S::mul_add(S::mul(t[g], t[g]), S::splat(2.0 / (ERF_END * ERF_END)), S::splat(-1.0));
        }
        for power in (0..12).rev() {
            for g in 0..G {
                p[g] = S::mul_add(p[g], s[g], S::splat(ERF[power]));
            }
        }
        for g in 0..G {
            let half = S::mul(x[g], S::splat(0.5));
            y[g] = S::mul_add(half, S::mul(p[g], t[g]), half);
        }
        y
    }
}

/// `1 / (1 + e^-x)`.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
unsafe fn sigmoid<S: Simd>(x: S::F) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        // e^88 is the largest that fits; the sigmoid is 0 there to the last digit that counts.
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
            Activation::Gelu => return gelu::<S, G>(x),
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
