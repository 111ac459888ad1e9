//! What goes through the layers of a forward pass: the batch as they see it, and the shape of attention.

use std::ops::Range;

use crate::Result;
use crate::call::Call;
use crate::kernels::Kernels;

/// Tokens that go through the layers together on one core, unless one text is longer: enough rows to pass over each panel of weights while
/// it is in the L1 cache, and few passes over all weights. On vectors the speed is the same from 192 to 768 within the noise; on a matrix unit, which
/// waits for weights most, products are a tenth faster with 512 than with 344, and beyond it what lies between two products leaves the L2 cache.
/// More needs more memory per thread (6 MB for MiniLM).
pub const MICRO_BATCH_TOKENS: usize = 512;

/// Rows that go through the feed-forward part together, which bounds what lies between its two layers: a micro-batch, or a part of a
/// longer text. Fewer rows would stay in the L2 cache, but then each reads all weights again: 48 rows were slower by a tenth in i8 and by a
/// quarter in f32, where the weights do not fit the cache of a shared machine.
const BLOCK_ROWS: usize = MICRO_BATCH_TOKENS;

/// One forward pass's view of its batch.
pub(super) struct Batch<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) ids: &'a [u32],
    /// Offsets of the sequences.
    pub(super) cu_seqlens: &'a [usize],
    /// Where each sequence's second part begins; its end if it has none.
    pub(super) second_parts: &'a [usize],
    /// How many of each sequence's tokens, from its first, its tokens attend to.
    pub(super) attended: &'a [usize],
    /// How many threads may work on it.
    pub(super) threads: usize,
    /// What may end the pass between two layers. Of more than a micro-batch alone: less is done soon.
    pub(super) call: Option<&'a Call<'a>>,
}

impl Batch<'_> {
    pub(super) fn tokens(&self) -> usize {
        self.cu_seqlens.last().copied().unwrap_or(0)
    }

    /// Whether the pass may go on with the next layer.
    pub(super) fn check(&self) -> Result<()> {
        Ok(self.call.map_or(Ok(()), Call::check)?)
    }

    /// Whether some token is seen by no other.
    pub(super) fn hides_tokens(&self) -> bool {
        self.cu_seqlens.windows(2).zip(self.attended).any(|(edges, &attended)| attended < edges[1] - edges[0])
    }

    /// Rows that go through a chain of layers together. With several threads all of them: each layer is cut by columns then.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let (tokens, rows) = (self.tokens(), if self.threads == 1 { BLOCK_ROWS } else { usize::MAX });
        (0..tokens).step_by(rows).map(move |first| first..first.saturating_add(rows).min(tokens))
    }
}

/// The shape of attention in a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) count: usize,
    /// Numbers of a head, padding included.
    pub(super) dim: usize,
    /// Tokens to each side that a token sees; `None`: all.
    pub(super) window: Option<usize>,
}

impl Heads {
    /// Width of queries, of keys, of values.
    pub(super) fn width(&self) -> usize {
        self.count * self.dim
    }
}
