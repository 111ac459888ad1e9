//! A linear layer: packed weights in one of three precisions, and the choice of the kernel.

use std::ops::Range;

use rayon::prelude::*;

use super::aligned::Aligned;
use super::batch::Batch;
use super::finite::all_finite;
use super::operand::Operand;
use super::packed::Packed;
use super::packing::{NotFinite, PackedWeights, Site, matrix_unit};
use super::profile::LapsOf;
use super::split_columns::SplitColumns;
use crate::kernels::{
    Activation, Bf16Output, Codes, ColumnParts, Kernels, Left, Output, OutputRows, PackedBf16, PackedI8, QuantizedRows,
    Right, Shape, SharedRows, Split, TILE_BLOCK, TileOutput, TileSource, Tiles, lines_len, tiles_len,
};

/// A layer `y = x W^T + b` for rows of `k` inputs and `n` outputs, both padded with zeros to whole
/// blocks.
pub(super) struct Linear {
    kernels: &'static Kernels,
    /// The matrix unit, if it computes this layer.
    tiles: Option<Tiles>,
    weights: PackedWeights,
    bias: Aligned<f32>,
    /// Number of outputs and inputs, for rows of f32.
    shape: Shape,
    /// The shape of the packed weights: whole panels and steps, with the added columns.
    packed: Shape,
}

