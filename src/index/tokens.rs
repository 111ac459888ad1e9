//! Token vectors in a compact form: four bits a component.
//!
//! MaxSim looks at directions only, so neither the length of a vector nor a scale is kept: a token of 384 components takes 192 bytes.
//! A code is the component in steps of 0.335 times the vector's root mean square, the best step for 16 levels of a normal distribution
//! (Max, 1960), cut at +-2.5 of it.

use ndarray::ArrayView2;

use crate::similarity::DocumentTokens;

/// A step in root mean squares.
const STEP: f32 = 0.335;

/// Bytes of a token vector.
pub(super) fn token_bytes(dim: usize) -> usize {
    dim.div_ceil(2)
}

/// The bytes of token vectors, `[tokens, dim]`, back to back.
pub(super) fn encode(vectors: ArrayView2<'_, f32>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(vectors.nrows() * token_bytes(vectors.ncols()));
    for vector in vectors.rows() {
        let squares: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let step = STEP * (squares / vector.len() as f64).sqrt() as f32;
        let code = |x: f32| if step > 0.0 { ((x / step).floor() as i32).clamp(-8, 7) + 8 } else { 8 } as u8;
        let mut components = vector.iter().copied();
        while let Some(low) = components.next() {
            bytes.push(code(low) | components.next().map_or(8, code) << 4);
        }
    }
    bytes
}

/// What [`encode`] made bytes of, each vector of length 1.
pub(super) fn decode(bytes: &[u8], dim: usize) -> DocumentTokens {
    let stride = token_bytes(dim).max(1);
    let tokens = bytes.len() / stride;
    DocumentTokens::from_unit_rows(tokens, dim, |token, row| {
        let bytes = &bytes[token * stride..(token + 1) * stride];
        for (pair, byte) in row.chunks_mut(2).zip(bytes) {
            pair[0] = level(byte & 15);
            if let Some(high) = pair.get_mut(1) {
                *high = level(byte >> 4);
            }
        }
        let squares: f32 = row.iter().map(|x| x * x).sum();
        let scale = if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 };
        row.iter_mut().for_each(|x| *x *= scale);
    })
}

/// The middle of a step.
fn level(code: u8) -> f32 {
    f32::from(code) - 7.5
}
