//! Attention in tiles: `softmax(Q K^T) V` of one head of one sequence, in bfloat16 with sums in
//! f32.
//!
//! ```text
//! keys = panels of 32 keys of the transpose of K, values = pairs of rows of V              once a head
//! for block of 32 queries:
//!     for 256 keys that the block can see:                     scores 32 KB, weights 16 KB: L1 and L2, whatever the length
//!         scores = Q_block x keys                              two tiles by two, over the numbers of a head
//!         mask; weights = 2^(score - largest so far) as bfloat16, sums
//!         earlier context and sums *= 2^(largest before - largest so far)                  as in FlashAttention (Dao et al. 2022)
//!         context += weights x values
//!     context / sums, as tiles of the next product
//! ```
//! The factor `log2(e) / sqrt(head_dim)` is in the weights of Q, because powers of two are cheaper
//! than powers of e.

use std::ops::Range;

use super::super::elementwise::{self, Transposition};
use super::super::simd::{Simd, exp2};
use super::unit::{BLOCK, LINE, Lines, Sums, TILE_BYTES, Unit};

/// Number of panels of 32 keys whose scores are in memory together.
const KEY_PANELS: usize = 8;
/// Number of rows of a softmax that are computed in parallel. In one row each step would wait for
/// the one before.
const SIDE_BY_SIDE: usize = 4;
/// A number lower than any score: a row's initial maximum, which stays until the row attends to a
/// key.
const LOWEST: f32 = -1e30;

/// One head of one sequence that has keys. Queries, keys and values are panels of 32 of the head's
/// numbers; each panel is a matrix of rows of 64 bytes.
pub(in super::super) struct HeadJob {
    pub(super) queries: *const u16,
    pub(super) keys: *const u16,
    pub(super) values: *const u16,
    /// Distance from one panel to the next, in numbers.
    pub(super) panel: usize,
    /// Number of panels of a head.
    pub(super) panels: usize,
    /// Number of tokens that attend to a key. Reads may go up to the next multiple of [`BLOCK`].
    pub(super) tokens: usize,
    /// Number of tokens that are attended to, the first ones.
    pub(super) attended: usize,
    /// Numbers of tokens before and after a token that it attends to.
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) context: Context,
}

/// The destination of a head's context, from row `row` and line `line` on.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) tiles: *mut u16,
    pub(super) lines: Lines,
    pub(super) row: usize,
    pub(super) line: usize,
}

/// Buffers of [`attend`].
pub(in super::super) struct HeadBuffers {
    /// `[attended / 32][panels][16][32][2]`.
    pub(super) keys: *mut u16,
    /// `[panels][attended / 32][16][32][2]`.
    pub(super) values: *mut u16,
    /// The context of a block: a block of sums for each of [`HeadJob::panels`].
    pub(super) context: *mut Sums,
    pub(super) block: *mut QueryBlock,
}

/// A block of queries with some keys.
pub(in super::super) struct QueryBlock {
    scores: [Sums; KEY_PANELS],
    /// Tiles: upper rows, then lower ones.
    weights: [[[u16; TILE_BYTES / 2]; KEY_PANELS]; 2],
    largest: [f32; BLOCK],
    sums: [f32; BLOCK],
    factors: [f32; BLOCK],
}

impl QueryBlock {
    pub(super) const ZERO: Self = Self {
        scores: [Sums::ZERO; KEY_PANELS],
        weights: [[[0; TILE_BYTES / 2]; KEY_PANELS]; 2],
        largest: [0.0; BLOCK],
        sums: [0.0; BLOCK],
        factors: [0.0; BLOCK],
    };
}

/// Number of numbers in a step of packed keys or values.
const STEP: usize = BLOCK * LINE;

