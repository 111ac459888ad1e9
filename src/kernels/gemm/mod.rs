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

pub(super) mod products;
mod split;
mod tile;

use std::ops::Range;

use super::activation::Activation;
use super::elementwise::ToCodes;
use super::simd::padded_len;
pub(super) use products::dequantize;
pub use split::Split;
pub(super) use split::extent;
pub(super) use tile::{ColumnMax, Finish, Job, Product, Store, pointer, run};

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
    pub(super) run: unsafe fn(&Job),
    pub(super) run_column_max: unsafe fn(&Job),
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
        let job = Job {
            m: a.m,
            steps: k / self.k_step,
            a: a.rows.as_ptr().cast(),
            a_stride: step::<T>(a.m, a.stride),
            b: b.as_ptr().cast(),
            b_stride,
            ..Job::towards(out, a.m, self.nr, finish)
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
        let job = Job {
            steps: k / self.k_step,
            a: a.rows.as_ptr().cast(),
            a_stride: step::<T>(a.m, a.stride),
            b: b.as_ptr().cast(),
            // The output is one row for any `m`. All rows without elements give the same result.
            ..Job { m: if k == 0 { a.m.min(1) } else { a.m }, ..Job::towards(out, 1, self.nr, Finish::none()) }
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

impl Job {
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

    pub(super) fn place(self, column: usize, nr: usize, k_step: usize, len: usize) -> Place {
        assert!(column < self.n && len >= self.len(), "column {column} is outside the packed shape {self:?}");
        let first = column / nr * nr;
        let width = nr.min(self.n - first);
        Place { start: first * self.k + (column - first) * k_step, step: width * k_step, k_step, k: self.k }
    }
}

/// The positions of one column's elements.
pub(super) struct Place {
    start: usize,
    step: usize,
    k_step: usize,
    k: usize,
}

impl Place {
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

    /// Does [`Place::write`] for bytes in memory, a step at a time.
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

/// The product of quantised rows with i8 weights; see the module's documentation.
#[derive(Debug, Clone, Copy)]
pub struct GemmI8 {
    pub(super) run: unsafe fn(&Job),
    pub(super) quantize: unsafe fn(&ToCodes) -> (f32, i32),
    pub(super) nr: usize,
    pub(super) k_step: usize,
    pub(super) code_bytes: usize,
    pub(super) max_code: i32,
}

/// The conversion of columns before rows become codes: some columns are fed in several equal parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts<'a> {
    /// The factor of each column's numbers; empty for none.
    pub factors: &'a [f32],
    /// Columns whose codes are repeated after those of all columns.
    pub copies: &'a [u32],
}

/// Rows of activation codes, with the scale and the zero point of each.
#[derive(Debug, Clone, Copy)]
pub struct QuantizedRows<'a> {
    /// `m` rows of `k` codes of [`GemmI8::code_bytes`] bytes, back to back.
    pub codes: &'a [u8],
    /// The scale of each row.
    pub scales: &'a [f32],
    /// The zero point of each row, in the kernel's form.
    pub zeros: &'a [i32],
}

/// i8 weights in panels, with the data of their columns.
#[derive(Debug, Clone, Copy)]
pub struct PackedI8<'a> {
    /// The panels.
    pub panels: &'a [i8],
    /// The scale of each column.
    pub scales: &'a [f32],
    /// The sum of each column's weights.
    pub sums: &'a [i32],
    /// The padded shape.
    pub shape: Shape,
}

impl GemmI8 {
    /// Returns the number of columns of a panel.
    pub fn nr(&self) -> usize {
        self.nr
    }

    /// Returns the bytes of an activation code.
    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// Returns the largest activation code for rows of `k` elements: all the kernel's bits, or as
    /// many as cannot overflow the sum.
    pub fn max_code(&self, k: usize) -> i32 {
        max_code(self.max_code, k)
    }

    /// Quantises rows of `k` elements (padded), `stride` apart: `x = scale (code - zero)`. The
    /// range of codes is spread over the row's own range, in which 0 is always included and exact.
    ///
    /// # Panics
    /// If a slice is shorter than `m` rows need.
    pub fn quantize_rows(
        &self,
        rows: Left<'_, f32>,
        k: usize,
        codes: &mut [u8],
        scales: &mut [f32],
        zeros: &mut [i32],
    ) {
        self.quantize_parts(rows, k, Parts::default(), codes, scales, zeros);
    }

    /// Does [`GemmI8::quantize_rows`] for rows whose columns are fed in parts: each row becomes `k`
    /// codes, then those of the copies. The copied columns must be below `k`.
    ///
    /// # Panics
    /// If a slice is shorter than `m` rows need, or a copied column is out of range.
    pub fn quantize_parts(
        &self,
        rows: Left<'_, f32>,
        k: usize,
        parts: Parts<'_>,
        codes: &mut [u8],
        scales: &mut [f32],
        zeros: &mut [i32],
    ) {
        let width = k.saturating_add(parts.copies.len());
        let bytes = width.saturating_mul(self.code_bytes);
        assert!(k.is_multiple_of(super::ROW_PAD) && width.is_multiple_of(super::ROW_PAD), "k must be padded");
        rows.check(k);
        assert!(parts.factors.is_empty() || parts.factors.len() >= k, "fewer factors than columns");
        assert!(codes.len() >= rows.m.saturating_mul(bytes), "the codes are shorter than their shape");
        assert!(scales.len() >= rows.m && zeros.len() >= rows.m, "fewer scales or zero points than rows");
        let factors = pointer(parts.factors);
        let max_code = self.max_code(width);
        for row in 0..rows.m {
            let (from, to) = (&rows.rows[row * rows.stride..][..k], &mut codes[row * bytes..][..bytes]);
            let job = ToCodes { x: from.as_ptr(), factors, len: k, max_code, codes: to.as_mut_ptr() };
            // SAFETY: `from` holds `k` elements, `to` at least `k` codes, and the factors, if any,
            // are `k`, as asserted; the kernel is one that this processor can run.
            (scales[row], zeros[row]) = unsafe { (self.quantize)(&job) };
            self.copy_codes(to, k, parts.copies);
        }
    }

