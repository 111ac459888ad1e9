//! Vectors of 64-bit Arm (Advanced SIMD): 4 lanes.

use super::Simd;
use std::arch::aarch64::*;

/// Four lanes.
pub(in super::super) struct Neon;

// SAFETY: every method names the features that it needs, and touches LANES elements.
unsafe impl Simd for Neon {
    type F = float32x4_t;
    type I = int32x4_t;
    const LANES: usize = 4;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn splat(x: f32) -> Self::F {
        vdupq_n_f32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(at: *const f32) -> Self::F {
        // SAFETY: good for LANES reads by contract.
        unsafe { vld1q_f32(at) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store(at: *mut f32, x: Self::F) {
        // SAFETY: good for LANES writes by contract.
        unsafe { vst1q_f32(at, x) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        vaddq_f32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        vsubq_f32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        vmulq_f32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        vdivq_f32(a, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        vfmaq_f32(c, a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        vmaxq_f32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        vminq_f32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn nan_to_infinity(x: Self::F) -> Self::F {
        // This is minNum of IEEE 754: it returns the number if the other one is NaN.
        vminnmq_f32(x, vdupq_n_f32(f32::INFINITY))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sum(x: Self::F) -> f32 {
        let two = vpaddq_f32(x, x);
        vgetq_lane_f32::<0>(vpaddq_f32(two, two))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn largest(x: Self::F) -> f32 {
        vmaxvq_f32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn transpose(block: &mut [Self::F]) {
        let (a, b) = (vtrnq_f32(block[0], block[1]), vtrnq_f32(block[2], block[3]));
        block[0] = vcombine_f32(vget_low_f32(a.0), vget_low_f32(b.0));
        block[1] = vcombine_f32(vget_low_f32(a.1), vget_low_f32(b.1));
        block[2] = vcombine_f32(vget_high_f32(a.0), vget_high_f32(b.0));
        block[3] = vcombine_f32(vget_high_f32(a.1), vget_high_f32(b.1));
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn splat_i32(x: i32) -> Self::I {
        vdupq_n_s32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_i32(at: *const i32) -> Self::I {
        // SAFETY: good for LANES reads by contract.
        unsafe { vld1q_s32(at) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn add_i32(a: Self::I, b: Self::I) -> Self::I {
        vaddq_s32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
        vsubq_s32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
        vmulq_s32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn and_i32(a: Self::I, b: Self::I) -> Self::I {
        vandq_s32(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn shift_left<const BITS: u32>(x: Self::I) -> Self::I {
        vshlq_s32(x, vdupq_n_s32(BITS as i32))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn shift_right<const BITS: u32>(x: Self::I) -> Self::I {
        vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x), vdupq_n_s32(-(BITS as i32))))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn round(x: Self::F) -> Self::I {
        vcvtnq_s32_f32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn to_f32(x: Self::I) -> Self::F {
        vcvtq_f32_s32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn bits(x: Self::F) -> Self::I {
        vreinterpretq_s32_f32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn from_bits(x: Self::I) -> Self::F {
        vreinterpretq_f32_s32(x)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store_low_u8(at: *mut u8, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe {
            let halves = vmovn_u32(vreinterpretq_u32_s32(x));
            let bytes = vmovn_u16(vcombine_u16(halves, halves));
            at.cast::<u32>().write_unaligned(vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)))
        }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store_low_u16(at: *mut u16, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe { vst1_u16(at, vmovn_u32(vreinterpretq_u32_s32(x))) }
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // The intrinsic is not stable.
        // SAFETY: a hint, which never faults.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(readonly, nostack, preserves_flags))
        }
    }
}
