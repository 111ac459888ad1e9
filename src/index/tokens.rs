//! Compact token vectors: four bits per component.
//!
//! MaxSim depends only on directions, so neither the length of a vector nor a scale is kept. A
//! token of 384 components takes 192 bytes, an eighth of f32. A code is the component in steps of
//! 0.335 times the vector's root mean square, cut at 8 steps. This is the best step for 16 levels
//! of a normal distribution (Max, 1960). So the form needs no training and no second pass over a
//! corpus, unlike the centroids and residuals of ColBERTv2 (Santhanam et al. 2022) and PLAID, and a
//! segment can be added to any other.
//!
//! Measured on TREC Deep Learning 2019, BM25's top 100, all-MiniLM-L6-v2: the mean cosine of a
//! decoded token with its own vector, the mean error of MaxSim, and nDCG@10 of MaxSim and hybrid:
//!
//! | form | bytes | cosine | error | MaxSim | hybrid |
//! |---|---|---|---|---|---|
//! | f32 | 1536 | 1 | 0 | .6530 | .6642 |
//! | 8 bits | 384 | .99997 | .0001 | .6531 | .6643 |
//! | **4 bits** | 192 | .9932 | .0043 | .6538 | .6668 |
//! | 3 bits | 144 | .9787 | .0126 | .6555 | .6633 |
//! | 2 bits | 96 | .9334 | .0386 | .6562 | .6632 |
//! | 1 bit | 48 | .7889 | .1215 | .6508 | .6643 |
//! | 128 principal components, 4 bits | 64 | .8366 | .0250 | .6631 | .6653 |
//!
//! With 43 queries, no form ranks significantly better or worse than another; differences below
//! 0.005 mean nothing. Four bits is the smallest form whose scores stay comparable with those of
//! encoded texts: coarser forms lower every score by their error.

use ndarray::ArrayView2;

use crate::similarity::DocumentTokens;

/// The step, in root mean squares.
const STEP: f32 = 0.335;

/// The two components of each byte value, in half steps. The middles of the steps are odd numbers.
const PAIRS: [[f32; 2]; 256] = pairs();

/// The sum of the two squares.
const SQUARES: [u16; 256] = squares();

const fn half_steps(code: usize) -> i32 {
    2 * code as i32 - 15
}

const fn pairs() -> [[f32; 2]; 256] {
    let mut pairs = [[0.0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [half_steps(byte & 15) as f32, half_steps(byte >> 4) as f32];
        byte += 1;
    }
    pairs
}

const fn squares() -> [u16; 256] {
    let mut squares = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (low, high) = (half_steps(byte & 15), half_steps(byte >> 4));
        squares[byte] = (low * low + high * high) as u16;
        byte += 1;
    }
    squares
}

/// Returns the bytes of a token vector.
pub(super) fn token_bytes(dim: usize) -> usize {
    dim.div_ceil(2)
}

/// Returns the bytes of token vectors, `[tokens, dim]`, concatenated.
pub(super) fn encode(vectors: ArrayView2<'_, f32>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(vectors.nrows() * token_bytes(vectors.ncols()));
    for vector in vectors.rows() {
        let squares: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let step = f64::from(STEP) * (squares / vector.len() as f64).sqrt();
        let per_step = if step > 0.0 { (1.0 / step) as f32 } else { 0.0 };
        // The index of the component's step, from the lowest. The cast clamps at 0, and NaN becomes
        // 0.
        let code = |x: f32| ((x * per_step + 8.0) as u8).min(15);
        let mut components = vector.iter().copied();
        while let Some(low) = components.next() {
            bytes.push(code(low) | components.next().map_or(8, code) << 4);
        }
    }
    bytes
}

/// Decodes the bytes of [`encode`] into vectors of length 1.
pub(super) fn decode(bytes: &[u8], dim: usize) -> DocumentTokens {
    let stride = token_bytes(dim).max(1);
    DocumentTokens::from_unit_rows(bytes.len() / stride, dim, |token, row| {
        let bytes = &bytes[token * stride..(token + 1) * stride];
        // With an odd number of components, the other half of the last byte counts too: 1, of some
        // thousand.
        let squares: u32 = bytes.iter().map(|byte| u32::from(SQUARES[usize::from(*byte)])).sum();
        let scale = 1.0 / (squares as f32).sqrt();
        for (pair, byte) in row.chunks_mut(2).zip(bytes) {
            let [low, high] = PAIRS[usize::from(*byte)];
            pair[0] = low * scale;
            if let Some(second) = pair.get_mut(1) {
                *second = high * scale;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::QueryTokens;
    use ndarray::Array2;

    #[test]
    fn a_decoded_token_points_where_it_pointed() {
        for dim in [2, 16, 33, 384] {
            let values = super::super::vectors::tests::values(5 * dim, 3);
            let vectors = Array2::from_shape_vec((5, dim), values).unwrap();
            let bytes = encode(vectors.view());
            assert_eq!(bytes.len(), 5 * token_bytes(dim));
            let decoded = decode(&bytes, dim);
            assert_eq!(decoded.len(), 5);
            for token in 0..5 {
                let query = QueryTokens::new(vectors.slice(ndarray::s![token..=token, ..]));
                let cosine = query.maxsim(&decoded);
                assert!(cosine > 0.95 && cosine <= 1.0, "{dim}: {cosine}");
            }
        }
    }

    #[test]
    fn zeros_and_nothing_are_kept_in_shape() {
        assert_eq!(decode(&encode(Array2::zeros((3, 7)).view()), 7).len(), 3);
        assert!(decode(&encode(Array2::zeros((0, 7)).view()), 7).is_empty());
    }
}
