//! From rows of f32 to the tiles that a product reads.

use super::super::elementwise::{self, Moments, Norm, ToCodes};
use super::super::gemm::products::CodeU8;
use super::super::simd::Simd;
use super::product::line_place;
use super::unit::{LINE, ROW_BYTES, TILE_BYTES, TILE_ROWS, Unit};

/// Rows of f32 and the tiles that become of them.
pub(in super::super) struct Rounding {
    pub(super) rows: *const f32,
    /// Numbers of a row, a multiple of `ROW_PAD`, and from one row to the next.
    pub(super) len: usize,
    pub(super) m: usize,
    pub(super) tiles: *mut u16,
    /// Lines of a row of tiles; those behind `len` become zeros.
    pub(super) steps: usize,
}

/// Rounds rows to bfloat16, in tiles.
///
/// # Safety
/// The unit is available; `rows` is good for `m` rows, `tiles` for as many rows of tiles.
#[inline(always)]
pub(in super::super) unsafe fn round<U: Unit, const V: usize>(job: &Rounding) {
    let lanes = <U::Simd as Simd>::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..job.m {
            let from = job.rows.add(row * job.len);
            for line in 0..job.steps {
                let mut x = [U::Simd::splat(0.0); V];
                for v in 0..V.min(job.len.saturating_sub(line * LINE) / lanes) {
                    x[v] = U::Simd::load(from.add(line * LINE + v * lanes));
                }
                U::store_bf16::<V>(job.tiles.add(line_place(row, line, job.steps)), x);
            }
        }
    }
}

/// Rows to normalise, which become tiles too.
pub(in super::super) struct Norming {
    /// `m` rows of [`Norm::padded`] numbers.
    pub(super) rows: *mut f32,
    pub(super) m: usize,
    pub(super) norm: Norm,
    /// What the rows themselves get besides; null: nothing.
    pub(super) bias: *const f32,
    pub(super) tiles: *mut u16,
    /// Lines of a row of tiles.
    pub(super) steps: usize,
}

/// Layer norm of rows, rounded to tiles; in place with a bias.
///
/// # Safety
/// The unit is available; the pointers are good for the shapes.
#[inline(always)]
pub(in super::super) unsafe fn normalize<U: Unit, const V: usize>(job: &Norming) {
    let lanes = <U::Simd as Simd>::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..job.m {
            let x = job.rows.add(row * job.norm.padded);
            let moments = Moments::<U::Simd>::of(x, &job.norm);
            for line in 0..job.steps {
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
                U::store_bf16::<V>(job.tiles.add(line_place(row, line, job.steps)), y);
            }
        }
    }
}

/// Rows of f32 heads and the panels that become of them.
pub(in super::super) struct Paneling {
    /// Matrices of `m` rows of `len` numbers, one behind the other.
    pub(super) rows: *const f32,
    pub(super) len: usize,
    pub(super) m: usize,
    pub(super) matrices: usize,
    /// `[matrices][len / 32][out_rows][32]`.
    pub(super) panels: *mut u16,
    pub(super) out_rows: usize,
}

/// Rounds heads to bfloat16, in panels of 32 columns.
///
/// # Safety
/// The unit is available; the pointers are good for the shapes.
#[inline(always)]
pub(in super::super) unsafe fn panel<U: Unit, const V: usize>(job: &Paneling) {
    let lanes = <U::Simd as Simd>::LANES;
    let panels = job.len / LINE;
    // SAFETY: the caller's promise.
    unsafe {
        for matrix in 0..job.matrices {
            for row in 0..job.m {
                let from = job.rows.add((matrix * job.m + row) * job.len);
                for panel in 0..panels {
                    let mut x = [U::Simd::splat(0.0); V];
                    for v in 0..V {
                        x[v] = U::Simd::load(from.add(panel * LINE + v * lanes));
                    }
                    let place = ((matrix * panels + panel) * job.out_rows + row) * LINE;
                    U::store_bf16::<V>(job.panels.add(place), x);
                }
            }
        }
    }
}

/// Where code `column` of a row lies in tiles of `steps` lines a row.
#[inline(always)]
pub(super) fn code_place(row: usize, column: usize, steps: usize) -> usize {
    (row / TILE_ROWS * steps + column / ROW_BYTES) * TILE_BYTES + row % TILE_ROWS * ROW_BYTES + column % ROW_BYTES
}

/// Rows and the codes that become of them.
pub(in super::super) struct Quantizing<'a> {
    pub(super) rows: Source,
    /// Numbers of a row, a multiple of `ROW_PAD`.
    pub(super) len: usize,
    pub(super) m: usize,
    /// Per column, what its numbers are multiplied by; null: nothing.
    pub(super) factors: *const f32,
    /// Columns whose codes stand once more behind those of all columns.
    pub(super) copies: &'a [u32],
    pub(super) max_code: i32,
    pub(super) tiles: *mut u8,
    /// Lines of a row of tiles.
    pub(super) steps: usize,
    /// Per row.
    pub(super) scales: *mut f32,
    /// Per row.
    pub(super) zeros: *mut i32,
    /// A row of numbers, and a row of codes.
    pub(super) buffers: (*mut f32, *mut u8),
}

/// Where the numbers of rows stand.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// One row behind the other.
    Rows(*const f32),
    /// bfloat16, in tiles of so many lines a row.
    Tiles(*const u16, usize),
}

/// Quantises rows to tiles of codes; see the `gemm` module. Codes behind those of a row's numbers are whatever stood in the buffer:
/// their weights are zeros.
///
/// # Safety
/// The unit is available; `rows` is good for `m` rows, `tiles` for as many rows of tiles, `scales` and `zeros` for `m` numbers, the
/// buffers for `len` numbers and for `steps` lines, which hold `len` codes and those of `copies`; these are below `len`.
#[inline(always)]
pub(in super::super) unsafe fn quantize<U: Unit>(job: &Quantizing<'_>) {
    let (numbers, codes) = job.buffers;
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..job.m {
            let x = match job.rows {
                Source::Rows(rows) => rows.add(row * job.len),
                Source::Tiles(tiles, steps) => {
                    widen::<U::Simd>(tiles, row, steps, job.len, numbers);
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
unsafe fn widen<S: Simd>(tiles: *const u16, row: usize, steps: usize, len: usize, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        for column in (0..len).step_by(S::LANES) {
            let from = tiles.add(line_place(row, column / LINE, steps) + column % LINE);
            S::store(to.add(column), S::widen_bf16(from));
        }
    }
}
