//! Exact search: every row is scored against every query, and the best are kept.
//!
//! # Floor
//! One query reads every row once: `rows * row bytes / read bandwidth`. Beside the product, a row
//! costs a comparison. The scores of a few hundred rows are compared with the worst kept score,
//! without a branch per row. Only a block with a better score is then examined row by row. If 100
//! of a million rows are kept, these are some thousand rows.
//!
//! A block of queries is bound by arithmetic, `queries * rows * dim` multiply-adds. Blocks of rows
//! that fit the L2 cache (halves and codes are converted there) go through one matrix product with
//! all queries. Its sums are added in another order than a dot product's, so the product only
//! preselects. A row whose product is within the rounding error of the worst kept score is scored
//! again by the kernel of a single query. So a hit has the same score and the same place for any
//! number of queries in a call and any number of threads.

// `!(a < b)` also passes NaN, so that it is detected, and stays one vector comparison.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::Index;
use super::segment::Segment;
use super::vectors::{RowVector, SegmentRows};
use crate::call::Call;
use crate::kernels::{Kernels, Left, Output, OutputRows, Right, Shape};
use crate::ranking::{Hit, TopK};
use crate::threads::on_shared;
use crate::{Error, Result};

/// Number of queries of one product: their panels pass through the cache once for each block of
/// rows.
const QUERIES_AT_ONCE: usize = 256;

/// Number of rows whose scores are compared together.
const SCORED_ROWS: usize = 256;

/// Number of rows of one product: 96 KiB of 384 f32.
const PRODUCT_ROWS: usize = 64;

/// Bytes of rows that a thread takes at a time: long enough for the prefetcher, short enough for an
/// even load.
const TASK_BYTES: usize = 1 << 20;

/// Maximum number of i8 queries (f16: half, f32: a quarter of it) for which one pass each is faster
/// than one product. A product costs as much as some passes, and is padded to whole vectors of
/// queries.
const PASSES: usize = 4;

impl Index {
    /// Returns the best `top_k` rows for each query, best first: score descending, then row
    /// ascending. `queries`: `[n, dim]`, of any length; scores are cosines. Deleted rows and rows
    /// without text are not found. [`Hit::index`] is the row.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for queries of another dimension or that are not finite;
    /// [`Error::Corrupted`] for a damaged block, and for a score that two vectors of length 1
    /// cannot have.
    pub fn search(&self, queries: ArrayView2<'_, f32>, top_k: usize) -> Result<Vec<Vec<Hit>>> {
        self.search_with(queries, top_k, &Call::new())
    }

    /// Searches like [`Index::search`], within a call, which may end it early.
    ///
    /// # Errors
    /// As [`Index::search`]; [`Error::Cancelled`]; [`Error::DeadlineExceeded`].
    pub fn search_with(&self, queries: ArrayView2<'_, f32>, top_k: usize, call: &Call<'_>) -> Result<Vec<Vec<Hit>>> {
        let vectors: Vec<RowVector> = queries
            .rows()
            .into_iter()
            .enumerate()
            .map(|(at, query)| self.query(at, &query.to_vec()))
            .collect::<Result<_>>()?;
        let mut found = Vec::with_capacity(vectors.len());
        for group in vectors.chunks(QUERIES_AT_ONCE) {
            if group.len() * self.dtype().bytes() <= PASSES {
                for query in group {
                    found.extend(self.fan_out(top_k, std::slice::from_ref(query), call, &|| QueryPass::new(query))?);
                }
            } else {
                let packed = PackedQueries::new(group);
                found.extend(self.fan_out(top_k, group, call, &|| BlockProduct::new(&packed, group))?);
            }
        }
        Ok(found)
    }

