//! Matrix products with packed weights: `out = activation(a x b + bias) + residual`.
//!
//! # Shapes
//! `a` is row-major `[m, k]`: one row per token. `b` holds `n` columns in panels of `nr` columns,
//! `[n / nr][k / k_step][nr][k_step]`. One load then gives `k_step` neighbouring elements of `k`
//! for `LANES` columns, which is the input of the dot-product instructions: `k_step` is 4 for
//! bytes, 2 for pairs of 16 bits, 1 for f32. `n` and `k` are padded with zeros to multiples of
//! [`ROW_PAD`](super::ROW_PAD), so no kernel has a tail in `n` or `k`.
//!
//! # Algorithm
//! ```text
//! for panel of nr columns:                    its k x nr elements stay in L1/L2
//!     for tile of mr rows:                    mr x nr sums in registers over the whole of k
//!         for step in k / k_step:             four written out, where the sums leave registers free
//!             right[v] = load b               nr / LANES loads, contiguous
//!             for row in mr:
//!                 left = broadcast a          one load; k_step elements to every lane
//!                 sums[row][v] += left * right[v]
//!             fetch a line of the next tile's rows
//!         to f32 (integers: minus zero point, times both scales), plus bias, plus residual, activation, store
//! ```
//! `k` is never split: a sum stays in one register from the first product to the last. Therefore
//! there is no second pass over partial sums, and an element of the result has the same bits for
//! any `m`, tile or thread.
//!
//! # Tiles and floors
//! | instruction set | tile (rows x columns) | registers for sums | products a cycle and core |
//! |---|---|---|---|
//! | AVX-512 f32, BF16, VNNI | 12 x 32 | 24 of 32 | 16, 32, 64 |
//! | AVX-512 without VNNI, i8 | 12 x 32 | 24 of 32 | 32 |
//! | AVX2 f32; i8; AVX-VNNI i8 | 6 x 16 | 12 of 16 | 16; 32; 64 |
//! | NEON f32; i8; dot product i8 | 6 x 16 | 24 of 32 | 8 to 16; 8 to 16; 32 to 64 |
//!
//! A step of the 12 x 32 tile is 24 dot products (24 cycles on Zen 4, one 512-bit instruction per
//! cycle), 2 loads and 12 broadcasts, which run on other ports. The tile's last part (24
//! conversions, 24 stores) is some 3 % of 96 steps (`k` = 384). A step of the 6 x 16 tile is 12
//! multiply-adds in 6 cycles, and 8 loads. In i8 without VNNI it is 12 multiplications of 16-bit
//! pairs in 6 cycles, 12 additions and 2 widenings. These 26 instructions take 6.5 cycles on four
//! vector ports, 92 % of the multipliers' peak.
//!
//! The panel stays in L1 and L2, but the rows of a block (384 of 384 f32: 590 KB) do not. Each
//! tile's rows come from L2 or L3, 9 KB in 2,300 cycles. Only the tile before can know which rows
//! come next, so it prefetches them. A step of the 6 x 16 tile has 20 useful instructions. With a
//! jump and seven addresses in each step, these were the limit, not the multiply-adds.
//!
//! # Integers
//! Weights are i8, symmetric per column: `w = scale_n * q`, `|q| <= 127`. Activations are unsigned
//! codes with a scale and a zero point per row: `x = scale_m * (code - zero_m)`. Therefore `sum x w
//! = scale_m scale_n (sum code q - zero_m sum q)`, exact in i32 up to the last conversion. Codes
//! have 8 bits where the instruction multiplies bytes. Where it multiplies 16-bit numbers anyway
//! (AVX2, AVX-512 without VNNI, NEON without dot product) they have 12, for the same time and a
//! smaller error. VPMADDUBSW, which multiplies bytes on AVX2, saturates at 16 bits and needs a
//! second multiplication to widen: it is as slow, and wrong at the edges.

mod integers;
pub(super) mod products;
mod split;
mod tile;

use std::ops::Range;

use super::activation::Activation;
use super::simd::padded_len;
pub use integers::{ColumnParts, GemmI8, PackedI8, QuantizedRows};
pub(crate) use integers::{largest_size, nearest};
pub(super) use integers::{max_code, pack_codes};
pub(super) use products::dequantize;
pub use split::Split;
pub(super) use split::extent;
pub(super) use tile::{ColumnMax, Finish, Product, ProductJob, StoreProduct, pointer, run};

