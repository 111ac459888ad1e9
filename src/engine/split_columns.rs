//! Input columns that carry far larger numbers than the others, split for 8-bit codes.
//!
//! A trained transformer has a few columns of hidden states, the same in all its layers, whose
//! numbers are ten times those of the others. A row of 8-bit codes has one scale. With a large
//! column this scale is so coarse that the rest of the row loses three of its bits. Therefore the
//! column is fed in `p` equal parts: `x w = sum of p copies of (x / p) w`, exactly. The copies of
//! `x / p` have equal codes, and the row's range shrinks. The codes of the `p` weights are chosen
//! so that their sum is the nearest to `p w`, which also rounds the most important weights more
//! finely. This is outlier channel splitting (Zhao et al. 2019), here without sample data: the norm
//! in front of a layer determines how large its columns can become.

use super::aligned::Aligned;
use crate::kernels::{ColumnParts, ROW_PAD, largest_size, nearest, padded_len};

/// The divisor of a row's width that gives the number of added columns: 32 for 384 columns. In
/// cosine to f32 over the texts of models/parity, all-MiniLM-L6-v2 has .9982 with no added columns,
/// .9991 with 16 and .9992 with 32.
const ADDED: usize = 12;
/// The assumed size of a norm's outputs, as a share of the largest possible one (the square root of
/// the width). It is given for the first column, for the next ones up to each rank, and for all
/// others.
const RANKS: [(usize, f32); 3] = [(1, 1.0), (8, 0.6), (16, 0.3)];
const OTHERS: f32 = 0.2;

/// Returns the number of columns that are added to `width`.
pub(super) fn added(width: usize) -> usize {
    padded_len(width / ADDED)
}

/// The splitting of the columns of an input.
pub(super) struct SplitColumns {
    /// The factor for each column: 1 / its number of parts.
    factors: Aligned<f32>,
    /// The column that each added column repeats, in ascending order.
    sources: Vec<u32>,
}

impl SplitColumns {
    /// Splits the columns behind a norm into `added` more, a multiple of `ROW_PAD`. `ranks` has
    /// each column's place among the columns with the largest numbers; see [`ranks`].
    pub(super) fn behind(gamma: &[f32], beta: &[f32], ranks: &[usize], added: usize) -> Self {
        let largest = (gamma.len() as f32).sqrt();
        let sizes = gamma.iter().zip(beta).zip(ranks).map(|((gamma, beta), rank)| {
            let share = RANKS.iter().find(|(end, _)| rank < end).map_or(OTHERS, |(_, share)| *share);
            beta.abs() + share * largest * gamma.abs()
        });
        let sizes: Vec<f32> = sizes.collect();
        let mut parts = vec![1u32; sizes.len()];
        for _ in 0..added {
            let part = |column: &usize| sizes[*column] / parts[*column] as f32;
            // Of equal columns the first one counts, so that it is the same on every machine.
            let widest =
                (0..sizes.len()).reduce(|best, column| if part(&column) > part(&best) { column } else { best });
            if let Some(column) = widest {
                parts[column] += 1;
            }
        }
        let padding = padded_len(sizes.len()) - sizes.len();
        let factors = parts.iter().map(|&parts| 1.0 / parts as f32).chain(std::iter::repeat_n(1.0, padding));
        let copies = |(column, &parts): (usize, &u32)| std::iter::repeat_n(column as u32, parts as usize - 1);
        Self { factors: factors.collect(), sources: parts.iter().enumerate().flat_map(copies).collect() }
    }

    /// Returns the number of columns of a split row, padding included.
    pub(super) fn width(&self) -> usize {
        debug_assert!(self.sources.len().is_multiple_of(ROW_PAD));
        self.factors.as_slice().len() + self.sources.len()
    }

