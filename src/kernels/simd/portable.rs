//! Vectors as arrays: for processors without a known instruction set, and as plain Rust for tests.

use super::Simd;

const LANES: usize = 8;

/// Eight lanes, which compilers turn into the processor's vectors.
pub(in super::super) struct Portable;

#[inline(always)]
fn each<A: Copy, R>(a: [A; LANES], f: impl Fn(A) -> R) -> [R; LANES] {
    std::array::from_fn(|lane| f(a[lane]))
}

#[inline(always)]
fn both<A: Copy, R>(a: [A; LANES], b: [A; LANES], f: impl Fn(A, A) -> R) -> [R; LANES] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

// SAFETY: plain Rust; the pointers are the caller's promise.
unsafe impl Simd for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::F {
        // SAFETY: good for LANES reads by contract; any alignment.
        unsafe { at.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, x: Self::F) {
        // SAFETY: good for LANES writes by contract; any alignment.
        unsafe { at.cast::<Self::F>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a / b)
    }
    // This is not `f32::mul_add`, which is a slow library call without the instruction.
    #[inline(always)]
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn nan_to_infinity(x: Self::F) -> Self::F {
        each(x, |x| if x.is_nan() { f32::INFINITY } else { x })
    }
    #[inline(always)]
    unsafe fn sum(x: Self::F) -> f32 {
        x.into_iter().sum()
    }
    #[inline(always)]
    unsafe fn largest(x: Self::F) -> f32 {
        x.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    unsafe fn transpose(block: &mut [Self::F]) {
        for row in 0..LANES {
            for column in 0..row {
                let (a, b) = (block[row][column], block[column][row]);
                (block[row][column], block[column][row]) = (b, a);
            }
        }
    }
    #[inline(always)]
    unsafe fn splat_i32(x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_i32(at: *const i32) -> Self::I {
        // SAFETY: good for LANES reads by contract; any alignment.
        unsafe { at.cast::<Self::I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn add_i32(a: Self::I, b: Self::I) -> Self::I {
        both(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
        both(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
        both(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    unsafe fn and_i32(a: Self::I, b: Self::I) -> Self::I {
        both(a, b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn shift_left<const BITS: u32>(x: Self::I) -> Self::I {
        each(x, |x| x << BITS)
    }
    #[inline(always)]
    unsafe fn shift_right<const BITS: u32>(x: Self::I) -> Self::I {
        each(x, |x| ((x as u32) >> BITS) as i32)
    }
    #[inline(always)]
    unsafe fn round(x: Self::F) -> Self::I {
        each(x, |x| x.round_ties_even() as i32)
    }
    #[inline(always)]
    unsafe fn to_f32(x: Self::I) -> Self::F {
        each(x, |x| x as f32)
    }
    #[inline(always)]
    unsafe fn bits(x: Self::F) -> Self::I {
        each(x, |x| x.to_bits() as i32)
    }
    #[inline(always)]
    unsafe fn from_bits(x: Self::I) -> Self::F {
        each(x, |x| f32::from_bits(x as u32))
    }
    #[inline(always)]
    unsafe fn store_low_u8(at: *mut u8, x: Self::I) {
        // SAFETY: good for LANES writes by contract.
        unsafe { at.cast::<[u8; LANES]>().write_unaligned(each(x, |x| x as u8)) }
    }
    #[inline(always)]
    unsafe fn store_low_u16(at: *mut u16, x: Self::I) {
        // SAFETY: good for LANES writes by contract; any alignment.
        unsafe { at.cast::<[u16; LANES]>().write_unaligned(each(x, |x| x as u16)) }
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
}
