//! The common parts of the layers of all architectures: packing of weights, and attention.

use std::ops::Range;

use super::aligned::Aligned;
use super::attention;
use super::batch::{Batch, Heads};
use super::between::Between;
use super::config::Config;
use super::disentangled::Relative;
use super::linear::{LayerInput, LayerOutput, Linear};
use super::norm::Norm;
use super::operand::Operand;
use super::packed::Memory;
use super::packing::{NotFinite, Site, matrix_unit};
use super::profile::{Laps, Operation};
use super::scratch::AttentionScratch;
use super::split_columns::{self, SplitColumns};
use super::weights::{Tensor, Tensors};
use super::{Precision, rope::Rope};
use crate::Result;
use crate::kernels::{Bf16Rows, Kernels, Tiles, code_lines_len, lines_len, padded_len, panel_rows, tiles_len};

/// The inputs for building a layer, beside its weights.
pub(super) struct Builder<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) precision: Precision,
    pub(super) memory: &'a Memory,
    pub(super) tensors: &'a Tensors,
    pub(super) config: &'a Config,
}

impl Builder<'_> {
    /// Packs a layer of `n` outputs and `k` inputs, given the names of its weight and its bias, if
    /// any.
    pub(super) fn linear(&self, name: &str, shape: (usize, usize), bias: bool) -> Result<Linear> {
        self.linear_behind(name, shape, bias, None)
    }

    /// Does [`Builder::linear`] for a layer behind a norm, and splits large columns.
    pub(super) fn linear_behind(
        &self,
        name: &str,
        (n, k): (usize, usize),
        bias: bool,
        split: Option<SplitColumns>,
    ) -> Result<Linear> {
        let weight = self.tensors.get(&format!("{name}.weight"), &[n, k])?;
        let bias = if bias { self.tensors.vector(&format!("{name}.bias"), n)? } else { Vec::new() };
        self.pack(name, (n, k), |row, out| weight.read_row(row, out), &bias, split)
    }

    /// Packs a layer whose rows `fill` writes.
    pub(super) fn pack(
        &self,
        name: &str,
        shape: (usize, usize),
        fill: impl Fn(usize, &mut [f32]) + Sync,
        bias: &[f32],
        split: Option<SplitColumns>,
    ) -> Result<Linear> {
        let site = Site { kernels: self.kernels, precision: self.precision, memory: self.memory };
        Linear::pack(&site, shape, fill, bias, split).map_err(|NotFinite { column }| {
            let message = format!("'{name}' holds a number that is not finite (row {column}); fetch the model again");
            self.tensors.unusable(message)
        })
    }

    /// Returns the matrix unit, if it computes the layers.
    fn tiles(&self) -> Option<Tiles> {
        matrix_unit(self.kernels, self.precision)
    }

    /// Returns the number of columns that are added to split those with large numbers. On the
    /// matrix unit these are as many as fit into its padding.
    pub(super) fn added_columns(&self, width: usize) -> usize {
        let added = split_columns::added(width);
        match self.tiles() {
            Some(_) => code_lines_len(padded_len(width) + added) - padded_len(width),
            None => added,
        }
    }

    /// Returns the stored width of a head, padding included.
    pub(super) fn padded_head_dim(&self) -> usize {
        let dim = self.config.head_dim;
        if self.tiles().is_some() { lines_len(dim) } else { padded_len(dim) }
    }

    /// Returns the factor of the queries, `1 / sqrt(head_dim)`. For the matrix unit, whose
    /// attention uses powers of two, it is also multiplied by `log2(e)`.
    pub(super) fn query_factor(&self) -> f32 {
        let base = if self.tiles().is_some() { std::f32::consts::LOG2_E } else { 1.0 };
        base / (self.config.head_dim as f32).sqrt()
    }

    /// Packs queries, keys and values as one layer, whose outputs are [`Heads::matrices`] padded
    /// heads. The queries are multiplied by `factor`. `sources` are the weights with their first
    /// row, then the three biases (or none). Large columns of the input are split.
    pub(super) fn qkv(
        &self,
        name: &str,
        factor: f32,
        sources: &[(Tensor, usize); 3],
        biases: &[Vec<f32>],
        split: Option<SplitColumns>,
    ) -> Result<Linear> {
        let &Config { num_heads, num_kv_heads, head_dim: dim, .. } = self.config;
        let padded = self.padded_head_dim();
        // Output `column` is number `d` of a head. Returns its part and the row of its weights;
        // `None` in the padding.
        let source = |column: usize| {
            let (head, d) = (column / padded, column % padded);
            let (part, first) = match head {
                head if head < num_heads => (0, 0),
                head if head < num_heads + num_kv_heads => (1, num_heads),
                _ => (2, num_heads + num_kv_heads),
            };
            (d < dim).then_some((part, (head - first) * dim + d))
        };
        let fill = |column: usize, out: &mut [f32]| {
            let Some((part, row)) = source(column) else { return };
            let (weight, first) = &sources[part];
            weight.read_row(first + row, out);
            if part == 0 {
                out.iter_mut().for_each(|w| *w *= factor);
            }
        };
        let bias = |column: usize| match source(column) {
            Some((0, row)) => biases[0][row] * factor,
            Some((part, row)) => biases[part][row],
            None => 0.0,
        };
        let width = (num_heads + 2 * num_kv_heads) * padded;
        let biases: Vec<f32> = if biases.is_empty() { Vec::new() } else { (0..width).map(bias).collect() };
        self.pack(name, (width, self.config.hidden_size), fill, &biases, split)
    }

    /// Packs the layer behind attention, whose inputs are padded heads.
    pub(super) fn attention_output(&self, name: &str, bias: bool) -> Result<Linear> {
        let &Config { hidden_size: hidden, num_heads, head_dim: dim, .. } = self.config;
        let (padded, width) = (self.padded_head_dim(), num_heads * dim);
        let weight = self.tensors.get(&format!("{name}.weight"), &[hidden, width])?;
        let bias = if bias { self.tensors.vector(&format!("{name}.bias"), hidden)? } else { Vec::new() };
        let fill = |row: usize, out: &mut [f32]| {
            if dim == padded {
                return weight.read_row(row, out);
            }
            let mut whole = vec![0.0; width];
            weight.read_row(row, &mut whole);
            out.chunks_exact_mut(padded)
                .zip(whole.chunks_exact(dim))
                .for_each(|(to, from)| to[..dim].copy_from_slice(from));
        };
        self.pack(name, (hidden, num_heads * padded), fill, &bias, None)
    }

    /// Packs the first layer of a gated feed-forward part: the half that is activated, then its
    /// factor. `sources` are the weights of both with their first row. The outputs of each half are
    /// padded.
    pub(super) fn gated(&self, name: &str, sources: &[(Tensor, usize); 2]) -> Result<Linear> {
        let (hidden, middle) = (self.config.hidden_size, self.config.intermediate_size);
        let padded = padded_len(middle);
        let fill = |column: usize, out: &mut [f32]| {
            let ((weight, first), row) = (&sources[column / padded], column % padded);
            if row < middle {
                weight.read_row(first + row, out);
            }
        };
        self.pack(name, (2 * padded, hidden), fill, &[], None)
    }

    /// Returns the heads of a layer that attends to `window` tokens on each side, or to all, and in
    /// a causal model to none after it.
    pub(super) fn heads(&self, window: Option<usize>, causal: bool) -> Heads {
        let &Config { num_heads: count, num_kv_heads: kv_count, .. } = self.config;
        Heads { count, kv_count, dim: self.padded_head_dim(), window, causal }
    }
}

