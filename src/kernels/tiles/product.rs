//! The loops of a product in tiles; see the parent module for the algorithm.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::activation::{Activation, activated, activated_for_bf16};
use super::super::gemm::{Finish, Split, dequantize};
use super::super::simd::Simd;
use super::unit::{BLOCK, LINE, ROW_BYTES, Sums, TILE_BYTES, TILE_ROWS, Unit};

/// Steps that go through all rows before the next ones do: 24 KB of a panel, which stay in the L1 cache.
const CHUNK: usize = 12;
/// Blocks of rows whose sums wait in memory while a panel is cut into chunks.
const WAITING: usize = 12;
/// Bytes of a step of a panel.
const STEP_BYTES: usize = 4 * BLOCK * TILE_ROWS;

/// Rows, columns and operands of one product.
pub(in super::super) struct TileJob {
    pub(super) m: usize,
    /// Steps of 64 bytes of `k`.
    pub(super) steps: usize,
    /// Tiles of whole blocks of rows.
    pub(super) a: *const u8,
    /// Panels.
    pub(super) b: *const u8,
    /// First and last column to compute; multiples of [`BLOCK`], but for the very last, a multiple of `ROW_PAD`.
    pub(super) columns: Range<usize>,
    pub(super) finish: Finish,
    pub(super) to: To,
}

/// Where the results of a job go.
#[derive(Clone, Copy)]
pub(super) enum To {
    /// Rows of f32, `stride` numbers apart.
    Rows { out: *mut f32, stride: usize, split: Split },
    /// bfloat16, in the tiles of a product of `steps` steps.
    Tiles { out: *mut u16, steps: usize },
    /// bfloat16, each panel a matrix of `rows` rows of 32 columns.
    Panels { out: *mut u16, rows: usize },
}

/// What is done with the sums of a row of a block.
trait Emit<U: Unit, const V: usize> {
    /// # Safety
    /// The unit is available; `row` and the 32 columns from `column` on are inside the job.
    unsafe fn emit(&self, job: &TileJob, row: usize, column: usize, x: [<U::Simd as Simd>::F; V]);
}

struct Rows(*mut f32, usize, Split);
struct Tiles(*mut u16, usize);
struct Panels(*mut u16, usize);

impl Rows {
    /// Where a number lies; of columns behind the last, an address that nobody may use.
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> *mut f32 {
        self.0.wrapping_add(row * self.1 + self.2.place(column))
    }
}

impl<U: Unit, const V: usize> Emit<U, V> for Rows {
    #[inline(always)]
    unsafe fn emit(&self, job: &TileJob, row: usize, column: usize, mut x: [<U::Simd as Simd>::F; V]) {
        let lanes = <U::Simd as Simd>::LANES;
        let count = V.min((job.columns.end - column) / lanes);
        // SAFETY: the columns below the job's last are inside the output, which is the residual too.
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

impl<U: Unit, const V: usize> Emit<U, V> for Tiles {
    #[inline(always)]
    unsafe fn emit(&self, job: &TileJob, row: usize, column: usize, x: [<U::Simd as Simd>::F; V]) {
        // SAFETY: tiles hold whole lines of 32 numbers, for all rows of the job and all panels.
        unsafe {
            let x = activated_for_bf16::<U::Simd, V>(job.finish.activation, x);
            U::store_bf16::<V>(self.0.add(line_place(row, column / LINE, self.1)), x);
        }
    }
}

impl<U: Unit, const V: usize> Emit<U, V> for Panels {
    #[inline(always)]
    unsafe fn emit(&self, _: &TileJob, row: usize, column: usize, x: [<U::Simd as Simd>::F; V]) {
        // SAFETY: each panel's matrix has the job's rows.
        unsafe { U::store_bf16::<V>(self.0.add((column / BLOCK * self.1 + row) * LINE), x) }
    }
}

/// Where line `line` (64 bytes) of a row begins in tiles of `steps` lines a row, in numbers of bfloat16.
#[inline(always)]
pub(super) fn line_place(row: usize, line: usize, steps: usize) -> usize {
    (row / TILE_ROWS * steps + line) * (TILE_BYTES / 2) + row % TILE_ROWS * LINE
}

/// Runs a job; `INTEGER`: codes by weights of 8 bits.
///
/// # Safety
/// The unit is available, and the job's pointers are good for its sizes.
#[inline(always)]
pub(in super::super) unsafe fn run<U: Unit, const V: usize, const INTEGER: bool>(job: &TileJob) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.to {
            To::Rows { out, stride, split } => {
                let rows = Rows(out, stride, split);
                let one_sum = job.finish.bias.is_null() || job.finish.residual.is_null();
                if !INTEGER && one_sum && job.finish.activation == Activation::None {
                    in_place::<U>(job, &rows);
                } else {
                    blocks::<U, _, V, INTEGER>(job, &rows);
                }
            }
            To::Tiles { out, steps } => blocks::<U, _, V, INTEGER>(job, &Tiles(out, steps)),
            To::Panels { out, rows } => blocks::<U, _, V, INTEGER>(job, &Panels(out, rows)),
        }
    }
}

