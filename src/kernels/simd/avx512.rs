//! Vectors of AVX-512 (F, BW, VL): 16 lanes.

use super::Simd;
use std::arch::x86_64::*;

/// Sixteen lanes.
pub(in super::super) struct Avx512;

// SAFETY: every method names the features that it needs, and touches LANES elements.
unsafe impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    const LANES: usize = 16;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn splat(x: f32) -> Self::F {
        _mm512_set1_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const f32) -> Self::F {
        // SAFETY: good for LANES reads by contract.
        unsafe { _mm512_loadu_ps(at) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store(at: *mut f32, x: Self::F) {
        // SAFETY: good for LANES writes by contract.
        unsafe { _mm512_storeu_ps(at, x) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        _mm512_add_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        _mm512_sub_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        _mm512_mul_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        _mm512_div_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        _mm512_max_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        _mm512_min_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn nan_to_infinity(x: Self::F) -> Self::F {
        // If one of two numbers is NaN, the instruction returns the second.
        _mm512_min_ps(x, _mm512_set1_ps(f32::INFINITY))
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn sum(x: Self::F) -> f32 {
        _mm512_reduce_add_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn largest(x: Self::F) -> f32 {
        _mm512_reduce_max_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn transpose(block: &mut [Self::F]) {
        let mut pairs = [_mm512_setzero_ps(); 16];
        for i in 0..8 {
            let (a, b) = (block[2 * i], block[2 * i + 1]);
            pairs[2 * i] = _mm512_unpacklo_ps(a, b);
            pairs[2 * i + 1] = _mm512_unpackhi_ps(a, b);
        }
        // Each 128-bit lane gets four rows of one column: `quads[4 * g + c]` holds rows 4g.. of the
        // columns c, c + 4, c + 8 and c + 12.
        let mut quads = [_mm512_setzero_ps(); 16];
        for g in 0..4 {
            for i in 0..2 {
                let (a, b) = (pairs[4 * g + i], pairs[4 * g + 2 + i]);
                quads[4 * g + 2 * i] = _mm512_shuffle_ps::<0x44>(a, b);
                quads[4 * g + 2 * i + 1] = _mm512_shuffle_ps::<0xee>(a, b);
            }
        }
        for c in 0..4 {
            let even_low = _mm512_shuffle_f32x4::<0x88>(quads[c], quads[4 + c]);
            let odd_low = _mm512_shuffle_f32x4::<0xdd>(quads[c], quads[4 + c]);
            let even_high = _mm512_shuffle_f32x4::<0x88>(quads[8 + c], quads[12 + c]);
            let odd_high = _mm512_shuffle_f32x4::<0xdd>(quads[8 + c], quads[12 + c]);
            block[c] = _mm512_shuffle_f32x4::<0x88>(even_low, even_high);
            block[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd_low, odd_high);
            block[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even_low, even_high);
            block[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd_low, odd_high);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn splat_i32(x: i32) -> Self::I {
        _mm512_set1_epi32(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_i32(at: *const i32) -> Self::I {
        // SAFETY: good for LANES reads by contract.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn add_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm512_add_epi32(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm512_sub_epi32(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm512_mullo_epi32(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn and_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm512_and_si512(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn shift_left<const BITS: u32>(x: Self::I) -> Self::I {
        _mm512_slli_epi32::<BITS>(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn shift_right<const BITS: u32>(x: Self::I) -> Self::I {
        _mm512_srli_epi32::<BITS>(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn round(x: Self::F) -> Self::I {
        _mm512_cvtps_epi32(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn to_f32(x: Self::I) -> Self::F {
        _mm512_cvtepi32_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn bits(x: Self::F) -> Self::I {
        _mm512_castps_si512(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn from_bits(x: Self::I) -> Self::F {
        _mm512_castsi512_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store_low_u8(at: *mut u8, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe { _mm_storeu_si128(at.cast(), _mm512_cvtepi32_epi8(x)) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store_low_u16(at: *mut u16, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe { _mm256_storeu_si256(at.cast(), _mm512_cvtepi32_epi16(x)) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn widen_bf16(at: *const u16) -> Self::F {
        // SAFETY: good for LANES reads by contract.
        let halves = unsafe { _mm256_loadu_si256(at.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn prefetch(at: *const u8) {
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn prefetch_l2(at: *const u8) {
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
}
