//! Rows in the form that a product reads.

use super::aligned::Aligned;

/// Buffers of rows in the form that a product reads.
pub(super) struct Operand {
    pub(super) halves: Aligned<u16>,
    pub(super) codes: Aligned<u8>,
    pub(super) scales: Aligned<f32>,
    pub(super) zeros: Aligned<i32>,
    /// One row of numbers, and one of codes.
    pub(super) row: Aligned<f32>,
    pub(super) row_codes: Aligned<u8>,
}

impl Operand {
    pub(super) const fn new() -> Self {
        Self {
            halves: Aligned::new(),
            codes: Aligned::new(),
            scales: Aligned::new(),
            zeros: Aligned::new(),
            row: Aligned::new(),
            row_codes: Aligned::new(),
        }
    }
}
