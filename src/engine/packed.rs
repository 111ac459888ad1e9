//! Memory for packed weights, in regions that request huge pages.
//!
//! Every micro-batch reads all weights from the L3 cache or from memory. MiniLM's weights in
//! bfloat16 (21 MB) take 5,200 pages of 4 KB. A TLB has some 2,000 entries, and a virtual machine
//! looks up each missing one in two tables. In pages of 2 MB they take 11. `Vec` gets no huge pages
//! where the system only gives them on request (`madvise`, the default of most distributions), and
//! a single matrix of 1 MB would not fill one.

use std::alloc::{Layout, handle_alloc_error};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions};

use super::aligned::AlignedNumber;

/// Size of a region in bytes. Unused bytes are never touched.
const REGION: usize = 32 << 20;
/// Size of a huge page in bytes, on x86-64 and on most ARM systems.
const HUGE_PAGE: usize = 2 << 20;
/// Alignment of a matrix: a cache line.
const LINE: usize = 64;

/// An allocator for the weights of a model, one matrix after the other.
pub(super) struct Memory {
    current: Mutex<Option<Current>>,
    /// Number of bytes handed out.
    used: AtomicU64,
}

/// The region in use, and its first free byte.
struct Current {
    region: Arc<Region>,
    free: usize,
}

/// Mapped bytes, initially zero, that begin at a huge page.
struct Region {
    start: *mut u8,
    len: usize,
    /// The mapping, which ends with the region.
    _map: MmapMut,
}

// SAFETY: plain memory. `Memory` hands each byte out once, and `Packed` lets it be written only
// before it exists.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps at least `len` bytes. Without memory for them it ends the process, as `Vec` does.
    fn new(len: usize) -> Self {
        let whole = len.max(REGION).saturating_add(HUGE_PAGE);
        let layout = Layout::from_size_align(whole, LINE).unwrap_or(Layout::new::<Region>());
        let mut map = MmapOptions::new().len(whole).map_anon().unwrap_or_else(|_| handle_alloc_error(layout));
        // A system without huge pages refuses this. That only costs speed.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        let skipped = map.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
        Self { start: map.as_mut_ptr().wrapping_add(skipped), len: whole - skipped, _map: map }
    }
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self { current: Mutex::new(None), used: AtomicU64::new(0) }
    }

    /// Returns the number of bytes handed out.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Allocates `len` numbers, initially zero, and lets `fill` write them.
    ///
    /// # Errors
    /// The errors of `fill`.
    ///
    /// # Panics
    /// If memory cannot hold that many numbers.
    pub(super) fn pack<T: AlignedNumber, E>(
        &self,
        len: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(), E>,
    ) -> Result<Packed<T>, E> {
        assert!(len <= isize::MAX as usize / (2 * size_of::<T>()), "no memory holds {len} numbers");
        let (region, first) = self.take((len * size_of::<T>()).next_multiple_of(LINE));
        let numbers = region.start.wrapping_add(first).cast::<T>();
        // SAFETY: `take` gives bytes of the region that have no other user, at a cache line; all
        // bytes are numbers.
        fill(unsafe { std::slice::from_raw_parts_mut(numbers, len) })?;
        Ok(Packed { region, first, len, element: PhantomData })
    }

    /// Takes unused bytes of a region. Returns the region and their offset.
    fn take(&self, bytes: usize) -> (Arc<Region>, usize) {
        self.used.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Current { region, free } = match current.take() {
            Some(current) if bytes <= current.region.len - current.free => current,
            _ => Current { region: Arc::new(Region::new(bytes)), free: 0 },
        };
        *current = Some(Current { region: Arc::clone(&region), free: free + bytes });
        (region, free)
    }
}

/// Numbers in a region. They keep the region alive.
pub(super) struct Packed<T> {
    region: Arc<Region>,
    /// The offset of the numbers in the region, in bytes.
    first: usize,
    len: usize,
    element: PhantomData<T>,
}

impl<T: AlignedNumber> Packed<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        // SAFETY: `Memory::pack` checked the place, and there are no more writes to it.
        unsafe { std::slice::from_raw_parts(self.region.start.wrapping_add(self.first).cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_zeroed_lie_apart_at_cache_lines_and_outlive_the_memory() {
        let memory = Memory::new();
        let pack = |len: usize, number: u16| {
            let packed = memory.pack(len, |numbers: &mut [u16]| {
                assert!(numbers.iter().all(|x| *x == 0));
                numbers.fill(number);
                Ok::<(), ()>(())
            });
            packed.unwrap()
        };
        let lens = [0, 1, 31, 33, REGION / 2 - 64, 100, REGION, 7];
        let packed: Vec<Packed<u16>> = lens.iter().zip(1..).map(|(len, number)| pack(*len, number)).collect();
        drop(memory);
        for ((packed, len), number) in packed.iter().zip(lens).zip(1..) {
            assert_eq!(packed.as_slice().len(), len);
            assert_eq!(packed.as_slice().as_ptr() as usize % LINE, 0);
            assert!(packed.as_slice().iter().all(|x| *x == number), "{len} numbers");
        }
        assert!(Arc::ptr_eq(&packed[1].region, &packed[2].region), "one region holds many");
    }

    #[test]
    fn what_cannot_be_filled_is_not_there() {
        assert_eq!(Memory::new().pack(3, |_: &mut [f32]| Err("no")).map(drop), Err("no"));
    }
}