/// Computes attention for one head of one sequence.
///
/// # Safety
/// The job's and the buffers' pointers are good for its sizes, and `unit` was entered on this
/// thread.
#[inline(always)]
pub(in super::super) unsafe fn attend<U: Unit, const V: usize>(unit: &mut U, job: &HeadJob, buffers: &HeadBuffers) {
    // SAFETY: the caller's promise.
    unsafe {
        pack::<U>(job, buffers);
        for first in (0..job.tokens).step_by(BLOCK) {
            let rows = first..job.tokens.min(first + BLOCK);
            let block = &mut *buffers.block;
            (block.largest, block.sums) = ([LOWEST; BLOCK], [0.0; BLOCK]);
            let seen = job.seen(&rows);
            for panel in seen.clone().step_by(KEY_PANELS) {
                let panels = panel..seen.end.min(panel + KEY_PANELS);
                job.scores(unit, &rows, &panels, buffers);
                job.mask::<U::Simd>(&rows, &panels, block);
                for row in (0..rows.len()).step_by(SIDE_BY_SIDE) {
                    softmax::<U, V>(block, row, panels.len());
                }
                job.add_context::<U>(unit, &rows, &panels, panel == seen.start, buffers);
            }
            job.write_context::<U, V>(&rows, buffers);
        }
    }
}

/// Packs keys and values as the products read them. The last panel ends with keys behind the last
/// one, which are masked, and with zeros for values.
///
/// # Safety
/// As [`attend`].
#[inline(always)]
unsafe fn pack<U: Unit>(job: &HeadJob, buffers: &HeadBuffers) {
    let key_panels = job.attended.div_ceil(BLOCK);
    let zeros = [0u16; LINE];
    // SAFETY: rows below `attended` are read; the buffers hold whole panels.
    unsafe {
        for part in 0..job.panels {
            let (keys, values) = (job.keys.add(part * job.panel), job.values.add(part * job.panel));
            for panel in 0..key_panels {
                let first = panel * BLOCK;
                // A transposition moves pairs of bfloat16 like numbers of 32 bits.
                elementwise::transpose::<U::Simd>(&Transposition {
                    rows: keys.add(first * LINE).cast(),
                    stride: LINE / 2,
                    num_rows: BLOCK.min(job.attended - first),
                    num_columns: LINE / 2,
                    out: buffers.keys.add((panel * job.panels + part) * STEP).cast(),
                    out_stride: BLOCK,
                });
                for pair in 0..BLOCK / 2 {
                    let row = |row: usize| if row < job.attended { values.add(row * LINE) } else { zeros.as_ptr() };
                    let to = buffers.values.add((part * key_panels + panel) * STEP + pair * 2 * LINE);
                    U::interleave(row(first + 2 * pair), row(first + 2 * pair + 1), to);
                }
            }
        }
    }
}

impl HeadJob {
    /// Returns the panels of keys that the rows of a block attend to.
    fn seen(&self, rows: &Range<usize>) -> Range<usize> {
        let end = rows.end.saturating_add(self.after).min(self.attended);
        rows.start.saturating_sub(self.before) / BLOCK..end.div_ceil(BLOCK)
    }

    /// # Safety
    /// As [`attend`].
    #[inline(always)]
    unsafe fn scores<U: Unit>(&self, unit: &mut U, rows: &Range<usize>, panels: &Range<usize>, buffers: &HeadBuffers) {
        // SAFETY: blocks of queries may be read whole; panels are below `attended`.
        unsafe {
            let scores = (&raw mut (*buffers.block).scores).cast::<Sums>();
            for (at, panel) in panels.clone().enumerate() {
                unit.clear();
                for part in 0..self.panels {
                    let upper = self.queries.add(part * self.panel + rows.start * LINE).cast::<u8>();
                    let keys = buffers.keys.add((panel * self.panels + part) * STEP).cast();
                    unit.step_bf16([upper, upper.add(TILE_BYTES)], keys);
                }
                unit.store(Sums::halves(scores.add(at)), Sums::STRIDE);
            }
        }
    }

