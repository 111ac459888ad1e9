//! The data that one layer writes for the next.

use std::ops::Range;

use super::aligned::Aligned;
use super::linear::{LayerInput, LayerOutput, Linear};
use crate::kernels::{Activation, tiles_len};

/// Rows between two layers, in the form that the second one reads.
pub(super) struct Between {
    pub(super) rows: Aligned<f32>,
    pub(super) tiles: Aligned<u16>,
}

impl Between {
    pub(super) const fn new() -> Self {
        Self { rows: Aligned::new(), tiles: Aligned::new() }
    }

    /// Returns the destination for a layer whose result `next` reads: `m` rows. Tiles have `inputs`
    /// of its inputs per row, rows of f32 all of them.
    pub(super) fn to(&mut self, next: &Linear, m: usize, inputs: usize, activation: Activation) -> LayerOutput<'_> {
        match next.tiles() {
            Some(_) => LayerOutput::Tiles(self.tiles.at_least(tiles_len(m, inputs)), activation),
            None => LayerOutput::Store(self.rows.at_least(m * next.k()), activation),
        }
    }

    /// Returns the rows `range` that were written for `next`. In tiles a range begins at a block,
    /// and at the first one if only some inputs were written.
    pub(super) fn of(&self, next: &Linear, range: Range<usize>) -> LayerInput<'_> {
        match next.tiles() {
            Some(_) => LayerInput::Tiles(&self.tiles.as_slice()[range.start * next.tile_row()..], range.len()),
            None => LayerInput::F32(&self.rows.as_slice()[range.start * next.k()..range.end * next.k()]),
        }
    }
}