/// The steps `steps` of a block of rows from `row` on.
///
/// # Safety
/// As [`run`]; `panel` is the panel's first step.
#[inline(always)]
unsafe fn step<U: Unit, const INTEGER: bool>(unit: &mut U, job: &TileJob, row: usize, panel: *const u8, step: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let upper = job.a.add(row * job.steps * ROW_BYTES + step * TILE_BYTES);
        let a = [upper, upper.add(job.steps * TILE_BYTES)];
        match INTEGER {
            true => unit.step_i8(a, panel.add(step * STEP_BYTES)),
            false => unit.step_bf16(a, panel.add(step * STEP_BYTES)),
        }
    }
}

/// What a block of bfloat16 begins with, but for what stands in its output: the bias.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn begin<U: Unit>(unit: &mut U, job: &TileJob, column: usize) {
    // SAFETY: the bias is padded to whole panels.
    unsafe {
        match job.finish.bias.is_null() {
            true => unit.clear(),
            false => unit.broadcast([job.finish.bias.add(column), job.finish.bias.add(column + 16)]),
        }
    }
}

/// Blocks of bfloat16 whose sums are the rows of f32 themselves: the unit adds to them without a hand of the vectors.
///
/// # Safety
/// As [`run`]; there is a bias or a residual, not both, and no activation.
#[inline(always)]
unsafe fn in_place<U: Unit>(job: &TileJob, rows: &Rows) {
    let mut tail = Sums::ZERO;
    // SAFETY: rows, columns and steps stay inside the job. Only whole blocks touch 32 rows and columns of the output; others, one of a whole panel
    // and each of a narrow one, go through `tail`, which is written by their first chunk.
    unsafe {
        let mut unit = U::enter();
        for column in job.columns.clone().step_by(BLOCK) {
            let panel = job.b.add(column / BLOCK * job.steps * STEP_BYTES);
            // A narrow last panel is computed row by row: `tail` holds one block.
            let chunk = if column + BLOCK <= job.columns.end { CHUNK } else { job.steps.max(1) };
            for first in (0..job.steps).step_by(chunk) {
                for row in (0..job.m).step_by(BLOCK) {
                    let block = Part {
                        rows: row..job.m.min(row + BLOCK),
                        columns: column..job.columns.end.min(column + BLOCK),
                    };
                    let places = [rows.at(row, column), rows.at(row, column + 16)];
                    let whole = block.is_whole();
                    if first == 0 {
                        fetch_ahead::<U>(job, column + BLOCK, row);
                    }
                    if first == 0 && job.finish.residual.is_null() {
                        begin(&mut unit, job, column);
                    } else if whole {
                        unit.load_rows(places.map(<*mut f32>::cast_const), rows.1);
                    } else {
                        if first == 0 {
                            block.gather(rows, &mut tail);
                        }
                        unit.load(&raw const tail);
                    }
                    for at in first..job.steps.min(first + chunk) {
                        step::<U, false>(&mut unit, job, row, panel, at);
                    }
                    if whole {
                        unit.store_rows(places, rows.1);
                    } else {
                        unit.store(&raw mut tail);
                        if first + chunk >= job.steps {
                            block.scatter(&tail, rows);
                        }
                    }
                }
            }
        }
    }
}

/// Rows and columns of a block that are there.
struct Part {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Part {
    fn is_whole(&self) -> bool {
        self.rows.len() == BLOCK && self.columns.len() == BLOCK
    }

    /// Each row's part of 16 columns that is there: its place in a block of sums and in the output.
    #[inline(always)]
    fn each(&self, rows: &Rows, mut copy: impl FnMut(usize, *mut f32)) {
        for (within, row) in self.rows.clone().enumerate() {
            for half in 0..self.columns.len() / 16 {
                copy(Sums::place(within, half), rows.at(row, self.columns.start + 16 * half));
            }
        }
    }

