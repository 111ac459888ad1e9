//! A linear layer: packed weights in one of three precisions, and the call that picks the kernel.

use std::ops::Range;

use rayon::prelude::*;

use super::Precision;
use super::aligned::{Aligned, Number};
use super::batch::Batch;
use super::finite::all_finite;
use super::profile::LapsOf;
use super::scratch::Operand;
use super::split_columns::SplitColumns;
use crate::kernels::{
    Activation, Kernels, Left, Output, OutputRows, PackedI8, Parts, QuantizedRows, ROW_PAD, Right, Shape, SharedRows,
    Split, padded_len,
};

/// `y = x W^T + b` for rows of `k` numbers; `n` numbers come out. Both are padded with zeros to whole blocks.
pub(super) struct Linear {
    kernels: &'static Kernels,
    weights: Weights,
    bias: Aligned<f32>,
    shape: Shape,
}

enum Weights {
    F32(Aligned<f32>),
    Bf16(Aligned<u16>),
    I8 { panels: Aligned<i8>, scales: Aligned<f32>, sums: Aligned<i32>, split: Option<SplitColumns> },
}

/// What happens to the result of [`Linear::forward`].
pub(super) enum Then {
    /// It replaces what stands in the output.
    Store(Activation),
    /// It replaces what stands in the output, as matrices of so many columns, one behind the other.
    Split(usize),
    /// It is added to what stands in the output.
    Add,
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
        let weights = match precision {
            Precision::F32 => {
                let gemm = &kernels.gemm_f32;
                Weights::F32(pack_panels(shape, gemm.nr(), |column, place, shape, panel, buffer| {
                    row(column, buffer)?;
                    gemm.pack_column(buffer.iter().copied(), place, shape, panel);
                    Ok(())
                })?)
            }
            Precision::Bf16 => {
                let gemm = &kernels.gemm_bf16;
                Weights::Bf16(pack_panels(shape, gemm.nr(), |column, place, shape, panel, buffer| {
                    row(column, buffer)?;
                    gemm.pack_column(buffer.iter().map(|w| half::bf16::from_f32(*w).to_bits()), place, shape, panel);
                    Ok(())
                })?)
            }
            Precision::I8 => pack_i8(kernels, shape, row, split)?,
        };
        if let Some(column) = bias.iter().position(|b| !b.is_finite()) {
            return Err(NotFinite { column });
        }
        let mut padded = Aligned::zeroed(if bias.is_empty() { 0 } else { shape.n });
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        Ok(Self { kernels, weights, bias: padded, shape })
    }

    /// Numbers of an output row, padding included.
    pub(super) fn n(&self) -> usize {
        self.shape.n
    }

    /// Operations (a multiply-add is two) for one row.
    pub(super) fn operations_per_row(&self) -> usize {
        2 * self.shape.len()
    }

    /// Makes rows of f32 what the kernel multiplies: the same, rounded, or quantised.
    fn prepare<'a>(&self, rows: &'a [f32], operand: &'a mut Operand) -> Prepared<'a> {
        let k = self.shape.k;
        let m = rows.len() / k;
        match &self.weights {
            Weights::F32(_) => Prepared::F32(Left { rows, stride: k, m }),
            Weights::Bf16(_) => {
                let rounded = operand.halves.at_least(rows.len());
                self.kernels.elementwise.to_bf16(rows, rounded);
                Prepared::Bf16(Left { rows: rounded, stride: k, m })
            }
            Weights::I8 { split, .. } => {
                let gemm = &self.kernels.gemm_i8;
                let width = split.as_ref().map_or(k, SplitColumns::width);
                let bytes = width * gemm.code_bytes();
                let codes = operand.codes.at_least(m * bytes);
                let (scales, zeros) = (operand.scales.at_least(m), operand.zeros.at_least(m));
                let parts = split.as_ref().map_or(Parts::default(), SplitColumns::parts);
                gemm.quantize_parts(Left { rows, stride: k, m }, k, parts, codes, scales, zeros);
                Prepared::I8(QuantizedRows { codes, scales, zeros })
            }
        }
    }

    /// Prepares rows and computes them: `input` are rows of `k` padded numbers, `out` as many rows of [`Linear::n`]. With more than one
    /// thread, each computes some panels of columns.
    pub(super) fn apply(
        &self,
        batch: &Batch<'_>,
        input: &[f32],
        out: &mut [f32],
        then: &Then,
        operand: &mut Operand,
        mut laps: LapsOf<'_>,
    ) {
        let rows = self.prepare(input, operand);
        laps.prepared();
        self.forward_parallel(rows, out, then, batch.threads);
        laps.computed();
    }

    fn forward(&self, rows: Prepared<'_>, out: &mut [f32], then: &Then) {
        self.columns(rows, OutputRows::Whole(out), 0..self.shape.n, then);
    }

    fn forward_parallel(&self, rows: Prepared<'_>, out: &mut [f32], then: &Then, threads: usize) {
        let nr = self.nr();
        let panels = self.shape.n.div_ceil(nr);
        let parts = threads.min(panels).max(1);
        if parts == 1 {
            return self.forward(rows, out, then);
        }
        // SAFETY: `out` stays borrowed until all parts are done, and their columns do not overlap.
        let shared = unsafe { SharedRows::new(out) };
        (0..parts).into_par_iter().for_each(|part| {
            let edge = |part: usize| (part * panels / parts * nr).min(self.shape.n);
            self.columns(rows, OutputRows::Shared(shared), edge(part)..edge(part + 1), then);
        });
    }

    fn nr(&self) -> usize {
        match &self.weights {
            Weights::F32(_) => self.kernels.gemm_f32.nr(),
            Weights::Bf16(_) => self.kernels.gemm_bf16.nr(),
            Weights::I8 { .. } => self.kernels.gemm_i8.nr(),
        }
    }

    fn columns(&self, input: Prepared<'_>, rows: OutputRows<'_>, columns: Range<usize>, then: &Then) {
        let plain = Output { bias: self.bias.as_slice(), ..Output::plain(rows, self.shape.n, columns) };
        let out = match *then {
            Then::Store(activation) => Output { activation, ..plain },
            Then::Split(width) => {
                let split = Split { width, stride: input.rows() * width };
                Output { stride: width, split: Some(split), ..plain }
            }
            Then::Add => Output { add: true, ..plain },
        };
        let k = self.shape.k;
        match (&self.weights, input) {
            (Weights::F32(panels), Prepared::F32(left)) => {
                self.kernels.gemm_f32.multiply(left, Right::Packed(panels.as_slice()), k, out);
            }
            (Weights::Bf16(panels), Prepared::Bf16(left)) => {
                self.kernels.gemm_bf16.multiply(left, Right::Packed(panels.as_slice()), k, out);
            }
            (Weights::I8 { panels, scales, sums, split }, Prepared::I8(left)) => {
                let k = split.as_ref().map_or(k, SplitColumns::width);
                let packed = PackedI8 {
                    panels: panels.as_slice(),
                    scales: scales.as_slice(),
                    sums: sums.as_slice(),
                    shape: Shape { n: self.shape.n, k },
                };
                self.kernels.gemm_i8.multiply(left, packed, out);
            }
            _ => unreachable!("rows are prepared by a layer of the same precision"),
        }
    }
}

