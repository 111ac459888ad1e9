//! The loops of a product in tiles; see the parent module for the algorithm.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::activation::{Activation, activated, activated_before_rounding};
use super::super::gemm::{Finish, Split, dequantize};
use super::super::simd::Simd;
use super::unit::{BLOCK, LINE, Lines, ROW_BYTES, Sums, TILE_BYTES, TILE_ROWS, Unit};

/// Number of steps that all rows go through before the next steps: 24 KB of a panel, which stay in
/// the L1 cache.
const CHUNK: usize = 12;
/// Number of blocks of rows whose sums stay in memory while a panel is cut into chunks.
const WAITING: usize = 12;
/// Size of a panel's step in bytes.
const STEP_BYTES: usize = 4 * BLOCK * TILE_ROWS;

/// Rows, columns and operands of one product.
pub(in super::super) struct TileJob {
    pub(super) m: usize,
    /// Number of steps of 64 bytes of `k`.
    pub(super) steps: usize,
    /// The left operand: tiles of whole blocks of rows.
    pub(super) a: *const u8,
    /// The panels, from the first of the steps on.
    pub(super) b: *const u8,
    /// Number of steps of a whole panel; more than `steps` if only a part of `k` is multiplied.
    pub(super) panel_steps: usize,
    /// First and last column to compute. They are multiples of [`BLOCK`], but the very last one may
    /// be any multiple of `ROW_PAD`.
    pub(super) columns: Range<usize>,
    pub(super) finish: Finish,
    pub(super) to: JobOutput,
}

/// The destination of a job's results.
#[derive(Clone, Copy)]
pub(super) enum JobOutput {
    /// Rows of f32, `stride` numbers apart.
    Rows { out: *mut f32, stride: usize, split: Split },
    /// bfloat16, in tiles or panels.
    Lines { out: *mut u16, lines: Lines },
}

/// The operation on the sums of a row of a block.
trait Emit<U: Unit, const V: usize> {
    /// # Safety
    /// The unit is available; `row` and the 32 columns from `column` on are inside the job.
    unsafe fn emit(&self, job: &TileJob, row: usize, column: usize, x: [<U::Simd as Simd>::F; V]);
}

struct F32Rows {
    out: *mut f32,
    stride: usize,
    split: Split,
}

struct Bf16 {
    out: *mut u16,
    lines: Lines,
}

impl F32Rows {
    /// Returns the address of a number. For columns behind the last it must not be used.
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> *mut f32 {
        self.out.wrapping_add(row * self.stride + self.split.place(column))
    }
}

impl<U: Unit, const V: usize> Emit<U, V> for F32Rows {
    #[inline(always)]
    unsafe fn emit(&self, job: &TileJob, row: usize, column: usize, mut x: [<U::Simd as Simd>::F; V]) {
        let lanes = <U::Simd as Simd>::LANES;
        let count = V.min((job.columns.end - column) / lanes);
        // SAFETY: the columns below the job's last are inside the output, which is the residual
        // too.
        unsafe {
            if !job.finish.residual.is_null() {
                for v in 0..count {
                    x[v] = U::Simd::add(x[v], U::Simd::load(self.at(row, column + v * lanes)));
                }
            }
            let x = activated::<U::Simd, V>(job.finish.activation, x);
            for v in 0..count {
                U::Simd::store(self.at(row, column + v * lanes), x[v]);
            }
        }
    }
}

impl<U: Unit, const V: usize> Emit<U, V> for Bf16 {
    #[inline(always)]
    unsafe fn emit(&self, job: &TileJob, row: usize, column: usize, x: [<U::Simd as Simd>::F; V]) {
        // SAFETY: the output has a line of 32 numbers for each panel, in all rows of the job.
        unsafe {
            let x = activated_before_rounding::<U::Simd, V>(job.finish.activation, x);
            U::store_bf16::<V>(self.out.wrapping_add(self.lines.place(row, column / LINE)), x);
        }
    }
}

/// Runs a job. `INTEGER` multiplies codes by weights of 8 bits.
///
/// # Safety
/// The unit is available, and the job's pointers are good for its sizes.
#[inline(always)]
pub(in super::super) unsafe fn run<U: Unit, const V: usize, const INTEGER: bool>(job: &TileJob) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.to {
            JobOutput::Rows { out, stride, split } => {
                let rows = F32Rows { out, stride, split };
                let one_sum = job.finish.bias.is_null() || job.finish.residual.is_null();
                if !INTEGER && one_sum && job.finish.activation == Activation::None {
                    in_place::<U>(job, &rows);
                } else {
                    blocks::<U, _, V, INTEGER>(job, &rows);
                }
            }
            JobOutput::Lines { out, lines } => blocks::<U, _, V, INTEGER>(job, &Bf16 { out, lines }),
        }
    }
}

/// A turn of a block: some steps of a panel.
struct Turn {
    row: usize,
    column: usize,
    steps: Range<usize>,
}

