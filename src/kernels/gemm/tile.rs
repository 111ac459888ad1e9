//! The generic tile of a product, and the loops around it; see the parent module for the algorithm.

use std::mem::MaybeUninit;

use super::super::activation::{Activation, activated, activated_before_rounding};
use super::super::simd::Simd;
use super::split::Split;

const CACHE_LINE: usize = 64;

/// Rows, columns and operands of one product; all strides in bytes. See the parent module's
/// documentation.
pub(in super::super) struct ProductJob {
    pub(super) m: usize,
    /// Number of steps of `k_step` elements.
    pub(super) steps: usize,
    pub(super) a: *const u8,
    pub(super) a_stride: usize,
    pub(super) b: *const u8,
    /// Distance between neighbouring `k` of a row-major `b` (f32 only); 0 for a packed `b`.
    pub(super) b_stride: usize,
    /// First and last column to compute; multiples of `nr`, but for the very last.
    pub(super) columns: std::ops::Range<usize>,
    pub(super) out: *mut f32,
    /// Distance between rows, in elements.
    pub(super) out_stride: usize,
    /// The matrices that hold the columns of `out`.
    pub(super) split: Split,
    pub(super) finish: Finish,
}

/// The operations on a sum before it is stored. A null pointer stands for a missing operand.
pub(in super::super) struct Finish {
    /// Per row.
    pub(super) row_scales: *const f32,
    /// Per row.
    pub(super) row_zeros: *const i32,
    /// Per column.
    pub(super) column_scales: *const f32,
    /// Per column: the sum of its weights.
    pub(super) column_sums: *const i32,
    /// Per column.
    pub(in super::super) bias: *const f32,
    /// Like `out`; may be `out`.
    pub(in super::super) residual: *const f32,
    pub(in super::super) activation: Activation,
}

/// Returns the start of a slice; null if it is empty.
pub(in super::super) fn pointer<T>(slice: &[T]) -> *const T {
    if slice.is_empty() { std::ptr::null() } else { slice.as_ptr() }
}

/// A method to multiply a row by a panel.
///
/// # Safety
/// Every method may be called only where the instruction set of the implementation is available.
/// Pointers must be good for the elements that the method names.
pub(in super::super) unsafe trait Product {
    type Simd: Simd;
    /// An element of `a`.
    type A: Copy;
    /// An element of `b`.
    type B: Copy;
    /// `K_STEP` elements of a row, in every lane.
    type Left: Copy;
    /// `K_STEP` elements of `LANES` columns.
    type Right: Copy;
    /// A running sum per lane.
    type Sum: Copy;
    const K_STEP: usize;
    /// Number of steps that are written out one after another. Four saves narrow vectors jumps and
    /// addresses. It is one where the sums fill the registers (512 bits: 24 of 32), because for
    /// several steps the compiler reads all broadcasts first and keeps them in memory.
    const UNROLL: usize = if Self::Simd::LANES < 16 { 4 } else { 1 };
    /// True if the next product rounds the results to bfloat16 or to codes of 8 bits, so that
    /// activations need no more digits.
    const ROUNDED_NEXT: bool = false;

    unsafe fn zero() -> Self::Sum;
    /// Reads `K_STEP` elements.
    unsafe fn broadcast(at: *const Self::A) -> Self::Left;
    /// Reads `K_STEP * LANES` elements.
    unsafe fn load(at: *const Self::B) -> Self::Right;
    unsafe fn multiply_add(sum: Self::Sum, left: Self::Left, right: Self::Right) -> Self::Sum;
    /// Converts a sum, with the operands of `finish` for the row and for `LANES` columns.
    unsafe fn to_f32(sum: Self::Sum, finish: &Finish, row: usize, column: usize) -> <Self::Simd as Simd>::F;
}

