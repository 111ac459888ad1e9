//! Dot products: the algorithm once, the vector operations per instruction set.
//!
//! A [`Lane`](lane::Lane) defines how one element type is loaded, multiplied and summed on one
//! instruction set. `drivers!` expands the algorithm (pair, block, sweep, tile) in each instruction
//! set's file, so that `#[target_feature]` covers the loops and the intrinsics inline. Only
//! [`Lane::WIDTH`](lane::Lane::WIDTH) and [`UNROLL`](lane::UNROLL) determine the order of
//! additions: chunk `c` of a vector goes to accumulator `c % UNROLL` of its own pair, in any tile.

/// Expands the algorithm for one set of target features. `$queries` x `$rows` is the tile for
/// several queries, as many as the registers hold. One query takes one row at a time, because it
/// waits for memory. Two or four rows at once read slower by half, because the prefetcher follows
/// such streams less well, while single rows overlap in the core anyway. Prefetching by hand, 256
/// bytes to 16 KiB ahead, gained nothing with AVX-512 (0.74 to 1.06 times the speed); see
/// [`Lane::prefetch`](lane::Lane::prefetch) for where it does.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! drivers {
    ($features:literal, $queries:literal x $rows:literal) => {
        use super::super::lane::{DotBlock, GROUP_BYTES, KEPT_CHUNKS, Lane, UNROLL};
        use std::mem::MaybeUninit;

        /// # Safety
        /// The processor has the features; `a` and `b` are good for `len` reads.
        #[target_feature(enable = $features)]
        pub(in super::super) unsafe fn pair<L: Lane>(a: *const L::Elem, b: *const L::Elem, len: usize) -> L::Score {
            // SAFETY: the caller's promise.
            unsafe { tile::<L, 1, 1>(a, b, len, &[L::bias(a, len)])[0][0] }
        }

        /// # Safety
        /// The processor has the features; the block's pointers are good for its sizes and `scores`
        /// for `num_rows * num_queries` writes.
        #[target_feature(enable = $features)]
        pub(in super::super) unsafe fn block<L: Lane>(block: &DotBlock<L::Elem>, scores: *mut L::Score) {
            let DotBlock { num_queries, num_rows, dim, .. } = *block;
            let group = (GROUP_BYTES / dim.saturating_mul(size_of::<L::Elem>()).max(1)).max($rows);
            for first in (0..num_rows).step_by(group) {
                let count = group.min(num_rows - first);
                let mut query = 0;
                // SAFETY: `first + count <= num_rows` and the queries below are inside
                // `num_queries`.
                unsafe {
                    let rows = block.rows.add(first * dim);
                    let scores = scores.add(first * num_queries);
                    while query + $queries <= num_queries {
                        let queries = block.queries.add(query * dim);
                        sweep::<L, $queries, $rows>(queries, rows, count, dim, scores.add(query), num_queries);
                        query += $queries;
                    }
                    while query < num_queries {
                        let queries = block.queries.add(query * dim);
                        sweep_one::<L>(queries, rows, count, dim, scores.add(query), num_queries);
                        query += 1;
                    }
                }
            }
        }

        /// Scores `Q` queries against `count` rows, `R` at a time. The scores of neighbouring rows
        /// are `stride` apart.
        ///
        /// # Safety
        /// As `block`.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn sweep<L: Lane, const Q: usize, const R: usize>(
            queries: *const L::Elem,
            rows: *const L::Elem,
            count: usize,
            dim: usize,
            scores: *mut L::Score,
            stride: usize,
        ) {
            // SAFETY: the caller's promise; `row` stays below `count`.
            unsafe {
                let mut biases = [0; Q];
                for q in 0..Q {
                    biases[q] = L::bias(queries.add(q * dim), dim);
                }
                let mut row = 0;
                while row + R <= count {
                    let tile = tile::<L, Q, R>(queries, rows.add(row * dim), dim, &biases);
                    for r in 0..R {
                        std::ptr::copy_nonoverlapping(tile[r].as_ptr(), scores.add((row + r) * stride), Q);
                    }
                    row += R;
                }
                while row < count {
                    let tile = tile::<L, Q, 1>(queries, rows.add(row * dim), dim, &biases);
                    std::ptr::copy_nonoverlapping(tile[0].as_ptr(), scores.add(row * stride), Q);
                    row += 1;
                }
            }
        }

        /// Scores one query against `count` rows, one after the other. The query is converted once
        /// and not for each row. This saves instructions between cache lines, so that the core
        /// looks further ahead.
        ///
        /// # Safety
        /// As `block`.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn sweep_one<L: Lane>(
            query: *const L::Elem,
            rows: *const L::Elem,
            count: usize,
            dim: usize,
            scores: *mut L::Score,
            stride: usize,
        ) {
            const STEP: usize = 2 * UNROLL;
            let mut chunks = [MaybeUninit::<L::Chunk>::uninit(); KEPT_CHUNKS];
            let kept = (dim / L::WIDTH).min(KEPT_CHUNKS) / STEP * STEP;
            // SAFETY: the caller's promise; the first `kept` chunks lie inside `dim` and are
            // written before they are read.
            unsafe {
                for c in 0..kept {
                    chunks[c].write(L::load(query.add(c * L::WIDTH)));
                }
                let chunks = chunks.as_ptr().cast::<L::Chunk>();
                let bias = L::bias(query, dim);
                for at in 0..count {
                    let row = rows.add(at * dim);
                    L::prefetch(row.cast(), dim * size_of::<L::Elem>());
                    let mut sums = [[[L::zero(); UNROLL]; 1]; 1];
                    for first in (0..kept).step_by(STEP) {
                        for c in first..first + STEP {
                            let sum = &mut sums[0][0][c % UNROLL];
                            *sum = L::multiply_add(*sum, *chunks.add(c), L::load(row.add(c * L::WIDTH)));
                        }
                    }
                    add_from::<L, 1, 1>(&mut sums, query, row, kept * L::WIDTH, dim);
                    *scores.add(at * stride) = L::finish(sums[0][0], bias);
                }
            }
        }

        /// Computes the scores of `R` rows with `Q` queries, with all sums in registers.
        ///
        /// # Safety
        /// The processor has the features; `queries` is good for `Q * dim` reads, `rows` for `R *
        /// dim`.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn tile<L: Lane, const Q: usize, const R: usize>(
            queries: *const L::Elem,
            rows: *const L::Elem,
            dim: usize,
            biases: &[i32; Q],
        ) -> [[L::Score; Q]; R] {
            // SAFETY: the caller's promise.
            unsafe {
                let mut sums = [[[L::zero(); UNROLL]; Q]; R];
                add_from::<L, Q, R>(&mut sums, queries, rows, 0, dim);
                let mut scores = [[L::finish(sums[0][0], biases[0]); Q]; R];
                for r in 0..R {
                    for q in 0..Q {
                        scores[r][q] = L::finish(sums[r][q], biases[q]);
                    }
                }
                scores
            }
        }

        /// Adds the products from element `at` on, a multiple of `UNROLL` chunks.
        ///
        /// # Safety
        /// As `tile`.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn add_from<L: Lane, const Q: usize, const R: usize>(
            sums: &mut [[[L::Sum; UNROLL]; Q]; R],
            queries: *const L::Elem,
            rows: *const L::Elem,
            mut at: usize,
            dim: usize,
        ) {
            // SAFETY: every load reads inside the first `dim` elements of its vector.
            unsafe {
                while at + UNROLL * L::WIDTH <= dim {
                    for u in 0..UNROLL {
                        let at = at + u * L::WIDTH;
                        for q in 0..Q {
                            let query = L::load(queries.add(q * dim + at));
                            for r in 0..R {
                                let row = L::load(rows.add(r * dim + at));
                                sums[r][q][u] = L::multiply_add(sums[r][q][u], query, row);
                            }
                        }
                    }
                    at += UNROLL * L::WIDTH;
                }
                if at + L::WIDTH <= dim {
                    for q in 0..Q {
                        let query = L::load(queries.add(q * dim + at));
                        for r in 0..R {
                            let row = L::load(rows.add(r * dim + at));
                            sums[r][q][0] = L::multiply_add(sums[r][q][0], query, row);
                        }
                    }
                    at += L::WIDTH;
                }
                if at < dim {
                    for q in 0..Q {
                        let query = L::load_tail(queries.add(q * dim + at), dim - at);
                        for r in 0..R {
                            let row = L::load_tail(rows.add(r * dim + at), dim - at);
                            sums[r][q][1] = L::multiply_add(sums[r][q][1], query, row);
                        }
                    }
                }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lane;
#[cfg(target_arch = "aarch64")]
mod neon;

use super::{Isa, scalar};
use lane::DotBlock;

/// Maximum length of i8 vectors whose dot product always fits an `i32`: `len * 128 * 128 < 2^31`.
pub const MAX_I8_LEN: usize = (1 << 17) - 1;

/// The dot products of one element type `E` with scores of type `S`, on one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Dot<E, S> {
    pair: unsafe fn(*const E, *const E, usize) -> S,
    block: unsafe fn(&DotBlock<E>, *mut S),
    max_len: usize,
}

impl<E, S> Dot<E, S> {
    /// Computes the dot product of two vectors of equal length.
    ///
    /// # Panics
    /// If the lengths differ, or if i8 vectors are longer than [`MAX_I8_LEN`].
    pub fn pair(&self, a: &[E], b: &[E]) -> S {
        assert_eq!(a.len(), b.len(), "the vectors must have one length");
        self.check_len(a.len());
        // SAFETY: both pointers are good for `len` reads, and the table holds only kernels that
        // this processor can run.
        unsafe { (self.pair)(a.as_ptr(), b.as_ptr(), a.len()) }
    }

    /// Scores one query against many rows: `scores[r]` becomes the dot product of `query` and row
    /// `r`. `rows` is row-major, `scores.len()` rows of `query.len()` elements.
    ///
    /// # Panics
    /// If `rows.len()` is not `scores.len() * query.len()`, or if i8 rows are longer than
    /// [`MAX_I8_LEN`].
    pub fn rows(&self, query: &[E], rows: &[E], scores: &mut [S]) {
        self.block(query, rows, query.len(), scores);
    }

    /// Scores many queries against many rows, both row-major with `dim` columns: `scores[r *
    /// num_queries + q]` becomes the dot product of query `q` and row `r`.
    ///
    /// # Panics
    /// If `queries` or `rows` is not whole rows of `dim` elements, if `scores` is not one per pair,
    /// or if i8 rows are longer than [`MAX_I8_LEN`].
    pub fn block(&self, queries: &[E], rows: &[E], dim: usize, scores: &mut [S]) {
        self.check_len(dim);
        let (num_queries, num_rows) = shape(queries.len(), rows.len(), dim, scores.len());
        let block = DotBlock { queries: queries.as_ptr(), num_queries, rows: rows.as_ptr(), num_rows, dim };
        // SAFETY: `shape` checked that the pointers are good for `num_queries * dim` and
        // `num_rows * dim` reads and `num_rows * num_queries` writes; the table holds only kernels
        // that this processor can run.
        unsafe { (self.block)(&block, scores.as_mut_ptr()) }
    }

    fn check_len(&self, len: usize) {
        assert!(len <= self.max_len, "vectors of {len} elements could overflow the sum; at most {}", self.max_len);
    }
}

impl<E> Dot<E, f32> {
    /// Computes the L2 norm. 0 if all squares round to zero, infinite if their sum exceeds f32.
    pub fn norm(&self, a: &[E]) -> f32 {
        self.pair(a, a).sqrt()
    }
}

impl Dot<i8, i32> {
    /// Computes the L2 norm.
    ///
    /// # Panics
    /// If the vector is longer than [`MAX_I8_LEN`].
    pub fn norm(&self, a: &[i8]) -> f32 {
        (self.pair(a, a) as f32).sqrt()
    }
}

/// Returns the numbers of queries and rows. With `dim` 0 they cannot be counted, and it is one
/// query.
fn shape(queries: usize, rows: usize, dim: usize, scores: usize) -> (usize, usize) {
    if dim == 0 {
        assert!(queries == 0 && rows == 0, "rows of no elements cannot hold any");
        return (1, scores);
    }
    let (num_queries, num_rows) = (queries / dim, rows / dim);
    assert_eq!(queries, num_queries * dim, "the queries must be whole rows of {dim}");
    assert_eq!(rows, num_rows * dim, "the rows must be whole rows of {dim}");
    assert_eq!(Some(scores), num_rows.checked_mul(num_queries), "one score per pair");
    (num_queries, num_rows)
}

/// The table entry of a lane from the drivers of a module.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! entry {
    ($drivers:path, $lane:ty, $max_len:expr) => {{
        use $drivers as drivers;
        Dot { pair: drivers::pair::<$lane>, block: drivers::block::<$lane>, max_len: $max_len }
    }};
}

