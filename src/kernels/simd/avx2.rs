//! Vectors of AVX2 with FMA: 8 lanes.

use super::Simd;
use std::arch::x86_64::*;

/// Eight lanes.
pub(in super::super) struct Avx2;

// SAFETY: every method names the features that it needs, and touches LANES elements.
unsafe impl Simd for Avx2 {
    type F = __m256;
    type I = __m256i;
    const LANES: usize = 8;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn splat(x: f32) -> Self::F {
        _mm256_set1_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load(at: *const f32) -> Self::F {
        // SAFETY: good for LANES reads by contract.
        unsafe { _mm256_loadu_ps(at) }
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn store(at: *mut f32, x: Self::F) {
        // SAFETY: good for LANES writes by contract.
        unsafe { _mm256_storeu_ps(at, x) }
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        _mm256_add_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        _mm256_sub_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        _mm256_mul_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        _mm256_div_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        _mm256_fmadd_ps(a, b, c)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        _mm256_max_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        _mm256_min_ps(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn nan_to_infinity(x: Self::F) -> Self::F {
        // If one of two numbers is NaN, the instruction returns the second.
        _mm256_min_ps(x, _mm256_set1_ps(f32::INFINITY))
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sum(x: Self::F) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn largest(x: Self::F) -> f32 {
        let four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn transpose(block: &mut [Self::F]) {
        let mut quads = [_mm256_setzero_ps(); 8];
        for i in 0..4 {
            // This interleaves rows 2i and 2i + 1, then puts quarters of four rows side by side.
            let (a, b) = (block[2 * i], block[2 * i + 1]);
            quads[2 * i] = _mm256_unpacklo_ps(a, b);
            quads[2 * i + 1] = _mm256_unpackhi_ps(a, b);
        }
        let mut columns = [_mm256_setzero_ps(); 8];
        for half in 0..2 {
            for i in 0..2 {
                let (a, b) = (quads[4 * half + i], quads[4 * half + 2 + i]);
                columns[4 * half + 2 * i] = _mm256_shuffle_ps::<0x44>(a, b);
                columns[4 * half + 2 * i + 1] = _mm256_shuffle_ps::<0xee>(a, b);
            }
        }
        for i in 0..4 {
            block[i] = _mm256_permute2f128_ps::<0x20>(columns[i], columns[4 + i]);
            block[4 + i] = _mm256_permute2f128_ps::<0x31>(columns[i], columns[4 + i]);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn splat_i32(x: i32) -> Self::I {
        _mm256_set1_epi32(x)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load_i32(at: *const i32) -> Self::I {
        // SAFETY: good for LANES reads by contract.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn add_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm256_add_epi32(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm256_sub_epi32(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm256_mullo_epi32(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn and_i32(a: Self::I, b: Self::I) -> Self::I {
        _mm256_and_si256(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn shift_left<const BITS: u32>(x: Self::I) -> Self::I {
        _mm256_sll_epi32(x, _mm_cvtsi32_si128(BITS as i32))
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn shift_right<const BITS: u32>(x: Self::I) -> Self::I {
        _mm256_srl_epi32(x, _mm_cvtsi32_si128(BITS as i32))
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn round(x: Self::F) -> Self::I {
        _mm256_cvtps_epi32(x)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn to_f32(x: Self::I) -> Self::F {
        _mm256_cvtepi32_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn bits(x: Self::F) -> Self::I {
        _mm256_castps_si256(x)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn from_bits(x: Self::I) -> Self::F {
        _mm256_castsi256_ps(x)
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn store_low_u8(at: *mut u8, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe { _mm_storel_epi64(at.cast(), low_bytes(x)) }
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn store_low_u16(at: *mut u16, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe { _mm_storeu_si128(at.cast(), low_halves(x)) }
    }
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn prefetch(at: *const u8) {
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
}

/// Returns the low half of each lane, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn low_halves(x: __m256i) -> __m128i {
    let low = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
    // The pack works on each half of the register separately, and each half then holds its four
    // values twice.
    let packed = _mm256_packus_epi32(low, low);
    _mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256::<1>(packed))
}

/// Returns the low byte of each lane, in order, in the lower 64 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn low_bytes(x: __m256i) -> __m128i {
    let halves = low_halves(_mm256_and_si256(x, _mm256_set1_epi32(0xff)));
    _mm_packus_epi16(halves, halves)
}
