//! Results that are split into several matrices.

use super::super::simd::ROW_PAD;

/// The columns of a result as separate matrices, one after the other: the heads of attention.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    /// Number of columns of each matrix, padded.
    pub width: usize,
    /// Distance from one matrix to the next, in elements.
    pub stride: usize,
}

impl Split {
    /// No split: everything in one matrix.
    pub(super) const NONE: Self = Self { width: usize::MAX, stride: 0 };

    pub(super) fn is_padded(self) -> bool {
        self.width > 0 && self.width.is_multiple_of(ROW_PAD) && self.stride >= self.width
    }

    /// Returns the position of a column in the first row.
    pub(in super::super) fn place(self, column: usize) -> usize {
        column / self.width * self.stride + column % self.width
    }

    /// Returns the number of elements of the first row up to the end of its first `columns`
    /// columns. If `usize` cannot hold it, returns more than any slice has.
    pub(super) fn extent(self, columns: usize) -> usize {
        let Some(last) = columns.checked_sub(1) else { return 0 };
        (last / self.width).saturating_mul(self.stride).saturating_add(last % self.width + 1)
    }
}

/// Returns the number of elements of a matrix of `rows` rows of `width`, `stride` apart. If `usize`
/// cannot hold it, returns more than any slice has.
pub(in super::super) fn extent(rows: usize, width: usize, stride: usize) -> usize {
    match rows.checked_sub(1) {
        None => 0,
        Some(before) => before.saturating_mul(stride).saturating_add(width),
    }
}
