//! A table on disk from ids to rows.
//!
//! The table does not keep the ids themselves. It maps the hash of an id to the rows that have it,
//! sorted by hash. The caller compares the id of the row, because two ids can have the same hash.
//! Memory holds 12 bytes per 256 rows; the rest is read from the file when needed.
//!
//! The file, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `nsrt-ids` |
//! | 4 | version: 1 |
//! | 4 | crc32 of the rest of the header, then the directory |
//! | 8 | number of entries |
//! | 16 each | entries: hash, row; sorted |
//! | 12 each | directory: for each block of 256 entries (the last may be shorter) its first hash and the crc32 of its bytes |

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::merge::{ENTRY_BYTES, EntrySorter, HashedRow, RUN_ENTRIES, entries, entry_bytes, unnamed_file};
use super::positioned::PositionedFile;
use super::whole::WholeFile;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"nsrt-ids";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
/// The part of the header that its checksum covers.
const COUNT_BYTES: std::ops::Range<usize> = 16..24;

/// Number of entries of a block, the unit that one look-up reads: a page of memory.
const BLOCK_ENTRIES: usize = 256;
const BLOCK_BYTES: usize = BLOCK_ENTRIES * ENTRY_BYTES;
const DIRECTORY_ENTRY_BYTES: usize = 12;

/// Collects ids and their rows and writes them as an [`IdTable`].
///
/// Memory: 4 MiB while ids are added, 4 MiB while they are sorted, and 12 bytes per 256 rows.
/// Further entries go to an unnamed file.
#[derive(Debug)]
pub struct IdTableBuilder {
    folder: PathBuf,
    sorter: EntrySorter,
}

/// Rows by id, on disk.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// use nearsort::io::{IdTable, IdTableBuilder};
/// let mut builder = IdTableBuilder::new(folder);
/// builder.push("d7", 0)?;
/// builder.push("d3", 1)?;
/// let table: IdTable = builder.finish(folder.join("ids.table"))?;
/// assert_eq!(table.find("d3")?, [1]);
/// assert!(table.find("d4")?.is_empty());
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug)]
pub struct IdTable {
    file: PositionedFile,
    len: u64,
    directory: Vec<IdBlock>,
}

/// A block's entry in the directory.
#[derive(Debug, Clone, Copy, PartialEq)]
struct IdBlock {
    first_hash: u64,
    crc: u32,
}

impl IdTableBuilder {
    /// Creates an empty table. Temporary files go to `folder`.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        Self { folder: folder.to_owned(), sorter: EntrySorter::new(folder, RUN_ENTRIES) }
    }

    /// Adds a row, in any order. An id may have several rows.
    ///
    /// # Errors
    /// [`Error::Io`] when no file can be created in the folder.
    pub fn push(&mut self, id: &str, row: u64) -> Result<()> {
        self.sorter.push((IdTable::hash(id), row))
    }

    /// Returns the number of rows added.
    pub fn len(&self) -> u64 {
        self.sorter.len()
    }

    /// True if no row has been added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the table to `path` and opens it. The file appears only when it is complete.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written; the file at `path` is then unchanged.
    pub fn finish(self, path: impl AsRef<Path>) -> Result<IdTable> {
        let path = path.as_ref();
        let mut file = WholeFile::create_own(path)?;
        write_table(self.sorter, &mut file, path)?;
        file.finish()?;
        IdTable::open(path)
    }

    /// Writes the table to a file without a name, which vanishes when the table is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn finish_unnamed(self) -> Result<IdTable> {
        let file = unnamed_file(&self.folder)?;
        write_table(self.sorter, &mut &file, &self.folder)?;
        IdTable::from_file(PositionedFile::new(file, self.folder))
    }
}

