//! Memory that begins at a cache line.

use std::marker::PhantomData;

/// A cache line. A vector load that crosses the border between two lines costs two loads.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

/// Numbers for which all-zero bytes are zero and every bit pattern is a value.
///
/// # Safety
/// Implement it only for types with these properties and an alignment of at most 64.
pub(super) unsafe trait AlignedNumber: Copy + Send + Sync + 'static {}
// SAFETY: primitive numbers.
unsafe impl AlignedNumber for f32 {}
// SAFETY: as above.
unsafe impl AlignedNumber for i32 {}
// SAFETY: as above.
unsafe impl AlignedNumber for u16 {}
// SAFETY: as above.
unsafe impl AlignedNumber for u8 {}
// SAFETY: as above.
unsafe impl AlignedNumber for i8 {}

/// A vector of numbers, zero at first, that begins at a cache line and only grows.
pub(super) struct Aligned<T> {
    lines: Vec<CacheLine>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: AlignedNumber> Aligned<T> {
    pub(super) const fn new() -> Self {
        Self { lines: Vec::new(), len: 0, element: PhantomData }
    }

    pub(super) fn zeroed(len: usize) -> Self {
        let mut new = Self::new();
        new.at_least(len);
        new
    }

    /// Returns the first `len` numbers. Numbers that were never written are zero.
    ///
    /// # Panics
    /// If memory cannot hold that many numbers.
    pub(super) fn at_least(&mut self, len: usize) -> &mut [T] {
        assert!(len <= isize::MAX as usize / size_of::<T>(), "no memory holds {len} numbers");
        let lines = (len * size_of::<T>()).div_ceil(size_of::<CacheLine>());
        if lines > self.lines.len() {
            self.lines.resize(lines, CacheLine([0; 64]));
        }
        self.len = self.len.max(len);
        &mut self.as_mut_slice()[..len]
    }

    pub(super) fn as_slice(&self) -> &[T] {
        // SAFETY: the lines hold at least `len` numbers, initialised, aligned, and borrowed as long
        // as `self`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl<T: AlignedNumber> FromIterator<T> for Aligned<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        let mut new = Self::zeroed(values.len());
        new.as_mut_slice().copy_from_slice(&values);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_zeroed_and_kept_when_it_grows() {
        let mut numbers = Aligned::<f32>::zeroed(3);
        assert_eq!(numbers.as_slice(), [0.0; 3]);
        assert!(numbers.as_slice().as_ptr().cast::<CacheLine>().is_aligned());
        numbers.as_mut_slice()[2] = 7.0;
        assert_eq!(numbers.at_least(100)[2..4], [7.0, 0.0]);
        assert_eq!(numbers.at_least(2).len(), 2);
        let absurd = [usize::MAX, usize::MAX / 2, 1 << 62, (1 << 62) + 1];
        for len in absurd {
            let grown = std::panic::catch_unwind(|| Aligned::<f32>::zeroed(len).as_slice().len());
            assert!(grown.is_err(), "{len} numbers");
        }
        assert_eq!([1u16, 2].into_iter().collect::<Aligned<u16>>().as_slice(), [1, 2]);
    }
}