    /// Returns a query in the form of the rows.
    pub(super) fn query(&self, position: usize, vector: &[f32]) -> Result<RowVector> {
        let dim = self.model().dim;
        if vector.len() != dim {
            let found = vector.len();
            return Err(Error::InvalidArgument(format!(
                "query {position} (counted from 0) has {found} dimensions, the index {dim}; both must come from one model"
            )));
        }
        RowVector::new(self.dtype(), vector).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "query {position} (counted from 0) has a component that is not a finite number"
            ))
        })
    }

    /// Distributes the rows among threads, each with its own scanner and hits, and merges the hits.
    fn fan_out<S: Scan>(
        &self,
        top_k: usize,
        queries: &[RowVector],
        call: &Call<'_>,
        scanner: &(dyn Fn() -> S + Sync),
    ) -> Result<Vec<Vec<Hit>>> {
        let tasks = self.tasks();
        let next = AtomicUsize::new(0);
        let work = |_: usize| -> Result<Vec<TopK>> {
            let mut scan = scanner();
            let mut best = vec![TopK::new(top_k); queries.len()];
            while let Some((segment, rows)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                call.check()?;
                let part = SegmentPart { segment: &self.segments[*segment], start: self.starts[*segment] };
                scan.scan(&part, rows.clone(), &mut best)?;
            }
            Ok(best)
        };
        let parts: Vec<Vec<TopK>> = on_shared(|| {
            let threads = rayon::current_num_threads().min(tasks.len()).max(1);
            (0..threads).into_par_iter().with_max_len(1).map(work).collect::<Result<_>>()
        })?;
        let mut merged = vec![TopK::new(top_k); queries.len()];
        for part in parts {
            for (all, best) in merged.iter_mut().zip(part) {
                best.into_hits().into_iter().try_for_each(|hit| all.push(hit.index, hit.score))?;
            }
        }
        Ok(merged.into_iter().map(TopK::into_hits).collect())
    }

    fn tasks(&self) -> Vec<(usize, Range<usize>)> {
        let cut = |(number, segment): (usize, &Segment)| {
            let rows = segment.rows() as usize;
            let row_bytes = segment.row_len() * self.dtype().bytes();
            // Rows of an index without components have no bytes.
            let step = (TASK_BYTES / row_bytes.max(1)).next_multiple_of(SCORED_ROWS);
            (0..rows).step_by(step).map(move |first| (number, first..(first + step).min(rows))).collect::<Vec<_>>()
        };
        self.segments.iter().enumerate().flat_map(cut).collect()
    }
}

/// A segment and the number of its first row.
struct SegmentPart<'a> {
    segment: &'a Segment,
    start: u64,
}

impl SegmentPart<'_> {
    /// Adds a row to the best if its score is good enough and it may be found.
    fn offer(&self, row: usize, score: f32, best: &mut TopK) -> Result<()> {
        if score.is_nan() {
            return Err(self.segment.impossible_score(row));
        }
        if score < best.least() || self.segment.is_deleted(row as u64) || self.segment.is_empty_text(row as u64) {
            return Ok(());
        }
        best.push(self.start as usize + row, score)
    }
}

/// A method of scoring rows.
trait Scan {
    /// Scores a range of a segment's rows and keeps the best.
    fn scan(&mut self, part: &SegmentPart<'_>, rows: Range<usize>, best: &mut [TopK]) -> Result<()>;
}

/// Scoring of one query by dot products.
struct QueryPass<'a> {
    query: &'a RowVector,
    scores: [f32; SCORED_ROWS],
    integers: Vec<i32>,
}

impl<'a> QueryPass<'a> {
    fn new(query: &'a RowVector) -> Self {
        Self { query, scores: [0.0; SCORED_ROWS], integers: Vec::new() }
    }
}

impl Scan for QueryPass<'_> {
    fn scan(&mut self, part: &SegmentPart<'_>, rows: Range<usize>, best: &mut [TopK]) -> Result<()> {
        part.segment.check_rows(rows.clone())?;
        let (vectors, len) = (part.segment.vectors(), part.segment.row_len());
        let Some(best) = best.first_mut() else { return Ok(()) };
        for first in rows.clone().step_by(SCORED_ROWS) {
            let block = first..(first + SCORED_ROWS).min(rows.end);
            let scores = &mut self.scores[..block.len()];
            vectors.slice(block, len).score(self.query, scores, &mut self.integers);
            if !any_reaches(scores, best.least()) {
                continue;
            }
            for (row, &score) in (first..).zip(&*scores) {
                // NaN passes too.
                if !(score < best.least()) {
                    part.offer(row, score, best)?;
                }
            }
        }
        Ok(())
    }
}

/// True if a score is at least `least`, or is NaN; without a branch per score.
fn any_reaches(scores: &[f32], least: f32) -> bool {
    scores.iter().fold(false, |any, score| any | !(*score < least))
}