/// The input of a layer.
#[derive(Clone, Copy)]
pub(super) enum LayerInput<'a> {
    /// Padded rows of f32.
    F32(&'a [f32]),
    /// A number of rows of bfloat16, in tiles.
    Tiles(&'a [u16], usize),
}

/// The destination of a layer's result, and the operation on the way.
pub(super) enum LayerOutput<'a> {
    /// Writes rows of [`Linear::n`] numbers.
    Store(&'a mut [f32], Activation),
    /// Writes matrices of this many columns, one after the other.
    Split(&'a mut [f32], usize),
    /// Adds the result to rows of [`Linear::n`] numbers, which hold its [`Linear::early_bias`].
    Add(&'a mut [f32]),
    /// Writes tiles, rounded to bfloat16. Only for a layer of the matrix unit.
    Tiles(&'a mut [u16], Activation),
    /// Writes panels for attention, rounded to bfloat16. Only for a layer of the matrix unit.
    Panels(&'a mut [u16]),
}

/// A part of a layer: the share of some inputs in some outputs.
#[derive(Clone)]
pub(super) struct LayerPart {
    inputs: Range<usize>,
    outputs: Range<usize>,
}

/// Number of inputs in each part of [`Linear::input_parts`].
const INPUT_PART: usize = 384;

impl Linear {
    /// Packs a layer of `n` outputs for `k` inputs. `fill` writes the weights of one output into a
    /// row of `k` zeros; `bias` is empty or has one number per output. `split` sets how columns
    /// with large numbers are split where activations have codes of 8 bits. Other precisions and
    /// kernels ignore it.
    ///
    /// # Errors
    /// When a weight or a bias is not a finite number.
    pub(super) fn pack(
        site: &Site<'_>,
        (n, k): (usize, usize),
        fill: impl Fn(usize, &mut [f32]) + Sync,
        bias: &[f32],
        split: Option<SplitColumns>,
    ) -> Result<Self, NotFinite> {
        let shape = Shape::padded(n, k);
        let row = |column: usize, row: &mut [f32]| {
            row.fill(0.0);
            if column < n {
                fill(column, &mut row[..k]);
            }
            if all_finite(row) { Ok(()) } else { Err(NotFinite { column }) }
        };
        let (weights, packed) = PackedWeights::pack(site, shape, row, split)?;
        if let Some(column) = bias.iter().position(|b| !b.is_finite()) {
            return Err(NotFinite { column });
        }
        let mut padded = Aligned::zeroed(if bias.is_empty() { 0 } else { packed.n });
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        let (kernels, tiles) = (site.kernels, matrix_unit(site.kernels, site.precision));
        Ok(Self { kernels, tiles, weights, bias: padded, shape, packed })
    }

    /// Returns the width of an output row, padding included.
    pub(super) fn n(&self) -> usize {
        self.shape.n
    }

    /// Returns the operations (a multiply-add is two) for one row.
    pub(super) fn operations_per_row(&self) -> usize {
        2 * self.shape.len()
    }

    /// Returns the width of an input row, padding included.
    pub(super) fn k(&self) -> usize {
        self.shape.k
    }

    /// Returns the width of an input row in tiles of bfloat16, padding included.
    pub(super) fn tile_row(&self) -> usize {
        lines_len(self.shape.k)
    }

    /// Returns the matrix unit, if it computes the layer. The layer then reads tiles of bfloat16.
    pub(super) fn tiles(&self) -> Option<&Tiles> {
        self.tiles.as_ref()
    }

    /// Returns true if weights and inputs are f32, not rounded.
    pub(super) fn is_f32(&self) -> bool {
        matches!(self.weights, PackedWeights::F32(_))
    }

    /// Returns the bias that rows must hold before this layer is added to them: on a matrix unit in
    /// bfloat16, the sums are the rows themselves. Empty if the layer adds the bias.
    pub(super) fn early_bias(&self) -> &[f32] {
        self.bf16_tiles().map_or(&[], |_| self.bias.as_slice())
    }

    /// Adds [`Linear::early_bias`] to rows of [`Linear::n`] numbers.
    pub(super) fn add_early_bias(&self, rows: &mut [f32]) {
        let bias = self.early_bias();
        if !bias.is_empty() {
            rows.chunks_exact_mut(self.n()).for_each(|row| row.iter_mut().zip(bias).for_each(|(x, b)| *x += b));
        }
    }

    /// Returns the matrix unit, if the layer multiplies bfloat16 on it. A row in tiles then has
    /// [`Linear::tile_row`] numbers.
    pub(super) fn bf16_tiles(&self) -> Option<&Tiles> {
        self.tiles.as_ref().filter(|_| matches!(self.weights, PackedWeights::Bf16(_)))
    }

    /// Converts rows to the kernel's input: unchanged, rounded or quantised. They become the rows
    /// of `operand` from `first` on. On a matrix unit `first` is a multiple of its block.
    pub(super) fn prepare(&self, rows: LayerInput<'_>, operand: &mut Operand, first: usize) {
        match (rows, &self.tiles, &self.weights) {
            (rows, Some(tiles), PackedWeights::I8 { split, .. }) => {
                self.quantize_tiles(tiles, split.as_ref(), rows, operand, first)
            }
            (LayerInput::F32(rows), Some(tiles), _) => {
                let end = first + rows.len() / self.shape.k;
                let rounded = operand.halves.at_least(tiles_len(end, self.packed.k));
                tiles.round_rows(rows, self.shape.k, &mut rounded[first * self.packed.k..]);
            }
            (LayerInput::F32(rows), None, _) => self.prepare_rows(rows, operand, first),
            // These are read in place.
            (LayerInput::Tiles(..), Some(_), _) => {}
            (LayerInput::Tiles(..), None, _) => unreachable!("a layer without a matrix unit is given no tiles"),
        }
    }

    fn prepare_rows(&self, rows: &[f32], operand: &mut Operand, first: usize) {
        let k = self.shape.k;
        let m = rows.len() / k;
        match &self.weights {
            PackedWeights::F32(_) => {}
            PackedWeights::Bf16(_) => {
                let rounded = operand.halves.at_least((first + m) * k);
                self.kernels.elementwise.to_bf16(rows, &mut rounded[first * k..]);
            }
            PackedWeights::I8 { split, .. } => {
                let gemm = &self.kernels.gemm_i8;
                let bytes = self.packed.k * gemm.code_bytes();
                let codes = &mut operand.codes.at_least((first + m) * bytes)[first * bytes..];
                let scales = &mut operand.scales.at_least(first + m)[first..];
                let zeros = &mut operand.zeros.at_least(first + m)[first..];
                let parts = split.as_ref().map_or(ColumnParts::default(), SplitColumns::parts);
                gemm.quantize_parts(Left { rows, stride: k, m }, k, parts, codes, scales, zeros);
            }
        }
    }

    fn quantize_tiles(
        &self,
        tiles: &Tiles,
        split: Option<&SplitColumns>,
        rows: LayerInput<'_>,
        operand: &mut Operand,
        first: usize,
    ) {
        let (source, m) = match rows {
            LayerInput::F32(rows) => (TileSource::Rows(rows), rows.len() / self.shape.k),
            LayerInput::Tiles(rows, m) => (TileSource::Tiles(rows, m), m),
        };
        let to = Codes {
            codes: &mut operand.codes.at_least(tiles_len(first + m, self.packed.k))[first * self.packed.k..],
            scales: &mut operand.scales.at_least(first + m)[first..],
            zeros: &mut operand.zeros.at_least(first + m)[first..],
            numbers: operand.row.at_least(self.shape.k),
            row: operand.row_codes.at_least(self.packed.k),
        };
        tiles.quantize(source, self.shape.k, split.map_or(ColumnParts::default(), SplitColumns::parts), to);
    }

    /// Returns the result of [`Linear::prepare`] for `rows`, which are the first of the operand.
    fn prepared<'a>(&self, rows: LayerInput<'a>, operand: &'a Operand) -> PreparedRows<'a> {
        let k = self.shape.k;
        let m = match rows {
            LayerInput::F32(rows) => rows.len() / k,
            LayerInput::Tiles(_, m) => m,
        };
        match (&self.weights, rows, &self.tiles) {
            (PackedWeights::I8 { .. }, ..) => PreparedRows::I8(QuantizedRows {
                codes: operand.codes.as_slice(),
                scales: &operand.scales.as_slice()[..m],
                zeros: &operand.zeros.as_slice()[..m],
            }),
            (_, LayerInput::Tiles(tiles, m), _) => PreparedRows::Tiles(tiles, m),
            (_, LayerInput::F32(_), Some(_)) => PreparedRows::Tiles(operand.halves.as_slice(), m),
            (PackedWeights::F32(_), LayerInput::F32(rows), None) => PreparedRows::F32(Left { rows, stride: k, m }),
            (PackedWeights::Bf16(_), LayerInput::F32(_), None) => {
                PreparedRows::Bf16(Left { rows: operand.halves.as_slice(), stride: k, m })
            }
        }
    }

    /// Prepares rows and computes a part of the layer for them.
    pub(super) fn apply(
        &self,
        batch: &Batch<'_>,
        input: LayerInput<'_>,
        operand: &mut Operand,
        part: LayerPart,
        to: LayerOutput<'_>,
        mut laps: LapsOf<'_>,
    ) {
        self.prepare(input, operand, 0);
        laps.prepared();
        self.multiply(batch, input, operand, part, to, laps);
    }

    /// Computes a part of the layer for prepared rows. With more than one thread, each thread
    /// computes some panels of columns.
    pub(super) fn multiply(
        &self,
        batch: &Batch<'_>,
        input: LayerInput<'_>,
        operand: &Operand,
        part: LayerPart,
        to: LayerOutput<'_>,
        mut laps: LapsOf<'_>,
    ) {
        self.forward(self.prepared(input, operand), part, to, batch.threads);
        laps.computed();
    }

    /// Returns the part of all outputs from all inputs.
    pub(super) fn whole(&self) -> LayerPart {
        LayerPart { inputs: 0..self.packed.k, outputs: 0..self.shape.n }
    }

    /// Returns the inputs in parts. Each part is multiplied and added before the layer in front
    /// computes the next one. On a matrix unit in bfloat16, the data between the two layers then
    /// stays in the L2 cache. Otherwise, and if threads share the outputs, there is one part.
    pub(super) fn input_parts(&self, batch: &Batch<'_>) -> impl Iterator<Item = Range<usize>> + use<> {
        let k = self.packed.k;
        let step = if self.bf16_tiles().is_some() && batch.threads == 1 { INPUT_PART } else { k };
        (0..k).step_by(step).map(move |first| first..k.min(first + step))
    }

    /// Returns the part of all outputs from some inputs: the rows' tiles hold only these inputs.
    pub(super) fn inputs(&self, inputs: Range<usize>) -> LayerPart {
        LayerPart { inputs, ..self.whole() }
    }

    /// Returns the part of some outputs, in whole panels, from all inputs.
    pub(super) fn outputs(&self, outputs: Range<usize>) -> LayerPart {
        LayerPart { outputs: outputs.start..outputs.end.min(self.shape.n), ..self.whole() }
    }

    fn forward(&self, rows: PreparedRows<'_>, part: LayerPart, mut to: LayerOutput<'_>, threads: usize) {
        let nr = self.nr();
        let Range { start, end } = part.outputs;
        let panels = (end - start).div_ceil(nr);
        let shares = threads.min(panels).max(1);
        // SAFETY: what `to` borrows stays borrowed until all shares are done, and their columns do
        // not overlap.
        let shared = unsafe { SharedTo::new(&mut to) };
        if shares == 1 {
            return self.columns(rows, &part, shared, start..end);
        }
        (0..shares).into_par_iter().for_each(|share| {
            let edge = |share: usize| (start + share * panels / shares * nr).min(end);
            self.columns(rows, &part, shared, edge(share)..edge(share + 1));
        });
    }

    /// Returns the number of columns of a panel.
    fn nr(&self) -> usize {
        match &self.weights {
            _ if self.tiles.is_some() => TILE_BLOCK,
            PackedWeights::F32(_) => self.kernels.gemm_f32.nr(),
            PackedWeights::Bf16(_) => self.kernels.gemm_bf16.nr(),
            PackedWeights::I8 { .. } => self.kernels.gemm_i8.nr(),
        }
    }

    /// Computes some columns of a part.
    fn columns(&self, input: PreparedRows<'_>, part: &LayerPart, to: SharedTo, columns: Range<usize>) {
        match self.tiles {
            Some(tiles) => self.columns_in_tiles(&tiles, input, part, to, columns),
            None => self.columns_in_rows(input, self.rows_output(to, input.rows(), columns)),
        }
    }

    fn columns_in_tiles(
        &self,
        tiles: &Tiles,
        input: PreparedRows<'_>,
        part: &LayerPart,
        to: SharedTo,
        columns: Range<usize>,
    ) {
        let (whole, bias) = (columns.start..columns.end.next_multiple_of(TILE_BLOCK), self.bias.as_slice());
        let Range { start: first, end } = part.outputs;
        let bf16 = |numbers, activation| {
            let width = end.next_multiple_of(TILE_BLOCK) - first;
            Bf16Output { numbers, first, width, columns: whole.clone(), bias, activation }
        };
        let out = match to {
            SharedTo::Tiles(numbers, activation) => TileOutput::Tiles(bf16(numbers, activation)),
            SharedTo::Panels(numbers) => TileOutput::Panels(bf16(numbers, Activation::None)),
            rows => TileOutput::Rows(self.rows_output(rows, input.rows(), columns)),
        };
        match (&self.weights, input) {
            (PackedWeights::Bf16(panels), PreparedRows::Tiles(rows, m)) => {
                let (panels, inputs) = (panels.as_slice(), part.inputs.clone());
                tiles.multiply_bf16(rows, m, PackedBf16 { panels, shape: self.packed, inputs }, out);
            }
            (PackedWeights::I8 { panels, scales, sums, .. }, PreparedRows::I8(left)) => {
                tiles.multiply_i8(left, self.packed_i8(panels, scales, sums), out);
            }
            _ => unreachable!("rows are prepared by a layer of the same precision"),
        }
    }

    /// Returns an output in rows of f32.
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

    fn columns_in_rows(&self, input: PreparedRows<'_>, out: Output<'_>) {
        let k = self.shape.k;
        match (&self.weights, input) {
            (PackedWeights::F32(panels), PreparedRows::F32(left)) => {
                self.kernels.gemm_f32.multiply(left, Right::Packed(panels.as_slice()), k, out);
            }
            (PackedWeights::Bf16(panels), PreparedRows::Bf16(left)) => {
                self.kernels.gemm_bf16.multiply(left, Right::Packed(panels.as_slice()), k, out);
            }
            (PackedWeights::I8 { panels, scales, sums, .. }, PreparedRows::I8(left)) => {
                self.kernels.gemm_i8.multiply(left, self.packed_i8(panels, scales, sums), out);
            }
            _ => unreachable!("rows are prepared by a layer of the same precision"),
        }
    }

    fn packed_i8<'a>(&self, panels: &'a Packed<i8>, scales: &'a Aligned<f32>, sums: &'a Aligned<i32>) -> PackedI8<'a> {
        let (panels, scales, sums) = (panels.as_slice(), scales.as_slice(), sums.as_slice());
        PackedI8 { panels, scales, sums, shape: self.packed }
    }
}

/// A [`LayerOutput`] for threads that write different columns.
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
    unsafe fn new(to: &mut LayerOutput<'_>) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            match to {
                LayerOutput::Store(rows, activation) => Self::Store(SharedRows::new(rows), *activation),
                LayerOutput::Split(rows, width) => Self::Split(SharedRows::new(rows), *width),
                LayerOutput::Add(rows) => Self::Add(SharedRows::new(rows)),
                LayerOutput::Tiles(rows, activation) => Self::Tiles(SharedRows::new(rows), *activation),
                LayerOutput::Panels(rows) => Self::Panels(SharedRows::new(rows)),
            }
        }
    }
}

/// Rows in the form that a layer multiplies.
#[derive(Clone, Copy)]
enum PreparedRows<'a> {
    F32(Left<'a, f32>),
    Bf16(Left<'a, u16>),
    I8(QuantizedRows<'a>),
    /// A number of rows of bfloat16, in tiles.
    Tiles(&'a [u16], usize),
}

impl PreparedRows<'_> {
    fn rows(&self) -> usize {
        match self {
            PreparedRows::F32(left) => left.m,
            PreparedRows::Bf16(left) => left.m,
            PreparedRows::I8(rows) => rows.scales.len(),
            PreparedRows::Tiles(_, m) => *m,
        }
    }
}
