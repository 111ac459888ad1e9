//! Layer norms and RMS norms, and the preparation of the products behind them.

use super::aligned::Aligned;
use super::linear::{LayerInput, Linear};
use super::operand::Operand;
use crate::kernels::{Kernels, NormOf, ROW_PAD, padded_len, tiles_len};

/// Gamma and beta of a norm, padded.
pub(super) struct Norm {
    gamma: Aligned<f32>,
    /// `None` in an RMS norm.
    beta: Option<Aligned<f32>>,
    len: usize,
    eps: f32,
}

impl Norm {
    /// Creates a layer norm. `beta` is empty for a norm without bias.
    pub(super) fn new(gamma: &[f32], beta: &[f32], eps: f32) -> Self {
        let width = padded_len(gamma.len());
        Self { gamma: padded(gamma, width), beta: Some(padded(beta, width)), len: gamma.len(), eps }
    }

    /// Creates an RMS norm for rows of `width` numbers, padding included.
    pub(super) fn rms(gamma: &[f32], width: usize, eps: f32) -> Self {
        Self { gamma: padded(gamma, width), beta: None, len: gamma.len(), eps }
    }

    /// Normalises padded rows in place.
    pub(super) fn apply(&self, kernels: &Kernels, rows: &mut [f32]) {
        debug_assert!(rows.len().is_multiple_of(ROW_PAD));
        let (elementwise, gamma) = (&kernels.elementwise, self.gamma.as_slice());
        match &self.beta {
            Some(beta) => elementwise.layer_norm(rows, gamma, beta.as_slice(), self.len, self.eps),
            None => elementwise.rms_norm(rows, gamma, self.len, self.eps),
        }
    }

    /// Normalises rows in place and prepares them for `next`, as rows of its operand from `first`
    /// on. Then adds the [`Linear::early_bias`] of `adder` to the rows, because `adder` is added to
    /// them later. Not for RMS norms.
    pub(super) fn feed(
        &self,
        kernels: &Kernels,
        rows: &mut [f32],
        (next, adder): (&Linear, &Linear),
        operand: &mut Operand,
        first: usize,
    ) {
        let (Some(tiles), Some(beta)) = (next.bf16_tiles(), &self.beta) else {
            self.apply(kernels, rows);
            next.prepare(LayerInput::F32(rows), operand, first);
            debug_assert!(adder.early_bias().is_empty(), "all layers of a model are of one precision");
            return;
        };
        let end = first + rows.len() / self.gamma.as_slice().len();
        let rounded = &mut operand.halves.at_least(tiles_len(end, next.tile_row()))[first * next.tile_row()..];
        let norm = NormOf { gamma: self.gamma.as_slice(), beta: beta.as_slice(), len: self.len, eps: self.eps };
        tiles.layer_norm(rows, &norm, adder.early_bias(), rounded);
    }
}

/// Returns values with zeros behind them, up to `width` numbers.
fn padded(values: &[f32], width: usize) -> Aligned<f32> {
    let zeros = std::iter::repeat_n(0.0, width - values.len());
    values.iter().copied().chain(zeros).collect()
}
