//! Packing weights into panels: precision, shape, and splitting of large columns.

use rayon::prelude::*;

use super::Precision;
use super::aligned::{Aligned, AlignedNumber};
use super::packed::{Memory, Packed};
use super::split_columns::SplitColumns;
use crate::kernels::{Kernels, Shape, TILE_BLOCK, Tiles, code_lines_len, lines_len};

/// The kernels and precision that weights are packed for, and the memory for them.
pub(super) struct Site<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) precision: Precision,
    pub(super) memory: &'a Memory,
}

/// Packed weights of a layer.
pub(super) enum PackedWeights {
    F32(Packed<f32>),
    Bf16(Packed<u16>),
    I8 { panels: Packed<i8>, scales: Aligned<f32>, sums: Aligned<i32>, split: Option<SplitColumns> },
}

/// The error for NaN or infinity in a weight.
#[derive(Debug)]
pub(super) struct NotFinite {
    /// The column, which is an output of the layer.
    pub(super) column: usize,
}

/// Returns the matrix unit, if it computes layers of this precision.
pub(super) fn matrix_unit(kernels: &Kernels, precision: Precision) -> Option<Tiles> {
    kernels.tiles.filter(|_| precision != Precision::F32)
}

/// Returns true if columns with large numbers are split. This is done only where a row has no more
/// than 256 codes.
pub(super) fn splits_columns(kernels: &Kernels, precision: Precision) -> bool {
    precision == Precision::I8 && (kernels.tiles.is_some() || kernels.gemm_i8.code_bytes() == 1)
}

impl PackedWeights {
    /// Packs the weights of `shape`, whose columns `row` writes. Also returns the packed shape.
    ///
    /// # Errors
    /// The errors of `row`.
    pub(super) fn pack(
        site: &Site<'_>,
        shape: Shape,
        row: impl Fn(usize, &mut [f32]) -> Result<(), NotFinite> + Sync,
        split: Option<SplitColumns>,
    ) -> Result<(Self, Shape), NotFinite> {
        let &Site { kernels, precision, memory } = site;
        let split = split.filter(|_| splits_columns(kernels, precision));
        let tiles = matrix_unit(kernels, precision);
        let packed = packed_shape(tiles.is_some(), precision, shape, split.as_ref());
        let weights = match precision {
            Precision::F32 => {
                let gemm = &kernels.gemm_f32;
                Self::F32(pack_panels(memory, packed, gemm.nr(), |column, place, packed, panel, buffer| {
                    row(column, buffer)?;
                    gemm.pack_column(buffer.iter().copied(), place, packed, panel);
                    Ok(())
                })?)
            }
            Precision::Bf16 => {
                let nr = tiles.map_or(kernels.gemm_bf16.nr(), |_| TILE_BLOCK);
                Self::Bf16(pack_panels(memory, packed, nr, |column, place, packed, panel, buffer| {
                    row(column, &mut buffer[..shape.k])?;
                    let values = buffer.iter().map(|w| half::bf16::from_f32(*w).to_bits());
                    match tiles {
                        Some(tiles) => tiles.pack_bf16(values, place, packed, panel),
                        None => kernels.gemm_bf16.pack_column(values, place, packed, panel),
                    }
                    Ok(())
                })?)
            }
            Precision::I8 => pack_i8(site, packed, shape.k, row, split)?,
        };
        Ok((weights, packed))
    }
}

/// Returns the shape of packed weights.
fn packed_shape(tiled: bool, precision: Precision, shape: Shape, split: Option<&SplitColumns>) -> Shape {
    let k = split.map_or(shape.k, SplitColumns::width);
    match (tiled, precision) {
        (false, _) => Shape { n: shape.n, k },
        (true, Precision::I8) => Shape { n: shape.n.next_multiple_of(TILE_BLOCK), k: code_lines_len(k) },
        (true, _) => Shape { n: shape.n.next_multiple_of(TILE_BLOCK), k: lines_len(k) },
    }
}

/// Packs all panels in parallel. `pack` receives a column, its place in its panel, the panel's
/// shape, the panel, and a buffer of `k` numbers.
fn pack_panels<T: AlignedNumber>(
    memory: &Memory,
    shape: Shape,
    nr: usize,
    pack: impl Fn(usize, usize, Shape, &mut [T], &mut [f32]) -> Result<(), NotFinite> + Sync,
) -> Result<Packed<T>, NotFinite> {
    memory.pack(shape.len(), |numbers| {
        numbers.par_chunks_mut(nr * shape.k).enumerate().try_for_each_init(
            || vec![0.0; shape.k],
            |buffer, (panel, elements)| {
                let shape = Shape { n: elements.len() / shape.k, k: shape.k };
                (0..shape.n).try_for_each(|place| pack(panel * nr + place, place, shape, elements, buffer))
            },
        )
    })
}

/// Packs weights as i8 in panels of `shape`. A row has `k` numbers, then those of the added
/// columns.
fn pack_i8(
    site: &Site<'_>,
    shape: Shape,
    k: usize,
    row: impl Fn(usize, &mut [f32]) -> Result<(), NotFinite> + Sync,
    split: Option<SplitColumns>,
) -> Result<PackedWeights, NotFinite> {
    let (gemm, tiles) = (&site.kernels.gemm_i8, matrix_unit(site.kernels, Precision::I8));
    let nr = tiles.map_or(gemm.nr(), |_| TILE_BLOCK);
    let width = split.as_ref().map_or(k, SplitColumns::width);
    let (mut scales, mut sums) = (Aligned::<f32>::zeroed(shape.n), Aligned::<i32>::zeroed(shape.n));
    let panels = site.memory.pack(shape.len(), |panels: &mut [i8]| {
        let parts = panels.par_chunks_mut(nr * shape.k);
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
        )
    })?;
    Ok(PackedWeights::I8 { panels, scales, sums, split })
}
