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
mod product;
mod rows;
#[cfg(test)]
mod tests;
mod unit;

use std::ops::Range;

use super::activation::Activation;
use super::gemm::{Finish, Output, PackedI8, Parts, QuantizedRows, Shape, SharedRows, max_code, pack_codes, pointer};
use super::norms::Norm;
use super::simd::check_padded;
use attention::{Block, Context, HeadBuffers, HeadJob, attend};
use product::{TileJob, To};
use rows::{Norming, Quantizing, Rounding, Source};
use unit::{BLOCK, LINE, Lines, ROW_BYTES, Sums, Unit};

/// Number of columns of a panel, and of rows in a block of the left operand.
pub const TILE_BLOCK: usize = BLOCK;

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

/// Returns the number of bfloat16 numbers in a row of tiles for `len` numbers: whole lines.
pub fn lines_len(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// Returns the number of codes in a row of tiles for `len` codes: whole lines.
pub fn code_lines_len(len: usize) -> usize {
    len.next_multiple_of(ROW_BYTES)
}

/// Returns the number of elements in the tiles of `m` rows of `row_len` elements (whole lines), for
/// whole blocks of rows.
pub fn tiles_len(m: usize, row_len: usize) -> usize {
    m.next_multiple_of(BLOCK).saturating_mul(row_len)
}

/// Returns the number of rows in a panel of heads for `tokens`. It has one block more, because a
/// block of queries may be read beyond the last token.
pub fn panel_rows(tokens: usize) -> usize {
    tokens + BLOCK
}

/// The destination of a product in tiles.
#[derive(Debug)]
pub enum TileOutput<'a> {
    /// Rows of f32.
    Rows(Output<'a>),
    /// Tiles of bfloat16 for another product.
    Tiles(Bf16Output<'a>),
    /// Panels of bfloat16 for attention: `[n / 32][panel_rows(m)][32]`.
    Panels(Bf16Output<'a>),
}

/// Packed weights of bfloat16, and the inputs to multiply by.
#[derive(Debug, Clone)]
pub struct PackedBf16<'a> {
    /// The panels, as [`Tiles::pack_bf16`] writes them.
    pub panels: &'a [u16],
    /// The shape of the panels.
    pub shape: Shape,
    /// The inputs: a part of `k`, in whole lines. The rows of the left operand only have these
    /// numbers.
    pub inputs: Range<usize>,
}

impl<'a> PackedBf16<'a> {
    /// Creates the weights with all inputs.
    pub fn whole(panels: &'a [u16], shape: Shape) -> Self {
        Self { panels, shape, inputs: 0..shape.k }
    }
}

/// An output of bfloat16 in tiles or panels.
#[derive(Debug)]
pub struct Bf16Output<'a> {
    /// Tiles of rows of `width` numbers, or panels of `width` numbers together.
    pub numbers: SharedRows<u16>,
    /// The first column in `numbers`.
    pub first: usize,
    /// Number of padded columns in total, from the first on.
    pub width: usize,
    /// The columns to compute.
    pub columns: Range<usize>,
    /// The bias per column, for whole panels; empty for none.
    pub bias: &'a [f32],
    /// The activation, applied last; panels have none.
    pub activation: Activation,
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
        let norm = Norm::new(norm.gamma, norm.beta, norm.len, norm.eps);
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
    pub fn quantize(&self, rows: TileSource<'_>, len: usize, parts: Parts<'_>, to: Codes<'_>) {
        check_padded(len);
        let (m, source) = match rows {
            TileSource::Rows(rows) => (rows.len() / len, Source::Rows(rows.as_ptr())),
            TileSource::Tiles(tiles, m) => {
                assert!(tiles.len() >= tiles_len(m, lines_len(len)), "the tiles are shorter than their shape");
                (m, Source::Tiles(tiles.as_ptr()))
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

    /// Computes attention of the heads `heads` over ragged sequences; see [`Attention`]. The
    /// context of tokens that attend to no key is not written.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn attend(&self, attention: &Attention<'_>, heads: Range<usize>, buffers: &mut AttentionBuffers) {
        attention.check(&heads);
        let longest = attention.attended.iter().copied().max().unwrap_or(0);
        let pointers = buffers.at_least(longest, attention.dim);
        let mut jobs = heads.flat_map(|head| attention.jobs(head));
        // SAFETY: the lengths were checked, the buffers are large enough for the longest sequence,
        // and the table holds only functions that this processor can run.
        unsafe { (self.attend)(&mut jobs, &pointers) }
    }
}

/// Creates the part of a job that its output determines.
fn towards(out: TileOutput<'_>, m: usize, n: usize, finish: Finish) -> TileJob {
    let (to, columns, finish) = match out {
        TileOutput::Rows(out) => {
            let bias = out.bias.len();
            let (out, stride, split, columns, finish) = out.towards(m, BLOCK, finish);
            assert!(bias == 0 || bias >= columns.end.next_multiple_of(BLOCK), "the bias is shorter than the panels");
            (To::Rows { out, stride, split }, columns, finish)
        }
        TileOutput::Tiles(out) => {
            assert!(out.width.is_multiple_of(LINE) && out.numbers.len() >= tiles_len(m, out.width), "short tiles");
            (out.to(Lines::tiles(out.width / LINE)), out.check(), finish.then(out.bias, out.activation))
        }
        TileOutput::Panels(out) => {
            let rows = panel_rows(m);
            assert!(out.width.is_multiple_of(LINE), "panels must be whole");
            assert!(out.numbers.len() >= rows.saturating_mul(out.width), "the panels are shorter than their shape");
            (out.to(Lines::panels(rows)), out.check(), finish.then(out.bias, Activation::None))
        }
    };
    assert!(columns.end.next_multiple_of(BLOCK) <= n.next_multiple_of(BLOCK), "there are {n} columns");
    TileJob { m, steps: 0, a: std::ptr::null(), b: std::ptr::null(), panel_steps: 0, columns, finish, to }
}

impl Bf16Output<'_> {
    fn to(&self, lines: Lines) -> To {
        To::Lines { out: self.numbers.start().wrapping_sub(lines.place(0, self.first / LINE)), lines }
    }

    fn check(&self) -> Range<usize> {
        let Range { start, end } = self.columns;
        let in_panels = [self.first, start, end].iter().all(|edge| edge.is_multiple_of(BLOCK));
        assert!(in_panels && self.first <= start && end <= self.first + self.width, "columns in panels");
        assert!(self.bias.is_empty() || self.bias.len() >= end, "the bias is shorter than the columns");
        start..end
    }
}

/// A layer norm.
#[derive(Debug, Clone, Copy)]
pub struct NormOf<'a> {
    /// The scale of each column, padded.
    pub gamma: &'a [f32],
    /// The bias of each column, padded.
    pub beta: &'a [f32],
    /// Number of columns that count; the others are zeros in both, and in the rows.
    pub len: usize,
    /// The number added to the variance.
    pub eps: f32,
}

/// Rows to quantise.
#[derive(Debug, Clone, Copy)]
pub enum TileSource<'a> {
    /// Rows of f32, one after the other.
    Rows(&'a [f32]),
    /// A number of rows of bfloat16, in tiles.
    Tiles(&'a [u16], usize),
}

/// The destination of codes, and buffers for a row.
#[derive(Debug)]
pub struct Codes<'a> {
    /// The tiles of codes.
    pub codes: &'a mut [u8],
    /// The scale of each row.
    pub scales: &'a mut [f32],
    /// The zero point of each row.
    pub zeros: &'a mut [i32],
    /// A buffer of a row of numbers.
    pub numbers: &'a mut [f32],
    /// A buffer of a row of codes.
    pub row: &'a mut [u8],
}

/// Queries, keys and values of sequences, `[count + 2 kv_count][dim / 32][panel_rows(tokens)][32]`,
/// and the destination of their context.
#[derive(Debug)]
pub struct Attention<'a> {
    /// The numbers, in bfloat16; queries include the factor `log2(e) / sqrt(head_dim)`.
    pub heads: &'a [u16],
    /// Number of heads.
    pub count: usize,
    /// Number of heads of keys and of values, a divisor of `count`: as many heads share each.
    pub kv_count: usize,
    /// Number of numbers in a head, whole lines.
    pub dim: usize,
    /// Offsets of the sequences.
    pub cu_seqlens: &'a [usize],
    /// For each sequence, the number of its first tokens that are attended to.
    pub attended: &'a [usize],
    /// Number of tokens before a token that it attends to; `usize::MAX`: all.
    pub before: usize,
    /// Number of tokens after a token that it attends to; 0 in a causal model.
    pub after: usize,
    /// The context: tiles of rows of `count * dim` numbers; each head writes its own lines.
    pub context: SharedRows<u16>,
}

