//! Dot products for AVX-512 in three levels: the base (F, BW, VL), VNNI for i8, BF16 for bfloat16.
//! Tails are read with masks, which never touch memory beyond them.

use super::avx2::sum_lanes;
use super::lane::{Lane, UNROLL};
use std::arch::x86_64::*;

pub(super) mod base {
    drivers!("avx512f,avx512bw,avx512vl", 4 x 2);
}
pub(super) mod vnni {
    drivers!("avx512f,avx512bw,avx512vl,avx512vnni", 4 x 2);
}
pub(super) mod bf16 {
    drivers!("avx512f,avx512bw,avx512vl,avx512bf16", 4 x 2);
}

/// Returns the sum of both accumulators' lanes: halves are added until one lane is left.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn sum_f32([a, b]: [__m512; UNROLL]) -> f32 {
    let sum = _mm512_add_ps(a, b);
    let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sum)));
    sum_lanes(_mm256_add_ps(_mm512_castps512_ps256(sum), high))
}

/// Does [`sum_f32`] for integers, where the order does not matter.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn sum_i32([a, b]: [__m512i; UNROLL]) -> i32 {
    _mm512_reduce_add_epi32(_mm512_add_epi32(a, b))
}

/// f32, in chunks of 16.
pub(super) struct F32;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for F32 {
    type Elem = f32;
    type Score = f32;
    type Chunk = __m512;
    type Sum = __m512;
    const WIDTH: usize = 16;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const f32) -> __m512 {
        // SAFETY: 16 reads by contract.
        unsafe { _mm512_loadu_ps(at) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_tail(at: *const f32, len: usize) -> __m512 {
        // SAFETY: the mask admits the first `len` elements only.
        unsafe { _mm512_maskz_loadu_ps((1 << len) - 1, at) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn multiply_add(sum: __m512, query: __m512, row: __m512) -> __m512 {
        _mm512_fmadd_ps(query, row, sum)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn finish(sums: [__m512; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// Half precision, in chunks of 16, converted to f32 on loading.
pub(super) struct F16;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for F16 {
    type Elem = u16;
    type Score = f32;
    type Chunk = __m512;
    type Sum = __m512;
    const WIDTH: usize = 16;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const u16) -> __m512 {
        // SAFETY: 16 reads by contract.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_tail(at: *const u16, len: usize) -> __m512 {
        // SAFETY: the mask admits the first `len` elements only.
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((1 << len) - 1, at.cast())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn multiply_add(sum: __m512, query: __m512, row: __m512) -> __m512 {
        _mm512_fmadd_ps(query, row, sum)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn finish(sums: [__m512; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// bfloat16 without its own instructions, in chunks of 32. A pair is one 32-bit lane, and either
/// half of the lane, with the other cleared, is the f32 of that element.
pub(super) struct Bf16;

/// Returns the even and the odd elements as f32.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn split_bf16(pairs: __m512i) -> (__m512, __m512) {
    let even = _mm512_slli_epi32::<16>(pairs);
    let odd = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
    (_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd))
}

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for Bf16 {
    type Elem = u16;
    type Score = f32;
    type Chunk = (__m512, __m512);
    type Sum = __m512;
    const WIDTH: usize = 32;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const u16) -> (__m512, __m512) {
        // SAFETY: 32 reads by contract.
        split_bf16(unsafe { _mm512_loadu_si512(at.cast()) })
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_tail(at: *const u16, len: usize) -> (__m512, __m512) {
        // SAFETY: the mask admits the first `len` elements only.
        split_bf16(unsafe { _mm512_maskz_loadu_epi16((1 << len) - 1, at.cast()) })
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn multiply_add(sum: __m512, query: (__m512, __m512), row: (__m512, __m512)) -> __m512 {
        _mm512_fmadd_ps(query.1, row.1, _mm512_fmadd_ps(query.0, row.0, sum))
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn finish(sums: [__m512; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// bfloat16 by VDPBF16PS, in chunks of 32. The instruction treats subnormal numbers as zero.
pub(super) struct Bf16Native;

// SAFETY: every method names the features that it needs and reads what the trait says. `__m512bh`
// has the size of `__m512i` and no invalid values.
unsafe impl Lane for Bf16Native {
    type Elem = u16;
    type Score = f32;
    type Chunk = __m512bh;
    type Sum = __m512;
    const WIDTH: usize = 32;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn load(at: *const u16) -> __m512bh {
        // SAFETY: 32 reads by contract.
        unsafe { std::mem::transmute(_mm512_loadu_si512(at.cast())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn load_tail(at: *const u16, len: usize) -> __m512bh {
        // SAFETY: the mask admits the first `len` elements only.
        unsafe { std::mem::transmute(_mm512_maskz_loadu_epi16((1 << len) - 1, at.cast())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn multiply_add(sum: __m512, query: __m512bh, row: __m512bh) -> __m512 {
        _mm512_dpbf16_ps(sum, query, row)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn finish(sums: [__m512; UNROLL], _bias: i32) -> f32 {
        sum_f32(sums)
    }
}

/// i8 without VNNI, in chunks of 32, widened to i16 on loading. VPMADDWD adds two products of at
/// most 2^14: no overflow, -128 included.
pub(super) struct I8;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for I8 {
    type Elem = i8;
    type Score = i32;
    type Chunk = __m512i;
    type Sum = __m512i;
    const WIDTH: usize = 32;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn zero() -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const i8) -> __m512i {
        // SAFETY: 32 reads by contract.
        _mm512_cvtepi8_epi16(unsafe { _mm256_loadu_si256(at.cast()) })
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_tail(at: *const i8, len: usize) -> __m512i {
        // SAFETY: the mask admits the first `len` elements only.
        _mm512_cvtepi8_epi16(unsafe { _mm256_maskz_loadu_epi8((1 << len) - 1, at) })
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn multiply_add(sum: __m512i, query: __m512i, row: __m512i) -> __m512i {
        _mm512_add_epi32(sum, _mm512_madd_epi16(query, row))
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn finish(sums: [__m512i; UNROLL], _bias: i32) -> i32 {
        sum_i32(sums)
    }
}

/// i8 by VPDPBUSD, in chunks of 64. The instruction multiplies unsigned by signed bytes. Flipping
/// the row's sign bits makes them unsigned and 128 too large, so each score is `128 * sum(query)`
/// too large, which is the bias. Sums wrap, so only the final value has to fit.
pub(super) struct I8Vnni;

// SAFETY: every method names the features that it needs and reads what the trait says.
unsafe impl Lane for I8Vnni {
    type Elem = i8;
    type Score = i32;
    type Chunk = __m512i;
    type Sum = __m512i;
    const WIDTH: usize = 64;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn zero() -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn load(at: *const i8) -> __m512i {
        // SAFETY: 64 reads by contract.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn load_tail(at: *const i8, len: usize) -> __m512i {
        // SAFETY: the mask admits the first `len` elements only.
        unsafe { _mm512_maskz_loadu_epi8((1 << len) - 1, at) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn multiply_add(sum: __m512i, query: __m512i, row: __m512i) -> __m512i {
        let unsigned = _mm512_xor_si512(row, _mm512_set1_epi8(i8::MIN));
        _mm512_dpbusd_epi32(sum, unsigned, query)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn bias(query: *const i8, dim: usize) -> i32 {
        let flipped = _mm512_set1_epi8(i8::MIN);
        let mut sum = _mm512_setzero_si512();
        let mut at = 0;
        while at < dim {
            let len = (dim - at).min(64);
            // SAFETY: the mask admits the first `len >= 1` elements only, which are inside `dim`.
            let chunk = unsafe { _mm512_maskz_loadu_epi8(u64::MAX >> (64 - len), query.add(at)) };
            // The flipped zero is 128 as an unsigned number.
            sum = _mm512_dpbusd_epi32(sum, flipped, chunk);
            at += 64;
        }
        _mm512_reduce_add_epi32(sum)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn finish(sums: [__m512i; UNROLL], bias: i32) -> i32 {
        sum_i32(sums).wrapping_sub(bias)
    }
}