    /// Sets the scores of keys that a row does not attend to to -inf.
    ///
    /// # Safety
    /// The instruction set is available; scores of `panels` are in the block.
    #[inline(always)]
    unsafe fn mask<S: Simd>(&self, rows: &Range<usize>, panels: &Range<usize>, block: &mut QueryBlock) {
        for (at, panel) in panels.clone().enumerate() {
            let keys = panel * BLOCK..(panel + 1) * BLOCK;
            let all_see = (rows.end - 1).saturating_sub(self.before)
                ..rows.start.saturating_add(self.after + 1).min(self.attended);
            if all_see.start <= keys.start && keys.end <= all_see.end {
                continue;
            }
            for (within, token) in rows.clone().enumerate() {
                let sees = token.saturating_sub(self.before)..(token + self.after + 1).min(self.attended);
                let scores = (&raw mut block.scores[at]).cast::<f32>();
                for column in (0..BLOCK).step_by(S::LANES) {
                    // SAFETY: the row's scores are in the block.
                    unsafe {
                        let place = scores.add(Sums::place(within, column));
                        let limits = LaneRange::of(&sees, keys.start + column, S::LANES);
                        S::store(place, limits.apply::<S>(S::load(place)));
                    }
                }
            }
        }
    }

    /// Adds the weighted values of some keys to the context of a block. The first time it replaces
    /// the context.
    ///
    /// # Safety
    /// As [`attend`].
    #[inline(always)]
    unsafe fn add_context<U: Unit>(
        &self,
        unit: &mut U,
        rows: &Range<usize>,
        panels: &Range<usize>,
        first: bool,
        buffers: &HeadBuffers,
    ) {
        let key_panels = self.attended.div_ceil(BLOCK);
        // SAFETY: panels are below `attended`; the context has a block of sums for every part.
        unsafe {
            let block = &*buffers.block;
            for part in 0..self.panels {
                let context = buffers.context.add(part);
                let places = Sums::halves(context);
                if first {
                    unit.clear();
                } else {
                    scale::<U::Simd>(context, &block.factors[..rows.len()]);
                    unit.load(places.map(<*mut f32>::cast_const), Sums::STRIDE);
                }
                for (at, panel) in panels.clone().enumerate() {
                    let weights = [block.weights[0][at].as_ptr().cast(), block.weights[1][at].as_ptr().cast()];
                    unit.step_bf16(weights, buffers.values.add((part * key_panels + panel) * STEP).cast());
                }
                unit.store(places, Sums::STRIDE);
            }
        }
    }

    /// Divides the context of a block by the sums and writes it.
    ///
    /// # Safety
    /// As [`attend`].
    #[inline(always)]
    unsafe fn write_context<U: Unit, const V: usize>(&self, rows: &Range<usize>, buffers: &HeadBuffers) {
        let lanes = <U::Simd as Simd>::LANES;
        let Context { tiles, lines, row, line } = self.context;
        // SAFETY: the context has a block of sums for every part, the tiles a line for it in each
        // row.
        unsafe {
            for within in 0..rows.len() {
                let factor = U::Simd::splat(1.0 / (*buffers.block).sums[within]);
                for part in 0..self.panels {
                    let from = buffers.context.add(part).cast::<f32>();
                    let mut x = [factor; V];
                    for v in 0..V {
                        x[v] = U::Simd::mul(U::Simd::load(from.add(Sums::place(within, v * lanes))), factor);
                    }
                    U::store_bf16::<V>(tiles.add(lines.place(row + rows.start + within, line + part)), x);
                }
            }
        }
    }
}

/// Multiplies the rows of a block of sums.
///
/// # Safety
/// The instruction set is available, and the block is initialised.
#[inline(always)]
unsafe fn scale<S: Simd>(sums: *mut Sums, factors: &[f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        for (row, &factor) in factors.iter().enumerate() {
            for column in (0..BLOCK).step_by(S::LANES) {
                let place = sums.cast::<f32>().add(Sums::place(row, column));
                S::store(place, S::mul(S::load(place), S::splat(factor)));
            }
        }
    }
}

