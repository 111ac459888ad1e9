//! A matrix unit: what products in tiles are written over.

use super::super::simd::Simd;

/// Rows of a tile.
pub(super) const TILE_ROWS: usize = 16;
/// Bytes of a row of a tile: 32 numbers of bfloat16, 64 codes.
pub(super) const ROW_BYTES: usize = 64;
/// Bytes of a tile.
pub(super) const TILE_BYTES: usize = TILE_ROWS * ROW_BYTES;
/// Rows and columns of a block of sums: two tiles by two.
pub(super) const BLOCK: usize = 32;
/// Numbers of bfloat16 in a row of a tile.
pub(super) const LINE: usize = ROW_BYTES / 2;

/// The sums of a block: its left 16 columns, then its right ones, numbers of 32 bits. The padding keeps the same rows of neighbouring
/// blocks out of one set of the L1 cache.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Sums([u32; 2 * Self::HALF + 16]);

impl Sums {
    pub(super) const ZERO: Self = Self([0; 2 * Self::HALF + 16]);
    /// Numbers from one row to the next.
    pub(super) const STRIDE: usize = 16;
    const HALF: usize = BLOCK * Self::STRIDE;

    /// Where a number lies.
    #[inline(always)]
    pub(super) const fn place(row: usize, column: usize) -> usize {
        column / 16 * Self::HALF + row * Self::STRIDE + column % 16
    }

    /// Where both halves of some sums begin, as [`Unit::load`] takes them.
    #[inline(always)]
    pub(super) const fn halves(sums: *mut Self) -> [*mut f32; 2] {
        let left = sums.cast::<f32>();
        [left, left.wrapping_add(Self::HALF)]
    }
}

/// Where the lines (64 bytes) of rows of bfloat16 lie: those of 16 rows are a tile, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// Numbers from a row to the sixteenth behind it.
    rows: usize,
    /// Numbers from a line to the next.
    line: usize,
}

impl Lines {
    /// Tiles of a product: the `count` lines of 16 rows together.
    pub(super) const fn tiles(count: usize) -> Self {
        Self { rows: count * TILE_BYTES / 2, line: TILE_BYTES / 2 }
    }

    /// Panels for attention: each line's `rows` rows together.
    pub(super) const fn panels(rows: usize) -> Self {
        Self { rows: TILE_BYTES / 2, line: rows * LINE }
    }

    /// Where a line of a row begins, in numbers.
    #[inline(always)]
    pub(super) const fn place(self, row: usize, line: usize) -> usize {
        row / TILE_ROWS * self.rows + row % TILE_ROWS * LINE + line * self.line
    }
}

/// A matrix unit that is ready on this thread; dropped, it is given up.
///
/// Its state is one block of sums of 32 rows and 32 columns. A step multiplies 64 bytes of each row: two tiles of `a` of 1 KB
/// each (16 rows of 64 bytes), and 2 KB of `b`: 16 rows of 32 columns of 4 bytes, which are two neighbours of `k` in
/// bfloat16 and four in bytes.
///
/// # Safety
/// Methods may be called only where the unit and the instruction set of [`Unit::Simd`] are available. Pointers must be good for
/// what the method names.
pub(in super::super) unsafe trait Unit: Sized {
    type Simd: Simd;

    unsafe fn enter() -> Self;
    /// Sets the sums to zero.
    unsafe fn clear(&mut self);
    /// Reads the sums from rows that are `stride` numbers apart, 16 columns at each pointer; 0: all rows are one.
    unsafe fn load(&mut self, from: [*const f32; 2], stride: usize);
    /// Writes them so.
    unsafe fn store(&self, to: [*mut f32; 2], stride: usize);
    /// Adds products of bfloat16 to sums of f32: even and odd `k` of the step summed apart, added, then added to the sum.
    unsafe fn step_bf16(&mut self, a: [*const u8; 2], b: *const u8);
    /// Adds products of unsigned codes with signed weights to sums of i32.
    unsafe fn step_i8(&mut self, a: [*const u8; 2], b: *const u8);

    /// Rounds 32 numbers to bfloat16, which it writes one behind the other.
    unsafe fn store_bf16<const V: usize>(to: *mut u16, x: [<Self::Simd as Simd>::F; V]);
    /// Writes the 32 numbers of two rows in turn: `a[0], b[0], a[1], ...`.
    unsafe fn interleave(a: *const u16, b: *const u16, to: *mut u16);
}

/// `2^x` for `x <= 0`, within 8e-5 of itself; below -125 nearly nothing; NaN for NaN.
///
/// `x = n + r` with `|r| <= 1/2`: adding 1.5 x 2^23 + 127 leaves `n + 127` in the low bits of the mantissa, from where it goes to the exponent
/// of `2^n`. `2^r` is a minimax fit of the relative error (Lawson's weights over Chebyshev nodes), 7.5e-5: what comes of it is
/// rounded to bfloat16, whose steps are 3.9e-3 wide. VSCALEFPS would spare an instruction, and takes a hundred cycles
/// where its result is subnormal.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
pub(super) unsafe fn exp2<S: Simd>(x: S::F) -> S::F {
    const ROUNDER: f32 = 12_582_912.0 + 127.0;
    // SAFETY: the caller's promise.
    unsafe {
        let x = S::max(S::splat(-125.0), x);
        let shifted = S::add(x, S::splat(ROUNDER));
        let r = S::sub(x, S::sub(shifted, S::splat(ROUNDER)));
        let p = S::mul_add(S::splat(0.055_171_67), r, S::splat(0.242_611_13));
        let p = S::mul_add(S::mul_add(p, r, S::splat(0.693_260_97)), r, S::splat(0.999_928_06));
        S::mul(p, S::from_bits(S::shift_left::<23>(S::bits(shifted))))
    }
}
