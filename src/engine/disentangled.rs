//! The terms of disentangled attention (He et al. 2021): scores of a content with a distance.
//!
//! ```text
//! score(i, j) = q(i) k(j) + q(i) K[row(i - j)] + k(j) Q[row(i - j)]
//!                           content to position  position to content
//! ```
//! `K` and `Q` are projections of the embeddings of distances. They depend on weights alone, so
//! they are computed when the model is loaded: `2 x rows x hidden` numbers of f32 per layer.
//!
//! ```text
//! for head, sequence of n tokens:
//!     for block of keys:                  products with the rows of Q that the block meets
//!         row(i - j) -> i                 [keys, n]: within the linear distances a copy
//!         transpose                       [n, keys], kept until the sequence's head is done
//!     for block of queries:               products with the rows of K that the block meets
//!         row(i - j) -> j, added to the scores
//! ```
//! A block of `b` tokens meets at most `n + b` rows. Floor: `4 n^2 head_dim` operations beside the
//! `4 n^2 head_dim` of plain attention, and four passes over the scores. `K` is stored in falling
//! order of distances: then neighbouring keys read neighbouring rows, as neighbouring queries do in
//! `Q`.

use std::ops::Range;
use std::sync::Arc;

use super::aligned::Aligned;
use super::packed::Packed;
use crate::kernels::{Kernels, Left, Output, OutputRows, Right, padded_len};

/// Number of keys whose products are in flight; a multiple of every tile's rows, and of a padded
/// row's numbers.
const BLOCK_KEYS: usize = 48;

/// The rows of the embeddings of distances.
pub(super) struct Buckets {
    /// Length in tokens of the longest text.
    longest: usize,
    /// The row of each distance `query - key`, from `1 - longest` on.
    rising: Vec<u32>,
    /// The row in falling order of each distance `key - query`, from `1 - longest` on.
    falling: Vec<u32>,
    /// Distances of at most this size have neighbouring rows.
    linear: usize,
}

impl Buckets {
    /// Numbers the rows of the distances in texts of at most `longest` tokens. There are `2 x span`
    /// rows. With `buckets_of`, the largest relative position, distances beyond half of `span`
    /// share rows by their logarithm; else each distance within `span` has a row of its own.
    pub(super) fn new(span: usize, buckets_of: Option<usize>, longest: usize) -> Self {
        let last = 2 * span as i64 - 1;
        let row = |distance: i64| {
            let bucket = buckets_of.map_or(distance, |largest| bucket(distance, span, largest));
            bucket.saturating_add(span as i64).clamp(0, last)
        };
        let reach = longest as i64;
        let rising = (1 - reach..reach).map(|distance| row(distance) as u32).collect();
        let falling = (1 - reach..reach).map(|distance| (last - row(-distance)) as u32).collect();
        let linear = if buckets_of.is_some() { span / 2 } else { span.saturating_sub(1) };
        Self { longest, rising, falling, linear }
    }

    /// Returns the rows of token `token` with the tokens `0..count` of a text.
    fn of<'a>(&self, table: &'a [u32], token: usize, count: usize) -> &'a [u32] {
        &table[self.longest - 1 - token..][..count]
    }

    /// Returns the rows of the tokens `block` with the tokens `0..count`, in whole panels.
    fn met(&self, table: &[u32], block: &Range<usize>, count: usize, nr: usize) -> Range<usize> {
        let first = table[self.longest - block.end] as usize;
        let last = table[self.longest - 1 + count - 1 - block.start] as usize;
        first / nr * nr..(last + 1).next_multiple_of(nr)
    }

    /// Returns the tokens of `0..count` whose rows with `token` are neighbours.
    fn linear(&self, token: usize, count: usize) -> Range<usize> {
        token.saturating_sub(self.linear).min(count)..(token + self.linear + 1).min(count)
    }
}

/// Returns the bucket of a distance, of `-buckets < bucket < buckets` for distances below
/// `largest`. It is computed in f32, as transformers does.
fn bucket(distance: i64, buckets: usize, largest: usize) -> i64 {
    let middle = (buckets / 2) as i64;
    if distance.abs() <= middle {
        return distance;
    }
    let middle = middle as f32;
    let whole = ((largest as f64 - 1.0) / f64::from(middle)) as f32;
    let share = (distance.abs() as f32 / middle).ln() / whole.ln();
    let bucket = (share * (middle - 1.0)).ceil() + middle;
    bucket as i64 * distance.signum()
}

