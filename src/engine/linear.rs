//! A linear layer: packed weights in one of three precisions, and the call that picks the kernel.

use std::ops::Range;

use rayon::prelude::*;

use super::Precision;
use super::aligned::{Aligned, Number};
use super::batch::Batch;
use super::finite::all_finite;
use super::operand::Operand;
use super::profile::LapsOf;
use super::split_columns::SplitColumns;
use crate::kernels::{
    Activation, Bf16Output, Codes, Kernels, Left, Output, OutputRows, PackedI8, Parts, QuantizedRows, Right, Shape,
    SharedRows, Split, TILE_BLOCK, TileOutput, TileSource, Tiles, code_lines_len, lines_len, tiles_len,
};

/// `y = x W^T + b` for rows of `k` numbers; `n` numbers come out. Both are padded with zeros to whole blocks.
pub(super) struct Linear {
    kernels: &'static Kernels,
    /// The matrix unit, if it computes this layer.
    tiles: Option<Tiles>,
    weights: Weights,
    bias: Aligned<f32>,
    /// Outputs and inputs in rows of f32.
    shape: Shape,
    /// The shape of the packed weights: whole panels and steps, added columns included.
    packed: Shape,
}

enum Weights {
    F32(Aligned<f32>),
    Bf16(Aligned<u16>),
    I8 { panels: Aligned<i8>, scales: Aligned<f32>, sums: Aligned<i32>, split: Option<SplitColumns> },
}