/// Computes the softmax of some rows of a block over `panels` panels, not yet divided by its sum.
/// Writes the weights, and updates the sums and largest scores, which include earlier keys.
///
/// # Safety
/// The unit's instruction set is available; the scores of the panels are in the block.
#[inline(always)]
unsafe fn softmax<U: Unit, const V: usize>(block: &mut QueryBlock, first: usize, panels: usize) {
    const R: usize = SIDE_BY_SIDE;
    let lanes = <U::Simd as Simd>::LANES;
    let scores = block.scores.as_ptr().cast::<f32>();
    let weights = block.weights.as_mut_ptr().cast::<u16>();
    let stride = size_of::<Sums>() / 4;
    let score =
        |panel: usize, row: usize, v: usize| scores.wrapping_add(panel * stride + Sums::place(first + row, v * lanes));
    // SAFETY: rows below 32 and panels below KEY_PANELS are in the block.
    unsafe {
        let mut largest = [U::Simd::splat(LOWEST); R];
        for panel in 0..panels {
            for v in 0..V {
                for r in 0..R {
                    largest[r] = U::Simd::max(largest[r], U::Simd::load(score(panel, r, v)));
                }
            }
        }
        for r in 0..R {
            let row = first + r;
            let before = block.largest[row];
            let now = before.max(U::Simd::largest(largest[r]));
            block.largest[row] = now;
            block.factors[row] =
                if before == LOWEST { 0.0 } else { U::Simd::largest(exp2::<U::Simd>(U::Simd::splat(before - now))) };
            largest[r] = U::Simd::splat(now);
        }
        let mut sums = [U::Simd::splat(0.0); R];
        for panel in 0..panels {
            for r in 0..R {
                let mut x = [sums[r]; V];
                for v in 0..V {
                    x[v] = exp2::<U::Simd>(U::Simd::sub(U::Simd::load(score(panel, r, v)), largest[r]));
                    sums[r] = U::Simd::add(sums[r], x[v]);
                }
                let place = ((first + r) / 16 * KEY_PANELS + panel) * (TILE_BYTES / 2) + (first + r) % 16 * LINE;
                U::store_bf16::<V>(weights.add(place), x);
            }
        }
        for r in 0..R {
            let row = first + r;
            block.sums[row] = block.sums[row] * block.factors[row] + U::Simd::sum(sums[r]);
        }
    }
}

/// The lanes of a vector that count: from one on, and up to another.
struct LaneRange {
    first: usize,
    end: usize,
}

/// Infinities next to zeros. A vector read from the right offset has its first lanes at +inf, or
/// its last ones.
static FALLING: [f32; 32] = half_infinite(f32::INFINITY);
static RISING: [f32; 32] = half_infinite(f32::NEG_INFINITY);

const fn half_infinite(first: f32) -> [f32; 32] {
    let mut numbers = [-first; 32];
    let mut i = 0;
    while i < 16 {
        numbers[i] = first;
        i += 1;
    }
    numbers
}

impl LaneRange {
    /// Returns those of `lanes` keys from `key` on that are attended to.
    fn of(sees: &Range<usize>, key: usize, lanes: usize) -> Self {
        let within = |edge: usize| edge.saturating_sub(key).min(lanes);
        Self { first: within(sees.start), end: within(sees.end) }
    }

    /// Sets the other lanes to -inf, whatever their values.
    ///
    /// # Safety
    /// The instruction set is available.
    #[inline(always)]
    unsafe fn apply<S: Simd>(&self, x: S::F) -> S::F {
        // SAFETY: both places are at most 16, and at least 0, with 16 numbers behind them.
        unsafe {
            let x = S::min(x, S::load(FALLING.as_ptr().add(16 - self.end)));
            S::min(x, S::load(RISING.as_ptr().add(16 - self.first)))
        }
    }
}
