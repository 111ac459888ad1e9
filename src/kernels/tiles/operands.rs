//! The operands of a matrix unit's products and row operations, and the lengths of their layouts.

use std::ops::Range;

use super::super::activation::Activation;
use super::super::gemm::{Finish, Output, Shape, SharedRows};
use super::product::{JobOutput, TileJob};
use super::unit::{BLOCK, LINE, Lines, ROW_BYTES};

/// Number of columns of a panel, and of rows in a block of the left operand.
pub const TILE_BLOCK: usize = BLOCK;

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
    /// The panels, as [`super::Tiles::pack_bf16`] writes them.
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

/// Creates the part of a job that its output determines.
pub(super) fn towards(out: TileOutput<'_>, m: usize, n: usize, finish: Finish) -> TileJob {
    let (to, columns, finish) = match out {
        TileOutput::Rows(out) => {
            let bias = out.bias.len();
            let (out, stride, split, columns, finish) = out.towards(m, BLOCK, finish);
            assert!(bias == 0 || bias >= columns.end.next_multiple_of(BLOCK), "the bias is shorter than the panels");
            (JobOutput::Rows { out, stride, split }, columns, finish)
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
    fn to(&self, lines: Lines) -> JobOutput {
        JobOutput::Lines { out: self.numbers.start().wrapping_sub(lines.place(0, self.first / LINE)), lines }
    }

    fn check(&self) -> Range<usize> {
        let Range { start, end } = self.columns;
        let in_panels = [self.first, start, end].iter().all(|edge| edge.is_multiple_of(BLOCK));
        assert!(in_panels && self.first <= start && end <= self.first + self.width, "columns in panels");
        assert!(self.bias.is_empty() || self.bias.len() >= end, "the bias is shorter than the columns");
        start..end
    }
}