/// What a layer reads.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    /// Rows of padded numbers.
    F32(&'a [f32]),
    /// So many rows of bfloat16, in tiles.
    Tiles(&'a [u16], usize),
}

/// Where the result of a layer goes, and what is done to it on the way.
pub(super) enum To<'a> {
    /// Rows of [`Linear::n`] numbers.
    Store(&'a mut [f32], Activation),
    /// Matrices of so many columns, one behind the other.
    Split(&'a mut [f32], usize),
    /// Rows of [`Linear::n`] numbers, which it is added to; they hold its [`Linear::early_bias`].
    Add(&'a mut [f32]),
    /// Rounded to bfloat16, in tiles. Of a layer of the matrix unit only.
    Tiles(&'a mut [u16], Activation),
    /// Rounded to bfloat16, in panels for attention. Of a layer of the matrix unit only.
    Panels(&'a mut [u16]),
}

/// Whether a matrix unit computes layers of this precision.
pub(super) fn matrix_unit(kernels: &Kernels, precision: Precision) -> Option<Tiles> {
    kernels.tiles.filter(|_| precision != Precision::F32)
}

/// A number in a weight that is none.
#[derive(Debug)]
pub(super) struct NotFinite {
    /// The column: an output of the layer.
    pub(super) column: usize,
}

impl Linear {
    /// Packs a layer of `n` outputs for inputs of `k` numbers. `fill` writes the weights of one output into a row of `k` zeros;
    /// `bias` is empty or has one number per output. `split` says how columns with large numbers are split where activations have
    /// codes of 8 bits; other precisions and kernels leave it aside.
    ///
    /// # Errors
    /// When a weight or a bias is not a finite number.
    pub(super) fn pack(
        kernels: &'static Kernels,
        precision: Precision,
        (n, k): (usize, usize),
        fill: impl Fn(usize, &mut [f32]) + Sync,
        bias: &[f32],
        split: Option<SplitColumns>,
    ) -> Result<Self, NotFinite> {
        let split = split.filter(|_| splits_columns(kernels, precision));
        let shape = Shape::padded(n, k);
        let row = |column: usize, row: &mut [f32]| {
            row.fill(0.0);
            if column < n {
                fill(column, &mut row[..k]);
            }
            if all_finite(row) { Ok(()) } else { Err(NotFinite { column }) }
        };
        let tiles = matrix_unit(kernels, precision);
        let packed = packed_shape(tiles.is_some(), precision, shape, split.as_ref());
        let weights = match precision {
            Precision::F32 => {
                let gemm = &kernels.gemm_f32;
                Weights::F32(pack_panels(packed, gemm.nr(), |column, place, packed, panel, buffer| {
                    row(column, buffer)?;
                    gemm.pack_column(buffer.iter().copied(), place, packed, panel);
                    Ok(())
                })?)
            }
            Precision::Bf16 => {
                let nr = tiles.map_or(kernels.gemm_bf16.nr(), |_| TILE_BLOCK);
                Weights::Bf16(pack_panels(packed, nr, |column, place, packed, panel, buffer| {
                    row(column, &mut buffer[..shape.k])?;
                    let values = buffer.iter().map(|w| half::bf16::from_f32(*w).to_bits());
                    match tiles {
                        Some(tiles) => tiles.pack_bf16(values, place, packed, panel),
                        None => kernels.gemm_bf16.pack_column(values, place, packed, panel),
                    }
                    Ok(())
                })?)
            }
            Precision::I8 => pack_i8(kernels, tiles, packed, shape.k, row, split)?,
        };
        if let Some(column) = bias.iter().position(|b| !b.is_finite()) {
            return Err(NotFinite { column });
        }
        let mut padded = Aligned::zeroed(if bias.is_empty() { 0 } else { packed.n });
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        Ok(Self { kernels, tiles, weights, bias: padded, shape, packed })
    }

    /// Numbers of an output row, padding included.
    pub(super) fn n(&self) -> usize {
        self.shape.n
    }

    /// Operations (a multiply-add is two) for one row.
    pub(super) fn operations_per_row(&self) -> usize {
        2 * self.shape.len()
    }

    /// Numbers of an input row, padding included.
    pub(super) fn k(&self) -> usize {
        self.shape.k
    }

    /// Numbers of an input row in tiles of bfloat16, padding included.
    pub(super) fn tile_row(&self) -> usize {
        lines_len(self.shape.k)
    }

    /// The matrix unit, if it computes the layer, which then reads tiles of bfloat16.
    pub(super) fn tiles(&self) -> Option<&Tiles> {
        self.tiles.as_ref()
    }

    /// The bias that rows must hold before this layer is added to them: a matrix unit's sums in bfloat16 are the rows themselves. Empty
    /// where the layer adds it.
    pub(super) fn early_bias(&self) -> &[f32] {
        self.bf16_tiles().map_or(&[], |_| self.bias.as_slice())
    }

    /// The matrix unit, if the layer multiplies bfloat16 on it: tiles of [`Linear::tile_row`] numbers a row.
    pub(super) fn bf16_tiles(&self) -> Option<&Tiles> {
        self.tiles.as_ref().filter(|_| matches!(self.weights, Weights::Bf16(_)))
    }

    /// Makes rows what the kernel multiplies: the same, rounded, or quantised. They become the rows of `operand` from `first` on; on a matrix
    /// unit `first` is a multiple of its block.
    pub(super) fn prepare(&self, rows: Rows<'_>, operand: &mut Operand, first: usize) {
        match (rows, &self.tiles, &self.weights) {
            (rows, Some(tiles), Weights::I8 { split, .. }) => {
                self.quantize_tiles(tiles, split.as_ref(), rows, operand, first)
            }
            (Rows::F32(rows), Some(tiles), _) => {
                let end = first + rows.len() / self.shape.k;
                let rounded = operand.halves.at_least(tiles_len(end, self.packed.k));
                tiles.round_rows(rows, self.shape.k, &mut rounded[first * self.packed.k..]);
            }
            (Rows::F32(rows), None, _) => self.prepare_rows(rows, operand, first),
            // Read where they are.
            (Rows::Tiles(..), Some(_), _) => {}
            (Rows::Tiles(..), None, _) => unreachable!("a layer without a matrix unit is given no tiles"),
        }
    }

    fn prepare_rows(&self, rows: &[f32], operand: &mut Operand, first: usize) {
        let k = self.shape.k;
        let m = rows.len() / k;
        match &self.weights {
            Weights::F32(_) => {}
            Weights::Bf16(_) => {
                let rounded = operand.halves.at_least((first + m) * k);
                self.kernels.elementwise.to_bf16(rows, &mut rounded[first * k..]);
            }
            Weights::I8 { split, .. } => {
                let gemm = &self.kernels.gemm_i8;
                let bytes = self.packed.k * gemm.code_bytes();
                let codes = &mut operand.codes.at_least((first + m) * bytes)[first * bytes..];
                let scales = &mut operand.scales.at_least(first + m)[first..];
                let zeros = &mut operand.zeros.at_least(first + m)[first..];
                let parts = split.as_ref().map_or(Parts::default(), SplitColumns::parts);
                gemm.quantize_parts(Left { rows, stride: k, m }, k, parts, codes, scales, zeros);
            }
        }
    }

    fn quantize_tiles(
        &self,
        tiles: &Tiles,
        split: Option<&SplitColumns>,
        rows: Rows<'_>,
        operand: &mut Operand,
        first: usize,
    ) {
        let (source, m) = match rows {
            Rows::F32(rows) => (TileSource::Rows(rows), rows.len() / self.shape.k),
            Rows::Tiles(rows, m) => (TileSource::Tiles(rows, m), m),
        };
        let to = Codes {
            codes: &mut operand.codes.at_least(tiles_len(first + m, self.packed.k))[first * self.packed.k..],
            scales: &mut operand.scales.at_least(first + m)[first..],
            zeros: &mut operand.zeros.at_least(first + m)[first..],
            numbers: operand.row.at_least(self.shape.k),
            row: operand.row_codes.at_least(self.packed.k),
        };
        tiles.quantize(source, self.shape.k, split.map_or(Parts::default(), SplitColumns::parts), to);
    }

    /// What [`Linear::prepare`] made of `rows`, the first of the operand.
    fn prepared<'a>(&self, rows: Rows<'a>, operand: &'a Operand) -> Prepared<'a> {
        let k = self.shape.k;
        let m = match rows {
            Rows::F32(rows) => rows.len() / k,
            Rows::Tiles(_, m) => m,
        };
        match (&self.weights, rows, &self.tiles) {
            (Weights::I8 { .. }, ..) => Prepared::I8(QuantizedRows {
                codes: operand.codes.as_slice(),
                scales: &operand.scales.as_slice()[..m],
                zeros: &operand.zeros.as_slice()[..m],
            }),
            (_, Rows::Tiles(tiles, m), _) => Prepared::Tiles(tiles, m),
            (_, Rows::F32(_), Some(_)) => Prepared::Tiles(operand.halves.as_slice(), m),
            (Weights::F32(_), Rows::F32(rows), None) => Prepared::F32(Left { rows, stride: k, m }),
            (Weights::Bf16(_), Rows::F32(_), None) => {
                Prepared::Bf16(Left { rows: operand.halves.as_slice(), stride: k, m })
            }
        }
    }

    /// Prepares rows and computes them.
    pub(super) fn apply(
        &self,
        batch: &Batch<'_>,
        input: Rows<'_>,
        to: To<'_>,
        operand: &mut Operand,
        mut laps: LapsOf<'_>,
    ) {
        self.prepare(input, operand, 0);
        laps.prepared();
        self.multiply(batch, input, operand, to, laps);
    }

    /// Computes rows that are prepared. With more than one thread, each computes some panels of columns.
    pub(super) fn multiply(
        &self,
        batch: &Batch<'_>,
        input: Rows<'_>,
        operand: &Operand,
        to: To<'_>,
        mut laps: LapsOf<'_>,
    ) {
        self.forward(self.prepared(input, operand), to, batch.threads);
        laps.computed();
    }

    fn forward(&self, rows: Prepared<'_>, mut to: To<'_>, threads: usize) {
        let nr = self.nr();
        let panels = self.shape.n.div_ceil(nr);
        let parts = threads.min(panels).max(1);
        // SAFETY: what `to` borrows stays borrowed until all parts are done, and their columns do not overlap.
        let shared = unsafe { SharedTo::new(&mut to) };
        if parts == 1 {
            return self.columns(rows, shared, 0..self.shape.n);
        }
        (0..parts).into_par_iter().for_each(|part| {
            let edge = |part: usize| (part * panels / parts * nr).min(self.shape.n);
            self.columns(rows, shared, edge(part)..edge(part + 1));
        });
    }

    /// Columns of a panel.
    fn nr(&self) -> usize {
        match &self.weights {
            _ if self.tiles.is_some() => TILE_BLOCK,
            Weights::F32(_) => self.kernels.gemm_f32.nr(),
            Weights::Bf16(_) => self.kernels.gemm_bf16.nr(),
            Weights::I8 { .. } => self.kernels.gemm_i8.nr(),
        }
    }

    fn columns(&self, input: Prepared<'_>, to: SharedTo, columns: Range<usize>) {
        match self.tiles {
            Some(tiles) => self.columns_in_tiles(&tiles, input, to, columns),
            None => self.columns_in_rows(input, self.rows_output(to, input.rows(), columns)),
        }
    }

    fn columns_in_tiles(&self, tiles: &Tiles, input: Prepared<'_>, to: SharedTo, columns: Range<usize>) {
        let (whole, bias) = (columns.start..columns.end.next_multiple_of(TILE_BLOCK), self.bias.as_slice());
        let bf16 = |numbers, activation| {
            let width = self.packed.n;
            Bf16Output { numbers, width, columns: whole.clone(), bias, activation }
        };
        let out = match to {
            SharedTo::Tiles(numbers, activation) => TileOutput::Tiles(bf16(numbers, activation)),
            SharedTo::Panels(numbers) => TileOutput::Panels(bf16(numbers, Activation::None)),
            rows => TileOutput::Rows(self.rows_output(rows, input.rows(), columns)),
        };
        match (&self.weights, input) {
            (Weights::Bf16(panels), Prepared::Tiles(rows, m)) => {
                tiles.multiply_bf16(rows, m, panels.as_slice(), self.packed, out);
            }
            (Weights::I8 { panels, scales, sums, .. }, Prepared::I8(left)) => {
                tiles.multiply_i8(left, self.packed_i8(panels, scales, sums), out);
            }
            _ => unreachable!("rows are prepared by a layer of the same precision"),
        }
    }

    /// An output in rows of f32.
    fn rows_output(&self, to: SharedTo, m: usize, columns: Range<usize>) -> Output<'_> {
        let plain = |rows| Output {
            bias: self.bias.as_slice(),
            ..Output::plain(OutputRows::Shared(rows), self.shape.n, columns.clone())
        };
        match to {
            SharedTo::Store(rows, activation) => Output { activation, ..plain(rows) },
            SharedTo::Split(rows, width) => {
                let split = Split { width, stride: m * width };
                Output { stride: width, split: Some(split), ..plain(rows) }
            }
            SharedTo::Add(rows) => {
                let bias = if self.early_bias().is_empty() { self.bias.as_slice() } else { &[] };
                Output { add: true, bias, ..plain(rows) }
            }
            SharedTo::Tiles(..) | SharedTo::Panels(_) => unreachable!("tiles are for the matrix unit"),
        }
    }

    fn columns_in_rows(&self, input: Prepared<'_>, out: Output<'_>) {
        let k = self.shape.k;
        match (&self.weights, input) {
            (Weights::F32(panels), Prepared::F32(left)) => {
                self.kernels.gemm_f32.multiply(left, Right::Packed(panels.as_slice()), k, out);
            }
            (Weights::Bf16(panels), Prepared::Bf16(left)) => {
                self.kernels.gemm_bf16.multiply(left, Right::Packed(panels.as_slice()), k, out);
            }
            (Weights::I8 { panels, scales, sums, .. }, Prepared::I8(left)) => {
                self.kernels.gemm_i8.multiply(left, self.packed_i8(panels, scales, sums), out);
            }
            _ => unreachable!("rows are prepared by a layer of the same precision"),
        }
    }

    fn packed_i8<'a>(&self, panels: &'a Aligned<i8>, scales: &'a Aligned<f32>, sums: &'a Aligned<i32>) -> PackedI8<'a> {
        let (panels, scales, sums) = (panels.as_slice(), scales.as_slice(), sums.as_slice());
        PackedI8 { panels, scales, sums, shape: self.packed }
    }
}

/// [`To`] for threads that write different columns.
#[derive(Clone, Copy)]
enum SharedTo {
    Store(SharedRows<f32>, Activation),
    Split(SharedRows<f32>, usize),
    Add(SharedRows<f32>),
    Tiles(SharedRows<u16>, Activation),
    Panels(SharedRows<u16>),
}

impl SharedTo {
    /// # Safety
    /// As [`SharedRows::new`].
    unsafe fn new(to: &mut To<'_>) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            match to {
                To::Store(rows, activation) => Self::Store(SharedRows::new(rows), *activation),
                To::Split(rows, width) => Self::Split(SharedRows::new(rows), *width),
                To::Add(rows) => Self::Add(SharedRows::new(rows)),
                To::Tiles(rows, activation) => Self::Tiles(SharedRows::new(rows), *activation),
                To::Panels(rows) => Self::Panels(SharedRows::new(rows)),
            }
        }
    }
}

