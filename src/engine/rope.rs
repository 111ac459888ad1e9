//! Rotary positions (Su et al. 2021), in the form of GPT-NeoX and transformers'
//! `apply_rotary_pos_emb`: number `d` of a head is rotated with number `d + head_dim / 2`, by the
//! angle `position * theta^(-2d / head_dim)`.

use super::batch::Heads;

/// The frequencies for one kind of layer.
pub(super) struct Rope {
    /// `theta^(-2d / head_dim)` for `d` in `0..head_dim / 2`.
    frequencies: Vec<f32>,
}

impl Rope {
    pub(super) fn new(theta: f32, head_dim: usize) -> Self {
        let frequency = |d: usize| 1.0 / theta.powf(2.0 * d as f32 / head_dim as f32);
        Self { frequencies: (0..head_dim / 2).map(frequency).collect() }
    }

    /// Rotates queries and keys of [`Heads::matrices`] of `[tokens, head_dim]` in place.
    pub(super) fn rotate(&self, qkv: &mut [f32], cu_seqlens: &[usize], heads: &Heads) {
        let half = self.frequencies.len();
        let tokens = qkv.len() / (heads.matrices() * heads.dim);
        let mut turns = vec![(0.0, 0.0); half];
        for edges in cu_seqlens.windows(2) {
            for (position, row) in (edges[0]..edges[1]).enumerate() {
                for (turn, frequency) in turns.iter_mut().zip(&self.frequencies) {
                    *turn = (position as f32 * frequency).sin_cos();
                }
                // The matrices of queries and keys are rotated, those of values behind them are
                // not.
                for matrix in 0..heads.count + heads.kv_count {
                    let (first, second) = qkv[(matrix * tokens + row) * heads.dim..][..2 * half].split_at_mut(half);
                    for ((a, b), (sin, cos)) in first.iter_mut().zip(second).zip(&turns) {
                        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_position_stays_and_lengths_are_kept() {
        let heads = Heads { count: 1, kv_count: 1, dim: 16, window: None, causal: false };
        let rope = Rope::new(10_000.0, 4);
        // Queries, keys and values of two tokens.
        let original: Vec<f32> = (0..3 * 2 * 16).map(|x| if x % 16 < 4 { x as f32 } else { 0.0 }).collect();
        let mut turned = original.clone();
        rope.rotate(&mut turned, &[0, 2], &heads);
        assert_eq!((&turned[..16], &turned[32..48]), (&original[..16], &original[32..48]), "the first position");
        assert_eq!(turned[64..], original[64..], "values are not turned");
        // In the second token of queries and of keys, number 0 is rotated with number 2 by one
        // radian.
        let (sin, cos) = 1f32.sin_cos();
        for first in [16, 48] {
            let (a, b) = (original[first], original[first + 2]);
            let expected = (a * cos - b * sin, b * cos + a * sin);
            assert!((turned[first] - expected.0).abs() < 1e-4 && (turned[first + 2] - expected.1).abs() < 1e-4);
            assert_eq!(turned[first + 4..first + 16], [0.0; 12]);
        }
    }
}
