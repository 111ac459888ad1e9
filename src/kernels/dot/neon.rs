//! Dot products for 64-bit Arm (Advanced SIMD).
//!
//! Compiled for aarch64 and tested under qemu, because no Arm machine was available. Half precision
//! is converted with integer operations, because its intrinsics are stable only from Rust 1.94 on.
//! i8 uses 16-bit products, because SDOT has no stable intrinsic.

use super::lane::{Lane, UNROLL, padded};
use std::arch::aarch64::*;

pub(super) mod base {
    drivers!("neon", 2 x 2);
}

/// Eight f32 lanes in two registers. With one register, each addition would wait for the one
/// before.
type Pair = (float32x4_t, float32x4_t);

#[inline]
#[target_feature(enable = "neon")]
fn multiply_add_pair(sum: Pair, query: Pair, row: Pair) -> Pair {
    (vfmaq_f32(sum.0, query.0, row.0), vfmaq_f32(sum.1, query.1, row.1))
}

/// Returns the sum of all lanes, neighbours first.
#[inline]
#[target_feature(enable = "neon")]
fn sum_f32([a, b]: [Pair; UNROLL]) -> f32 {
    let four = vaddq_f32(vaddq_f32(a.0, b.0), vaddq_f32(a.1, b.1));
    let two = vpaddq_f32(four, four);
    vgetq_lane_f32::<0>(vpaddq_f32(two, two))
}

/// f32, in chunks of 8.
pub(super) struct F32;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for F32 {
    type Elem = f32;
    type Score = f32;
    type Chunk = Pair;
    type Sum = Pair;
    const WIDTH: usize = 8;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn zero() -> Pair {
        (vdupq_n_f32(0.0), vdupq_n_f32(0.0))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(at: *const f32) -> Pair {
        // SAFETY: 8 reads by contract.
        unsafe { (vld1q_f32(at), vld1q_f32(at.add(4))) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_tail(at: *const f32, len: usize) -> Pair {
        // SAFETY: `len` reads by contract; the padded copy holds 8.
        unsafe { Self::load(padded::<_, 8>(at, len).as_ptr()) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply_add(sum: Pair, query: Pair, row: Pair) -> Pair {
        multiply_add_pair(sum, query, row)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(sums: [Pair; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// Half precision, in chunks of 8, converted to f32 on loading.
pub(super) struct F16;

/// Converts halves to f32, exactly, with the steps of the scalar conversion.
#[inline]
#[target_feature(enable = "neon")]
fn widen_f16(halves: uint16x4_t) -> float32x4_t {
    let bits = vmovl_u16(halves);
    let sign = vshlq_n_u32::<16>(vandq_u32(bits, vdupq_n_u32(0x8000)));
    let rest = vandq_u32(bits, vdupq_n_u32(0x7fff));
    let scale = vreinterpretq_f32_u32(vdupq_n_u32(0x7780_0000));
    let scaled = vmulq_f32(vreinterpretq_f32_u32(vshlq_n_u32::<13>(rest)), scale);
    let not_finite = vcgeq_u32(rest, vdupq_n_u32(0x7c00));
    let infinite = vandq_u32(not_finite, vdupq_n_u32(0x7f80_0000));
    vreinterpretq_f32_u32(vorrq_u32(vorrq_u32(vreinterpretq_u32_f32(scaled), infinite), sign))
}

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for F16 {
    type Elem = u16;
    type Score = f32;
    type Chunk = Pair;
    type Sum = Pair;
    const WIDTH: usize = 8;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn zero() -> Pair {
        (vdupq_n_f32(0.0), vdupq_n_f32(0.0))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(at: *const u16) -> Pair {
        // SAFETY: 8 reads by contract.
        let halves = unsafe { vld1q_u16(at) };
        (widen_f16(vget_low_u16(halves)), widen_f16(vget_high_u16(halves)))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_tail(at: *const u16, len: usize) -> Pair {
        // SAFETY: `len` reads by contract; the padded copy holds 8.
        unsafe { Self::load(padded::<_, 8>(at, len).as_ptr()) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply_add(sum: Pair, query: Pair, row: Pair) -> Pair {
        multiply_add_pair(sum, query, row)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(sums: [Pair; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// bfloat16, in chunks of 8: each is the upper half of an f32.
pub(super) struct Bf16;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for Bf16 {
    type Elem = u16;
    type Score = f32;
    type Chunk = Pair;
    type Sum = Pair;
    const WIDTH: usize = 8;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn zero() -> Pair {
        (vdupq_n_f32(0.0), vdupq_n_f32(0.0))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(at: *const u16) -> Pair {
        // SAFETY: 8 reads by contract.
        let halves = unsafe { vld1q_u16(at) };
        let low = vshlq_n_u32::<16>(vmovl_u16(vget_low_u16(halves)));
        let high = vshlq_n_u32::<16>(vmovl_u16(vget_high_u16(halves)));
        (vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_tail(at: *const u16, len: usize) -> Pair {
        // SAFETY: `len` reads by contract; the padded copy holds 8.
        unsafe { Self::load(padded::<_, 8>(at, len).as_ptr()) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply_add(sum: Pair, query: Pair, row: Pair) -> Pair {
        multiply_add_pair(sum, query, row)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(sums: [Pair; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// i8, in chunks of 16. A product is at most 2^14 and fits i16; SADALP widens as it adds pairs. No
/// overflow, -128 included.
pub(super) struct I8;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for I8 {
    type Elem = i8;
    type Score = i32;
    type Chunk = int8x16_t;
    type Sum = int32x4_t;
    const WIDTH: usize = 16;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn zero() -> int32x4_t {
        vdupq_n_s32(0)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(at: *const i8) -> int8x16_t {
        // SAFETY: 16 reads by contract.
        unsafe { vld1q_s8(at) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_tail(at: *const i8, len: usize) -> int8x16_t {
        // SAFETY: `len` reads by contract; the padded copy holds 16.
        unsafe { Self::load(padded::<_, 16>(at, len).as_ptr()) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply_add(sum: int32x4_t, query: int8x16_t, row: int8x16_t) -> int32x4_t {
        let sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(query), vget_low_s8(row)));
        vpadalq_s16(sum, vmull_s8(vget_high_s8(query), vget_high_s8(row)))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish([a, b]: [int32x4_t; UNROLL], _bias: i32) -> i32 {
        vaddvq_s32(vaddq_s32(a, b))
    }
}
