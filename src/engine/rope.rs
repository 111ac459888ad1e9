//! Rotary positions (Su et al. 2021), in the form of GPT-NeoX and transformers' `apply_rotary_pos_emb`: number `d` of a head is rotated
//! with number `d + head_dim / 2`, by the angle `position * theta^(-2d / head_dim)`.

use super::attention::Heads;

/// The frequencies of one kind of layer.
pub(super) struct Rope {
    /// `theta^(-2d / head_dim)` for `d` in `0..head_dim / 2`.
    frequencies: Vec<f32>,
}

impl Rope {
    pub(super) fn new(theta: f32, head_dim: usize) -> Self {
        let frequency = |d: usize| 1.0 / theta.powf(2.0 * d as f32 / head_dim as f32);
        Self { frequencies: (0..head_dim / 2).map(frequency).collect() }
    }

    /// Rotates queries and keys of `[tokens, 3 x width]` in place.
    pub(super) fn rotate(&self, qkv: &mut [f32], cu_seqlens: &[usize], heads: &Heads) {
        let (half, width) = (self.frequencies.len(), heads.width());
        let mut turns = vec![(0.0, 0.0); half];
        for edges in cu_seqlens.windows(2) {
            for (position, row) in (edges[0]..edges[1]).enumerate() {
                for (turn, frequency) in turns.iter_mut().zip(&self.frequencies) {
                    *turn = (position as f32 * frequency).sin_cos();
                }
                // Queries and keys lie side by side; the values behind them are not turned.
                for head in qkv[row * 3 * width..][..2 * width].chunks_exact_mut(heads.dim) {
                    let (first, second) = head[..2 * half].split_at_mut(half);
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
        let heads = Heads { count: 1, dim: 16, window: None };
        let rope = Rope::new(10_000.0, 4);
        let original: Vec<f32> = (0..2 * 48).map(|x| if x % 16 < 4 { x as f32 } else { 0.0 }).collect();
        let mut turned = original.clone();
        rope.rotate(&mut turned, &[0, 2], &heads);
        assert_eq!(turned[..48], original[..48]);
        assert_eq!(turned[80..], original[80..], "values are not turned");
        // Second token: number 0 turns with number 2 by one radian.
        let (a, b) = (original[48], original[50]);
        let (sin, cos) = 1f32.sin_cos();
        assert!((turned[48] - (a * cos - b * sin)).abs() < 1e-4 && (turned[50] - (b * cos + a * sin)).abs() < 1e-4);
        assert_eq!(turned[52..64], [0.0; 12]);
    }
}
