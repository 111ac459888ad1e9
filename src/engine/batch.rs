//! The input of the layers of a forward pass: the batch, and the shape of attention.

use std::ops::Range;

use crate::Result;
use crate::call::Call;
use crate::kernels::Kernels;

/// Number of tokens that go through the layers together on one core, unless one text is longer. It
/// gives enough rows to use each panel of weights while it is in the L1 cache, and few passes over
/// all weights. On vectors the speed from 192 to 768 is the same within the noise. A matrix unit
/// waits most for weights: its products are a tenth faster with 512 than with 344. With more than
/// 512, the data between two products leaves the L2 cache. A larger value needs more memory per
/// thread (6 MB for MiniLM).
pub const MICRO_BATCH_TOKENS: usize = 512;

/// Number of rows that go through the feed-forward part together, a micro-batch or a part of a
/// longer text. It bounds the data between the part's two layers. Fewer rows would stay in the L2
/// cache, but each block reads all weights again: 48 rows were slower by a tenth in i8, and by a
/// quarter in f32, where the weights do not fit the cache of a shared machine.
const BLOCK_ROWS: usize = MICRO_BATCH_TOKENS;

/// The batch of one forward pass.
pub(super) struct Batch<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) ids: &'a [u32],
    /// Offsets of the sequences.
    pub(super) cu_seqlens: &'a [usize],
    /// The start of each sequence's second part; the sequence's end if it has none.
    pub(super) second_parts: &'a [usize],
    /// For each sequence, the number of its first tokens that its tokens attend to.
    pub(super) attended: &'a [usize],
    /// Number of threads that may work on it.
    pub(super) threads: usize,
    /// The call, which may end the pass between two layers. Only set for more than a micro-batch,
    /// because less is done soon.
    pub(super) call: Option<&'a Call<'a>>,
}

impl Batch<'_> {
    pub(super) fn tokens(&self) -> usize {
        self.cu_seqlens.last().copied().unwrap_or(0)
    }

    /// Checks that the pass may continue with the next layer.
    pub(super) fn check(&self) -> Result<()> {
        Ok(self.call.map_or(Ok(()), Call::check)?)
    }

    /// Returns true if a token exists that no token attends to.
    pub(super) fn hides_tokens(&self) -> bool {
        self.cu_seqlens.windows(2).zip(self.attended).any(|(edges, &attended)| attended < edges[1] - edges[0])
    }

    /// Returns the rows that go through a chain of layers together. With several threads these are
    /// all rows, because each layer is then cut by columns.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let (tokens, rows) = (self.tokens(), if self.threads == 1 { BLOCK_ROWS } else { usize::MAX });
        (0..tokens).step_by(rows).map(move |first| first..first.saturating_add(rows).min(tokens))
    }
}

/// The shape of attention in a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) count: usize,
    /// Number of heads of keys and of values, a divisor of `count`: as many heads share each.
    pub(super) kv_count: usize,
    /// The width of a head, padding included.
    pub(super) dim: usize,
    /// Number of tokens to each side that a token attends to; `None`: all.
    pub(super) window: Option<usize>,
    /// True if a token attends to no token after it.
    pub(super) causal: bool,
}

impl Heads {
    /// Returns the width of the queries, which is that of the context.
    pub(super) fn width(&self) -> usize {
        self.count * self.dim
    }

    /// Returns the number of matrices of a batch: queries, then keys, then values.
    pub(super) fn matrices(&self) -> usize {
        self.count + 2 * self.kv_count
    }

    /// Returns the matrices of queries, keys and values of a head.
    pub(super) fn matrices_of(&self, head: usize) -> [usize; 3] {
        let keys = self.count + head / (self.count / self.kv_count);
        [head, keys, keys + self.kv_count]
    }

    /// Returns the numbers of tokens before and after a token that it attends to. Sums with
    /// positions do not overflow.
    pub(super) fn reach(&self) -> (usize, usize) {
        let window = self.window.unwrap_or(usize::MAX / 2);
        (window, if self.causal { 0 } else { window })
    }
}