/// The operation on the product of all rows with one panel.
pub(in super::super) trait PanelWork {
    /// # Safety
    /// As [`run`]; `b` is the panel's first row and `step` the bytes from one of its rows to the
    /// next, `column` its first column.
    unsafe fn panel<P: Product, const M: usize, const V: usize>(
        job: &ProductJob,
        b: *const u8,
        step: usize,
        column: usize,
    );
}

/// Stores the finished product.
pub(in super::super) struct StoreProduct;

impl PanelWork for StoreProduct {
    #[inline(always)]
    unsafe fn panel<P: Product, const M: usize, const V: usize>(
        job: &ProductJob,
        b: *const u8,
        step: usize,
        column: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { panel::<P, M, V>(job, b, step, column) }
    }
}

/// Writes the largest value of each column over all rows, of which there is at least one, into the
/// one row `out`, for late interaction. A tile's values never leave the registers.
pub(in super::super) struct ColumnMax;

impl PanelWork for ColumnMax {
    #[inline(always)]
    unsafe fn panel<P: Product, const M: usize, const V: usize>(
        job: &ProductJob,
        b: *const u8,
        step: usize,
        column: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { panel_max::<P, M, V>(job, b, step, column) }
    }
}

/// Runs a job in tiles of `M` rows and `V` vectors of columns.
///
/// # Safety
/// The instruction set is available, and the job's pointers are good for its sizes.
#[inline(always)]
pub(in super::super) unsafe fn run<P: Product, W: PanelWork, const M: usize, const V: usize>(job: &ProductJob) {
    let lanes = P::Simd::LANES;
    let (nr, size) = (V * lanes, size_of::<P::B>());
    let mut column = job.columns.start;
    while column < job.columns.end {
        let width = nr.min(job.columns.end - column);
        // SAFETY: the panel that holds `column` is inside `b` by contract.
        unsafe {
            let (b, step) = match job.b_stride {
                0 => (job.b.add(column * job.steps * P::K_STEP * size), width * P::K_STEP * size),
                stride => (job.b.add(column * size), stride),
            };
            if width == nr {
                W::panel::<P, M, V>(job, b, step, column);
            } else {
                // This is the last panel of a tile that is wider than ROW_PAD.
                let mut rest = 0;
                while rest < width {
                    W::panel::<P, M, 1>(job, b.add(rest * P::K_STEP * size), step, column + rest);
                    rest += lanes;
                }
            }
        }
        column += width;
    }
}

/// Multiplies all rows by one panel: in tiles of `M` rows, then of 8, 4, 2 and 1.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn panel<P: Product, const M: usize, const V: usize>(
    job: &ProductJob,
    b: *const u8,
    step: usize,
    column: usize,
) {
    let mut at = PanelColumns { first: column, places: [0; V] };
    for v in 0..V {
        at.places[v] = job.split.place(column + v * P::Simd::LANES);
    }
    let mut row = 0;
    // SAFETY: every tile's rows are inside `m`.
    unsafe {
        while row + M <= job.m {
            tile::<P, M, V>(job, b, step, row, &at);
            row += M;
        }
        if M > 8 && row + 8 <= job.m {
            tile::<P, 8, V>(job, b, step, row, &at);
            row += 8;
        }
        if row + 4 <= job.m {
            tile::<P, 4, V>(job, b, step, row, &at);
            row += 4;
        }
        if row + 2 <= job.m {
            tile::<P, 2, V>(job, b, step, row, &at);
            row += 2;
        }
        if row < job.m {
            tile::<P, 1, V>(job, b, step, row, &at);
        }
    }
}

/// The columns of a panel.
struct PanelColumns<const V: usize> {
    first: usize,
    /// The position of each of their vectors in the first row of the output.
    places: [usize; V],
}

