//! Layer norms, and the preparation of the products behind them.

use super::aligned::Aligned;
use super::linear::{Linear, Rows};
use super::operand::Operand;
use crate::kernels::{Kernels, NormOf, ROW_PAD, padded_len, tiles_len};

/// Gamma and beta of a layer norm, padded.
pub(super) struct Norm {
    gamma: Aligned<f32>,
    beta: Aligned<f32>,
    len: usize,
    eps: f32,
}

impl Norm {
    /// Creates a norm. `beta` is empty for a norm without bias.
    pub(super) fn new(gamma: &[f32], beta: &[f32], eps: f32) -> Self {
        let padded = padded_len(gamma.len());
        let pad = |values: &[f32]| {
            let zeros = std::iter::repeat_n(0.0, padded - values.len());
            values.iter().copied().chain(zeros).collect::<Aligned<f32>>()
        };
        Self { gamma: pad(gamma), beta: pad(beta), len: gamma.len(), eps }
    }

    /// Normalises padded rows in place.
    pub(super) fn apply(&self, kernels: &Kernels, rows: &mut [f32]) {
        debug_assert!(rows.len().is_multiple_of(ROW_PAD));
        kernels.elementwise.layer_norm(rows, self.gamma.as_slice(), self.beta.as_slice(), self.len, self.eps);
    }

    /// Normalises rows in place and prepares them for `next`, as rows of its operand from `first`
    /// on. Then adds the [`Linear::early_bias`] of `adder` to the rows, because `adder` is added to
    /// them later.
    pub(super) fn feed(
        &self,
        kernels: &Kernels,
        rows: &mut [f32],
        (next, adder): (&Linear, &Linear),
        operand: &mut Operand,
        first: usize,
    ) {
        let Some(tiles) = next.bf16_tiles() else {
            self.apply(kernels, rows);
            next.prepare(Rows::F32(rows), operand, first);
            debug_assert!(adder.early_bias().is_empty(), "all layers of a model are of one precision");
            return;
        };
        let end = first + rows.len() / self.gamma.as_slice().len();
        let rounded = &mut operand.halves.at_least(tiles_len(end, next.tile_row()))[first * next.tile_row()..];
        let norm = NormOf { gamma: self.gamma.as_slice(), beta: self.beta.as_slice(), len: self.len, eps: self.eps };
        tiles.layer_norm(rows, &norm, adder.early_bias(), rounded);
    }
}