    /// Copies the codes of columns to the end of a row, after its `k` codes.
    fn copy_codes(&self, row: &mut [u8], k: usize, copies: &[u32]) {
        let (codes, copied) = row.split_at_mut(k * self.code_bytes);
        let each = copied.chunks_exact_mut(self.code_bytes).zip(copies);
        each.for_each(|(to, &column)| {
            to.copy_from_slice(&codes[column as usize * self.code_bytes..][..self.code_bytes])
        });
    }

    /// Computes `a x b` with `m = a.scales.len()` rows.
    ///
    /// # Panics
    /// If an operand is shorter than its shape says.
    pub fn multiply(&self, a: QuantizedRows<'_>, b: PackedI8<'_>, out: Output<'_>) {
        let (m, Shape { n, k }) = (a.scales.len(), b.shape);
        let a_stride = k.saturating_mul(self.code_bytes);
        assert!(a.codes.len() >= m.saturating_mul(a_stride) && a.zeros.len() == m, "a is shorter than its shape");
        assert!(b.panels.len() >= b.shape.len() && b.scales.len() >= n && b.sums.len() >= n, "b is shorter than n x k");
        assert!(out.columns.end <= n, "there are {n} columns");
        assert!(out.row_scales.is_empty(), "the rows of an integer product have scales of their own");
        let finish = Finish::integers(a.scales, a.zeros, b.scales, b.sums);
        let job = Job {
            m,
            steps: k / self.k_step,
            a: a.codes.as_ptr(),
            a_stride: step::<u8>(m, a_stride),
            b: b.panels.as_ptr().cast(),
            ..Job::towards(out, m, self.nr, finish)
        };
        // SAFETY: the lengths were checked, and the table holds only kernels that this processor
        // can run.
        unsafe { (self.run)(&job) }
    }

    /// Quantises a column (a row of a linear layer's weights, `[n, k]`) and writes it into its
    /// place in the panels. Returns the column's scale and the sum of its weights. The other
    /// elements must be zero.
    ///
    /// # Panics
    /// If the column or `panels` does not fit the shape.
    pub fn pack_column(&self, weights: &[f32], column: usize, shape: Shape, panels: &mut [i8]) -> (f32, i32) {
        let place = shape.place(column, self.nr, self.k_step, panels.len());
        pack_codes(weights, shape, place, self.k_step, panels)
    }
}

/// Returns the largest code of at most `limit` for rows of `k` codes, with as many bits as cannot
/// overflow the sum.
pub(super) fn max_code(limit: i32, k: usize) -> i32 {
    let safe = i32::MAX as usize / k.max(1).saturating_mul(127);
    // A code has a whole number of bits: 2^b - 1.
    let bits = usize::BITS - 1 - (safe + 1).leading_zeros();
    limit.min(((1u64 << bits) - 1).min(i32::MAX as u64) as i32)
}

/// Quantises a column of weights and writes it into its place. Returns its scale and the sum of its
/// weights.
///
/// # Panics
/// If the column does not fit the shape.
pub(super) fn pack_codes(weights: &[f32], shape: Shape, place: Place, k_step: usize, panels: &mut [i8]) -> (f32, i32) {
    assert!(weights.len() <= shape.k, "a column of {} elements is longer than {}", weights.len(), shape.k);
    let scale = largest_size(weights) / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut sum = 0;
    let mut codes = [0; CODES];
    // Blocks end at the ends of steps.
    for (block, weights) in weights.chunks(CODES).enumerate() {
        let codes = &mut codes[..weights.len()];
        codes.iter_mut().zip(weights).for_each(|(code, w)| *code = nearest(w * inverse) as i8);
        sum += codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        let place = place.behind(block * CODES);
        match k_step {
            4 => place.write_steps::<4>(codes, panels),
            _ => place.write(codes.iter().copied(), panels),
        }
    }
    (scale, sum)
}

/// Number of weights that get codes together: a multiple of every `k_step`.
const CODES: usize = 256;

/// Returns the largest absolute value; NaN is ignored.
pub(crate) fn largest_size(numbers: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (blocks, rest) = numbers.as_chunks::<16>();
    // Each lane has its own maximum. With one maximum, each comparison would wait for the one
    // before.
    let mut lanes = [0.0; 16];
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, x)| *lane = larger(*lane, x.abs()));
    }
    lanes.into_iter().chain(rest.iter().map(|x| x.abs())).fold(0.0, larger)
}

/// Returns the nearest integer, halves to even, for an absolute value below 2^22. Adding 1.5 x 2^23
/// leaves it in the low bits of the mantissa. The library's `round` is a call where SSE4.1 cannot
/// be assumed.
pub(crate) fn nearest(x: f32) -> i32 {
    (x + 12_582_912.0).to_bits().wrapping_sub(0x4b40_0000) as i32
}