/// The relative terms of a layer: projected embeddings of distances.
pub(super) struct Relative {
    pub(super) buckets: Arc<Buckets>,
    /// `K` in falling order; `None` without a term from content to position. Per head panels of
    /// `[head_dim, rows]`.
    pub(super) keys: Option<Packed<f32>>,
    /// `Q`, with the factor of the scores; `None` without a term from position to content.
    pub(super) queries: Option<Packed<f32>>,
}

/// The buffers of one head of one sequence.
pub(super) struct RelativeScratch {
    /// Products of a block of tokens with rows, `[tokens, rows]`.
    products: Aligned<f32>,
    /// Scores of a block of keys, `[keys, tokens]`.
    by_key: Aligned<f32>,
    /// The term from position to content: for each block of keys `[tokens, keys]`.
    by_query: Aligned<f32>,
}

impl RelativeScratch {
    pub(super) const fn new() -> Self {
        Self { products: Aligned::new(), by_key: Aligned::new(), by_query: Aligned::new() }
    }
}

/// The relative terms of one head.
#[derive(Clone, Copy)]
pub(super) struct RelativeHead<'a> {
    kernels: &'a Kernels,
    buckets: &'a Buckets,
    dim: usize,
    keys: Option<&'a [f32]>,
    queries: Option<&'a [f32]>,
}

impl Relative {
    /// Returns the terms of head `index` of `count` heads of `dim` numbers, padding included.
    pub(super) fn head<'a>(
        &'a self,
        kernels: &'a Kernels,
        index: usize,
        (count, dim): (usize, usize),
    ) -> RelativeHead<'a> {
        let of_head = |all: &'a Packed<f32>| {
            let size = all.as_slice().len() / count;
            &all.as_slice()[index * size..][..size]
        };
        let (keys, queries) = (self.keys.as_ref().map(of_head), self.queries.as_ref().map(of_head));
        RelativeHead { kernels, buckets: &self.buckets, dim, keys, queries }
    }
}

impl RelativeHead<'_> {
    /// Computes the term from position to content, of all pairs of `tokens` queries with `keys`
    /// (`[keys, dim]`), for [`RelativeHead::add`].
    pub(super) fn read_keys(&self, keys: &[f32], tokens: usize, scratch: &mut RelativeScratch) {
        let Some(panels) = self.queries else { return };
        let (count, width) = (keys.len() / self.dim, padded_len(tokens));
        let by_query = scratch.by_query.at_least(padded_len(count) * width);
        for first in (0..count).step_by(BLOCK_KEYS) {
            let block = first..(first + BLOCK_KEYS).min(count);
            let rows = self.buckets.met(&self.buckets.rising, &block, tokens, self.kernels.gemm_f32.nr());
            let products = scratch.products.at_least(block.len() * rows.len());
            self.multiply(&keys[first * self.dim..], block.len(), (panels, &rows), products);
            let by_key = scratch.by_key.at_least(block.len() * width);
            let each = products.chunks_exact(rows.len()).zip(by_key.chunks_exact_mut(width));
            for (key, (products, scores)) in block.clone().zip(each) {
                let index = self.buckets.of(&self.buckets.rising, key, tokens);
                let linear = self.buckets.linear(key, tokens);
                spread(products, (index, rows.start), linear, &mut scores[..tokens], |score, x| *score = x);
            }
            let out = &mut by_query[first * width..][..width * padded_len(block.len())];
            self.kernels.elementwise.transpose(by_key, width, block.len(), width, out);
        }
    }

    /// Adds the terms of the queries `block` of a sequence of `tokens` with its first `count` keys to
    /// rows of `stride` scores. `queries` is `[block, dim]`.
    pub(super) fn add(
        &self,
        (block, tokens): (&Range<usize>, usize),
        queries: &[f32],
        count: usize,
        (scores, stride): (&mut [f32], usize),
        scratch: &mut RelativeScratch,
    ) {
        if self.queries.is_some() {
            let by_query = scratch.by_query.as_slice();
            for (query, scores) in block.clone().zip(scores.chunks_exact_mut(stride)) {
                add_blocks(by_query, query, padded_len(tokens), &mut scores[..count]);
            }
        }
        let Some(panels) = self.keys else { return };
        let rows = self.buckets.met(&self.buckets.falling, block, count, self.kernels.gemm_f32.nr());
        let products = scratch.products.at_least(block.len() * rows.len());
        self.multiply(queries, block.len(), (panels, &rows), products);
        let each = products.chunks_exact(rows.len()).zip(scores.chunks_exact_mut(stride));
        for (query, (products, scores)) in block.clone().zip(each) {
            let index = self.buckets.of(&self.buckets.falling, query, count);
            let linear = self.buckets.linear(query, count);
            spread(products, (index, rows.start), linear, &mut scores[..count], |score, x| *score += x);
        }
    }

    /// Multiplies `m` tokens with some rows of a table.
    fn multiply(&self, tokens: &[f32], m: usize, (panels, rows): (&[f32], &Range<usize>), out: &mut [f32]) {
        let left = Left { rows: tokens, stride: self.dim, m };
        let out = Output::plain(OutputRows::Whole(out), rows.len(), 0..rows.len());
        self.kernels.gemm_f32.multiply(left, Right::Packed(&panels[rows.start * self.dim..]), self.dim, out);
    }
}