/// Returns the turns of a job: panel by panel, `group` rows together, chunk by chunk of
/// `chunk(column)` steps, a block of rows at a time.
#[inline(always)]
fn turns(job: &TileJob, group: usize, chunk: impl Fn(usize) -> usize + Copy) -> impl Iterator<Item = Turn> {
    let (m, steps) = (job.m, job.steps);
    job.columns.clone().step_by(BLOCK).flat_map(move |column| {
        (0..m).step_by(group.max(1)).flat_map(move |first_row| {
            let rows = first_row..m.min(first_row + group);
            (0..steps).step_by(chunk(column)).flat_map(move |first| {
                let steps = first..steps.min(first + chunk(column));
                rows.clone().step_by(BLOCK).map(move |row| Turn { row, column, steps: steps.clone() })
            })
        })
    })
}

impl Turn {
    /// Multiplies one step of the block.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn step<U: Unit, const INTEGER: bool>(&self, unit: &mut U, job: &TileJob, step: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let upper = job.a.add(self.row * job.steps * ROW_BYTES + step * TILE_BYTES);
            let a = [upper, upper.add(job.steps * TILE_BYTES)];
            let b = job.b.add((self.column / BLOCK * job.panel_steps + step) * STEP_BYTES);
            match INTEGER {
                true => unit.step_i8(a, b),
                false => unit.step_bf16(a, b),
            }
        }
    }

    /// Sets the initial sums of a block, apart from the contents of its output: the bias, for
    /// bfloat16.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn begin<U: Unit, const INTEGER: bool>(&self, unit: &mut U, job: &TileJob) {
        // SAFETY: the bias is padded to whole panels.
        unsafe {
            match INTEGER || job.finish.bias.is_null() {
                true => unit.clear(),
                false => unit.load([0, 16].map(|half| job.finish.bias.add(self.column + half)), 0),
            }
        }
    }

    /// Prefetches this block's share of the next panel.
    ///
    /// # Safety
    /// The instruction set is available.
    #[inline(always)]
    unsafe fn fetch_ahead<S: Simd>(&self, job: &TileJob) {
        let column = self.column + BLOCK;
        if self.steps.start > 0 || column >= job.columns.end {
            return;
        }
        let lines = job.steps * STEP_BYTES / ROW_BYTES;
        let (block, blocks) = (self.row / BLOCK, job.m.div_ceil(BLOCK));
        let panel = job.b.wrapping_add(column / BLOCK * job.panel_steps * STEP_BYTES);
        for line in block * lines / blocks..(block + 1) * lines / blocks {
            // SAFETY: a prefetch may name any address.
            unsafe { S::prefetch_l2(panel.wrapping_add(line * ROW_BYTES)) }
        }
    }
}

/// Computes blocks of bfloat16 whose sums are the rows of f32 themselves. The unit adds to them
/// without any vector operation.
///
/// # Safety
/// As [`run`]; there is a bias or a residual, not both, and no activation.
#[inline(always)]
unsafe fn in_place<U: Unit>(job: &TileJob, rows: &F32Rows) {
    let mut tail = Sums::ZERO;
    // A narrow last panel is computed row by row, because `tail` holds one block.
    let chunk = |column: usize| if column + BLOCK <= job.columns.end { CHUNK } else { job.steps };
    // SAFETY: rows, columns and steps stay inside the job. Only whole blocks touch 32 rows and
    // columns of the output; others, one of a whole panel and each of a narrow one, go through
    // `tail`.
    unsafe {
        let mut unit = U::enter();
        for turn in turns(job, job.m, chunk) {
            let part = BlockPart::of(&turn, job);
            let (places, stride) = match part.is_whole() {
                true => ([0, 16].map(|half| rows.at(turn.row, turn.column + half)), rows.stride),
                false => (Sums::halves(&raw mut tail), Sums::STRIDE),
            };
            turn.fetch_ahead::<U::Simd>(job);
            if turn.steps.start == 0 && job.finish.residual.is_null() {
                turn.begin::<U, false>(&mut unit, job);
            } else {
                if turn.steps.start == 0 && !part.is_whole() {
                    part.gather(rows, &raw mut tail);
                }
                unit.load(places.map(<*mut f32>::cast_const), stride);
            }
            for step in turn.steps.clone() {
                turn.step::<U, false>(&mut unit, job, step);
            }
            unit.store(places, stride);
            if turn.steps.end == job.steps && !part.is_whole() {
                part.scatter(rows, &raw const tail);
            }
        }
    }
}

/// The rows and columns of a block that exist.
struct BlockPart {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl BlockPart {
    fn of(turn: &Turn, job: &TileJob) -> Self {
        let (row, column) = (turn.row, turn.column);
        Self { rows: row..job.m.min(row + BLOCK), columns: column..job.columns.end.min(column + BLOCK) }
    }

