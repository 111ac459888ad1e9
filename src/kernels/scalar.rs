//! Every kernel in plain loops: the fallback for processors without a known SIMD, and the oracle
//! for testing the SIMD kernels.
//!
//! The float sums run in one f32 accumulator from the first element to the last. They multiply,
//! then add: without FMA hardware, a fused step is a slow library call. A test that needs a more
//! exact value uses f64.

/// Converts an IEEE half to f32: exact, subnormal numbers, infinities and NaN included.
pub(super) fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff) << 13;
    // Exponent and mantissa are where f32 has them, but the exponent is 112 too low. The
    // multiplication is exact and makes subnormal halves normal.
    let scaled = f32::from_bits(rest) * f32::from_bits(0x7780_0000);
    let infinite = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(scaled.to_bits() | infinite | sign)
}

/// Converts a bfloat16 to f32, exactly.
pub(super) fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

macro_rules! float_dot {
    ($name:ident, $elem:ty, $widen:expr, $what:literal) => {
        #[doc = concat!("The dot product of two ", $what, " vectors of equal length.")]
        pub(super) fn $name(a: &[$elem], b: &[$elem]) -> f32 {
            a.iter().zip(b).fold(0.0, |sum, (&x, &y)| sum + $widen(x) * $widen(y))
        }
    };
}

fn same(x: f32) -> f32 {
    x
}

float_dot!(dot_f32, f32, same, "f32");
float_dot!(dot_f16, u16, f16_to_f32, "half precision");
float_dot!(dot_bf16, u16, bf16_to_f32, "bfloat16");

/// Computes the dot product of two i8 vectors of equal length; exact up to [`super::MAX_I8_LEN`],
/// modulo 2^32 beyond.
pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (&x, &y)| sum.wrapping_add(i32::from(x) * i32::from(y)))
}

/// Computes the cosine of two f32 vectors of equal length, with sums in f64. There the square of a
/// finite f32 never overflows, and is only zero for zero. Returns 0 if one of the vectors is all
/// zeros. Slow, for vectors whose squares f32 cannot hold.
pub(crate) fn cosine_wide(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).fold(0.0f64, |sum, (&p, &q)| sum + f64::from(p) * f64::from(q));
    let norms = dot(a, a).sqrt() * dot(b, b).sqrt();
    if norms == 0.0 { 0.0 } else { (dot(a, b) / norms).clamp(-1.0, 1.0) as f32 }
}