/// Rows as a layer multiplies them.
#[derive(Clone, Copy)]
enum Prepared<'a> {
    F32(Left<'a, f32>),
    Bf16(Left<'a, u16>),
    I8(QuantizedRows<'a>),
}

impl Prepared<'_> {
    fn rows(&self) -> usize {
        match self {
            Prepared::F32(left) => left.m,
            Prepared::Bf16(left) => left.m,
            Prepared::I8(rows) => rows.scales.len(),
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

fn pack_i8(
    kernels: &'static Kernels,
    shape: Shape,
    row: impl Fn(usize, &mut [f32]) -> Result<(), NotFinite> + Sync,
    split: Option<SplitColumns>,
) -> Result<Weights, NotFinite> {
    let k = shape.k;
    let shape = Shape { k: split.as_ref().map_or(k, SplitColumns::width), ..shape };
    let (gemm, nr) = (&kernels.gemm_i8, kernels.gemm_i8.nr());
    let mut panels = Aligned::<i8>::zeroed(shape.len());
    let (mut scales, mut sums) = (Aligned::<f32>::zeroed(shape.n), Aligned::<i32>::zeroed(shape.n));
    let parts = panels.as_mut_slice().par_chunks_mut(nr * shape.k);
    let parts = parts.zip(scales.as_mut_slice().par_chunks_mut(nr)).zip(sums.as_mut_slice().par_chunks_mut(nr));
    parts.enumerate().try_for_each_init(
        || vec![0.0; shape.k],
        |buffer, (panel, ((elements, scales), sums))| {
            let shape = Shape { n: scales.len(), k: shape.k };
            for place in 0..shape.n {
                row(panel * nr + place, &mut buffer[..k])?;
                if let Some(split) = &split {
                    split.split_weights(buffer);
                }
                (scales[place], sums[place]) = gemm.pack_column(buffer, place, shape, elements);
            }
            Ok(())
        },
    )?;
    Ok(Weights::I8 { panels, scales, sums, split })
}

/// Whether columns with large numbers are split: only where a row has no more than 256 codes.
pub(super) fn splits_columns(kernels: &Kernels, precision: Precision) -> bool {
    precision == Precision::I8 && kernels.gemm_i8.code_bytes() == 1
}

/// Gamma and beta of a layer norm, padded.
pub(super) struct Norm {
    gamma: Aligned<f32>,
    beta: Aligned<f32>,
    len: usize,
    eps: f32,
}

impl Norm {
    /// `beta` may be empty: there is none.
    pub(super) fn new(gamma: &[f32], beta: &[f32], eps: f32) -> Self {
        let padded = padded_len(gamma.len());
        let pad = |values: &[f32]| {
            let zeros = std::iter::repeat_n(0.0, padded - values.len());
            values.iter().copied().chain(zeros).collect::<Aligned<f32>>()
        };
        Self { gamma: pad(gamma), beta: pad(beta), len: gamma.len(), eps }
    }

    /// Normalises rows of padded numbers in place.
    pub(super) fn apply(&self, kernels: &Kernels, rows: &mut [f32]) {
        debug_assert!(rows.len().is_multiple_of(ROW_PAD));
        kernels.elementwise.layer_norm(rows, self.gamma.as_slice(), self.beta.as_slice(), self.len, self.eps);
    }
}
