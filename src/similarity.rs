//! Similarity of queries with the rows of a matrix: dot products and cosines, in parallel over
//! blocks of rows.
//!
//! A score depends only on its query and its row, not on the number of rows, the row's position or
//! the number of threads (see [`crate::kernels`]). Therefore the results on one machine are always
//! bit-equal.
//!
//! # Floor
//! For more rows than fit in the cache, the cost of one query is reading the rows from memory once.
//! The cosines need only one pass: a row is still in the cache when its norm is computed.

mod maxsim;

pub use maxsim::{DocumentTokens, QueryTokens};

use half::{bf16, f16, slice::HalfFloatSliceExt};
use ndarray::{Array2, ArrayView1, ArrayView2, CowArray, Dimension};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernels::{Kernels, MAX_I8_LEN, cosine_wide};
use crate::threads::on_shared;

/// Minimum number of bytes of rows (times queries) for sharing blocks of rows among threads.
/// Measured on two busy Zen 4 cores, sharing costs 14 to 20 us for any size, and one thread takes
/// 16 us for each MiB in the cache. Two threads break even at some 2.3 MiB; twice that keeps the
/// gain clear of the noise.
const PARALLEL_BYTES: usize = 4 << 20;

/// Size of one task's rows (times queries) in bytes. It is large enough that handing it out costs
/// little, and small enough for the L2 cache and for an even load.
const BLOCK_BYTES: usize = 256 << 10;

/// The range of norms whose squares and sums f32 holds with full precision. Other norms are
/// computed in f64.
const SAFE_NORMS: std::ops::Range<f32> = 1e-16..1e18;

/// Computes the dot products of a query (`dim`) with every row (`n` x `dim`). For normalised
/// vectors these are the cosines.
///
/// # Errors
/// [`Error::InvalidArgument`] if the query does not have as many elements as a row.
///
/// ```
/// use ndarray::array;
/// let scores = nearsort::similarity::dot_products(array![1.0, 0.0].view(), array![[0.6, 0.8], [1.0, 0.0]].view())?;
/// assert_eq!(scores, [0.6, 1.0]);
/// # Ok::<(), nearsort::Error>(())
/// ```
pub fn dot_products(query: ArrayView1<'_, f32>, rows: ArrayView2<'_, f32>) -> Result<Vec<f32>> {
    let (query, dim, num_rows) = (contiguous(query), rows.ncols(), rows.nrows());
    check_dims(query.len(), dim)?;
    let mut scores = vec![0.0; num_rows];
    score_dots(elements(&query), elements(&contiguous(rows)), dim, &mut scores);
    Ok(scores)
}

/// Computes the dot products of every query (`m` x `dim`) with every row (`n` x `dim`), as `m` x
/// `n`.
///
/// # Errors
/// [`Error::InvalidArgument`] if queries and rows differ in `dim`.
pub fn dot_products_block(queries: ArrayView2<'_, f32>, rows: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
    block(queries, rows, score_dots)
}

/// Computes the cosines of a query (`dim`) with every row (`n` x `dim`), in [-1, 1]. A cosine is 0
/// if a vector is all zeros, and NaN if an element is NaN or infinite.
///
/// # Errors
/// [`Error::InvalidArgument`] if the query does not have as many elements as a row.
///
/// ```
/// use ndarray::array;
/// let query = array![1.0, 0.0];
/// let scores = nearsort::similarity::cosine_similarities(query.view(), array![[3.0, 4.0], [0.0, 0.0]].view())?;
/// assert_eq!(scores, [0.6, 0.0]);
/// # Ok::<(), nearsort::Error>(())
/// ```
pub fn cosine_similarities(query: ArrayView1<'_, f32>, rows: ArrayView2<'_, f32>) -> Result<Vec<f32>> {
    let (query, dim, num_rows) = (contiguous(query), rows.ncols(), rows.nrows());
    check_dims(query.len(), dim)?;
    let mut scores = vec![0.0; num_rows];
    score_cosines(elements(&query), elements(&contiguous(rows)), dim, &mut scores);
    Ok(scores)
}