/// Computes the sums of `M` rows from `row` on with `V` vectors of columns, in registers. Meanwhile
/// it prefetches the rows of the next tile, which begin where these end.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn sums<P: Product, const M: usize, const V: usize>(
    job: &ProductJob,
    b: *const u8,
    step: usize,
    row: usize,
) -> [[P::Sum; V]; M] {
    let left_step = P::K_STEP * size_of::<P::A>();
    // SAFETY: `steps` steps from each row and from the panel are inside the operands by contract; a
    // prefetch may name any address.
    unsafe {
        let mut sums = [[P::zero(); V]; M];
        let mut a = job.a.add(row * job.a_stride);
        let mut next = a.wrapping_add(M * job.a_stride);
        let mut b = b;
        let mut steps = job.steps;
        while steps >= P::UNROLL {
            for line in 0..(M * P::UNROLL * left_step).div_ceil(CACHE_LINE) {
                P::Simd::prefetch(next.wrapping_add(line * CACHE_LINE));
            }
            next = next.wrapping_add(M * P::UNROLL * left_step);
            for ahead in 0..P::UNROLL {
                add_step::<P, M, V>(&mut sums, a.add(ahead * left_step), job.a_stride, b.add(ahead * step));
            }
            a = a.add(P::UNROLL * left_step);
            b = b.add(P::UNROLL * step);
            steps -= P::UNROLL;
        }
        for rest in 0..steps {
            add_step::<P, M, V>(&mut sums, a.add(rest * left_step), job.a_stride, b.add(rest * step));
        }
        sums
    }
}

/// Adds one step of `K_STEP` elements of `k` to the sums.
///
/// # Safety
/// `a` is good for a step of `M` rows that are `stride` bytes apart, `b` for one of `V` vectors.
#[inline(always)]
unsafe fn add_step<P: Product, const M: usize, const V: usize>(
    sums: &mut [[P::Sum; V]; M],
    a: *const u8,
    stride: usize,
    b: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut right = [P::load(b.cast()); V];
        for v in 1..V {
            right[v] = P::load(b.cast::<P::B>().add(v * P::Simd::LANES * P::K_STEP));
        }
        for m in 0..M {
            let left = P::broadcast(a.add(m * stride).cast());
            for v in 0..V {
                sums[m][v] = P::multiply_add(sums[m][v], left, right[v]);
            }
        }
    }
}

/// Multiplies `M` rows by `V` vectors of columns.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn tile<P: Product, const M: usize, const V: usize>(
    job: &ProductJob,
    b: *const u8,
    step: usize,
    row: usize,
    at: &PanelColumns<V>,
) {
    let lanes = P::Simd::LANES;
    // SAFETY: rows and columns of the tile are inside the operands and the result by contract.
    unsafe {
        let sums = sums::<P, M, V>(job, b, step, row);
        if job.finish.is_plain() {
            for m in 0..M {
                for v in 0..V {
                    let y = P::to_f32(sums[m][v], &job.finish, row + m, at.first + v * lanes);
                    P::Simd::store(job.out.add((row + m) * job.out_stride + at.places[v]), y);
                }
            }
            return;
        }
        // This goes through memory, which is still L1. The rest of the tile's work is a rolled loop
        // over that memory. The sums above are then addressed by constants only, and stay in
        // registers.
        let mut spilled = [[MaybeUninit::uninit(); V]; M];
        for m in 0..M {
            for v in 0..V {
                spilled[m][v].write(sums[m][v]);
            }
        }
        let spilled = std::slice::from_raw_parts(spilled.as_ptr().cast::<P::Sum>(), M * V);
        let mut done = 0;
        while done + GROUP <= M * V {
            finish::<P, GROUP, V>(job, &spilled[done..], row, at, done);
            done += GROUP;
        }
        while done < M * V {
            finish::<P, 1, V>(job, &spilled[done..], row, at, done);
            done += 1;
        }
    }
}

/// Number of vectors that are finished together: enough that one vector's polynomial hides the
/// latency of another's.
const GROUP: usize = 4;

