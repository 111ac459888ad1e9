//! The interface of a matrix unit, for products in tiles.

use super::super::simd::Simd;

/// Number of rows of a tile.
pub(super) const TILE_ROWS: usize = 16;
/// Size of a tile's row in bytes: 32 numbers of bfloat16, 64 codes.
pub(super) const ROW_BYTES: usize = 64;
/// Size of a tile in bytes.
pub(super) const TILE_BYTES: usize = TILE_ROWS * ROW_BYTES;
/// Number of rows and of columns in a block of sums: two tiles by two.
pub(super) const BLOCK: usize = 32;
/// Number of bfloat16 numbers in a row of a tile.
pub(super) const LINE: usize = ROW_BYTES / 2;

/// The sums of a block: its left 16 columns, then its right ones, as numbers of 32 bits. The
/// padding keeps the same rows of neighbouring blocks out of one set of the L1 cache.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Sums([u32; 2 * Self::HALF + 16]);

impl Sums {
    pub(super) const ZERO: Self = Self([0; 2 * Self::HALF + 16]);
    /// Distance from one row to the next, in numbers.
    pub(super) const STRIDE: usize = 16;
    const HALF: usize = BLOCK * Self::STRIDE;

    /// Returns the position of a number.
    #[inline(always)]
    pub(super) const fn place(row: usize, column: usize) -> usize {
        column / 16 * Self::HALF + row * Self::STRIDE + column % 16
    }

    /// Returns the starts of both halves of the sums, as [`Unit::load`] takes them.
    #[inline(always)]
    pub(super) const fn halves(sums: *mut Self) -> [*mut f32; 2] {
        let left = sums.cast::<f32>();
        [left, left.wrapping_add(Self::HALF)]
    }
}

/// The layout of the lines (64 bytes) of rows of bfloat16. The lines of 16 rows, one after the
/// other, are a tile.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// Distance from a row to the sixteenth after it, in numbers.
    rows: usize,
    /// Distance from a line to the next, in numbers.
    line: usize,
}

impl Lines {
    /// Returns the layout of tiles for a product: the `count` lines of 16 rows together.
    pub(super) const fn tiles(count: usize) -> Self {
        Self { rows: count * TILE_BYTES / 2, line: TILE_BYTES / 2 }
    }

    /// Returns the layout of panels for attention: each line's `rows` rows together.
    pub(super) const fn panels(rows: usize) -> Self {
        Self { rows: TILE_BYTES / 2, line: rows * LINE }
    }

    /// Returns the start of a line of a row, in numbers.
    #[inline(always)]
    pub(super) const fn place(self, row: usize, line: usize) -> usize {
        row / TILE_ROWS * self.rows + row % TILE_ROWS * LINE + line * self.line
    }
}

/// A matrix unit that is ready on this thread. Dropping it releases the unit.
///
/// Its state is one block of sums of 32 rows and 32 columns. A step multiplies 64 bytes of each
/// row: two tiles of `a` of 1 KB each (16 rows of 64 bytes), and 2 KB of `b`. These are 16 rows of
/// 32 columns of 4 bytes, which are two neighbours of `k` in bfloat16 and four in bytes.
///
/// # Safety
/// Methods may be called only where the unit and the instruction set of [`Unit::Simd`] are
/// available. Pointers must be good for what the method names.
pub(in super::super) unsafe trait Unit: Sized {
    type Simd: Simd;

    unsafe fn enter() -> Self;
    /// Sets the sums to zero.
    unsafe fn clear(&mut self);
    /// Reads the sums from rows that are `stride` numbers apart, 16 columns at each pointer. With a
    /// stride of 0, all rows are the same.
    unsafe fn load(&mut self, from: [*const f32; 2], stride: usize);
    /// Writes the sums in the layout of [`Unit::load`].
    unsafe fn store(&self, to: [*mut f32; 2], stride: usize);
    /// Adds products of bfloat16 to sums of f32. Even and odd `k` of the step are summed
    /// separately, added, then added to the sum.
    unsafe fn step_bf16(&mut self, a: [*const u8; 2], b: *const u8);
    /// Adds products of unsigned codes with signed weights to sums of i32.
    unsafe fn step_i8(&mut self, a: [*const u8; 2], b: *const u8);

    /// Rounds 32 numbers to bfloat16 and writes them one after the other.
    unsafe fn store_bf16<const V: usize>(to: *mut u16, x: [<Self::Simd as Simd>::F; V]);
    /// Writes the 32 numbers of two rows alternately: `a[0], b[0], a[1], ...`.
    unsafe fn interleave(a: *const u16, b: *const u16, to: *mut u16);
}