/// Queries in the panels of the matrix product.
struct PackedQueries {
    panels: Vec<f32>,
    shape: Shape,
    /// The factor for each column's products.
    scales: Vec<f32>,
    /// Maximum difference of a product from the score by dot product.
    slack: f32,
}

impl PackedQueries {
    fn new(queries: &[RowVector]) -> Self {
        let rows: Vec<Vec<f32>> = queries.iter().map(RowVector::to_f32).collect();
        let len = rows.first().map_or(0, Vec::len);
        let shape = Shape::padded(queries.len(), len);
        let mut panels = vec![0.0; shape.len()];
        for (column, row) in rows.iter().enumerate() {
            Kernels::best().gemm_f32.pack_column(row.iter().copied(), column, shape, &mut panels);
        }
        let scales = queries.iter().map(RowVector::scale).collect();
        // Each of the two sums of `len` products, in any order, differs from the exact one by at
        // most `len * 2^-24` times the sum of absolute products. That sum is at most 1 for vectors
        // of length 1. The rest is for scales and halves, whose lengths are not exactly 1.
        let slack = 2.1 * (len + 16) as f32 / (1 << 24) as f32;
        Self { panels, shape, scales, slack }
    }
}

/// Scoring of many queries by matrix products.
struct BlockProduct<'a> {
    queries: &'a PackedQueries,
    vectors: &'a [RowVector],
    /// The products, `[PRODUCT_ROWS, columns]`.
    products: Vec<f32>,
    /// The minimum product of each column.
    least: Vec<f32>,
    widened: Vec<f32>,
    integers: Vec<i32>,
}

impl<'a> BlockProduct<'a> {
    fn new(queries: &'a PackedQueries, vectors: &'a [RowVector]) -> Self {
        let columns = queries.shape.n;
        let mut least = vec![f32::INFINITY; columns];
        least[..vectors.len()].fill(f32::NEG_INFINITY);
        let products = vec![0.0; PRODUCT_ROWS * columns];
        Self { queries, vectors, products, least, widened: Vec::new(), integers: Vec::new() }
    }

    fn multiply(&mut self, rows: SegmentRows<'_>, count: usize) {
        let Shape { n, k } = self.queries.shape;
        let left = Left { rows: rows.widen(&mut self.widened), stride: k, m: count };
        let output = Output::plain(OutputRows::Whole(&mut self.products), n, 0..n);
        let output = Output { row_scales: rows.scales(), ..output };
        Kernels::best().gemm_f32.multiply(left, Right::Packed(&self.queries.panels), k, output);
    }

    /// Sets the minimum product of a column from the worst kept score of its query.
    fn raise(&mut self, column: usize, best: &TopK) {
        let scale = self.queries.scales[column];
        // Every product of a query of zeros is 0.
        self.least[column] = if scale > 0.0 { (best.least() - self.queries.slack) / scale } else { f32::NEG_INFINITY };
    }
}

impl Scan for BlockProduct<'_> {
    fn scan(&mut self, part: &SegmentPart<'_>, rows: Range<usize>, best: &mut [TopK]) -> Result<()> {
        part.segment.check_rows(rows.clone())?;
        let (vectors, len) = (part.segment.vectors(), part.segment.row_len());
        let columns = self.queries.shape.n;
        for first in rows.clone().step_by(PRODUCT_ROWS) {
            let block = first..(first + PRODUCT_ROWS).min(rows.end);
            self.multiply(vectors.slice(block.clone(), len), block.len());
            for (offset, row) in block.enumerate() {
                let products = offset * columns..(offset + 1) * columns;
                if !reaches_any(&self.products[products.clone()], &self.least) {
                    continue;
                }
                for (column, best) in best.iter_mut().enumerate() {
                    if self.products[products.start + column] < self.least[column] {
                        continue;
                    }
                    let mut score = [0.0];
                    let vector = vectors.slice(row..row + 1, len);
                    vector.score(&self.vectors[column], &mut score, &mut self.integers);
                    part.offer(row, score[0], best)?;
                    self.raise(column, best);
                }
            }
        }
        Ok(())
    }
}

/// True if a product is at least its column's minimum, or is NaN; without a branch per product.
fn reaches_any(products: &[f32], least: &[f32]) -> bool {
    products.iter().zip(least).fold(false, |any, (product, least)| any | !(product < least))
}
