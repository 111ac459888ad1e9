//! External sorting: sorted runs in a temporary file, merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::positioned::PositionedFile;
use crate::{Error, Result};

/// A hash and a row, in the order in which they are sorted.
pub(super) type HashedRow = (u64, u64);

/// Length of an entry on disk: both numbers little-endian.
pub(super) const ENTRY_BYTES: usize = 16;

/// Number of entries of a run. 4 MiB of entries are in memory while they are added, and as much
/// while runs are merged.
pub(super) const RUN_ENTRIES: usize = (4 << 20) / ENTRY_BYTES;

/// Minimum number of entries that are read from a run at a time. From 4096 runs (a thousand million
/// entries) on, merging takes more than 4 MiB.
const MIN_READ_ENTRIES: usize = 64;

/// Takes entries in any order and returns them sorted.
#[derive(Debug)]
pub(super) struct EntrySorter {
    folder: PathBuf,
    run_entries: usize,
    buffer: Vec<HashedRow>,
    /// Runs of `run_entries` entries each, one after the other; the last may be shorter.
    runs: Option<BufWriter<File>>,
    num_spilled: u64,
}

impl EntrySorter {
    /// Creates a sorter. The first run creates an unnamed file in `folder` for all of them.
    /// `run_entries` > 0: see [`RUN_ENTRIES`].
    pub fn new(folder: &Path, run_entries: usize) -> Self {
        Self { folder: folder.to_owned(), run_entries, buffer: Vec::new(), runs: None, num_spilled: 0 }
    }

    pub fn len(&self) -> u64 {
        self.num_spilled + self.buffer.len() as u64
    }

    pub fn push(&mut self, entry: HashedRow) -> Result<()> {
        if self.buffer.len() == self.run_entries {
            self.spill()?;
        }
        self.buffer.push(entry);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.buffer.sort_unstable();
        let runs = match &mut self.runs {
            Some(runs) => runs,
            none => none.insert(BufWriter::new(unnamed_file(&self.folder)?)),
        };
        let mut write = |&entry: &HashedRow| runs.write_all(&entry_bytes(entry));
        self.buffer.iter().try_for_each(&mut write).map_err(Error::io("write to", &self.folder))?;
        self.num_spilled += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Returns the entries in their order.
    pub fn sorted(mut self) -> Result<Box<dyn Iterator<Item = Result<HashedRow>>>> {
        if self.runs.is_none() {
            self.buffer.sort_unstable();
            return Ok(Box::new(self.buffer.into_iter().map(Ok)));
        }
        self.spill()?;
        let Self { folder, run_entries, runs, num_spilled, .. } = self;
        let Some(runs) = runs else { return Ok(Box::new(std::iter::empty())) };
        let file = runs.into_inner().map_err(|error| Error::io("write to", &folder)(error.into_error()))?;
        Ok(Box::new(MergedRuns::new(PositionedFile::new(file, folder), run_entries as u64, num_spilled)?))
    }
}

/// Creates a file without a name. It vanishes when it is closed, however the process ends.
pub(super) fn unnamed_file(folder: &Path) -> Result<File> {
    tempfile::tempfile_in(folder).map_err(Error::io("create a file in", folder))
}

pub(super) fn entry_bytes((hash, row): HashedRow) -> [u8; ENTRY_BYTES] {
    (u128::from(hash) | u128::from(row) << 64).to_le_bytes()
}

pub(super) fn entries(bytes: &[u8]) -> impl DoubleEndedIterator<Item = HashedRow> + ExactSizeIterator + '_ {
    bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(|&bytes| {
        let both = u128::from_le_bytes(bytes);
        (both as u64, (both >> 64) as u64)
    })
}

/// An iterator over the smallest entry of all runs.
struct MergedRuns {
    runs: Vec<SortedRun>,
    /// Each run's next entry.
    heads: BinaryHeap<Reverse<(HashedRow, usize)>>,
}

struct SortedRun {
    file: Arc<PositionedFile>,
    /// The entries of the file that have not been read yet.
    rest: std::ops::Range<u64>,
    read_entries: usize,
    buffer: std::vec::IntoIter<HashedRow>,
}