/// Computes the cosines of every query (`m` x `dim`) with every row (`n` x `dim`), as `m` x `n`.
/// Values are as in [`cosine_similarities`].
///
/// # Errors
/// [`Error::InvalidArgument`] if queries and rows differ in `dim`.
pub fn cosine_similarities_block(queries: ArrayView2<'_, f32>, rows: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
    block(queries, rows, score_cosines)
}

/// Computes the cosine of two vectors. Values are as in [`cosine_similarities`], bit for bit.
///
/// # Errors
/// [`Error::InvalidArgument`] if the vectors differ in length.
pub fn cosine_similarity(a: &[f32], b: &[f32]) -> Result<f32> {
    check_dims(a.len(), b.len())?;
    let kernel = Kernels::best().dot_f32;
    Ok(cosine(kernel.pair(a, b), (a, kernel.norm(a)), (b, kernel.norm(b))))
}

/// Computes the dot products of a half-precision query with every row of `rows` (row-major,
/// `query.len()` columns).
///
/// # Errors
/// [`Error::InvalidArgument`] if the query is empty or `rows` is not whole rows.
pub fn dot_products_f16(query: &[f16], rows: &[f16]) -> Result<Vec<f32>> {
    let mut scores = vec![0.0; count_rows(query.len(), rows.len())?];
    let (query, rows) = (query.reinterpret_cast(), rows.reinterpret_cast());
    let dot = Kernels::best().dot_f16;
    share(rows, query.len(), &mut scores, 1, |rows, scores| dot.rows(query, rows, scores));
    Ok(scores)
}

/// Computes the dot products of a bfloat16 query with every row of `rows` (row-major, `query.len()`
/// columns).
///
/// # Errors
/// [`Error::InvalidArgument`] if the query is empty or `rows` is not whole rows.
pub fn dot_products_bf16(query: &[bf16], rows: &[bf16]) -> Result<Vec<f32>> {
    let mut scores = vec![0.0; count_rows(query.len(), rows.len())?];
    let (query, rows) = (query.reinterpret_cast(), rows.reinterpret_cast());
    let dot = Kernels::best().dot_bf16;
    share(rows, query.len(), &mut scores, 1, |rows, scores| dot.rows(query, rows, scores));
    Ok(scores)
}

/// Computes the exact dot products of an i8 query with every row of `rows` (row-major,
/// `query.len()` columns).
///
/// # Errors
/// [`Error::InvalidArgument`] if the query is empty or longer than [`MAX_I8_LEN`], or if `rows` is
/// not whole rows.
pub fn dot_products_i8(query: &[i8], rows: &[i8]) -> Result<Vec<i32>> {
    let mut scores = vec![0; count_rows(query.len(), rows.len())?];
    if query.len() > MAX_I8_LEN {
        let message = format!("i8 vectors of {} elements could overflow; the limit is {MAX_I8_LEN}", query.len());
        return Err(Error::InvalidArgument(message));
    }
    let dot = Kernels::best().dot_i8;
    share(rows, query.len(), &mut scores, 1, |rows, scores| dot.rows(query, rows, scores));
    Ok(scores)
}

/// `scores[row * num_queries + query]` for row-major queries and rows.
type Score = fn(queries: &[f32], rows: &[f32], dim: usize, scores: &mut [f32]);