    /// Returns the parts for the quantiser. Copies of a part have one code, so it is computed once.
    pub(super) fn parts(&self) -> ColumnParts<'_> {
        ColumnParts { factors: self.factors.as_slice(), copies: &self.sources }
    }

    /// Changes the weights of one output, at the beginning of `row`, so that their 8-bit codes add
    /// up to those of the columns.
    pub(super) fn split_weights(&self, row: &mut [f32]) {
        let (whole, added) = row.split_at_mut(self.factors.as_slice().len());
        let scale = largest_size(whole) / 127.0;
        if scale == 0.0 {
            // This output is padding. The previous output's weights must not remain in the buffer.
            added.fill(0.0);
            return;
        }
        let copies = self.sources.chunk_by(|a, b| a == b);
        let mut added = added.iter_mut();
        for copies in copies {
            let parts = copies.len() as i32 + 1;
            let place = &mut whole[copies[0] as usize];
            // The floors of (sum + j) / parts for j from 0 add up to the sum. This uses integers,
            // because `floor` is a call where SSE4.1 cannot be assumed.
            let sum = nearest(*place / scale * parts as f32);
            let code = |j: i32| (sum + j).div_euclid(parts) as f32 * scale;
            *place = code(0);
            (1..parts).zip(added.by_ref()).for_each(|(j, weight)| *weight = code(j));
        }
    }
}

/// Returns each column's place (from 0) among the columns with the largest numbers, over all norms
/// of a model.
pub(super) fn ranks(norms: &[(Vec<f32>, Vec<f32>)]) -> Vec<usize> {
    let width = norms.first().map_or(0, |(gamma, _)| gamma.len());
    let share = OTHERS * (width as f32).sqrt();
    let size = |column: usize| -> f32 {
        norms.iter().map(|(gamma, beta)| beta.get(column).map_or(0.0, |b| b.abs()) + share * gamma[column].abs()).sum()
    };
    let sizes: Vec<f32> = (0..width).map(size).collect();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]).then(a.cmp(&b)));
    let mut ranks = vec![0; width];
    order.iter().enumerate().for_each(|(rank, &column)| ranks[column] = rank);
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 36;

    fn split() -> SplitColumns {
        let gamma: Vec<f32> =
            (0..WIDTH).map(|column| if column == 7 { 5.0 } else { 0.5 + column as f32 / 100.0 }).collect();
        let beta = vec![0.1; WIDTH];
        SplitColumns::behind(&gamma, &beta, &ranks(&[(gamma.clone(), beta.clone())]), added(WIDTH))
    }

    #[test]
    fn the_widest_column_is_split_most_and_a_row_keeps_its_products() {
        let split = split();
        let most = split.sources.chunk_by(|a, b| a == b).max_by_key(|copies| copies.len()).unwrap();
        assert_eq!(most[0], 7);
        let padded = padded_len(WIDTH);
        let mut row: Vec<f32> = (0..padded).map(|i| if i < WIDTH { i as f32 - 9.0 } else { 0.0 }).collect();
        row[7] = 100.0;
        let mut weights: Vec<f32> =
            (0..split.width()).map(|i| if i < WIDTH { (i as f32 * 0.7).sin() } else { 0.0 }).collect();
        let exact: f32 = row.iter().zip(&weights).map(|(x, w)| x * w).sum();
        let ColumnParts { factors, copies } = split.parts();
        let mut parts: Vec<f32> = row.iter().zip(factors).map(|(x, factor)| x * factor).collect();
        parts.extend(copies.iter().map(|&column| parts[column as usize]).collect::<Vec<f32>>());
        split.split_weights(&mut weights);
        let sum: f32 = parts.iter().zip(&weights).map(|(x, w)| x * w).sum();
        // Weights of split columns are rounded to a fraction of a code.
        assert!((sum - exact).abs() < 1.0, "{sum} for {exact}");
        let largest = parts.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        assert!(largest <= 27.0, "the range of a row shrinks: {largest}");
    }

    #[test]
    fn an_output_of_padding_has_no_weights_whatever_stood_there_before() {
        let split = split();
        let mut weights = vec![0.0; split.width()];
        weights[padded_len(WIDTH)..].fill(0.5);
        split.split_weights(&mut weights);
        assert!(weights.iter().all(|w| *w == 0.0));
    }
}
