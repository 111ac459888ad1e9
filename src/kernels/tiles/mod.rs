//! Products and attention on a matrix unit: a register file of tiles of 16 rows of 64 bytes, which
//! multiplies two tiles at a time.
//!
//! # Shapes
//! The left operand is in tiles, `[rows / 16][k / line][16][line]`, with lines of 64 bytes (32
//! numbers of bfloat16, 64 codes) and whole blocks of 32 rows. Rows behind the last are computed
//! but never stored. `b` is packed as in `gemm`, in panels of 32 columns with steps of 4 bytes. `n`
//! is padded to whole panels and `k` to whole lines, with zeros in bfloat16.
//!
//! # Algorithm
//! ```text
//! for panel of 32 columns:                                       24 KB at k = 384 in bfloat16: stays in L1
//!     for chunk of 12 lines of k:                                longer rows: the sums of 12 blocks wait in memory
//!         for block of 32 rows:                                  four tiles of sums, in the unit
//!             for line of the chunk:
//!                 4 loads, 4 multiplications of tiles            64 cycles
//!                 three rows of the block before: + bias, activation, store       by the vectors, meanwhile
//! ```
//! For a product of bfloat16 with an f32 result and no activation, the rows of the output are the
//! sums themselves. They are loaded with a residual in them, or start with the bias, and are
//! stored. The vectors have nothing to do.
//!
//! A sum in bfloat16 is f32: it keeps its bits when it is loaded and stored between chunks.
//! Therefore an element only depends on its row and its column, as in `gemm`. The result of a
//! product is f32, or bfloat16 in the form that the next operation reads: tiles for a product,
//! panels of 32 columns for attention.
//!
//! # Floor
//! A multiplication takes 16 cycles: 1,024 multiply-adds of bfloat16 per cycle, 2,048 of codes.
//! GELU with bias and stores is some 20 instructions per vector, 640 cycles per block.
//! Multiplications take 768 cycles at `k` = 384 in bfloat16. There GELU hides behind them; in
//! integers it is the floor.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) mod amx;
mod attention;
mod emulated;
mod operands;
mod product;
mod rows;
mod sequences;
#[cfg(test)]
mod tests;
mod unit;

use std::ops::Range;

pub use operands::{
    Bf16Output, Codes, NormOf, PackedBf16, TILE_BLOCK, TileOutput, TileSource, code_lines_len, lines_len, panel_rows,
    tiles_len,
};
pub use sequences::{AttentionBuffers, TileAttention};

use super::gemm::{ColumnParts, Finish, PackedI8, QuantizedRows, Shape, max_code, pack_codes, pointer};
use super::norms::NormOperands;
use super::simd::check_padded;
use attention::{HeadBuffers, HeadJob, attend};
use operands::towards;
use product::TileJob;
use rows::{Norming, Quantizing, Rounding, RowNumbers};
use unit::{BLOCK, LINE, Lines, ROW_BYTES, Unit};