/// Gives each number of `to` the product of its row. `index` is the rows, of which `first` is the
/// first product; those of `linear` are neighbours.
fn spread(
    products: &[f32],
    (index, first): (&[u32], usize),
    linear: Range<usize>,
    to: &mut [f32],
    put: impl Fn(&mut f32, f32),
) {
    let (before, rest) = to.split_at_mut(linear.start);
    let (neighbours, behind) = rest.split_at_mut(linear.len());
    before.iter_mut().zip(index).for_each(|(x, row)| put(x, products[*row as usize - first]));
    if let Some(row) = index[linear.clone()].first() {
        neighbours.iter_mut().zip(&products[*row as usize - first..]).for_each(|(x, product)| put(x, *product));
    }
    behind.iter_mut().zip(&index[linear.end..]).for_each(|(x, row)| put(x, products[*row as usize - first]));
}

/// Adds the row of a query in blocks of `[width, keys]` to its scores.
fn add_blocks(blocks: &[f32], query: usize, width: usize, scores: &mut [f32]) {
    let mut first = 0;
    for scores in scores.chunks_mut(BLOCK_KEYS) {
        let row = &blocks[first + query * padded_len(scores.len())..];
        scores.iter_mut().zip(row).for_each(|(score, x)| *score += x);
        first += width * padded_len(scores.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_the_rows_of_transformers() {
        // make_log_bucket_position(distance, 256, 512) of transformers 5.23.
        let known =
            [(0, 0), (1, 1), (128, 128), (129, 129), (131, 131), (200, 169), (256, 192), (300, 207), (400, 233)];
        for (distance, expected) in known.into_iter().chain([(510, 255), (511, 255)]) {
            assert_eq!(bucket(distance, 256, 512), expected, "{distance}");
            assert_eq!(bucket(-distance, 256, 512), -expected, "{distance}");
        }
        // Its sums over all distances below the largest.
        for (buckets, largest, expected) in
            [(256, 512, 87_297), (256, 1024, 198_564), (32, 512, 13_824), (16, 80, 976), (10, 80, 629)]
        {
            let sum: i64 = (0..largest as i64).map(|distance| bucket(distance, buckets, largest)).sum();
            assert_eq!(sum, expected, "{buckets} {largest}");
        }
    }

    #[test]
    fn rows_of_a_block_are_all_that_its_tokens_meet() {
        for (span, buckets_of, longest) in [(16, Some(80), 80), (12, None, 80), (256, Some(512), 512), (1, None, 9)] {
            let buckets = Buckets::new(span, buckets_of, longest);
            for table in [&buckets.rising, &buckets.falling] {
                assert!(table.is_sorted() && table.iter().all(|row| (*row as usize) < 2 * span));
                for block in [0..1, 0..longest.min(48), 3..7, longest - 2..longest] {
                    for count in [1, 5, longest] {
                        let met = buckets.met(table, &block, count, 16);
                        for token in block.clone() {
                            let rows = buckets.of(table, token, count);
                            assert!(rows.iter().all(|row| met.contains(&(*row as usize))));
                            let linear = &rows[buckets.linear(token, count)];
                            assert!(linear.windows(2).all(|pair| pair[1] == pair[0] + 1), "{span} {token} {count}");
                        }
                    }
                }
            }
            let (rising, falling) = (&buckets.rising, &buckets.falling);
            let mirrored = rising.iter().zip(falling.iter().rev()).all(|(up, down)| up + down == 2 * span as u32 - 1);
            assert!(mirrored, "falling order is the same rows from the other end");
        }
    }
}
