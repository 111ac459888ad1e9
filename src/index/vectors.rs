//! Storage of vectors as rows, and the products of a query with rows.
//!
//! Every vector is scaled to length 1 before it is stored, so the dot product of two is their
//! cosine. Rows are padded with zeros to multiples of 64 bytes: each begins at a cache line, and no
//! kernel has a tail.
//!
//! - `f32`: unchanged.
//! - `f16`: components rounded to half precision; the length changes by less than 2^-11, and the
//!   score is clamped to [-1, 1].
//! - `i8`: codes `round(127 x / max |x|)`, and for each row a scale: one over the length of its
//!   codes. So a score is the cosine of the codes, exact in integers up to the last multiplication.
//!
//! The query has the same form as the rows. So there is one kind of kernel, and a score does not
//! depend on which of the two was the query.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::manifest::Dtype;
use crate::kernels::Kernels;

/// Alignment of rows in bytes: a cache line, and the widest vector.
const ALIGNMENT: usize = 64;

/// Returns the bytes from one row to the next.
pub(super) fn row_bytes(dtype: Dtype, dim: usize) -> usize {
    (dim * dtype.bytes()).next_multiple_of(ALIGNMENT)
}

/// Returns the number of components of a row, including padding.
pub(super) fn row_len(dtype: Dtype, dim: usize) -> usize {
    row_bytes(dtype, dim) / dtype.bytes()
}

/// A vector of length 1 in the form of a row.
#[derive(Debug, Clone)]
pub(super) enum RowVector {
    F32(Vec<f32>),
    F16(Vec<u16>),
    /// Codes, and one over their length.
    I8(Vec<i8>, f32),
}

impl RowVector {
    /// Creates the row of a vector; `None` if it is not finite. A vector of zeros stays one, and
    /// its cosine with every other is 0.
    pub fn new(dtype: Dtype, vector: &[f32]) -> Option<Self> {
        let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return None;
        }
        let unit = |x: f32| if norm > 0.0 { (f64::from(x) / norm) as f32 } else { 0.0 };
        let mut row: Vec<f32> = vector.iter().copied().map(unit).collect();
        row.resize(row_len(dtype, vector.len()), 0.0);
        Some(match dtype {
            Dtype::F32 => Self::F32(row),
            Dtype::F16 => Self::F16(row.iter().map(|&x| f16::from_f32(x).to_bits()).collect()),
            Dtype::I8 => {
                let (codes, scale) = codes(&row);
                Self::I8(codes, scale)
            }
        })
    }

    /// Appends the bytes of the row.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::F32(row) => out.extend(row.iter().flat_map(|x| x.to_le_bytes())),
            Self::F16(row) => out.extend(row.iter().flat_map(|x| x.to_le_bytes())),
            Self::I8(row, _) => out.extend(row.iter().map(|x| *x as u8)),
        }
    }

    /// Returns the row as f32 numbers; codes without their scale.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(row) => row.clone(),
            Self::F16(row) => row.reinterpret_cast::<f16>().to_f32_vec(),
            Self::I8(row, _) => row.iter().map(|&x| f32::from(x)).collect(),
        }
    }

    /// Returns the factor for products with the row's numbers.
    pub fn scale(&self) -> f32 {
        match self {
            Self::F32(_) | Self::F16(_) => 1.0,
            Self::I8(_, scale) => *scale,
        }
    }
}

/// Returns the codes of a vector and one over their length; 0 for a vector of zeros.
fn codes(row: &[f32]) -> (Vec<i8>, f32) {
    let largest = row.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let step = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let codes: Vec<i8> = row.iter().map(|x| (x * step).round() as i8).collect();
    let squares: i64 = codes.iter().map(|&code| i64::from(code) * i64::from(code)).sum();
    let scale = if squares > 0 { (1.0 / (squares as f64).sqrt()) as f32 } else { 0.0 };
    (codes, scale)
}

/// Rows of a segment, or of a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) enum SegmentRows<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    /// Codes, and a scale for each row.
    I8(&'a [i8], &'a [f32]),
}

impl<'a> SegmentRows<'a> {
    /// Returns the rows of a range. `len`: components of a row, including padding.
    pub fn slice(self, range: std::ops::Range<usize>, len: usize) -> Self {
        let part = range.start * len..range.end * len;
        match self {
            Self::F32(rows) => Self::F32(&rows[part]),
            Self::F16(rows) => Self::F16(&rows[part]),
            Self::I8(rows, scales) => Self::I8(&rows[part], &scales[range]),
        }
    }

    /// Computes the cosines of a query with all rows, in [-1, 1], one for each element of `scores`.
    /// A score is NaN if it is further outside than rounding explains, because one of the two does
    /// not have length 1. The score of a pair has the same bits for any other rows.
    pub fn score(self, query: &RowVector, scores: &mut [f32], integers: &mut Vec<i32>) {
        let kernels = Kernels::best();
        match (query, self) {
            (RowVector::F32(query), Self::F32(rows)) => kernels.dot_f32.rows(query, rows, scores),
            (RowVector::F16(query), Self::F16(rows)) => kernels.dot_f16.rows(query, rows, scores),
            (RowVector::I8(query, query_scale), Self::I8(rows, scales)) => {
                integers.resize(scores.len(), 0);
                kernels.dot_i8.rows(query, rows, integers);
                for ((score, &sum), scale) in scores.iter_mut().zip(&*integers).zip(scales) {
                    *score = sum as f32 * (scale * query_scale);
                }
            }
            // A query has the index's type, so this does not happen.
            _ => scores.fill(f32::NAN),
        }
        let limit = self.largest(query);
        for score in scores {
            // A select, not a branch.
            *score = if score.abs() <= limit { score.clamp(-1.0, 1.0) } else { f32::NAN };
        }
    }