/// The left operand of a product, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a, A> {
    /// `m` rows.
    pub rows: &'a [A],
    /// Distance from one row to the next, in elements.
    pub stride: usize,
    /// Number of rows.
    pub m: usize,
}

impl<A> Left<'_, A> {
    /// Panics unless the slice holds all rows of `k` elements without overlap.
    fn check(&self, k: usize) {
        assert!(self.m < 2 || self.stride >= k, "the rows of a overlap");
        assert!(self.rows.len() >= extent(self.m, k, self.stride), "a is shorter than its shape");
    }
}

/// The right operand of a product: `n` columns of `k`, both padded.
#[derive(Debug, Clone, Copy)]
pub enum Right<'a, B> {
    /// Panels, as `pack` writes them.
    Packed(&'a [B]),
    /// A row-major matrix `[k, n]` with a stride in elements; f32 only.
    RowMajor(&'a [B], usize),
}

/// The destination of a product, and the operations on the way.
#[derive(Debug)]
pub struct Output<'a> {
    /// Row-major `[m, n]`.
    pub rows: OutputRows<'a>,
    /// Distance from one row to the next, in elements.
    pub stride: usize,
    /// The split of the columns into several matrices; `None` for one matrix.
    pub split: Option<Split>,
    /// The columns to compute, of `n`: all, or a part that begins and (except for the last one)
    /// ends at a multiple of `nr`.
    pub columns: Range<usize>,
    /// The bias per column; empty for none.
    pub bias: &'a [f32],
    /// True to add the result to the contents of `rows`.
    pub add: bool,
    /// The activation, applied last to the sum with bias (and not with `add`).
    pub activation: Activation,
    /// For float products, the factor of each row, applied first; empty for none.
    pub row_scales: &'a [f32],
}

impl<'a> Output<'a> {
    /// Creates an output without bias, residual or activation.
    pub fn plain(rows: OutputRows<'a>, stride: usize, columns: Range<usize>) -> Self {
        let activation = Activation::None;
        Self { rows, stride, split: None, columns, bias: &[], add: false, activation, row_scales: &[] }
    }
}

/// The memory of an [`Output`].
#[derive(Debug)]
pub enum OutputRows<'a> {
    /// All of it.
    Whole(&'a mut [f32]),
    /// Rows that are shared with other threads, which compute other columns of them: pointer and
    /// number of elements.
    Shared(SharedRows<f32>),
}

/// A matrix that several threads write, each in its own columns.
#[derive(Debug, Clone, Copy)]
pub struct SharedRows<T> {
    at: *mut T,
    len: usize,
}

// SAFETY: a pointer with a length; its maker promises that no two threads write the same
// element.
unsafe impl<T: Send> Send for SharedRows<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedRows<T> {}

impl<T> SharedRows<T> {
    /// Shares `rows` for as long as the caller keeps them borrowed.
    ///
    /// # Safety
    /// The result must not outlive the borrow, and the threads that use it must write different
    /// columns.
    pub unsafe fn new(rows: &mut [T]) -> Self {
        Self { at: rows.as_mut_ptr(), len: rows.len() }
    }

    /// Returns a pointer to the first element.
    pub(super) fn start(self) -> *mut T {
        self.at
    }

    /// Returns the number of elements.
    pub(super) fn len(self) -> usize {
        self.len
    }

    /// Returns the elements from `first` on.
    ///
    /// # Panics
    /// If there are fewer than `first` elements.
    pub fn from(self, first: usize) -> Self {
        assert!(first <= self.len, "{first} is beyond the {} elements", self.len);
        // SAFETY: inside the allocation, as asserted.
        Self { at: unsafe { self.at.add(first) }, len: self.len - first }
    }
}

impl OutputRows<'_> {
    fn parts(&mut self) -> (*mut f32, usize) {
        match self {
            OutputRows::Whole(rows) => (rows.as_mut_ptr(), rows.len()),
            OutputRows::Shared(shared) => (shared.at, shared.len),
        }
    }
}

/// Returns the bytes from one row to the next; 0 without a next row, because that distance was not
/// checked.
fn step<T>(rows: usize, stride: usize) -> usize {
    if rows > 1 { stride * size_of::<T>() } else { 0 }
}

