//! Conversion of rows of f32 to the tiles that a product reads.

use super::super::elementwise::{self, ToCodes};
use super::super::gemm::products::CodeU8;
use super::super::norms::{Moments, NormOperands};
use super::super::simd::Simd;
use super::unit::{LINE, Lines, ROW_BYTES, TILE_BYTES, TILE_ROWS, Unit};

/// Rows of f32, and the destination of their lines of bfloat16.
pub(in super::super) struct Rounding {
    pub(super) rows: *const f32,
    /// Number of numbers in a row, a multiple of `ROW_PAD`, which is also the distance between
    /// rows.
    pub(super) len: usize,
    pub(super) m: usize,
    pub(super) out: *mut u16,
    pub(super) lines: Lines,
}

/// Rounds rows to bfloat16. The numbers behind `len` in a row's last line become zeros.
///
/// # Safety
/// The unit is available; `rows` is good for `m` rows, `out` for as many rows of lines.
#[inline(always)]
pub(in super::super) unsafe fn round<U: Unit, const V: usize>(job: &Rounding) {
    let lanes = <U::Simd as Simd>::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..job.m {
            let from = job.rows.add(row * job.len);
            for line in 0..job.len.div_ceil(LINE) {
                let mut x = [U::Simd::splat(0.0); V];
                for v in 0..V.min((job.len - line * LINE) / lanes) {
                    x[v] = U::Simd::load(from.add(line * LINE + v * lanes));
                }
                U::store_bf16::<V>(job.out.add(job.lines.place(row, line)), x);
            }
        }
    }
}

/// Rows to normalise, which are also written as tiles.
pub(in super::super) struct Norming {
    /// `m` rows of [`NormOperands::padded`] numbers.
    pub(super) rows: *mut f32,
    pub(super) m: usize,
    pub(super) norm: NormOperands,
    /// The bias that is added to the rows themselves; null for none.
    pub(super) bias: *const f32,
    pub(super) tiles: *mut u16,
}

/// Applies layer norm to rows, rounded to tiles; in place with a bias.
///
/// # Safety
/// The unit is available; the pointers are good for the shapes.
#[inline(always)]
pub(in super::super) unsafe fn normalize<U: Unit, const V: usize>(job: &Norming) {
    let lanes = <U::Simd as Simd>::LANES;
    let count = job.norm.padded.div_ceil(LINE);
    let lines = Lines::tiles(count);
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..job.m {
            let x = job.rows.add(row * job.norm.padded);
            let moments = Moments::<U::Simd>::of(x, &job.norm);
            for line in 0..count {
                let mut y = [U::Simd::splat(0.0); V];
                for v in 0..V.min((job.norm.padded - line * LINE) / lanes) {
                    let at = line * LINE + v * lanes;
                    y[v] = moments.normalized(x, &job.norm, at);
                    let biased = match job.bias.is_null() {
                        true => y[v],
                        false => U::Simd::add(y[v], U::Simd::load(job.bias.add(at))),
                    };
                    U::Simd::store(x.add(at), biased);
                }
                U::store_bf16::<V>(job.tiles.add(lines.place(row, line)), y);
            }
        }
    }
}

/// Returns the position of code `column` of a row in tiles of `steps` lines per row.
#[inline(always)]
pub(super) fn code_place(row: usize, column: usize, steps: usize) -> usize {
    (row / TILE_ROWS * steps + column / ROW_BYTES) * TILE_BYTES + row % TILE_ROWS * ROW_BYTES + column % ROW_BYTES
}

/// Rows, and the destination of their codes.
pub(in super::super) struct Quantizing<'a> {
    pub(super) rows: RowNumbers,
    /// Number of numbers in a row, a multiple of `ROW_PAD`.
    pub(super) len: usize,
    pub(super) m: usize,
    /// The factor of each column's numbers; null for none.
    pub(super) factors: *const f32,
    /// Columns whose codes are repeated after those of all columns.
    pub(super) copies: &'a [u32],
    pub(super) max_code: i32,
    pub(super) tiles: *mut u8,
    /// Number of lines in a row of tiles.
    pub(super) steps: usize,
    /// The scale of each row.
    pub(super) scales: *mut f32,
    /// The zero point of each row.
    pub(super) zeros: *mut i32,
    /// Buffers for a row of numbers and a row of codes.
    pub(super) buffers: (*mut f32, *mut u8),
}

/// The source of the numbers of rows.
#[derive(Clone, Copy)]
pub(super) enum RowNumbers {
    /// Rows of f32, one after the other.
    Rows(*const f32),
    /// bfloat16, in tiles.
    Tiles(*const u16),
}

/// Quantises rows to tiles of codes; see the `gemm` module. The codes behind those of a row's
/// numbers keep old values of the buffer, because their weights are zeros.
///
/// # Safety
/// The unit is available; `rows` is good for `m` rows, `tiles` for as many rows of tiles, `scales`
/// and `zeros` for `m` numbers, the buffers for `len` numbers and for `steps` lines, which hold
/// `len` codes and those of `copies`; these are below `len`.
#[inline(always)]
pub(in super::super) unsafe fn quantize<U: Unit>(job: &Quantizing<'_>) {
    let (numbers, codes) = job.buffers;
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..job.m {
            let x = match job.rows {
                RowNumbers::Rows(rows) => rows.add(row * job.len),
                RowNumbers::Tiles(tiles) => {
                    widen::<U::Simd>(tiles, row, job.len, numbers);
                    numbers.cast_const()
                }
            };
            let to_codes = ToCodes { x, factors: job.factors, len: job.len, max_code: job.max_code, codes };
            let (scale, zero) = elementwise::quantize::<U::Simd, CodeU8>(&to_codes);
            (*job.scales.add(row), *job.zeros.add(row)) = (scale, zero);
            for (at, &column) in job.copies.iter().enumerate() {
                *codes.add(job.len + at) = *codes.add(column as usize);
            }
            for line in 0..job.steps {
                let to = job.tiles.add(code_place(row, line * ROW_BYTES, job.steps));
                to.cast::<[u8; ROW_BYTES]>()
                    .write_unaligned(codes.add(line * ROW_BYTES).cast::<[u8; ROW_BYTES]>().read_unaligned());
            }
        }
    }
}

/// Writes a row of tiles as `len` numbers.
///
/// # Safety
/// As [`quantize`].
#[inline(always)]
unsafe fn widen<S: Simd>(tiles: *const u16, row: usize, len: usize, to: *mut f32) {
    let lines = Lines::tiles(len.div_ceil(LINE));
    // SAFETY: the caller's promise.
    unsafe {
        for column in (0..len).step_by(S::LANES) {
            let from = tiles.add(lines.place(row, column / LINE) + column % LINE);
            S::store(to.add(column), S::widen_bf16(from));
        }
    }
}
