//! Files whose every byte is covered by a checksum.
//!
//! A file is its content followed by a table: the CRC-32 of every mebibyte of the content,
//! little-endian. The file that names it (the manifest, the journal) holds the table's own CRC-32
//! and the content's length as a [`FileDigest`].
//!
//! So opening checks only the table, 4 bytes for each mebibyte. A block is compared with its
//! checksum when it is first used ([`BlockFile::check`]). Later uses cost a look at one bit. The
//! content begins at the start of a page.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use crate::error::Remedy;
use crate::io::durable::{remove_file, sync_file};
use crate::{Error, Result};

/// Number of bytes that one checksum covers.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

const BUFFER_BYTES: usize = 1 << 20;

/// Length and checksum of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Length of the content.
    pub bytes: u64,
    /// CRC-32 of the table of the blocks' CRC-32s.
    pub crc32: u32,
}

/// Appends to a file and keeps its table of checksums.
pub(super) struct BlockWriter {
    path: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
    /// Checksums of the whole blocks.
    table: Vec<u32>,
    /// Checksum of the block that is being filled.
    block: crc32fast::Hasher,
}

impl BlockWriter {
    /// Creates a new file and removes an existing one. A process that has mapped the old file keeps
    /// it, and a link is not followed.
    pub fn create(path: &Path) -> Result<Self> {
        let file = remove_file(path).and_then(|()| File::create_new(path)).map_err(Error::io("create", path))?;
        Ok(Self::over(path, file))
    }

    fn over(path: &Path, file: File) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Self { path: path.to_owned(), out, bytes: 0, table: Vec::new(), block: crc32fast::Hasher::new() }
    }

    /// Continues a file whose first bytes are known to be good, and cuts off the bytes behind them.
    pub fn resume(path: &Path, entry: &FileDigest) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
        let mut writer = Self::over(path, file);
        let mut content = File::open(path).map_err(Error::io("open", path))?.take(entry.bytes);
        let mut buffer = vec![0; BLOCK_BYTES];
        loop {
            let read = content.read(&mut buffer).map_err(Error::io("read", path))?;
            if read == 0 {
                break;
            }
            writer.note(&buffer[..read]);
        }
        if writer.entry() != *entry {
            return Err(damaged(path, "what the journal says", "other bytes", Remedy::RestartBuild));
        }
        let file = writer.out.get_mut();
        file.set_len(entry.bytes).map_err(Error::io("cut", path))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io("seek in", path))?;
        Ok(writer)
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.note(bytes);
        self.out.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    fn note(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - (self.bytes % BLOCK_BYTES as u64) as usize;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.block.update(now);
            self.bytes += now.len() as u64;
            if self.bytes.is_multiple_of(BLOCK_BYTES as u64) {
                self.table.push(std::mem::take(&mut self.block).finalize());
            }
            bytes = rest;
        }
    }

    fn whole_table(&self) -> Vec<u8> {
        let part = (!self.bytes.is_multiple_of(BLOCK_BYTES as u64)).then(|| self.block.clone().finalize());
        self.table.iter().copied().chain(part).flat_map(u32::to_le_bytes).collect()
    }

    /// Returns the number of bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the entry of the content written so far.
    pub fn entry(&self) -> FileDigest {
        FileDigest { bytes: self.bytes, crc32: crc32fast::hash(&self.whole_table()) }
    }

    /// Syncs everything written so far to the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.out.flush().and_then(|()| self.out.get_ref().sync_data()).map_err(Error::io("write", &self.path))
    }

    /// Appends the table and syncs the file to the disk.
    pub fn seal(mut self) -> Result<FileDigest> {
        let table = self.whole_table();
        let written = self.out.write_all(&table).and_then(|()| self.out.flush());
        written.and_then(|()| sync_file(self.out.get_ref(), &self.path)).map_err(Error::io("write", &self.path))?;
        Ok(self.entry())
    }
}

/// A mapped file.
#[derive(Debug)]
pub(super) struct BlockFile {
    path: PathBuf,
    /// The mapping; `None` for an empty file, which cannot be mapped.
    map: Option<Mmap>,
    bytes: usize,
    /// A bit for each block, set once it was compared with its checksum.
    checked: Vec<AtomicU64>,
}