/// The operations of a matrix unit.
#[derive(Debug, Clone, Copy)]
pub struct Tiles {
    multiply_bf16: unsafe fn(&TileJob),
    multiply_i8: unsafe fn(&TileJob),
    round: unsafe fn(&Rounding),
    normalize: unsafe fn(&Norming),
    quantize: unsafe fn(&Quantizing<'_>),
    attend: unsafe fn(&mut dyn Iterator<Item = HeadJob>, &HeadBuffers),
}

/// The table of one unit, whose functions carry `$feature`.
macro_rules! tiles {
    ($($feature:literal,)? $unit:ty, $vectors:literal) => {{
        $(#[target_feature(enable = $feature)])?
        unsafe fn multiply_bf16(job: &TileJob) {
            // SAFETY: the caller's promise.
            unsafe { product::run::<$unit, $vectors, false>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn multiply_i8(job: &TileJob) {
            // SAFETY: the caller's promise.
            unsafe { product::run::<$unit, $vectors, true>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn round(job: &Rounding) {
            // SAFETY: the caller's promise.
            unsafe { rows::round::<$unit, $vectors>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn normalize(job: &Norming) {
            // SAFETY: the caller's promise.
            unsafe { rows::normalize::<$unit, $vectors>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn quantize(job: &Quantizing<'_>) {
            // SAFETY: the caller's promise.
            unsafe { rows::quantize::<$unit>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn attend_all(jobs: &mut dyn Iterator<Item = HeadJob>, buffers: &HeadBuffers) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut unit = <$unit>::enter();
                for job in jobs {
                    attend::<$unit, $vectors>(&mut unit, &job, buffers);
                }
            }
        }
        Tiles { multiply_bf16, multiply_i8, round, normalize, quantize, attend: attend_all }
    }};
}

impl Tiles {
    /// Returns AMX's operations; only where it is available.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub(super) fn amx() -> Self {
        tiles!("avx512f,avx512bw,avx512vl,avx512bf16", amx::Amx, 2)
    }

    /// Returns the operations in plain Rust, for tests on any machine. Products of bfloat16 have
    /// the same bits, at a thousandth of the speed.
    pub fn emulated() -> Self {
        tiles!(emulated::Emulated, 4)
    }
}

impl Tiles {
    /// Rounds `rows` of `len` numbers (padded) to tiles of `lines_len(len)`.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn round_rows(&self, rows: &[f32], len: usize, tiles: &mut [u16]) {
        check_padded(len);
        let m = rows.len() / len;
        assert!(tiles.len() >= tiles_len(m, lines_len(len)), "the tiles are shorter than their shape");
        self.round(rows, len, tiles, Lines::tiles(len.div_ceil(LINE)));
    }

    /// Rounds rows to the lines of an existing layout.
    fn round(&self, rows: &[f32], len: usize, out: &mut [u16], lines: Lines) {
        let job = Rounding { rows: rows.as_ptr(), len, m: rows.len() / len, out: out.as_mut_ptr(), lines };
        // SAFETY: the callers checked the lengths, and the table holds only functions that this
        // processor can run.
        unsafe { (self.round)(&job) }
    }

    /// Applies layer norm to rows of `gamma.len()` numbers (padded), of which the first `len`
    /// count, in place and rounded to tiles. The rows in place also get `bias` added (padded; empty
    /// for none).
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn layer_norm(&self, rows: &mut [f32], norm: &NormOf<'_>, bias: &[f32], tiles: &mut [u16]) {
        let norm = NormOperands::new(norm.gamma, norm.beta, norm.len, norm.eps);
        assert!(rows.len().is_multiple_of(norm.padded), "rows of {}", norm.padded);
        assert!(bias.is_empty() || bias.len() >= norm.padded, "the bias is shorter than a row");
        let m = rows.len() / norm.padded;
        assert!(tiles.len() >= tiles_len(m, lines_len(norm.padded)), "the tiles are shorter than their shape");
        let (rows, tiles) = (rows.as_mut_ptr(), tiles.as_mut_ptr());
        let job = Norming { rows, m, norm, bias: pointer(bias), tiles };
        // SAFETY: as above.
        unsafe { (self.normalize)(&job) }
    }

    /// Rounds `matrices` matrices of rows of `len` numbers (whole lines) to panels of 32 columns:
    /// `[matrices][len / 32][panel_rows(m)][32]`.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn round_heads(&self, rows: &[f32], len: usize, matrices: usize, panels: &mut [u16]) {
        assert!(len > 0 && len.is_multiple_of(LINE), "heads must have whole lines");
        let m = rows.len() / (len * matrices.max(1));
        let out_rows = panel_rows(m);
        assert!(panels.len() >= out_rows.saturating_mul(len * matrices), "the panels are shorter than their shape");
        for matrix in 0..matrices {
            let rows = &rows[matrix * m * len..][..m * len];
            self.round(rows, len, &mut panels[matrix * out_rows * len..], Lines::panels(out_rows));
        }
    }

    /// Quantises rows of `len` numbers (padded), as [`super::GemmI8::quantize_parts`] does, to
    /// tiles of `code_lines_len(len + copies)` codes per row.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says, or a copied column is out of range.
    pub fn quantize(&self, rows: TileSource<'_>, len: usize, parts: ColumnParts<'_>, to: Codes<'_>) {
        check_padded(len);
        let (m, source) = match rows {
            TileSource::Rows(rows) => (rows.len() / len, RowNumbers::Rows(rows.as_ptr())),
            TileSource::Tiles(tiles, m) => {
                assert!(tiles.len() >= tiles_len(m, lines_len(len)), "the tiles are shorter than their shape");
                (m, RowNumbers::Tiles(tiles.as_ptr()))
            }
        };
        let width = code_lines_len(len + parts.copies.len());
        assert!(parts.factors.is_empty() || parts.factors.len() >= len, "fewer factors than columns");
        assert!(parts.copies.iter().all(|&column| (column as usize) < len), "a copied column is not there");
        assert!(to.codes.len() >= tiles_len(m, width), "the codes are shorter than their shape");
        assert!(to.scales.len() >= m && to.zeros.len() >= m, "fewer scales or zero points than rows");
        assert!(to.numbers.len() >= len && to.row.len() >= width, "the buffers are shorter than a row");
        let job = Quantizing {
            rows: source,
            len,
            m,
            factors: pointer(parts.factors),
            copies: parts.copies,
            max_code: max_code(255, width),
            tiles: to.codes.as_mut_ptr(),
            steps: width / ROW_BYTES,
            scales: to.scales.as_mut_ptr(),
            zeros: to.zeros.as_mut_ptr(),
            buffers: (to.numbers.as_mut_ptr(), to.row.as_mut_ptr()),
        };
        // SAFETY: as above.
        unsafe { (self.quantize)(&job) }
    }

    /// Computes `a x b` with `m` rows of `b.inputs` numbers of bfloat16, in tiles. Parts of `k`
    /// that are added one after the other, in order, give the same bits as the whole.
    ///
    /// # Panics
    /// If an operand is shorter than its shape says, or the inputs are not whole lines of it.
    pub fn multiply_bf16(&self, a: &[u16], m: usize, b: PackedBf16<'_>, out: TileOutput<'_>) {
        let PackedBf16 { panels, shape, inputs } = b;
        let whole_lines = [shape.k, inputs.start, inputs.end].iter().all(|edge| edge.is_multiple_of(LINE));
        assert!(whole_lines && inputs.start <= inputs.end && inputs.end <= shape.k, "inputs must be whole lines of k");
        assert!(a.len() >= tiles_len(m, inputs.len()), "a is shorter than its shape");
        assert!(panels.len() >= shape.len(), "b is shorter than its shape");
        let job = TileJob {
            m,
            steps: inputs.len() / LINE,
            a: a.as_ptr().cast(),
            b: panels.as_ptr().wrapping_add(inputs.start * BLOCK).cast(),
            panel_steps: shape.k / LINE,
            ..towards(out, m, shape.n, Finish::none())
        };
        // SAFETY: as above.
        unsafe { (self.multiply_bf16)(&job) }
    }

    /// Computes `a x b` with `a.scales.len()` rows of codes in tiles.
    ///
    /// # Panics
    /// If an operand is shorter than its shape says.
    pub fn multiply_i8(&self, a: QuantizedRows<'_>, b: PackedI8<'_>, out: TileOutput<'_>) {
        let (m, Shape { n, k }) = (a.scales.len(), b.shape);
        assert!(k.is_multiple_of(ROW_BYTES), "k must be whole lines");
        assert!(a.codes.len() >= tiles_len(m, k) && a.zeros.len() >= m, "a is shorter than its shape");
        assert!(b.panels.len() >= b.shape.len() && b.scales.len() >= n && b.sums.len() >= n, "b is shorter than n x k");
        let finish = Finish::integers(a.scales, a.zeros, b.scales, b.sums);
        let job = TileJob {
            m,
            steps: k / ROW_BYTES,
            a: a.codes.as_ptr(),
            b: b.panels.as_ptr().cast(),
            panel_steps: k / ROW_BYTES,
            ..towards(out, m, n, finish)
        };
        // SAFETY: as above.
        unsafe { (self.multiply_i8)(&job) }
    }

    /// Writes a column (a row of a linear layer's weights) into its place in the panels of `shape`.
    ///
    /// # Panics
    /// If the column or `packed` does not fit the shape.
    pub fn pack_bf16(
        &self,
        values: impl ExactSizeIterator<Item = u16>,
        column: usize,
        shape: Shape,
        packed: &mut [u16],
    ) {
        shape.place(column, BLOCK, 2, packed.len()).write(values, packed);
    }

    /// Quantises a column and writes it into its place, like [`super::GemmI8::pack_column`].
    ///
    /// # Panics
    /// If the column or `panels` does not fit the shape.
    pub fn pack_i8(&self, weights: &[f32], column: usize, shape: Shape, panels: &mut [i8]) -> (f32, i32) {
        pack_codes(weights, shape, shape.place(column, BLOCK, 4, panels.len()), 4, panels)
    }

    /// Computes attention of the heads `heads` over ragged sequences; see [`TileAttention`]. The
    /// context of tokens that attend to no key is not written.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn attend(&self, attention: &TileAttention<'_>, heads: Range<usize>, buffers: &mut AttentionBuffers) {
        attention.check(&heads);
        let longest = attention.attended.iter().copied().max().unwrap_or(0);
        let pointers = buffers.at_least(longest, attention.dim);
        let mut jobs = heads.flat_map(|head| attention.jobs(head));
        // SAFETY: the lengths were checked, the buffers are large enough for the longest sequence,
        // and the table holds only functions that this processor can run.
        unsafe { (self.attend)(&mut jobs, &pointers) }
    }
}