/// The shape in which weights are packed.
fn packed_shape(tiled: bool, precision: Precision, shape: Shape, split: Option<&SplitColumns>) -> Shape {
    let k = split.map_or(shape.k, SplitColumns::width);
    match (tiled, precision) {
        (false, _) => Shape { n: shape.n, k },
        (true, Precision::I8) => Shape { n: shape.n.next_multiple_of(TILE_BLOCK), k: code_lines_len(k) },
        (true, _) => Shape { n: shape.n.next_multiple_of(TILE_BLOCK), k: lines_len(k) },
    }
}

/// Rows as a layer multiplies them.
#[derive(Clone, Copy)]
enum Prepared<'a> {
    F32(Left<'a, f32>),
    Bf16(Left<'a, u16>),
    I8(QuantizedRows<'a>),
    /// So many rows of bfloat16, in tiles.
    Tiles(&'a [u16], usize),
}

impl Prepared<'_> {
    fn rows(&self) -> usize {
        match self {
            Prepared::F32(left) => left.m,
            Prepared::Bf16(left) => left.m,
            Prepared::I8(rows) => rows.scales.len(),
            Prepared::Tiles(_, m) => *m,
        }
    }
}

/// Packs all panels in parallel: `pack` gets a column, its place in its panel, the panel's shape, the panel, and a buffer of `k` numbers.
fn pack_panels<T: Number>(
    shape: Shape,
    nr: usize,
    pack: impl Fn(usize, usize, Shape, &mut [T], &mut [f32]) -> Result<(), NotFinite> + Sync,
) -> Result<Aligned<T>, NotFinite> {
    let mut packed = Aligned::zeroed(shape.len());
    packed.as_mut_slice().par_chunks_mut(nr * shape.k).enumerate().try_for_each_init(
        || vec![0.0; shape.k],
        |buffer, (panel, elements)| {
            let shape = Shape { n: elements.len() / shape.k, k: shape.k };
            (0..shape.n).try_for_each(|place| pack(panel * nr + place, place, shape, elements, buffer))
        },
    )?;
    Ok(packed)
}

/// Packs weights as i8 in panels of `shape`; a row has `k` numbers, and those of the added columns.
fn pack_i8(
    kernels: &'static Kernels,
    tiles: Option<Tiles>,
    shape: Shape,
    k: usize,
    row: impl Fn(usize, &mut [f32]) -> Result<(), NotFinite> + Sync,
    split: Option<SplitColumns>,
) -> Result<Weights, NotFinite> {
    let gemm = &kernels.gemm_i8;
    let nr = tiles.map_or(gemm.nr(), |_| TILE_BLOCK);
    let width = split.as_ref().map_or(k, SplitColumns::width);
    let mut panels = Aligned::<i8>::zeroed(shape.len());
    let (mut scales, mut sums) = (Aligned::<f32>::zeroed(shape.n), Aligned::<i32>::zeroed(shape.n));
    let parts = panels.as_mut_slice().par_chunks_mut(nr * shape.k);
    let parts = parts.zip(scales.as_mut_slice().par_chunks_mut(nr)).zip(sums.as_mut_slice().par_chunks_mut(nr));
    parts.enumerate().try_for_each_init(
        || vec![0.0; width],
        |buffer, (panel, ((elements, scales), sums))| {
            let shape = Shape { n: scales.len(), k: shape.k };
            for place in 0..shape.n {
                row(panel * nr + place, &mut buffer[..k])?;
                if let Some(split) = &split {
                    split.split_weights(buffer);
                }
                (scales[place], sums[place]) = match tiles {
                    Some(tiles) => tiles.pack_i8(buffer, place, shape, elements),
                    None => gemm.pack_column(buffer, place, shape, elements),
                };
            }
            Ok(())
        },
    )?;
    Ok(Weights::I8 { panels, scales, sums, split })
}

/// Whether columns with large numbers are split: only where a row has no more than 256 codes.
pub(super) fn splits_columns(kernels: &Kernels, precision: Precision) -> bool {
    precision == Precision::I8 && (kernels.tiles.is_some() || kernels.gemm_i8.code_bytes() == 1)
}