/// Scores all pairs of two matrices.
fn block(queries: ArrayView2<'_, f32>, rows: ArrayView2<'_, f32>, score: Score) -> Result<Array2<f32>> {
    check_dims(queries.ncols(), rows.ncols())?;
    let (dim, shape) = (rows.ncols(), (rows.nrows(), queries.nrows()));
    let count = shape.0.checked_mul(shape.1).filter(|&count| count <= isize::MAX as usize / size_of::<f32>());
    let count = count.ok_or_else(|| {
        Error::InvalidArgument(format!("no memory holds the scores of {} queries with {} rows", shape.1, shape.0))
    })?;
    let mut scores = vec![0.0; count];
    score(elements(&contiguous(queries)), elements(&contiguous(rows)), dim, &mut scores);
    // The kernel writes the scores of one row side by side, so that blocks of rows are blocks of
    // scores. A caller reads the scores of one query.
    let by_row = Array2::from_shape_vec(shape, scores).map_err(|e| Error::InvalidArgument(e.to_string()))?;
    Ok(by_row.reversed_axes().as_standard_layout().into_owned())
}

fn score_dots(queries: &[f32], rows: &[f32], dim: usize, scores: &mut [f32]) {
    let dot = Kernels::best().dot_f32;
    share(rows, dim, scores, queries.len().checked_div(dim).unwrap_or(0), |rows, scores| {
        dot.block(queries, rows, dim, scores);
    });
}

fn score_cosines(queries: &[f32], rows: &[f32], dim: usize, scores: &mut [f32]) {
    let dot = Kernels::best().dot_f32;
    let queries_and_norms: Vec<_> = queries.chunks_exact(dim.max(1)).map(|query| (query, dot.norm(query))).collect();
    share(rows, dim, scores, queries_and_norms.len(), |rows, scores| {
        dot.block(queries, rows, dim, scores);
        for (row, scores) in rows.chunks_exact(dim).zip(scores.chunks_exact_mut(queries_and_norms.len())) {
            let row_norm = dot.norm(row);
            for (score, &(query, query_norm)) in scores.iter_mut().zip(&queries_and_norms) {
                *score = cosine(*score, (query, query_norm), (row, row_norm));
            }
        }
    });
}

/// Computes the cosine of two vectors from their dot product and their norms.
fn cosine(dot: f32, (a, a_norm): (&[f32], f32), (b, b_norm): (&[f32], f32)) -> f32 {
    if SAFE_NORMS.contains(&a_norm) && SAFE_NORMS.contains(&b_norm) {
        (dot / (a_norm * b_norm)).clamp(-1.0, 1.0)
    } else {
        cosine_wide(a, b)
    }
}

/// Calls `score` for blocks of rows with their part of `scores` (`per_row` for each row), on
/// several threads if that pays. Without elements or scores it does nothing: scores stay as they
/// are.
fn share<E: Sync, S: Send>(
    rows: &[E],
    dim: usize,
    scores: &mut [S],
    per_row: usize,
    score: impl Fn(&[E], &mut [S]) + Sync,
) {
    if rows.is_empty() || scores.is_empty() {
        return;
    }
    let block_rows = (BLOCK_BYTES / (dim * size_of::<E>() * per_row)).max(8);
    let (rows_step, scores_step) = (block_rows * dim, block_rows * per_row);
    if size_of_val(rows).saturating_mul(per_row) < PARALLEL_BYTES {
        scores.chunks_mut(scores_step).zip(rows.chunks(rows_step)).for_each(|(scores, rows)| score(rows, scores));
    } else {
        let blocks = scores.par_chunks_mut(scores_step).zip(rows.par_chunks(rows_step));
        on_shared(|| blocks.for_each(|(scores, rows)| score(rows, scores)));
    }
}

