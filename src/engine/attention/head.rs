//! One head of one sequence: its queries, keys and values, and the keys that each query sees.

use std::ops::Range;

use crate::engine::batch::Heads;
use crate::engine::disentangled::RelativeHead;
use crate::kernels::{Kernels, padded_len};

/// The range of the number of rows in a block; both are multiples of every tile's rows.
pub(super) const BLOCK_ROWS: Range<usize> = 12..48;

/// One head of one sequence that has keys: matrices of queries `[tokens, head_dim]`, of keys and
/// values `[attended, head_dim]`.
pub(super) struct AttentionHead<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) heads: &'a Heads,
    pub(super) queries: &'a [f32],
    pub(super) keys: &'a [f32],
    pub(super) values: &'a [f32],
    pub(super) relative: Option<RelativeHead<'a>>,
}

impl AttentionHead<'_> {
    /// Returns the number of tokens that are attended to.
    pub(super) fn attended(&self) -> usize {
        self.keys.len() / self.heads.dim
    }

    /// Returns the number of tokens that attend to a key: all, unless the keys end more than a
    /// window before the tokens do.
    pub(super) fn seeing(&self) -> usize {
        let (before, _) = self.heads.reach();
        (self.queries.len() / self.heads.dim).min(self.attended() + before)
    }

    /// Returns the number of keys in a panel.
    pub(super) fn panel(&self) -> usize {
        self.kernels.gemm_f32.nr()
    }

    /// Returns the keys that the rows of a block attend to, in whole panels. The last panel may
    /// have padding behind the last token.
    pub(super) fn seen(&self, rows: &Range<usize>) -> Range<usize> {
        let (before, after) = self.heads.reach();
        let first = rows.start.saturating_sub(before) / self.panel() * self.panel();
        first..(rows.end + after).next_multiple_of(self.panel()).min(padded_len(self.attended()))
    }

    /// Sets the scores of keys that a row does not attend to to -inf.
    pub(super) fn mask(&self, rows: &Range<usize>, seen: &Range<usize>, scores: &mut [f32]) {
        let (attended, (before, after)) = (self.attended(), self.heads.reach());
        for (token, scores) in rows.clone().zip(scores.chunks_exact_mut(seen.len())) {
            let first = token.saturating_sub(before).saturating_sub(seen.start);
            let end = (token + after + 1).min(attended) - seen.start;
            scores[..first].fill(f32::NEG_INFINITY);
            scores[end..].fill(f32::NEG_INFINITY);
        }
    }
}