/// Self-attention without its norm and residual.
pub(super) struct Attention {
    pub(super) qkv: Linear,
    pub(super) output: Linear,
    pub(super) heads: Heads,
    /// The norms of each head's queries and keys. That of the queries has the factor of the scores.
    pub(super) norms: Option<[Norm; 2]>,
    pub(super) rope: Option<Rope>,
    /// The terms of distances, in f32. A matrix unit computes no attention with them.
    pub(super) relative: Option<Relative>,
}

/// Returns the products of a layer, each with its operation.
pub(super) fn products<'a>(attention: &'a Attention, up: &'a Linear, down: &'a Linear) -> [(Operation, &'a Linear); 4] {
    let Attention { qkv, output, .. } = attention;
    [(Operation::Qkv, qkv), (Operation::AttentionOutput, output), (Operation::Up, up), (Operation::Down, down)]
}

impl Attention {
    /// Computes `scratch.context` from rows of hidden states that are prepared for `qkv`.
    pub(super) fn forward(
        &self,
        batch: &Batch<'_>,
        input: &[f32],
        operand: &Operand,
        scratch: &mut AttentionScratch,
        laps: &mut Laps,
    ) {
        match self.output.tiles() {
            Some(tiles) if self.relative.is_none() => {
                self.forward_in_tiles(tiles, batch, input, operand, scratch, laps)
            }
            _ => self.forward_in_rows(batch, input, operand, scratch, laps),
        }
    }

    /// Returns some rows of the result of [`Attention::forward`], for the layer behind it.
    pub(super) fn context<'a>(&self, context: &'a Between, rows: Range<usize>) -> LayerInput<'a> {
        let width = self.heads.width();
        match self.relative {
            Some(_) => LayerInput::F32(&context.rows.as_slice()[rows.start * width..rows.end * width]),
            None => context.of(&self.output, rows),
        }
    }

    fn forward_in_rows(
        &self,
        batch: &Batch<'_>,
        input: &[f32],
        operand: &Operand,
        scratch: &mut AttentionScratch,
        laps: &mut Laps,
    ) {
        let AttentionScratch { qkv, context, heads, .. } = scratch;
        let qkv = self.qkv_rows(batch, input, operand, qkv, laps);
        let context = context.rows.at_least(batch.tokens() * self.heads.width());
        let bf16 = self.bf16_rows(batch.kernels);
        attention::attend(batch, (&self.heads, self.relative.as_ref()), bf16, qkv, context, heads);
        laps.lap(Operation::Attention);
    }

    /// Returns the operations of attention in bfloat16, where it is faster than f32 and the layers
    /// round too. The terms of distances are added to scores of f32.
    fn bf16_rows<'a>(&self, kernels: &'a Kernels) -> Option<&'a Bf16Rows> {
        let fits = self.heads.dim.is_multiple_of(attention::BF16_DIM);
        kernels.bf16_rows.as_ref().filter(|_| fits && self.relative.is_none() && !self.output.is_f32())
    }

    /// Computes queries, keys and values in f32, with norms and rotary positions applied.
    fn qkv_rows<'a>(
        &self,
        batch: &Batch<'_>,
        input: &[f32],
        operand: &Operand,
        qkv: &'a mut Aligned<f32>,
        laps: &mut Laps,
    ) -> &'a [f32] {
        let qkv = qkv.at_least(batch.tokens() * self.qkv.n());
        let to = LayerOutput::Split(qkv, self.heads.dim);
        self.qkv.multiply(batch, LayerInput::F32(input), operand, self.qkv.whole(), to, laps.of(Operation::Qkv));
        if let Some([queries, keys]) = &self.norms {
            let (of_queries, rest) = qkv.split_at_mut(batch.tokens() * self.heads.width());
            let of_keys = &mut rest[..batch.tokens() * self.heads.kv_count * self.heads.dim];
            queries.apply(batch.kernels, of_queries);
            keys.apply(batch.kernels, of_keys);
            laps.lap(Operation::Norm);
        }
        if let Some(rope) = &self.rope {
            rope.rotate(qkv, batch.cu_seqlens, &self.heads);
            laps.lap(Operation::Rope);
        }
        qkv
    }

    /// Does [`Attention::forward`] on the matrix unit. Norms and rotary positions are applied
    /// before rounding.
    fn forward_in_tiles(
        &self,
        tiles: &Tiles,
        batch: &Batch<'_>,
        input: &[f32],
        operand: &Operand,
        scratch: &mut AttentionScratch,
        laps: &mut Laps,
    ) {
        let AttentionScratch { qkv, panels, context, heads } = scratch;
        let panels = panels.at_least(panel_rows(batch.tokens()) * self.heads.matrices() * self.heads.dim);
        if self.rope.is_some() || self.norms.is_some() {
            let qkv = self.qkv_rows(batch, input, operand, qkv, laps);
            tiles.round_heads(qkv, self.heads.dim, self.heads.matrices(), panels);
            laps.lap(Operation::Rope);
        } else {
            let to = LayerOutput::Panels(panels);
            self.qkv.multiply(batch, LayerInput::F32(input), operand, self.qkv.whole(), to, laps.of(Operation::Qkv));
        }
        let context = context.tiles.at_least(tiles_len(batch.tokens(), self.heads.width()));
        attention::attend_in_tiles(tiles, batch, &self.heads, panels, context, heads);
        laps.lap(Operation::Attention);
    }
}
