//! Attention over ragged sequences: the operands, a job for each head and sequence, and the
//! buffers.

use std::ops::Range;

use super::super::gemm::SharedRows;
use super::attention::{Context, HeadBuffers, HeadJob, QueryBlock};
use super::operands::{panel_rows, tiles_len};
use super::unit::{BLOCK, LINE, Lines, Sums};

/// Queries, keys and values of sequences, `[count + 2 kv_count][dim / 32][panel_rows(tokens)][32]`,
/// and the destination of their context.
#[derive(Debug)]
pub struct TileAttention<'a> {
    /// The numbers, in bfloat16; queries include the factor `log2(e) / sqrt(head_dim)`.
    pub heads: &'a [u16],
    /// Number of heads.
    pub count: usize,
    /// Number of heads of keys and of values, a divisor of `count`: as many heads share each.
    pub kv_count: usize,
    /// Number of numbers in a head, whole lines.
    pub dim: usize,
    /// Offsets of the sequences.
    pub cu_seqlens: &'a [usize],
    /// For each sequence, the number of its first tokens that are attended to.
    pub attended: &'a [usize],
    /// Number of tokens before a token that it attends to; `usize::MAX`: all.
    pub before: usize,
    /// Number of tokens after a token that it attends to; 0 in a causal model.
    pub after: usize,
    /// The context: tiles of rows of `count * dim` numbers; each head writes its own lines.
    pub context: SharedRows<u16>,
}

impl TileAttention<'_> {
    fn tokens(&self) -> usize {
        self.cu_seqlens.last().copied().unwrap_or(0)
    }

    pub(super) fn check(&self, heads: &Range<usize>) {
        let (tokens, width) = (self.tokens(), self.count.saturating_mul(self.dim));
        assert!(self.dim > 0 && self.dim.is_multiple_of(LINE), "heads must have whole lines");
        assert!(heads.end <= self.count, "there are {} heads", self.count);
        let is_shared = self.kv_count > 0 && self.count.is_multiple_of(self.kv_count);
        assert!(is_shared, "{} heads cannot share {} of keys", self.count, self.kv_count);
        let numbers = width.saturating_add(self.kv_count.saturating_mul(2 * self.dim));
        assert!(self.heads.len() >= numbers.saturating_mul(panel_rows(tokens)), "heads shorter than their shape");
        assert!(self.context.len() >= tiles_len(tokens, width), "the context is shorter than its shape");
        assert!(self.attended.len() + 1 == self.cu_seqlens.len().max(1), "one number of attended tokens a sequence");
        let mut sequences = self.cu_seqlens.windows(2).zip(self.attended);
        assert!(sequences.all(|(edges, attended)| edges[0] <= edges[1] && *attended <= edges[1] - edges[0]), "lengths");
    }

    /// Returns a head of each sequence that has keys.
    pub(super) fn jobs(&self, head: usize) -> impl Iterator<Item = HeadJob> {
        let (rows, panels) = (panel_rows(self.tokens()), self.dim / LINE);
        // Half of the largest number, so that sums with positions do not overflow.
        let (before, after) = (self.before.min(usize::MAX / 2), self.after.min(usize::MAX / 2));
        let keys = self.count + head / (self.count / self.kv_count);
        let matrix = move |matrix: usize, first: usize| self.heads[(matrix * panels * rows + first) * LINE..].as_ptr();
        let sequences = self.cu_seqlens.windows(2).zip(self.attended).filter(|(_, attended)| **attended > 0);
        sequences.map(move |(edges, &attended)| HeadJob {
            queries: matrix(head, edges[0]),
            keys: matrix(keys, edges[0]),
            values: matrix(keys + self.kv_count, edges[0]),
            panel: rows * LINE,
            panels,
            tokens: (edges[1] - edges[0]).min(attended.saturating_add(before)),
            attended,
            before,
            after,
            context: Context {
                tiles: self.context.start(),
                lines: Lines::tiles(self.count * panels),
                row: edges[0],
                line: head * panels,
            },
        })
    }
}

/// The buffers of one worker for [`super::Tiles::attend`]; they grow to the longest sequence.
pub struct AttentionBuffers {
    keys: Vec<PackedStep>,
    values: Vec<PackedStep>,
    context: Vec<Sums>,
    block: Box<[QueryBlock]>,
}

/// Packed numbers of 32 keys or values.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct PackedStep([u16; BLOCK * LINE]);

impl AttentionBuffers {
    /// Creates empty buffers.
    pub fn new() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), context: Vec::new(), block: Box::new([]) }
    }

    pub(super) fn at_least(&mut self, keys: usize, dim: usize) -> HeadBuffers {
        let panels = dim / LINE;
        let steps = keys.div_ceil(BLOCK).saturating_mul(panels);
        for numbers in [&mut self.keys, &mut self.values] {
            numbers.resize(steps.max(numbers.len()), PackedStep([0; BLOCK * LINE]));
        }
        self.context.resize(panels.max(self.context.len()), Sums::ZERO);
        if self.block.is_empty() {
            self.block = vec![QueryBlock::ZERO].into_boxed_slice();
        }
        HeadBuffers {
            keys: self.keys.as_mut_ptr().cast(),
            values: self.values.as_mut_ptr().cast(),
            context: self.context.as_mut_ptr(),
            block: self.block.as_mut_ptr(),
        }
    }
}

impl Default for AttentionBuffers {
    fn default() -> Self {
        Self::new()
    }
}
