//! The ways of multiplying: by element type, then by instruction set.

use super::super::simd::Simd;
#[cfg(target_arch = "aarch64")]
use super::super::simd::neon::Neon;
use super::super::simd::portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::super::simd::{avx2::Avx2, avx512::Avx512};
use super::Product;
use super::tile::Finish;
#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Multiplies the sum of a float product by its row's scale, if there are scales.
///
/// # Safety
/// As [`Product::to_f32`].
#[inline(always)]
unsafe fn scale_row<S: Simd>(sum: S::F, finish: &Finish, row: usize) -> S::F {
    if finish.row_scales.is_null() {
        return sum;
    }
    // SAFETY: the caller's promise.
    unsafe { S::mul(sum, S::splat(*finish.row_scales.add(row))) }
}

/// f32 by fused multiply-adds.
pub(in super::super) struct F32<S>(PhantomData<S>);

// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl<S: Simd> Product for F32<S> {
    type Simd = S;
    type A = f32;
    type B = f32;
    type Left = S::F;
    type Right = S::F;
    type Sum = S::F;
    const K_STEP: usize = 1;

    #[inline(always)]
    unsafe fn zero() -> S::F {
        // SAFETY: the caller's promise.
        unsafe { S::splat(0.0) }
    }
    #[inline(always)]
    unsafe fn broadcast(at: *const f32) -> S::F {
        // SAFETY: one read by contract.
        unsafe { S::splat(at.read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> S::F {
        // SAFETY: LANES reads by contract.
        unsafe { S::load(at) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sum: S::F, left: S::F, right: S::F) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { S::mul_add(left, right, sum) }
    }
    #[inline(always)]
    unsafe fn to_f32(sum: S::F, finish: &Finish, row: usize, _: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { scale_row::<S>(sum, finish, row) }
    }
}

/// bfloat16 by f32 multiply-adds: exact products, no faster than f32 but half the memory.
pub(in super::super) struct Bf16Widened<S>(PhantomData<S>);

/// Returns the two elements of each 32-bit lane as f32.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
unsafe fn split_pairs<S: Simd>(pairs: S::I) -> (S::F, S::F) {
    // SAFETY: the caller's promise.
    unsafe {
        let first = S::from_bits(S::shift_left::<16>(pairs));
        (first, S::from_bits(S::and_i32(pairs, S::splat_i32(0xffff_0000_u32 as i32))))
    }
}

// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl<S: Simd> Product for Bf16Widened<S> {
    type Simd = S;
    type A = u16;
    type B = u16;
    type Left = (S::F, S::F);
    type Right = (S::F, S::F);
    type Sum = S::F;
    const K_STEP: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> S::F {
        // SAFETY: the caller's promise.
        unsafe { S::splat(0.0) }
    }
    #[inline(always)]
    unsafe fn broadcast(at: *const u16) -> (S::F, S::F) {
        // SAFETY: two reads by contract.
        unsafe { split_pairs::<S>(S::splat_i32(at.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn load(at: *const u16) -> (S::F, S::F) {
        // SAFETY: two reads a lane by contract.
        unsafe { split_pairs::<S>(S::load_i32(at.cast())) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sum: S::F, left: (S::F, S::F), right: (S::F, S::F)) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { S::mul_add(left.1, right.1, S::mul_add(left.0, right.0, sum)) }
    }
    #[inline(always)]
    unsafe fn to_f32(sum: S::F, finish: &Finish, row: usize, _: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { scale_row::<S>(sum, finish, row) }
    }
}

/// Computes `scale_m scale_n (sum - zero_m sum_n)`.
///
/// # Safety
/// As [`Product::to_f32`].
#[inline(always)]
pub(in super::super) unsafe fn dequantize<S: Simd>(sum: S::I, finish: &Finish, row: usize, column: usize) -> S::F {
    // SAFETY: the caller's promise.
    unsafe {
        let sums = S::load_i32(finish.column_sums.add(column));
        let shift = S::mul_i32(S::splat_i32(*finish.row_zeros.add(row)), sums);
        let scales = S::load(finish.column_scales.add(column));
        let scale = S::mul(S::splat(*finish.row_scales.add(row)), scales);
        S::mul(S::to_f32(S::sub_i32(sum, shift)), scale)
    }
}

/// The common part of integer products whose sum is a vector of i32.
macro_rules! integer_product {
    ($name:ident, $doc:literal, $simd:ty, $a:ty, $left:ty, $right:ty, $k_step:literal, $unroll:literal, $features:literal,
     broadcast: |$broadcast_at:ident| $broadcast:expr, load: |$load_at:ident| $load:expr,
     multiply_add: |$sum:ident, $l:ident, $r:ident| $multiply_add:expr) => {
        #[doc = $doc]
        pub(in super::super) struct $name;

        // SAFETY: every method names the features that it needs and reads what the trait says.
        unsafe impl Product for $name {
            type Simd = $simd;
            type A = $a;
            type B = i8;
            type Left = $left;
            type Right = $right;
            type Sum = <$simd as Simd>::I;
            const K_STEP: usize = $k_step;
            const UNROLL: usize = $unroll;
            const ROUNDED_NEXT: bool = size_of::<$a>() == 1;

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn zero() -> Self::Sum {
                // SAFETY: the caller's promise.
                unsafe { <$simd>::splat_i32(0) }
            }
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn broadcast($broadcast_at: *const $a) -> $left {
                // SAFETY: K_STEP reads by contract.
                unsafe { $broadcast }
            }
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn load($load_at: *const i8) -> $right {
                // SAFETY: K_STEP reads a lane by contract.
                unsafe { $load }
            }
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn multiply_add($sum: Self::Sum, $l: $left, $r: $right) -> Self::Sum {
                $multiply_add
            }
            #[inline(always)]
            unsafe fn to_f32(sum: Self::Sum, finish: &Finish, row: usize, column: usize) -> <$simd as Simd>::F {
                // SAFETY: the caller's promise.
                unsafe { dequantize::<$simd>(sum, finish, row, column) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
integer_product!(
    I8Vnni512, "Unsigned by signed bytes, four at a time (VPDPBUSD).", Avx512, u8, __m512i, __m512i, 4, 1,
    "avx512f,avx512bw,avx512vl,avx512vnni",
    broadcast: |at| _mm512_set1_epi32(at.cast::<i32>().read_unaligned()),
    load: |at| _mm512_loadu_si512(at.cast()),
    multiply_add: |sum, left, right| _mm512_dpbusd_epi32(sum, left, right)
);

#[cfg(target_arch = "x86_64")]
integer_product!(
    I8Vnni256, "Unsigned by signed bytes, four at a time (VPDPBUSD of AVX-VNNI).", Avx2, u8, __m256i, __m256i, 4, 4,
    "avx2,fma,avxvnni",
    broadcast: |at| _mm256_set1_epi32(at.cast::<i32>().read_unaligned()),
    load: |at| _mm256_loadu_si256(at.cast()),
    multiply_add: |sum, left, right| _mm256_dpbusd_avx_epi32(sum, left, right)
);

#[cfg(target_arch = "x86_64")]
integer_product!(
    I8Pairs512, "Pairs of 16-bit numbers (VPMADDWD), the weights widened on loading.", Avx512, i16, __m512i, __m512i, 2, 1,
    "avx512f,avx512bw,avx512vl",
    broadcast: |at| _mm512_set1_epi32(at.cast::<i32>().read_unaligned()),
    load: |at| _mm512_cvtepi8_epi16(_mm256_loadu_si256(at.cast())),
    multiply_add: |sum, left, right| _mm512_add_epi32(sum, _mm512_madd_epi16(left, right))
);

#[cfg(target_arch = "x86_64")]
integer_product!(
    I8Pairs256, "Pairs of 16-bit numbers (VPMADDWD), the weights widened on loading.", Avx2, i16, __m256i, __m256i, 2, 1,
    "avx2,fma",
    broadcast: |at| _mm256_set1_epi32(at.cast::<i32>().read_unaligned()),
    load: |at| _mm256_cvtepi8_epi16(_mm_loadu_si128(at.cast())),
    multiply_add: |sum, left, right| _mm256_add_epi32(sum, _mm256_madd_epi16(left, right))
);

// The intrinsic of SDOT is not stable.
#[cfg(target_arch = "aarch64")]
integer_product!(
    I8Dot, "Signed bytes, four at a time (SDOT); codes are shifted by 128.", Neon, i8, int8x16_t, int8x16_t, 4, 4,
    "neon,dotprod",
    broadcast: |at| vreinterpretq_s8_s32(vdupq_n_s32(at.cast::<i32>().read_unaligned())),
    load: |at| vld1q_s8(at),
    multiply_add: |sum, left, right| {
        let mut sum = sum;
        // SAFETY: SDOT, which the processor has; it touches its three registers only.
        unsafe {
            std::arch::asm!(
                "sdot {sum:v}.4s, {left:v}.16b, {right:v}.16b",
                sum = inout(vreg) sum, left = in(vreg) left, right = in(vreg) right,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        sum
    }
);

#[cfg(target_arch = "aarch64")]
integer_product!(
    I8Widened, "16-bit numbers (SMLAL), the weights widened on loading.", Neon, i16, int16x4_t, int16x4_t, 1, 4,
    "neon",
    broadcast: |at| vdup_n_s16(at.read_unaligned()),
    load: |at| vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(at.cast::<u32>().read_unaligned())))),
    multiply_add: |sum, left, right| vmlal_s16(sum, left, right)
);

/// Unsigned by signed bytes in plain Rust, four at a time.
pub(in super::super) struct I8Portable;

// SAFETY: plain Rust; reads what the trait says.
unsafe impl Product for I8Portable {
    type Simd = Portable;
    type A = u8;
    type B = i8;
    type Left = [u8; 4];
    type Right = [[i8; 4]; Portable::LANES];
    type Sum = <Portable as Simd>::I;
    const K_STEP: usize = 4;
    const ROUNDED_NEXT: bool = true;

    #[inline(always)]
    unsafe fn zero() -> Self::Sum {
        [0; Portable::LANES]
    }
    #[inline(always)]
    unsafe fn broadcast(at: *const u8) -> [u8; 4] {
        // SAFETY: four reads by contract.
        unsafe { at.cast::<[u8; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load(at: *const i8) -> Self::Right {
        // SAFETY: four reads a lane by contract.
        unsafe { at.cast::<Self::Right>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn multiply_add(mut sum: Self::Sum, left: [u8; 4], right: Self::Right) -> Self::Sum {
        for (sum, column) in sum.iter_mut().zip(right) {
            *sum += left.iter().zip(column).map(|(&a, b)| i32::from(a) * i32::from(b)).sum::<i32>();
        }
        sum
    }
    #[inline(always)]
    unsafe fn to_f32(sum: Self::Sum, finish: &Finish, row: usize, column: usize) -> <Portable as Simd>::F {
        // SAFETY: the caller's promise.
        unsafe { dequantize::<Portable>(sum, finish, row, column) }
    }
}

/// bfloat16 by VDPBF16PS: pairs, accumulated in f32; subnormal numbers count as zero.
#[cfg(target_arch = "x86_64")]
pub(in super::super) struct Bf16Paired;

// SAFETY: every method names the features that it needs and reads what the trait says. `__m512bh`
// has the size of `__m512i` and no invalid values.
#[cfg(target_arch = "x86_64")]
unsafe impl Product for Bf16Paired {
    type Simd = Avx512;
    type A = u16;
    type B = u16;
    type Left = __m512bh;
    type Right = __m512bh;
    type Sum = __m512;
    const K_STEP: usize = 2;
    const ROUNDED_NEXT: bool = true;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn broadcast(at: *const u16) -> __m512bh {
        // SAFETY: two reads by contract.
        unsafe { std::mem::transmute(_mm512_set1_epi32(at.cast::<i32>().read_unaligned())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn load(at: *const u16) -> __m512bh {
        // SAFETY: two reads a lane by contract.
        unsafe { std::mem::transmute(_mm512_loadu_si512(at.cast())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn multiply_add(sum: __m512, left: __m512bh, right: __m512bh) -> __m512 {
        _mm512_dpbf16_ps(sum, left, right)
    }
    #[inline(always)]
    unsafe fn to_f32(sum: __m512, finish: &Finish, row: usize, _: usize) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { scale_row::<Avx512>(sum, finish, row) }
    }
}

/// The storage form of an activation code.
///
/// # Safety
/// As [`Simd`].
pub(in super::super) unsafe trait Code {
    const BYTES: usize;
    /// All bits set.
    const MAX: i32;
    /// The number that is subtracted from a code, and from the zero point, before storing it.
    const SHIFT: i32;
    /// Writes the codes of `LANES` elements.
    unsafe fn store<S: Simd>(at: *mut u8, codes: S::I);
}

/// Unsigned bytes.
pub(in super::super) struct CodeU8;
/// 12 bits in a 16-bit number.
pub(in super::super) struct CodeI16;
/// Signed bytes.
#[cfg(target_arch = "aarch64")]
pub(in super::super) struct CodeI8;

// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl Code for CodeU8 {
    const BYTES: usize = 1;
    const MAX: i32 = 255;
    const SHIFT: i32 = 0;
    #[inline(always)]
    unsafe fn store<S: Simd>(at: *mut u8, codes: S::I) {
        // SAFETY: LANES writes by contract.
        unsafe { S::store_low_u8(at, codes) }
    }
}

// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl Code for CodeI16 {
    const BYTES: usize = 2;
    const MAX: i32 = 4095;
    const SHIFT: i32 = 0;
    #[inline(always)]
    unsafe fn store<S: Simd>(at: *mut u8, codes: S::I) {
        // SAFETY: LANES writes of two bytes by contract; any alignment.
        unsafe { S::store_low_u16(at.cast(), codes) }
    }
}

#[cfg(target_arch = "aarch64")]
// SAFETY: only calls the vectors' own methods, under the same contract.
unsafe impl Code for CodeI8 {
    const BYTES: usize = 1;
    const MAX: i32 = 255;
    const SHIFT: i32 = 128;
    #[inline(always)]
    unsafe fn store<S: Simd>(at: *mut u8, codes: S::I) {
        // SAFETY: LANES writes by contract.
        unsafe { S::store_low_u8(at, S::sub_i32(codes, S::splat_i32(128))) }
    }
}
