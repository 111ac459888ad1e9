//! The operations that each instruction set supplies for dot products, and the sizes that all of
//! them share.

/// Number of accumulators per pair. Two hide enough latency, together with the rows that a tile
/// interleaves, and leave registers for tiles of several queries.
pub(super) const UNROLL: usize = 2;

/// Number of chunks of a single query that are kept as [`Lane::load`] returns them: 512 elements or
/// more, 1,024 on AVX2. The rest of a longer query is converted for each row.
pub(super) const KEPT_CHUNKS: usize = 128;

/// Size in bytes of a group of rows, for several queries. A group stays in the L2 cache while all
/// queries pass over it.
pub(super) const GROUP_BYTES: usize = 128 << 10;

/// The operands of a block: row-major `queries` and `rows` of one `dim`.
pub(super) struct DotBlock<E> {
    pub(super) queries: *const E,
    pub(super) num_queries: usize,
    pub(super) rows: *const E,
    pub(super) num_rows: usize,
    pub(super) dim: usize,
}

/// One element type on one instruction set.
///
/// # Safety
/// Every method may be called only where the instruction set of the implementation is available.
/// Pointers must be good for the reads that the method names.
pub(super) unsafe trait Lane {
    type Elem: Copy;
    type Score: Copy;
    /// A chunk of `WIDTH` elements, ready to multiply.
    type Chunk: Copy;
    /// A running sum.
    type Sum: Copy;
    const WIDTH: usize;

    unsafe fn zero() -> Self::Sum;
    /// Reads `WIDTH` elements.
    unsafe fn load(at: *const Self::Elem) -> Self::Chunk;
    /// Reads `len < WIDTH` elements; zeros follow.
    unsafe fn load_tail(at: *const Self::Elem, len: usize) -> Self::Chunk;
    unsafe fn multiply_add(sum: Self::Sum, query: Self::Chunk, row: Self::Chunk) -> Self::Sum;
    /// Prefetches data some rows behind the `num_bytes` of a row. This pays where a row takes so
    /// many instructions for its bytes that the core does not look that far ahead by itself.
    unsafe fn prefetch(_row: *const u8, _num_bytes: usize) {}
    /// Returns the number that `finish` subtracts from each score of this query; reads `dim`
    /// elements.
    unsafe fn bias(_query: *const Self::Elem, _dim: usize) -> i32 {
        0
    }
    unsafe fn finish(sums: [Self::Sum; UNROLL], bias: i32) -> Self::Score;
}

/// Returns the first `len` elements at `at`, followed by zeros. It is inlined and uses no
/// intrinsics, so that any caller can use it.
///
/// # Safety
/// `at` must be good for `len` reads, and `len <= WIDTH`.
#[inline(always)]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
pub(super) unsafe fn padded<E: Copy + Default, const WIDTH: usize>(at: *const E, len: usize) -> [E; WIDTH] {
    let mut chunk = [E::default(); WIDTH];
    // SAFETY: the caller's promise; the chunk is a local.
    unsafe { std::ptr::copy_nonoverlapping(at, chunk.as_mut_ptr(), len) };
    chunk
}