impl Attention<'_> {
    fn tokens(&self) -> usize {
        self.cu_seqlens.last().copied().unwrap_or(0)
    }

    fn check(&self, heads: &Range<usize>) {
        let (tokens, width) = (self.tokens(), self.count.saturating_mul(self.dim));
        assert!(self.dim > 0 && self.dim.is_multiple_of(LINE), "heads must have whole lines");
        assert!(heads.end <= self.count, "there are {} heads", self.count);
        let is_shared = self.kv_count > 0 && self.count.is_multiple_of(self.kv_count);
        assert!(is_shared, "{} heads cannot share {} of keys", self.count, self.kv_count);
        let numbers = width.saturating_add(self.kv_count.saturating_mul(2 * self.dim));
        assert!(self.heads.len() >= numbers.saturating_mul(panel_rows(tokens)), "heads shorter than their shape");
        assert!(self.context.len() >= tiles_len(tokens, width), "the context is shorter than its shape");
        assert!(self.attended.len() + 1 == self.cu_seqlens.len().max(1), "one number of attended tokens a sequence");
        let mut sequences = self.cu_seqlens.windows(2).zip(self.attended);
        assert!(sequences.all(|(edges, attended)| edges[0] <= edges[1] && *attended <= edges[1] - edges[0]), "lengths");
    }

    /// Returns a head of each sequence that has keys.
    fn jobs(&self, head: usize) -> impl Iterator<Item = HeadJob> {
        let (rows, panels) = (panel_rows(self.tokens()), self.dim / LINE);
        // Half of the largest number, so that sums with positions do not overflow.
        let (before, after) = (self.before.min(usize::MAX / 2), self.after.min(usize::MAX / 2));
        let keys = self.count + head / (self.count / self.kv_count);
        let matrix = move |matrix: usize, first: usize| self.heads[(matrix * panels * rows + first) * LINE..].as_ptr();
        let sequences = self.cu_seqlens.windows(2).zip(self.attended).filter(|(_, attended)| **attended > 0);
        sequences.map(move |(edges, &attended)| HeadJob {
            queries: matrix(head, edges[0]),
            keys: matrix(keys, edges[0]),
            values: matrix(keys + self.kv_count, edges[0]),
            panel: rows * LINE,
            panels,
            tokens: (edges[1] - edges[0]).min(attended.saturating_add(before)),
            attended,
            before,
            after,
            context: Context {
                tiles: self.context.start(),
                lines: Lines::tiles(self.count * panels),
                row: edges[0],
                line: head * panels,
            },
        })
    }
}

