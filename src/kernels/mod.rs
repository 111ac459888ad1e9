//! Numeric kernels on slices: dot products and norms for scoring; matrix products and row
//! operations for the engine. No allocation, no I/O, no threads.
//!
//! A [`Kernels`] value is a table of function pointers for one instruction set ([`Isa`]). It only
//! exists for an instruction set that was detected on this processor, so calling through it is
//! sound. Its safe methods check the lengths once and make one `unsafe` call per block of rows.
//!
//! **One score per pair.** On one instruction set the score of a (query, row) pair has the same
//! bits in [`Dot::pair`], [`Dot::rows`] and [`Dot::block`], for any position of the row and any
//! number of rows and queries. The reason is that one driver (see `dot`) adds in one fixed order.
//! Between instruction sets the float scores differ by rounding; the i8 scores are integers and
//! always agree.
//!
//! # Floor
//! One query against `n` rows reads every row once and does one multiply-add per element: 0.5
//! operations per byte of f32, 2 per byte of i8. A Zen 4 core at 3.7 GHz does 16 f32 (64 i8)
//! multiply-adds per cycle, 237 GB/s of rows. One core reads some 15 to 40 GB/s from memory.
//! Therefore the floor for more rows than fit in the cache is `n * dim * size_of(element) / read
//! bandwidth`: 1,000,000 rows of 1024 f32 (4.1 GB) take 137 ms at 30 GB/s. A block of queries
//! reuses every row and is bound by arithmetic: `queries * n * dim / (16 * clock)` for f32.

#[allow(clippy::needless_range_loop)] // indices are registers
mod activation;
#[allow(clippy::needless_range_loop)] // indices are rows
mod bf16_rows;
mod dot;
#[allow(clippy::needless_range_loop)] // indices are lanes and registers
mod elementwise;
#[cfg(test)]
#[allow(clippy::needless_range_loop)]
mod engine_tests;
#[allow(clippy::needless_range_loop)] // indices are lanes and registers
mod gemm;
mod isa;
#[allow(clippy::needless_range_loop)] // indices are registers
mod norms;
#[cfg(test)]
mod not_finite_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
#[allow(clippy::needless_range_loop)]
mod row_tests;
mod scalar;
#[allow(clippy::needless_range_loop)] // indices are lanes and registers
mod simd;
mod table;
#[cfg(test)]
mod tests;
#[allow(clippy::needless_range_loop)] // indices are lanes and rows of tiles
mod tiles;

pub use activation::Activation;
pub use bf16_rows::Bf16Rows;
pub use dot::{Dot, MAX_I8_LEN};
pub use elementwise::Elementwise;
pub use gemm::{
    ColumnParts, Gemm, GemmI8, Left, Output, OutputRows, PackedI8, QuantizedRows, Right, Shape, SharedRows, Split,
};
pub(crate) use gemm::{largest_size, nearest};
pub use isa::Isa;
pub(crate) use scalar::cosine_wide;
pub use simd::{ROW_PAD, padded_len};
pub use table::Kernels;
pub use tiles::{
    AttentionBuffers, Bf16Output, Codes, NormOf, PackedBf16, TILE_BLOCK, TileAttention, TileOutput, TileSource, Tiles,
    code_lines_len, lines_len, panel_rows, tiles_len,
};