/// A float product: `A` and `B` are f32, or bfloat16 as bit patterns.
#[derive(Debug, Clone, Copy)]
pub struct Gemm<T> {
    pub(super) run: unsafe fn(&ProductJob),
    pub(super) run_column_max: unsafe fn(&ProductJob),
    pub(super) nr: usize,
    pub(super) k_step: usize,
    pub(super) element: std::marker::PhantomData<T>,
}

impl<T: Copy> Gemm<T> {
    /// Returns the number of columns of a panel.
    pub fn nr(&self) -> usize {
        self.nr
    }

    /// Computes `a x b` with `k` elements per row (padded).
    ///
    /// # Panics
    /// If an operand is shorter than its shape says, if its rows overlap, if `k` or a column is not
    /// padded, or if bf16 is not packed.
    pub fn multiply(&self, a: Left<'_, T>, b: Right<'_, T>, k: usize, out: Output<'_>) {
        assert_eq!(k % self.k_step, 0, "k must be padded");
        a.check(k);
        let (b, b_stride) = match b {
            Right::Packed(panels) => {
                assert!(panels.len() >= out.columns.end.saturating_mul(k), "b is shorter than its shape");
                (panels, 0)
            }
            Right::RowMajor(rows, stride) => {
                assert_eq!(self.k_step, 1, "row-major operands are for f32");
                assert!(k < 2 || stride >= out.columns.end, "the rows of b overlap");
                assert!(rows.len() >= extent(k, out.columns.end, stride), "b is shorter than its shape");
                // A single row has the same layout as a packed one.
                (rows, step::<T>(k, stride))
            }
        };
        assert!(out.row_scales.is_empty() || out.row_scales.len() >= a.m, "fewer row scales than rows");
        let finish = Finish { row_scales: pointer(out.row_scales), ..Finish::none() };
        let job = ProductJob {
            m: a.m,
            steps: k / self.k_step,
            a: a.rows.as_ptr().cast(),
            a_stride: step::<T>(a.m, a.stride),
            b: b.as_ptr().cast(),
            b_stride,
            ..ProductJob::towards(out, a.m, self.nr, finish)
        };
        // SAFETY: the lengths were checked, and the table holds only kernels that this processor
        // can run.
        unsafe { (self.run)(&job) }
    }

    /// Computes the largest element of each column of `a x b` over the rows of `a`, with `k`
    /// elements per row (padded). MaxSim is a sum of these. `b` is packed panels of `out.len()`
    /// columns. The product itself only exists as tiles in registers. Without rows the largest
    /// element is -inf. NaN in a row may be ignored.
    ///
    /// # Panics
    /// If an operand is shorter than its shape says, or if `k` or the columns are not padded.
    pub fn column_max(&self, a: Left<'_, T>, b: &[T], k: usize, out: &mut [f32]) {
        assert_eq!(k % self.k_step, 0, "k must be padded");
        a.check(k);
        assert!(b.len() >= out.len().saturating_mul(k), "b is shorter than its shape");
        let columns = out.len();
        let out = Output::plain(OutputRows::Whole(out), columns, 0..columns);
        let job = ProductJob {
            steps: k / self.k_step,
            a: a.rows.as_ptr().cast(),
            a_stride: step::<T>(a.m, a.stride),
            b: b.as_ptr().cast(),
            // The output is one row for any `m`. All rows without elements give the same result.
            ..ProductJob {
                m: if k == 0 { a.m.min(1) } else { a.m },
                ..ProductJob::towards(out, 1, self.nr, Finish::none())
            }
        };
        // SAFETY: the lengths were checked, and the table holds only kernels that this processor
        // can run.
        unsafe { (self.run_column_max)(&job) }
    }

    /// Writes a column (a row of a linear layer's weights, `[n, k]`) into its place in the packed
    /// panels of `n` columns of `k` elements, both padded. The other elements must be zero.
    ///
    /// # Panics
    /// If the column or `packed` does not fit the shape.
    pub fn pack_column(&self, values: impl ExactSizeIterator<Item = T>, column: usize, shape: Shape, packed: &mut [T]) {
        shape.place(column, self.nr, self.k_step, packed.len()).write(values, packed);
    }
}