    /// Reads the rows as sums.
    ///
    /// # Safety
    /// The rows and columns are inside the output.
    #[inline(always)]
    unsafe fn gather(&self, rows: &Rows, sums: &mut Sums) {
        // SAFETY: the caller's promise.
        self.each(rows, |place, row| unsafe { row.copy_to_nonoverlapping(sums.0.as_mut_ptr().add(place).cast(), 16) });
    }

    /// Writes sums as rows.
    ///
    /// # Safety
    /// As [`Part::gather`].
    #[inline(always)]
    unsafe fn scatter(&self, sums: &Sums, rows: &Rows) {
        // SAFETY: the caller's promise.
        self.each(rows, |place, row| unsafe { row.copy_from_nonoverlapping(sums.0.as_ptr().add(place).cast(), 16) });
    }
}

/// A block whose sums are complete and wait for their last part.
#[derive(Clone, Copy)]
struct Done {
    sums: *const Sums,
    row: usize,
    column: usize,
}

/// All blocks of a job: panel by panel, chunk by chunk, 32 rows at a time. The last part of each block (conversion, bias, activation,
/// stores) is spread over the steps of the next one: the unit multiplies while the vectors finish.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn blocks<U: Unit, E: Emit<U, V>, const V: usize, const INTEGER: bool>(job: &TileJob, emit: &E) {
    let mut sums = [const { MaybeUninit::<Sums>::uninit() }; WAITING];
    let waiting = if job.steps > CHUNK { WAITING } else { 2 };
    let mut done: Option<Done> = None;
    let mut slot = 0;
    // SAFETY: rows, columns and steps stay inside the job. A slot is stored before it is read: by a block's first chunk before its next,
    // and by its last before its last part; and a complete block's slot is used again only after that.
    unsafe {
        let mut unit = U::enter();
        for column in job.columns.clone().step_by(BLOCK) {
            let panel = job.b.add(column / BLOCK * job.steps * STEP_BYTES);
            let group = if job.steps > CHUNK { WAITING * BLOCK } else { job.m.max(1) };
            for first_row in (0..job.m).step_by(group) {
                let rows = first_row..job.m.min(first_row + group);
                for first in (0..job.steps).step_by(CHUNK) {
                    let steps = first..job.steps.min(first + CHUNK);
                    for row in rows.clone().step_by(BLOCK) {
                        slot = if job.steps > CHUNK { (row - rows.start) / BLOCK } else { (slot + 1) % waiting };
                        let to = sums.as_mut_ptr().add(slot).cast::<Sums>();
                        match (first, INTEGER) {
                            (0, true) => unit.clear(),
                            (0, false) => begin(&mut unit, job, column),
                            _ => unit.load(to),
                        }
                        if first == 0 {
                            fetch_ahead::<U>(job, column + BLOCK, row);
                        }
                        let rows_a_step = BLOCK.div_ceil(steps.len());
                        let mut finished = 0;
                        for at in steps.clone() {
                            step::<U, INTEGER>(&mut unit, job, row, panel, at);
                            if let Some(done) = &done {
                                finish::<U, E, V, INTEGER>(job, emit, done, finished..finished + rows_a_step);
                                finished += rows_a_step;
                            }
                        }
                        unit.store(to);
                        done = (steps.end == job.steps).then_some(Done { sums: to, row, column });
                    }
                }
            }
        }
        drop(unit);
        if let Some(done) = &done {
            finish::<U, E, V, INTEGER>(job, emit, done, 0..BLOCK);
        }
    }
}

/// The last part of some rows of a block.
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
    // SAFETY: the caller's promise; rows beyond the job's are left out, and what belongs to columns is padded to whole panels.
    unsafe {
        for within in rows.start..end {
            let row = done.row + within;
            let mut x = [U::Simd::splat(0.0); V];
            for v in 0..V {
                let column = done.column + v * lanes;
                let sum = done.sums.cast::<f32>().add(Sums::place(within, v * lanes / 16) + v * lanes % 16);
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

/// Asks for a share of the next panel, while a block of rows from `row` on is multiplied with this one.
///
/// # Safety
/// The instruction set is available.
#[inline(always)]
unsafe fn fetch_ahead<U: Unit>(job: &TileJob, column: usize, row: usize) {
    if column >= job.columns.end {
        return;
    }
    let lines = job.steps * STEP_BYTES / 64;
    let (block, blocks) = (row / BLOCK, job.m.div_ceil(BLOCK));
    let panel = job.b.wrapping_add(column / BLOCK * job.steps * STEP_BYTES);
    for line in block * lines / blocks..(block + 1) * lines / blocks {
        // SAFETY: a prefetch may name any address.
        unsafe { U::Simd::prefetch_l2(panel.wrapping_add(line * 64)) }
    }
}