impl BlockFile {
    /// Maps a file and checks its length and its table.
    pub fn open(path: &Path, entry: &FileDigest) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let found = file.metadata().map_err(Error::io("read", path))?.len();
        let expected = entry.bytes.saturating_add(4 * entry.bytes.div_ceil(BLOCK_BYTES as u64));
        if found != expected {
            return Err(damaged(path, format_args!("{expected} bytes"), format_args!("{found}"), Remedy::RebuildIndex));
        }
        let map = match found {
            0 => None,
            // SAFETY: an index's files are never changed once they have their names. If a user
            // changes one by hand, scores change; truncating a mapped file ends the process, as
            // with any program that maps its data.
            _ => Some(unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?),
        };
        let num_blocks = entry.bytes.div_ceil(BLOCK_BYTES as u64);
        let checked = (0..num_blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let file = Self { path: path.to_owned(), map, bytes: entry.bytes as usize, checked };
        if crc32fast::hash(file.table()) != entry.crc32 {
            let table = format_args!("a table of checksums of {:08x}", entry.crc32);
            return Err(damaged(path, table, "another", Remedy::RebuildIndex));
        }
        Ok(file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn mapped(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// Returns the content.
    pub fn content(&self) -> &[u8] {
        &self.mapped()[..self.bytes]
    }

    fn table(&self) -> &[u8] {
        &self.mapped()[self.bytes..]
    }

    /// Returns the content as numbers.
    pub fn numbers<T: StoredNumber>(&self) -> &[T] {
        // SAFETY: every bit pattern is a value of a `StoredNumber`.
        let (before, numbers, after) = unsafe { self.content().align_to::<T>() };
        // A mapping begins at a page, and lengths are checked when a segment is opened.
        debug_assert!(before.is_empty() && after.is_empty());
        numbers
    }

    /// Compares the blocks of a range of the content with their checksums, each block once. Call it
    /// before using the range.
    ///
    /// # Errors
    /// [`Error::Corrupted`], naming the block.
    pub fn check(&self, range: Range<usize>) -> Result<()> {
        let end = if range.is_empty() { 0 } else { range.end.min(self.bytes).div_ceil(BLOCK_BYTES) };
        for block in range.start / BLOCK_BYTES..end {
            let (word, bit) = (&self.checked[block / 64], 1 << (block % 64));
            // Mapped bytes do not change, so the bit and the bytes need no ordering.
            if word.load(Ordering::Relaxed) & bit == 0 {
                self.check_block(block)?;
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Checks all blocks, as [`BlockFile::check`] does.
    pub fn check_all(&self) -> Result<()> {
        self.check(0..self.bytes)
    }

    #[cold]
    fn check_block(&self, block: usize) -> Result<()> {
        let first = block * BLOCK_BYTES;
        let content = &self.content()[first..self.bytes.min(first + BLOCK_BYTES)];
        if crc32fast::hash(content).to_le_bytes() == self.table()[4 * block..][..4] {
            return Ok(());
        }
        let expected = format_args!("block {block} (bytes {first} to {}) as it was written", first + content.len() - 1);
        Err(damaged(&self.path, expected, "other bytes", Remedy::VerifyIndex))
    }

    /// Reads everything and returns each damaged block.
    pub fn damages(&self) -> Vec<Damage> {
        let blocks = self.content().chunks(BLOCK_BYTES).zip(self.table().chunks_exact(4)).enumerate();
        let bad = blocks.filter(|(_, (block, crc))| crc32fast::hash(block).to_le_bytes() != **crc);
        let damage = |(number, (block, _)): (usize, (&[u8], _))| {
            let first = number * BLOCK_BYTES;
            Damage {
                path: self.path.clone(),
                message: format!(
                    "block {number} (bytes {first} to {}) does not have the bytes that were written",
                    first + block.len() - 1
                ),
            }
        };
        bad.map(damage).collect()
    }
}

/// Numbers that can be read from any bytes.
///
/// # Safety
/// Every bit pattern must be a value, and the type must have no padding.
pub(super) unsafe trait StoredNumber: Copy {}
// SAFETY: a plain number.
unsafe impl StoredNumber for f32 {}
// SAFETY: a plain number.
unsafe impl StoredNumber for u16 {}
// SAFETY: a plain number.
unsafe impl StoredNumber for i8 {}
// SAFETY: a plain number.
unsafe impl StoredNumber for u64 {}

/// A damaged part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The block and its damage.
    pub message: String,
}

pub(super) fn damaged(
    path: &Path,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
    hint: impl Into<Remedy>,
) -> Error {
    Error::Corrupted {
        path: path.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
        hint: hint.into(),
    }
}