/// Writes the table to `file`. `path` is for messages.
fn write_table(sorter: EntrySorter, file: &mut (impl Write + Seek), path: &Path) -> Result<()> {
    let write = || Error::io("write to", path);
    let len = sorter.len();
    file.write_all(&[0; HEADER_BYTES]).map_err(write())?;
    let mut directory = Vec::with_capacity(len.div_ceil(BLOCK_ENTRIES as u64) as usize * DIRECTORY_ENTRY_BYTES);
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut flush = |block: &mut Vec<u8>, directory: &mut Vec<u8>| {
        let Some((first_hash, _)) = entries(block).next() else { return Ok::<_, Error>(()) };
        directory.extend(first_hash.to_le_bytes());
        directory.extend(crc32fast::hash(block).to_le_bytes());
        file.write_all(block).map_err(write())?;
        block.clear();
        Ok(())
    };
    for entry in sorter.sorted()? {
        block.extend(entry_bytes(entry?));
        if block.len() == BLOCK_BYTES {
            flush(&mut block, &mut directory)?;
        }
    }
    flush(&mut block, &mut directory)?;
    let header = header(len, &directory);
    file.write_all(&directory).map_err(write())?;
    file.seek(SeekFrom::Start(0)).map_err(write())?;
    file.write_all(&header).map_err(write())
}

fn header(len: u64, directory: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[COUNT_BYTES].copy_from_slice(&len.to_le_bytes());
    let crc = checksum(&header[COUNT_BYTES], directory);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    header
}

fn checksum(count: &[u8], directory: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(count);
    crc.update(directory);
    crc.finalize()
}

impl IdTable {
    /// Opens a table that [`IdTableBuilder::finish`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Corrupted`] for a file that is not an id
    /// table, or not a whole one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_file(PositionedFile::open(path.as_ref())?)
    }

    /// True if a file begins with a table's magic bytes.
    pub(crate) fn is_one(path: &Path) -> bool {
        let mut magic = [0; MAGIC.len()];
        PositionedFile::open(path).is_ok_and(|file| file.read_at(&mut magic, 0).is_ok()) && magic == *MAGIC
    }

    fn from_file(file: PositionedFile) -> Result<Self> {
        let found = file.len()?;
        let mut header = [0; HEADER_BYTES];
        if found < HEADER_BYTES as u64 {
            return Err(corrupted(&file, "an id table", "a shorter file"));
        }
        read(&file, &mut header, 0)?;
        if header[..8] != MAGIC[..] {
            return Err(corrupted(&file, "an id table", "another kind of file"));
        }
        let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if version != VERSION {
            return Err(corrupted(&file, &format!("version {VERSION}"), &format!("version {version}")));
        }
        let len = u64::from_le_bytes(header[COUNT_BYTES].try_into().unwrap_or_default());
        let num_blocks = len.div_ceil(BLOCK_ENTRIES as u64);
        let directory_at = u128::from(len) * ENTRY_BYTES as u128 + HEADER_BYTES as u128;
        let expected = directory_at + u128::from(num_blocks) * DIRECTORY_ENTRY_BYTES as u128;
        if u128::from(found) != expected {
            return Err(corrupted(&file, &format!("{expected} bytes"), &format!("{found} bytes")));
        }
        // Both numbers fit: the file has as many bytes.
        let mut directory = vec![0; num_blocks as usize * DIRECTORY_ENTRY_BYTES];
        read(&file, &mut directory, directory_at as u64)?;
        if self::header(len, &directory) != header {
            return Err(corrupted(&file, "a directory with its checksum", "another"));
        }
        let block = |&[hash @ .., a, b, c, d]: &[u8; DIRECTORY_ENTRY_BYTES]| IdBlock {
            first_hash: u64::from_le_bytes(hash),
            crc: u32::from_le_bytes([a, b, c, d]),
        };
        let directory = directory.as_chunks::<DIRECTORY_ENTRY_BYTES>().0.iter().map(block).collect();
        Ok(Self { file, len, directory })
    }

    /// Returns the hash by which ids are sorted: the first 8 bytes of the id's sha256 as a
    /// little-endian number.
    ///
    /// It is not a faster hash for two reasons: it is the same on every machine and in every
    /// version, and an attacker cannot make ids that share it.
    pub fn hash(id: &str) -> u64 {
        let digest = Sha256::digest(id.as_bytes());
        u64::from_le_bytes(std::array::from_fn(|at| digest[at]))
    }

    /// Returns the number of rows in the table.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the rows that may have this id, ascending: those of every id with the same hash. The
    /// caller checks which of them have it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Corrupted`] when a checksum does not
    /// match.
    pub fn find(&self, id: &str) -> Result<Vec<u64>> {
        self.find_hash(Self::hash(id))
    }

    fn find_hash(&self, hash: u64) -> Result<Vec<u64>> {
        // Equal hashes may begin at the end of the block before the first that starts with them.
        let after = self.directory.partition_point(|block| block.first_hash < hash);
        let mut rows = Vec::new();
        for block in after.saturating_sub(1)..self.directory.len() {
            if self.directory[block].first_hash > hash {
                break;
            }
            let bytes = self.read_block(block)?;
            rows.extend(entries(&bytes).filter(|&(other, _)| other == hash).map(|(_, row)| row));
        }
        Ok(rows)
    }

    /// Returns every hash with its row, ascending.
    ///
    /// # Errors
    /// Each item as [`IdTable::find`].
    pub fn entries(&self) -> impl Iterator<Item = Result<(u64, u64)>> + '_ {
        let block = |block: usize| {
            let (found, failed) = match self.read_block(block) {
                Ok(bytes) => (entries(&bytes).collect::<Vec<HashedRow>>(), None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            found.into_iter().map(Ok).chain(failed)
        };
        (0..self.directory.len()).flat_map(block)
    }

    fn read_block(&self, block: usize) -> Result<Vec<u8>> {
        let first = (block * BLOCK_ENTRIES) as u64;
        let count = (self.len - first).min(BLOCK_ENTRIES as u64) as usize;
        let mut bytes = vec![0; count * ENTRY_BYTES];
        read(&self.file, &mut bytes, HEADER_BYTES as u64 + first * ENTRY_BYTES as u64)?;
        match crc32fast::hash(&bytes) == self.directory[block].crc {
            true => Ok(bytes),
            false => Err(corrupted(&self.file, "a block with its checksum", "another")),
        }
    }
}