    fn is_whole(&self) -> bool {
        self.rows.len() == BLOCK && self.columns.len() == BLOCK
    }

    /// Calls `copy` for each existing 16-column part of each row, with its position in a block of
    /// sums and in the output.
    #[inline(always)]
    fn each(&self, rows: &F32Rows, mut copy: impl FnMut(usize, *mut f32)) {
        for (within, row) in self.rows.clone().enumerate() {
            for half in (0..self.columns.len()).step_by(16) {
                copy(Sums::place(within, half), rows.at(row, self.columns.start + half));
            }
        }
    }

    /// Reads the rows into sums.
    ///
    /// # Safety
    /// The rows and columns are inside the output.
    #[inline(always)]
    unsafe fn gather(&self, rows: &F32Rows, sums: *mut Sums) {
        // SAFETY: the caller's promise.
        self.each(rows, |place, row| unsafe { row.copy_to_nonoverlapping(sums.cast::<f32>().add(place), 16) });
    }

    /// Writes sums to the rows.
    ///
    /// # Safety
    /// As [`BlockPart::gather`].
    #[inline(always)]
    unsafe fn scatter(&self, rows: &F32Rows, sums: *const Sums) {
        // SAFETY: the caller's promise.
        self.each(rows, |place, row| unsafe { row.copy_from_nonoverlapping(sums.cast::<f32>().add(place), 16) });
    }
}

/// A block whose sums are complete and whose last part remains to be done.
struct Done {
    sums: *const Sums,
    row: usize,
    column: usize,
}

/// Computes blocks whose sums the vectors finish: conversion, bias of integers, activation, stores.
/// Each block's last part is spread over the steps of the next turn, so that the unit multiplies
/// while the vectors finish.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn blocks<U: Unit, E: Emit<U, V>, const V: usize, const INTEGER: bool>(job: &TileJob, emit: &E) {
    let mut sums = [const { MaybeUninit::<Sums>::uninit() }; WAITING];
    let (slots, group) = if job.steps > CHUNK { (WAITING, WAITING * BLOCK) } else { (2, job.m) };
    let mut done: Option<Done> = None;
    // SAFETY: rows, columns and steps stay inside the job. A slot is stored before it is read: by a
    // block's first turn before its next, and by its last before its last part; and a complete
    // block's slot is stored again only when that is done.
    unsafe {
        let mut unit = U::enter();
        for turn in turns(job, group, |_| CHUNK) {
            let to = sums.as_mut_ptr().add(turn.row / BLOCK % slots).cast::<Sums>();
            turn.fetch_ahead::<U::Simd>(job);
            match turn.steps.start {
                0 => turn.begin::<U, INTEGER>(&mut unit, job),
                _ => unit.load(Sums::halves(to).map(<*mut f32>::cast_const), Sums::STRIDE),
            }
            let rows_a_step = BLOCK.div_ceil(turn.steps.len());
            for (index, step) in turn.steps.clone().enumerate() {
                turn.step::<U, INTEGER>(&mut unit, job, step);
                if let Some(done) = &done {
                    let rows = index * rows_a_step..(index + 1) * rows_a_step;
                    finish::<U, E, V, INTEGER>(job, emit, done, rows);
                }
            }
            unit.store(Sums::halves(to), Sums::STRIDE);
            let complete = turn.steps.end == job.steps;
            done = complete.then_some(Done { sums: to, row: turn.row, column: turn.column });
        }
        drop(unit);
        if let Some(done) = &done {
            finish::<U, E, V, INTEGER>(job, emit, done, 0..BLOCK);
        }
    }
}

/// Does the last part of some rows of a block.
///
/// # Safety
/// As [`run`]; the block's sums are complete.
#[inline(always)]
unsafe fn finish<U: Unit, E: Emit<U, V>, const V: usize, const INTEGER: bool>(
    job: &TileJob,
    emit: &E,
    done: &Done,
    rows: Range<usize>,
) {
    let lanes = <U::Simd as Simd>::LANES;
    let end = rows.end.min(BLOCK).min(job.m - done.row);
    // SAFETY: the caller's promise; rows beyond the job's are left out, and what belongs to columns
    // is padded to whole panels.
    unsafe {
        for within in rows.start..end {
            let row = done.row + within;
            let mut x = [U::Simd::splat(0.0); V];
            for v in 0..V {
                let column = done.column + v * lanes;
                let sum = done.sums.cast::<f32>().add(Sums::place(within, v * lanes));
                x[v] = U::Simd::load(sum);
                if INTEGER {
                    x[v] = dequantize::<U::Simd>(U::Simd::load_i32(sum.cast()), &job.finish, row, column);
                    if !job.finish.bias.is_null() {
                        x[v] = U::Simd::add(x[v], U::Simd::load(job.finish.bias.add(column)));
                    }
                }
            }
            emit.emit(job, row, done.column, x);
        }
    }
}