impl Output<'_> {
    /// Returns pointer, stride, split and columns of an output of `m` rows whose panels have `nr`
    /// columns, and the last operations of a job that has `finish` so far.
    ///
    /// # Panics
    /// If the output is shorter than its shape says.
    pub(super) fn towards(
        mut self,
        m: usize,
        nr: usize,
        finish: Finish,
    ) -> (*mut f32, usize, Split, Range<usize>, Finish) {
        let columns = self.columns.clone();
        let (rows, len) = self.rows.parts();
        assert!(columns.start.is_multiple_of(nr), "a part must begin at a panel");
        assert!(columns.end.is_multiple_of(super::ROW_PAD), "columns must be padded");
        let split = self.split.unwrap_or(Split::NONE);
        assert!(
            m == 0 || self.split.is_none_or(Split::is_padded),
            "the matrices of an output must be padded, and not overlap"
        );
        let width = if m == 0 { 0 } else { split.extent(columns.end) };
        assert!(m < 2 || self.stride >= columns.end.min(split.width), "the rows of the output overlap");
        assert!(len >= extent(m, width, self.stride), "the output is shorter than its shape");
        assert!(self.bias.is_empty() || self.bias.len() >= columns.end, "the bias is shorter than the columns");
        assert!(!(self.add && self.activation != Activation::None), "an activation would cover the residual too");
        let residual = if self.add { rows.cast_const() } else { std::ptr::null() };
        // Without rows there is no work, and a meaningless split does no harm.
        let columns = if m == 0 { 0..0 } else { columns };
        (rows, self.stride, split, columns, Finish { residual, ..finish.then(self.bias, self.activation) })
    }
}

impl ProductJob {
    /// Creates the part of a job that its output determines.
    fn towards(out: Output<'_>, m: usize, nr: usize, finish: Finish) -> Self {
        let (out, out_stride, split, columns, finish) = out.towards(m, nr, finish);
        let (a, b) = (std::ptr::null(), std::ptr::null());
        Self { m, steps: 0, a, a_stride: 0, b, b_stride: 0, columns, out, out_stride, split, finish }
    }
}

/// The shape of a packed operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of columns, padded.
    pub n: usize,
    /// Number of elements of a column, padded.
    pub k: usize,
}

impl Shape {
    /// Returns the padded shape of `n` columns of `k` elements.
    pub fn padded(n: usize, k: usize) -> Self {
        Self { n: padded_len(n), k: padded_len(k) }
    }

    /// Returns the number of elements of the packed panels; `usize::MAX` if `usize` cannot hold it.
    pub fn len(self) -> usize {
        self.n.saturating_mul(self.k)
    }

    /// Returns true if there are no elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub(super) fn place(self, column: usize, nr: usize, k_step: usize, len: usize) -> ColumnPlace {
        assert!(column < self.n && len >= self.len(), "column {column} is outside the packed shape {self:?}");
        let first = column / nr * nr;
        let width = nr.min(self.n - first);
        ColumnPlace { start: first * self.k + (column - first) * k_step, step: width * k_step, k_step, k: self.k }
    }
}

/// The positions of one column's elements.
pub(super) struct ColumnPlace {
    start: usize,
    step: usize,
    k_step: usize,
    k: usize,
}

impl ColumnPlace {
    /// Returns the place of the elements after the first `count`, a multiple of `k_step`.
    fn behind(&self, count: usize) -> Self {
        Self { start: self.start + count / self.k_step * self.step, k: self.k - count, ..*self }
    }

    pub(super) fn write<T: Copy>(&self, values: impl ExactSizeIterator<Item = T>, packed: &mut [T]) {
        assert!(values.len() <= self.k, "a column of {} elements is longer than {}", values.len(), self.k);
        // These are counted along, because divisions took half of a model's loading time.
        let (mut at, mut within) = (self.start, 0);
        for value in values {
            packed[at + within] = value;
            within += 1;
            if within == self.k_step {
                (at, within) = (at + self.step, 0);
            }
        }
    }

    /// Does [`ColumnPlace::write`] for bytes in memory, a step at a time.
    fn write_steps<const K_STEP: usize>(&self, values: &[i8], packed: &mut [i8]) {
        let (steps, rest) = values.as_chunks::<K_STEP>();
        let places = packed[self.start..].chunks_mut(self.step);
        places.zip(steps).for_each(|(place, step)| place[..K_STEP].copy_from_slice(step));
        if !rest.is_empty() {
            let end = self.start + steps.len() * self.step;
            packed[end..][..rest.len()].copy_from_slice(rest);
        }
    }
}