/// The buffers of one worker for [`Tiles::attend`]; they grow to the longest sequence.
pub struct AttentionBuffers {
    keys: Vec<Step>,
    values: Vec<Step>,
    context: Vec<Sums>,
    block: Box<[Block]>,
}

/// Packed numbers of 32 keys or values.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Step([u16; BLOCK * LINE]);

impl AttentionBuffers {
    /// Creates empty buffers.
    pub fn new() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), context: Vec::new(), block: Box::new([]) }
    }

    fn at_least(&mut self, keys: usize, dim: usize) -> HeadBuffers {
        let panels = dim / LINE;
        let steps = keys.div_ceil(BLOCK).saturating_mul(panels);
        for numbers in [&mut self.keys, &mut self.values] {
            numbers.resize(steps.max(numbers.len()), Step([0; BLOCK * LINE]));
        }
        self.context.resize(panels.max(self.context.len()), Sums::ZERO);
        if self.block.is_empty() {
            self.block = vec![Block::ZERO].into_boxed_slice();
        }
        HeadBuffers {
            keys: self.keys.as_mut_ptr().cast(),
            values: self.values.as_mut_ptr().cast(),
            context: self.context.as_mut_ptr(),
            block: self.block.as_mut_ptr(),
        }
    }
}

impl Default for AttentionBuffers {
    fn default() -> Self {
        Self::new()
    }
}