/// Returns the array itself if its elements are in row-major order without gaps, else a copy in
/// that order.
fn contiguous<D: Dimension>(array: ndarray::ArrayView<'_, f32, D>) -> CowArray<'_, f32, D> {
    if array.is_standard_layout() { array.into() } else { array.as_standard_layout().into_owned().into() }
}

/// Returns the elements of an array from [`contiguous`].
fn elements<'a, D: Dimension>(array: &'a CowArray<'_, f32, D>) -> &'a [f32] {
    array.as_slice().unwrap_or_default()
}

fn check_dims(query: usize, rows: usize) -> Result<()> {
    if query == rows {
        return Ok(());
    }
    let message = format!("the query has {query} dimensions, the rows have {rows}; both must come from one model");
    Err(Error::InvalidArgument(message))
}

fn count_rows(dim: usize, elements: usize) -> Result<usize> {
    if dim > 0 && elements.is_multiple_of(dim) {
        return Ok(elements / dim);
    }
    Err(Error::InvalidArgument(format!("{elements} elements are not whole rows of {dim}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, array, s};

    /// Returns deterministic values in [-1, 1) without a pattern that a kernel could share.
    pub(super) fn matrix(rows: usize, dim: usize, seed: u32) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_simple_fn((rows, dim), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
    }

    /// Cosines from sums in f32 of 100 products: 100 * 2^-24 of sums of absolute values, 6e-6.
    const COSINE_TOLERANCE: f32 = 1e-5;

    #[test]
    fn cosines_agree_with_f64() {
        let (query, rows) = (matrix(1, 100, 1), matrix(50, 100, 2) * 7.0);
        let found = cosine_similarities(query.row(0), rows.view()).unwrap();
        for (row, found) in rows.outer_iter().zip(found) {
            let expected = cosine_wide(query.as_slice().unwrap(), row.as_slice().unwrap());
            assert!((found - expected).abs() < COSINE_TOLERANCE, "{found}, expected {expected}");
        }
    }

    #[test]
    fn a_score_does_not_depend_on_position_neighbours_or_threads() {
        let (queries, rows) = (matrix(5, 96, 3), matrix(24_000, 96, 4));
        assert!(rows.len() * 4 > 2 * PARALLEL_BYTES, "the matrix must be large enough for threads");
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let five = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        for block in [dot_products_block, cosine_similarities_block] {
            let scores = five.install(|| block(queries.view(), rows.view()).unwrap());
            assert_eq!(scores, one.install(|| block(queries.view(), rows.view()).unwrap()));
            assert_eq!(scores.shape(), [5, 24_000]);
            let part = block(queries.slice(s![3..4, ..]), rows.slice(s![14_321..14_330, ..])).unwrap();
            assert_eq!(part.row(0), scores.slice(s![3, 14_321..14_330]));
        }
        let scores = dot_products_block(queries.view(), rows.view()).unwrap();
        assert_eq!(scores.row(2).to_vec(), dot_products(queries.row(2), rows.view()).unwrap());
        let scores = cosine_similarities_block(queries.view(), rows.view()).unwrap();
        assert_eq!(scores.row(2).to_vec(), cosine_similarities(queries.row(2), rows.view()).unwrap());
    }

    #[test]
    fn more_scores_than_memory_holds_are_an_error() {
        // Rows without elements take no memory, however many there are.
        let rows = Array2::<f32>::zeros((1 << 40, 0));
        for block in [dot_products_block, cosine_similarities_block] {
            assert!(matches!(block(rows.view(), rows.view()), Err(Error::InvalidArgument(_))));
        }
    }

    #[test]
    fn views_that_are_not_contiguous_score_the_same() {
        let (query, rows) = (matrix(1, 40, 5), matrix(30, 40, 6));
        let expected = dot_products(query.row(0), rows.view()).unwrap();
        let transposed = rows.t().as_standard_layout().into_owned();
        assert_eq!(dot_products(query.row(0), transposed.t()).unwrap(), expected);
        let every_other = dot_products(query.row(0), rows.slice(s![..;2, ..])).unwrap();
        assert_eq!(every_other, expected.iter().copied().step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn cosines_stay_in_range_and_zero_vectors_score_zero() {
        let row: Array1<f32> = matrix(1, 384, 7).row(0).to_owned();
        let rows = ndarray::stack![ndarray::Axis(0), row, &row * -3.0, &row * 0.0];
        let scores = cosine_similarities(row.view(), rows.view()).unwrap();
        assert!(scores.iter().all(|score| (-1.0..=1.0).contains(score)), "{scores:?}");
        assert!((scores[0] - 1.0).abs() < 1e-6 && (scores[1] + 1.0).abs() < 1e-6, "{scores:?}");
        assert_eq!(scores[2], 0.0);
        assert_eq!(cosine_similarities(rows.row(2), rows.view()).unwrap(), [0.0; 3]);
    }

    #[test]
    fn cosines_of_tiny_and_huge_vectors_are_right() {
        let query = array![1.0, 1.0];
        let scores =
            cosine_similarities(query.view(), array![[1e-30, 0.0], [1e30, 1e30], [-1e38, -1e38]].view()).unwrap();
        for (score, expected) in scores.iter().zip([0.5f32.sqrt(), 1.0, -1.0]) {
            assert!((score - expected).abs() < 1e-6, "{scores:?}");
        }
    }

    #[test]
    fn nan_and_infinity_come_out_as_nan() {
        let rows = array![[f32::NAN, 0.0], [1.0, 0.0], [f32::INFINITY, 0.0]];
        let scores = cosine_similarities(array![1.0, 0.0].view(), rows.view()).unwrap();
        assert!(scores[0].is_nan() && scores[1] == 1.0 && scores[2].is_nan(), "{scores:?}");
    }

    #[test]
    fn lengths_that_do_not_match_are_errors() {
        let rows = matrix(3, 4, 8);
        let wrong = matrix(2, 5, 9);
        assert!(matches!(dot_products(wrong.row(0), rows.view()), Err(Error::InvalidArgument(_))));
        assert!(matches!(cosine_similarities(wrong.row(0), rows.view()), Err(Error::InvalidArgument(_))));
        assert!(matches!(dot_products_block(wrong.view(), rows.view()), Err(Error::InvalidArgument(_))));
        assert!(matches!(dot_products_i8(&[1, 2], &[1, 2, 3]), Err(Error::InvalidArgument(_))));
        assert!(matches!(dot_products_f16(&[], &[]), Err(Error::InvalidArgument(_))));
        let long = vec![0; MAX_I8_LEN + 1];
        assert!(matches!(dot_products_i8(&long, &long), Err(Error::InvalidArgument(_))));
    }

    #[test]
    fn no_rows_no_queries_and_no_dimensions_give_no_or_zero_scores() {
        let (none, some) = (Array2::zeros((0, 4)), matrix(3, 4, 10));
        assert!(dot_products(some.row(0), none.view()).unwrap().is_empty());
        assert_eq!(cosine_similarities_block(none.view(), some.view()).unwrap().shape(), [0, 3]);
        assert_eq!(cosine_similarities_block(some.view(), none.view()).unwrap().shape(), [3, 0]);
        let flat = Array2::zeros((2, 0));
        assert_eq!(cosine_similarities(flat.row(0), flat.view()).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn small_types_score_large_matrices_like_their_f32_values() {
        let (query, rows) = (matrix(1, 64, 11), matrix(40_000, 64, 12));
        let i8s = |m: &Array2<f32>| m.iter().map(|x| (x * 127.0).round() as i8).collect::<Vec<_>>();
        let (a, b) = (i8s(&query), i8s(&rows));
        let scores = dot_products_i8(&a, &b).unwrap();
        for (row, score) in b.chunks(64).zip(&scores) {
            assert_eq!(a.iter().zip(row).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum::<i32>(), *score);
        }
        let expected = dot_products(query.row(0), rows.view()).unwrap();
        // Rounding 64 pairs of elements below 1: by 2^-11 each for halves, 2^-8 for bfloat16.
        let halves = |m: &Array2<f32>| m.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>();
        let found = dot_products_f16(&halves(&query), &halves(&rows)).unwrap();
        assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 64.0 / 1024.0));
        let brains = |m: &Array2<f32>| m.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
        let found = dot_products_bf16(&brains(&query), &brains(&rows)).unwrap();
        assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 64.0 / 128.0));
    }
}