    /// Returns the largest rounded value of a cosine of 1: sums of `len` products, and lengths that
    /// halves change by up to 2^-11 each.
    fn largest(self, query: &RowVector) -> f32 {
        let (len, halves) = match query {
            RowVector::F32(row) => (row.len(), 0.0),
            RowVector::F16(row) => (row.len(), 1.0 / 512.0),
            RowVector::I8(row, _) => (row.len(), 0.0),
        };
        1.0 + halves + (len + 16) as f32 / (1 << 23) as f32
    }

    /// Returns the rows as f32: themselves, or converted into `buffer`. Codes are without their
    /// scales.
    pub fn widen<'b>(self, buffer: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Self::F32(rows) => rows,
            Self::F16(rows) => {
                buffer.resize(rows.len(), 0.0);
                rows.reinterpret_cast::<f16>().convert_to_f32_slice(buffer);
                buffer
            }
            Self::I8(rows, _) => {
                buffer.resize(rows.len(), 0.0);
                buffer.iter_mut().zip(rows).for_each(|(to, &from)| *to = f32::from(from));
                buffer
            }
        }
    }

    /// Returns a scale for each row; empty if all are 1.
    pub fn scales(self) -> &'a [f32] {
        match self {
            Self::F32(_) | Self::F16(_) => &[],
            Self::I8(_, scales) => scales,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns deterministic values in [-1, 1).
    pub(crate) fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn stored(dtype: Dtype, vectors: &[Vec<f32>]) -> (Vec<RowVector>, Vec<f32>) {
        let rows: Vec<RowVector> = vectors.iter().map(|vector| RowVector::new(dtype, vector).unwrap()).collect();
        let scales = rows.iter().map(RowVector::scale).collect();
        (rows, scales)
    }

    fn score(query: &RowVector, row: &RowVector) -> f32 {
        let mut scores = [0.0];
        let scale = [row.scale()];
        let rows = match row {
            RowVector::F32(row) => SegmentRows::F32(row),
            RowVector::F16(row) => SegmentRows::F16(row),
            RowVector::I8(row, _) => SegmentRows::I8(row, &scale),
        };
        rows.score(query, &mut scores, &mut Vec::new());
        scores[0]
    }

    #[test]
    fn cosines_of_every_type_are_as_near_as_promised_and_in_range() {
        for dim in [1, 3, 100, 384] {
            let vectors: Vec<Vec<f32>> = (0..40).map(|seed| values(dim, seed + 1)).collect();
            for (dtype, tolerance) in [(Dtype::F32, 1e-6), (Dtype::F16, 1e-3), (Dtype::I8, 1e-2)] {
                let (rows, _) = stored(dtype, &vectors);
                for (a, x) in rows.iter().zip(&vectors) {
                    assert!((score(a, a) - 1.0).abs() < 1e-3 && score(a, a) <= 1.0, "{dtype}");
                    for (b, y) in rows.iter().zip(&vectors) {
                        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(a, b)| f64::from(a * b)).sum::<f64>();
                        let expected = dot(x, y) / (dot(x, x) * dot(y, y)).sqrt();
                        let found = score(a, b);
                        assert!((f64::from(found) - expected).abs() < tolerance, "{dtype} {dim}: {found} {expected}");
                        assert_eq!(found.to_bits(), score(b, a).to_bits(), "{dtype}");
                    }
                }
            }
        }
    }

    #[test]
    fn zeros_score_zero_and_what_is_not_finite_is_refused() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::I8] {
            let zero = RowVector::new(dtype, &[0.0; 5]).unwrap();
            let one = RowVector::new(dtype, &[1e-30, 0.0, 0.0, 0.0, 0.0]).unwrap();
            assert_eq!((score(&zero, &one), score(&zero, &zero), score(&one, &one)), (0.0, 0.0, 1.0), "{dtype}");
            assert!(RowVector::new(dtype, &[f32::NAN]).is_none() && RowVector::new(dtype, &[f32::INFINITY]).is_none());
        }
    }

    #[test]
    fn what_rounding_does_not_explain_is_no_score() {
        for dim in [1, 384, 4096] {
            let vectors: Vec<Vec<f32>> = (0..20).map(|seed| values(dim, seed + 1)).collect();
            for dtype in [Dtype::F32, Dtype::F16, Dtype::I8] {
                for row in vectors.iter().map(|vector| RowVector::new(dtype, vector).unwrap()) {
                    assert!(score(&row, &row) > 0.99, "{dtype} {dim}");
                    let longer = match row.clone() {
                        RowVector::F32(row) => RowVector::F32(row.iter().map(|x| x * 1.01).collect()),
                        RowVector::F16(row) => RowVector::F16(
                            row.iter().map(|&x| f16::from_f32(f16::from_bits(x).to_f32() * 1.01).to_bits()).collect(),
                        ),
                        RowVector::I8(row, scale) => RowVector::I8(row, scale * 1.01),
                    };
                    assert!(score(&row, &longer).is_nan(), "{dtype} {dim}");
                }
            }
        }
    }

    #[test]
    fn rows_begin_at_cache_lines() {
        assert_eq!(row_bytes(Dtype::F32, 384), 1536);
        assert_eq!((row_bytes(Dtype::F16, 100), row_len(Dtype::F16, 100)), (256, 128));
        let mut bytes = Vec::new();
        RowVector::new(Dtype::I8, &[1.0; 65]).unwrap().write(&mut bytes);
        assert_eq!((bytes.len(), bytes[64], bytes[65]), (128, 127, 0));
    }
}