fn read(file: &PositionedFile, bytes: &mut [u8], offset: u64) -> Result<()> {
    file.read_at(bytes, offset).map_err(Error::io("read", file.path()))
}

fn corrupted(file: &PositionedFile, expected: &str, found: &str) -> Error {
    let hint = "remove it and have it written again".into();
    Error::Corrupted { path: file.path().to_owned(), expected: expected.to_owned(), found: found.to_owned(), hint }
}

impl IdTable {
    /// Writes sorted entries unchanged, for tests of equal hashes.
    #[cfg(test)]
    fn of_entries(folder: &Path, all: &[HashedRow]) -> Self {
        let mut sorter = EntrySorter::new(folder, RUN_ENTRIES);
        all.iter().for_each(|&entry| sorter.push(entry).unwrap());
        let file = unnamed_file(folder).unwrap();
        write_table(sorter, &mut &file, folder).unwrap();
        Self::from_file(PositionedFile::new(file, folder)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_one_hash_are_found_whichever_blocks_they_lie_in() {
        let folder = tempfile::tempdir().unwrap();
        for (before, equal, after) in
            [(0, 1, 0), (255, 2, 0), (256, 256, 256), (100, 1000, 7), (0, 600, 0), (512, 1, 0)]
        {
            let same = (0..equal).map(|row| (7, row));
            let all: Vec<HashedRow> =
                (0..before).map(|row| (3, row)).chain(same).chain((0..after).map(|row| (9, row))).collect();
            let table = IdTable::of_entries(folder.path(), &all);
            assert_eq!(table.find_hash(7).unwrap(), (0..equal).collect::<Vec<_>>(), "{before} before");
            assert_eq!(table.find_hash(3).unwrap().len() as u64, before);
            assert!(table.find_hash(0).unwrap().is_empty() && table.find_hash(u64::MAX).unwrap().is_empty());
            assert!(table.find_hash(8).unwrap().is_empty() && table.find_hash(5).unwrap().is_empty());
            assert_eq!(table.entries().map(Result::unwrap).collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn the_hash_is_the_one_of_version_1() {
        // printf 'd1' | sha256sum
        assert_eq!(IdTable::hash("d1").to_le_bytes(), [0x8b, 0x53, 0x63, 0x9f, 0x15, 0x2c, 0x8f, 0xc6]);
        assert_eq!(IdTable::hash("").to_le_bytes(), [0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14]);
    }
}
