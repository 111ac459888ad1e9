//! Numeric kernels on slices: dot products and norms for scoring; matrix products and row operations for the engine. No
//! allocation, no I/O, no threads.
//!
//! A [`Kernels`] value is a table of function pointers for one instruction set ([`Isa`]). It exists only for an
//! instruction set that this processor was seen to have, so calling through it is sound; its safe methods check the
//! lengths once and make one `unsafe` call per block of rows.
//!
//! **One score per pair.** On one instruction set the score of a (query, row) pair has the same bits by
//! [`Dot::pair`], [`Dot::rows`] and [`Dot::block`], whatever the row's position and however many rows and queries
//! there are: one driver (see `dot`) adds in one fixed order. Between instruction sets the float scores differ by
//! rounding; the i8 scores are integers and agree everywhere.
//!
//! # Floor
//! One query against `n` rows reads every row once and does one multiply-add per element: 0.5 operations per byte of
//! f32, 2 per byte of i8. A Zen 4 core at 3.7 GHz does 16 f32 (64 i8) multiply-adds per cycle, 237 GB/s of rows,
//! against some 15 to 40 GB/s that one core reads from memory. So above the size of the cache the floor is
//! `n * dim * size_of(element) / read bandwidth`: 1,000,000 rows of 1024 f32 (4.1 GB) take 137 ms at 30 GB/s. A block
//! of queries reuses every row and is bound by arithmetic: `queries * n * dim / (16 * clock)` for f32.

mod dot;
#[allow(clippy::needless_range_loop)] // indices are lanes and registers
mod elementwise;
#[cfg(test)]
#[allow(clippy::needless_range_loop)]
mod engine_tests;
#[allow(clippy::needless_range_loop)] // indices are lanes and registers
mod gemm;
mod isa;
#[cfg(test)]
mod not_finite_tests;
mod scalar;
#[allow(clippy::needless_range_loop)] // indices are lanes and registers
mod simd;
mod table;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use dot::Dot;
pub use elementwise::{Activation, Elementwise};
pub use gemm::{Gemm, GemmI8, Left, Output, OutputRows, PackedI8, QuantizedRows, Right, Shape, SharedRows, Split};
pub use isa::Isa;
pub(crate) use scalar::cosine_wide;
pub use simd::{ROW_PAD, padded_len};

/// The longest i8 vectors whose dot product always fits an `i32`: `len * 128 * 128 < 2^31`.
pub const MAX_I8_LEN: usize = (1 << 17) - 1;

/// The kernels of one instruction set.
///
/// ```
/// use nearsort::kernels::Kernels;
/// let kernels = Kernels::best();
/// let mut scores = [0.0; 2];
/// kernels.dot_f32.rows(&[1.0, 2.0], &[3.0, 4.0, 0.5, 0.5], &mut scores);
/// assert_eq!(scores, [11.0, 1.5]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    isa: Isa,
    /// f32 times f32, accumulated in f32.
    pub dot_f32: Dot<f32, f32>,
    /// IEEE half precision as bit patterns, accumulated in f32. Products are exact.
    pub dot_f16: Dot<u16, f32>,
    /// bfloat16 as bit patterns, accumulated in f32. Where the processor multiplies bfloat16 itself, subnormal
    /// numbers count as zero.
    pub dot_bf16: Dot<u16, f32>,
    /// i8 times i8, accumulated in i32, exact; vectors of at most [`MAX_I8_LEN`].
    pub dot_i8: Dot<i8, i32>,
    /// f32 matrix products.
    pub gemm_f32: Gemm<f32>,
    /// Matrix products of bfloat16 as bit patterns, accumulated in f32. Where the processor multiplies bfloat16 itself, subnormal
    /// numbers count as zero.
    pub gemm_bf16: Gemm<u16>,
    /// Matrix products of quantised rows with i8 weights, accumulated in i32, exact.
    pub gemm_i8: GemmI8,
    /// Row operations between the products.
    pub elementwise: Elementwise,
}

impl Kernels {
    /// The kernels of the best instruction set of this processor, looked up once.
    pub fn best() -> &'static Kernels {
        static BEST: LazyLock<Kernels> = LazyLock::new(|| table::table(Isa::detect()));
        &BEST
    }

    /// The kernels of one instruction set, `None` where this processor lacks it.
    pub fn for_isa(isa: Isa) -> Option<Kernels> {
        isa.is_available().then(|| table::table(isa))
    }

    /// The instruction set that these kernels use.
    pub fn isa(&self) -> Isa {
        self.isa
    }
}