/// The table entry of a scalar function.
macro_rules! scalar_entry {
    ($function:path, $elem:ty, $score:ty, $max_len:expr) => {{
        unsafe fn pair(a: *const $elem, b: *const $elem, len: usize) -> $score {
            // SAFETY: the caller's pointers are good for `len` reads.
            unsafe { $function(std::slice::from_raw_parts(a, len), std::slice::from_raw_parts(b, len)) }
        }
        unsafe fn block(block: &DotBlock<$elem>, scores: *mut $score) {
            for row in 0..block.num_rows {
                for query in 0..block.num_queries {
                    // SAFETY: the caller's pointers are good for the block's sizes.
                    unsafe {
                        let at = scores.add(row * block.num_queries + query);
                        *at = pair(block.queries.add(query * block.dim), block.rows.add(row * block.dim), block.dim);
                    }
                }
            }
        }
        Dot { pair, block, max_len: $max_len }
    }};
}

/// The dot products of one instruction set.
pub(super) struct Dots {
    pub(super) f32: Dot<f32, f32>,
    pub(super) f16: Dot<u16, f32>,
    pub(super) bf16: Dot<u16, f32>,
    pub(super) i8: Dot<i8, i32>,
}

/// Returns the dot products of an instruction set, which the caller has found to be available.
pub(super) fn table(isa: Isa) -> Dots {
    const ANY: usize = usize::MAX;
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Bf16 => Dots { bf16: entry!(avx512::bf16, avx512::Bf16Native, ANY), ..table(Isa::Avx512Vnni) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => Dots { i8: entry!(avx512::vnni, avx512::I8Vnni, MAX_I8_LEN), ..table(Isa::Avx512) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Dots {
            f32: entry!(avx512::base, avx512::F32, ANY),
            f16: entry!(avx512::base, avx512::F16, ANY),
            bf16: entry!(avx512::base, avx512::Bf16, ANY),
            i8: entry!(avx512::base, avx512::I8, MAX_I8_LEN),
        },
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni | Isa::Avx2 => Dots {
            f32: entry!(avx2::base, avx2::F32, ANY),
            f16: entry!(avx2::base, avx2::F16, ANY),
            bf16: entry!(avx2::base, avx2::Bf16, ANY),
            i8: entry!(avx2::base, avx2::I8, MAX_I8_LEN),
        },
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot | Isa::Neon => Dots {
            f32: entry!(neon::base, neon::F32, ANY),
            f16: entry!(neon::base, neon::F16, ANY),
            bf16: entry!(neon::base, neon::Bf16, ANY),
            i8: entry!(neon::base, neon::I8, MAX_I8_LEN),
        },
        _ => Dots {
            f32: scalar_entry!(scalar::dot_f32, f32, f32, ANY),
            f16: scalar_entry!(scalar::dot_f16, u16, f32, ANY),
            bf16: scalar_entry!(scalar::dot_bf16, u16, f32, ANY),
            i8: scalar_entry!(scalar::dot_i8, i8, i32, MAX_I8_LEN),
        },
    }
}