impl MergedRuns {
    fn new(file: PositionedFile, run_entries: u64, num_entries: u64) -> Result<Self> {
        let file = Arc::new(file);
        let num_runs = num_entries.div_ceil(run_entries);
        let read_entries = (RUN_ENTRIES / num_runs as usize).max(MIN_READ_ENTRIES);
        let run = |run: u64| SortedRun {
            file: Arc::clone(&file),
            rest: run * run_entries..((run + 1) * run_entries).min(num_entries),
            read_entries,
            buffer: Vec::new().into_iter(),
        };
        let mut merged = Self { runs: (0..num_runs).map(run).collect(), heads: BinaryHeap::new() };
        (0..merged.runs.len()).try_for_each(|run| merged.advance(run))?;
        Ok(merged)
    }

    fn advance(&mut self, run: usize) -> Result<()> {
        if let Some(entry) = self.runs[run].next()? {
            self.heads.push(Reverse((entry, run)));
        }
        Ok(())
    }
}

impl SortedRun {
    fn next(&mut self) -> Result<Option<HashedRow>> {
        if self.buffer.len() == 0 && !self.rest.is_empty() {
            let count = (self.rest.end - self.rest.start).min(self.read_entries as u64);
            let mut bytes = vec![0; count as usize * ENTRY_BYTES];
            let read: io::Result<()> = self.file.read_at(&mut bytes, self.rest.start * ENTRY_BYTES as u64);
            read.map_err(Error::io("read from", self.file.path()))?;
            self.rest.start += count;
            self.buffer = entries(&bytes).collect::<Vec<_>>().into_iter();
        }
        Ok(self.buffer.next())
    }
}

impl Iterator for MergedRuns {
    type Item = Result<HashedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((entry, run)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns entries in no order, some of them twice.
    fn some_entries(count: u64) -> Vec<HashedRow> {
        let scattered = |n: u64| ((n / 2).wrapping_mul(0x9E37_79B9_7F4A_7C15), n % 7);
        (0..count).map(scattered).collect()
    }

    #[test]
    fn entries_come_back_sorted_whatever_the_length_of_a_run() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 1, 2, 63, 64, 65, 1000] {
            for run_entries in [1, 2, 63, 64, 999, 1000, RUN_ENTRIES] {
                let mut sorter = EntrySorter::new(folder.path(), run_entries);
                let mut expected = some_entries(count);
                expected.iter().for_each(|&entry| sorter.push(entry).unwrap());
                assert_eq!(sorter.len(), count);
                expected.sort_unstable();
                let sorted: Vec<HashedRow> = sorter.sorted().unwrap().map(Result::unwrap).collect();
                assert_eq!(sorted, expected, "{count} entries in runs of {run_entries}");
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "runs have no name");
    }

    #[test]
    fn no_more_than_a_run_of_entries_is_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = EntrySorter::new(folder.path(), 100);
        for entry in some_entries(10_000) {
            sorter.push(entry).unwrap();
            assert!(sorter.buffer.capacity() <= 128, "{}", sorter.buffer.capacity());
        }
        let file = unnamed_file(folder.path()).unwrap();
        file.set_len((4096 * RUN_ENTRIES * ENTRY_BYTES) as u64).unwrap();
        let file = PositionedFile::new(file, folder.path());
        let merged = MergedRuns::new(file, RUN_ENTRIES as u64, (4096 * RUN_ENTRIES) as u64).unwrap();
        let held: usize = merged.runs.iter().map(|run| run.buffer.as_slice().len() + 1).sum();
        assert!(held * ENTRY_BYTES <= 4 << 20, "{held} entries of 4096 runs");
    }

    #[test]
    fn a_folder_that_takes_no_file_is_an_error_that_names_it() {
        let mut sorter = EntrySorter::new(Path::new("no/such/folder"), 1);
        sorter.push((1, 1)).unwrap();
        let message = sorter.push((2, 2)).unwrap_err().to_string();
        assert!(message.starts_with("cannot create a file in no/such/folder: "), "{message}");
    }
}