/// Turns sums into results: the `G` vectors of a tile from vector `first` on, row by row. `sums`
/// are their sums.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn finish<P: Product, const G: usize, const V: usize>(
    job: &ProductJob,
    sums: &[P::Sum],
    row: usize,
    at: &PanelColumns<V>,
    first: usize,
) {
    // SAFETY: rows and columns of the tile are inside the result by contract, and so inside bias
    // and residual.
    unsafe {
        let mut y = [P::Simd::splat(0.0); G];
        for g in 0..G {
            let (row, v) = (row + (first + g) / V, (first + g) % V);
            let (column, place) = (at.first + v * P::Simd::LANES, row * job.out_stride + at.places[v]);
            y[g] = P::to_f32(sums[g], &job.finish, row, column);
            if !job.finish.bias.is_null() {
                y[g] = P::Simd::add(y[g], P::Simd::load(job.finish.bias.add(column)));
            }
            if !job.finish.residual.is_null() {
                y[g] = P::Simd::add(y[g], P::Simd::load(job.finish.residual.add(place)));
            }
        }
        let y = match P::ROUNDED_NEXT {
            true => activated_before_rounding::<P::Simd, G>(job.finish.activation, y),
            false => activated::<P::Simd, G>(job.finish.activation, y),
        };
        for g in 0..G {
            let place = (row + (first + g) / V) * job.out_stride + at.places[(first + g) % V];
            P::Simd::store(job.out.add(place), y[g]);
        }
    }
}

/// Computes the maxima of one panel. The last tile reads some rows twice, which does not change a
/// maximum.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn panel_max<P: Product, const M: usize, const V: usize>(
    job: &ProductJob,
    b: *const u8,
    step: usize,
    column: usize,
) {
    // SAFETY: every tile's rows are inside `m`.
    unsafe {
        let mut best = [P::Simd::splat(f32::NEG_INFINITY); V];
        if job.m < M {
            for row in 0..job.m {
                tile_max::<P, 1, V>(job, b, step, row, column, &mut best);
            }
        } else {
            let mut row = 0;
            while row < job.m {
                tile_max::<P, M, V>(job, b, step, row.min(job.m - M), column, &mut best);
                row += M;
            }
        }
        for v in 0..V {
            P::Simd::store(job.out.add(column + v * P::Simd::LANES), best[v]);
        }
    }
}

/// Raises `best` to the values of one tile.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn tile_max<P: Product, const M: usize, const V: usize>(
    job: &ProductJob,
    b: *const u8,
    step: usize,
    row: usize,
    column: usize,
    best: &mut [<P::Simd as Simd>::F; V],
) {
    // SAFETY: the tile's rows and columns are inside the operands by contract.
    unsafe {
        let sums = sums::<P, M, V>(job, b, step, row);
        for m in 0..M {
            for v in 0..V {
                let y = P::to_f32(sums[m][v], &job.finish, row + m, column + v * P::Simd::LANES);
                best[v] = P::Simd::max(best[v], y);
            }
        }
    }
}

impl Finish {
    /// Returns true if a sum is stored unchanged, except for its row's scale.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.column_scales.is_null()
            && self.bias.is_null()
            && self.residual.is_null()
            && self.activation == Activation::None
    }

    /// Returns the last operations on an integer product: scales and zero points of rows, scales
    /// and sums of columns.
    pub(in super::super) fn integers(row_scales: &[f32], row_zeros: &[i32], scales: &[f32], sums: &[i32]) -> Self {
        Self {
            row_scales: row_scales.as_ptr(),
            row_zeros: row_zeros.as_ptr(),
            column_scales: scales.as_ptr(),
            column_sums: sums.as_ptr(),
            ..Self::none()
        }
    }

    /// Adds a bias (none, if empty) and an activation.
    pub(in super::super) fn then(self, bias: &[f32], activation: Activation) -> Self {
        Self { bias: pointer(bias), activation, ..self }
    }

    pub(in super::super) fn none() -> Self {
        Self {
            row_scales: std::ptr::null(),
            row_zeros: std::ptr::null(),
            column_scales: std::ptr::null(),
            column_sums: std::ptr::null(),
            bias: std::ptr::null(),
            residual: std::ptr::null(),
            activation: Activation::None,
        }
    }
}
