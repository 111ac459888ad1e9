//! A matrix unit in plain Rust.

use super::super::simd::portable::Portable;
use super::super::simd::{self, Simd};
use super::unit::{BLOCK, LINE, ROW_BYTES, TILE_ROWS, Unit};

/// A matrix unit in plain Rust, by the definition of AMX's instructions (Intel SDM, TDPBF16PS and
/// TDPBUSD). It tests the same loops and layouts on processors without AMX.
pub(in super::super) struct Emulated([[u32; BLOCK]; BLOCK]);

impl Emulated {
    /// Applies `add` to each sum, with its row of `a` (64 bytes) and its column of `b` (4 bytes per
    /// row).
    fn each(&mut self, a: [*const u8; 2], b: *const u8, add: impl Fn(u32, *const u8, *const u8) -> u32) {
        for row in 0..BLOCK {
            for column in 0..BLOCK {
                let sum = &mut self.0[row][column];
                let left = a[row / TILE_ROWS].wrapping_add(row % TILE_ROWS * ROW_BYTES);
                *sum = add(*sum, left, b.wrapping_add(4 * column));
            }
        }
    }
}

/// Converts a bfloat16 to f32, with subnormal numbers as zero.
fn widened(bits: u16) -> f32 {
    let x = f32::from_bits(u32::from(bits) << 16);
    if x.is_subnormal() { 0.0 } else { x }
}

// SAFETY: plain Rust; reads and writes what the trait says.
unsafe impl Unit for Emulated {
    type Simd = Portable;

    unsafe fn enter() -> Self {
        Self([[0; BLOCK]; BLOCK])
    }
    unsafe fn clear(&mut self) {
        self.0 = [[0; BLOCK]; BLOCK];
    }
    unsafe fn load(&mut self, from: [*const f32; 2], stride: usize) {
        for (row, column) in (0..BLOCK).flat_map(|row| (0..BLOCK).map(move |column| (row, column))) {
            // SAFETY: the caller's promise.
            let x = unsafe { *from[column / 16].add(row * stride + column % 16) };
            self.0[row][column] = x.to_bits();
        }
    }
    unsafe fn store(&self, to: [*mut f32; 2], stride: usize) {
        for (row, column) in (0..BLOCK).flat_map(|row| (0..BLOCK).map(move |column| (row, column))) {
            // SAFETY: the caller's promise.
            unsafe { *to[column / 16].add(row * stride + column % 16) = f32::from_bits(self.0[row][column]) }
        }
    }
    unsafe fn step_bf16(&mut self, a: [*const u8; 2], b: *const u8) {
        self.each(a, b, |sum, left, right| {
            let mut halves = [0.0f32; 2];
            for pair in 0..TILE_ROWS {
                for (half, total) in halves.iter_mut().enumerate() {
                    // SAFETY: inside the 64 bytes of a row of `a` and the 16 rows of 128 bytes of
                    // `b`.
                    let (x, y) = unsafe {
                        let right = right.add(128 * pair).cast::<u16>().add(half);
                        (left.cast::<u16>().add(2 * pair + half).read_unaligned(), right.read_unaligned())
                    };
                    *total = widened(x).mul_add(widened(y), *total);
                }
            }
            (f32::from_bits(sum) + (halves[0] + halves[1])).to_bits()
        });
    }
    unsafe fn step_i8(&mut self, a: [*const u8; 2], b: *const u8) {
        self.each(a, b, |sum, left, right| {
            let product = |at: usize| {
                // SAFETY: as above.
                let (x, y) = unsafe { (*left.add(at), right.add(at / 4 * 128 + at % 4).cast::<i8>().read()) };
                i32::from(x) * i32::from(y)
            };
            (sum as i32).wrapping_add((0..ROW_BYTES).map(product).sum::<i32>()) as u32
        });
    }
    unsafe fn store_bf16<const V: usize>(to: *mut u16, x: [<Portable as Simd>::F; V]) {
        for (v, x) in x.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { Portable::store_low_u16(to.add(v * Portable::LANES), simd::round_bf16::<Portable>(x)) }
        }
    }
    unsafe fn interleave(a: *const u16, b: *const u16, to: *mut u16) {
        for i in 0..LINE {
            // SAFETY: the caller's promise.
            unsafe {
                *to.add(2 * i) = *a.add(i);
                *to.add(2 * i + 1) = *b.add(i);
            }
        }
    }
}
