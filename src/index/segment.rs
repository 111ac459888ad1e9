//! One immutable part of an index: a folder of files that are written once and then mapped.
//!
//! | file | content |
//! |---|---|
//! | `vectors` | rows of one stride, see [`vectors`](super::vectors) |
//! | `scales` | with i8: an f32 for each row |
//! | `ids`, `id-ends` | the ids back to back; for each row the byte at which its id ends, u64 |
//! | `id-table` | which row has an id, [`IdTable`] |
//! | `empty` | the rows whose text is blank, u64, ascending |
//! | `tokens`, `token-ends` | with tokens: compact token vectors, see [`tokens`](super::tokens); for each row the number of token vectors up to its end, u64 |
//! | `deleted-N` | a bit for each row, set by the change that made generation N |
//!
//! All numbers are little-endian.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::blocks::{BLOCK_BYTES, BlockFile, BlockWriter, Damage, FileDigest, damaged};
use super::manifest::{Deletions, Dtype, IndexManifest, SegmentEntry};
use super::names::{EMPTY, ID_ENDS, ID_TABLE, IDS, SCALES, TOKEN_ENDS, TOKENS, VECTORS, is_temporary};
use super::tokens;
use super::vectors::{RowVector, SegmentRows, row_bytes, row_len};
use crate::error::Remedy;
use crate::io::durable::sync_folder;
use crate::io::{IdTable, IdTableBuilder};
use crate::{Error, Result};

/// Returns the names of a segment's block files.
fn file_names(dtype: Dtype, with_tokens: bool) -> Vec<&'static str> {
    let mut names = vec![VECTORS, IDS, ID_ENDS, EMPTY];
    names.extend((dtype == Dtype::I8).then_some(SCALES));
    names.extend(with_tokens.then_some([TOKENS, TOKEN_ENDS]).into_iter().flatten());
    names
}

/// A row to be added to a segment.
pub(super) struct NewRow<'a> {
    pub id: &'a str,
    pub is_empty: bool,
    pub vector: RowVector,
    /// The number of token vectors, and their bytes; 0 and empty without tokens.
    pub tokens: (usize, Vec<u8>),
}

/// Writes a segment row by row.
pub(super) struct SegmentWriter {
    folder: PathBuf,
    files: BTreeMap<&'static str, BlockWriter>,
    rows: u64,
    tokens: u64,
    /// Buffer for one row's bytes.
    row: Vec<u8>,
}

impl SegmentWriter {
    /// Begins a segment in an empty folder.
    pub fn create(folder: &Path, dtype: Dtype, with_tokens: bool) -> Result<Self> {
        let create = |name| Ok((name, BlockWriter::create(&folder.join(name))?));
        let files = file_names(dtype, with_tokens).into_iter().map(create).collect::<Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), files, rows: 0, tokens: 0, row: Vec::new() })
    }

    /// Continues a segment up to its mark.
    pub fn resume(folder: &Path, mark: &Mark) -> Result<Self> {
        let names = [VECTORS, SCALES, IDS, ID_ENDS, EMPTY, TOKENS, TOKEN_ENDS];
        let resume = |name| Some((name, mark.files.get(name)?));
        let files = names.into_iter().filter_map(resume);
        let files = files.map(|(name, entry)| Ok((name, BlockWriter::resume(&folder.join(name), entry)?)));
        let files: BTreeMap<&'static str, BlockWriter> = files.collect::<Result<_>>()?;
        // Files that the end of the build had begun: the table of ids, or an unfinished one.
        for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let path = entry.map_err(Error::io("read", folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == ID_TABLE || is_temporary(&name) {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(Self { folder: folder.to_owned(), files, rows: mark.rows, tokens: mark.tokens, row: Vec::new() })
    }

    pub fn push(&mut self, new: &NewRow<'_>) -> Result<()> {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        new.vector.write(&mut row);
        self.write(VECTORS, &row)?;
        self.write(SCALES, &new.vector.scale().to_le_bytes())?;
        self.write(IDS, new.id.as_bytes())?;
        let end = self.files.get(IDS).map_or(0, BlockWriter::bytes);
        self.write(ID_ENDS, &end.to_le_bytes())?;
        if new.is_empty {
            self.write(EMPTY, &self.rows.to_le_bytes())?;
        }
        self.tokens += new.tokens.0 as u64;
        self.write(TOKENS, &new.tokens.1)?;
        self.write(TOKEN_ENDS, &self.tokens.to_le_bytes())?;
        self.rows += 1;
        self.row = row;
        Ok(())
    }

    /// Writes bytes to a file, if this segment has it.
    fn write(&mut self, name: &'static str, bytes: &[u8]) -> Result<()> {
        self.files.get_mut(name).map_or(Ok(()), |file| file.write(bytes))
    }

    /// Syncs everything to the disk and returns the mark.
    pub fn sync(&mut self) -> Result<Mark> {
        self.files.values_mut().try_for_each(BlockWriter::sync)?;
        Ok(self.mark())
    }

    fn mark(&self) -> Mark {
        let files = self.files.iter().map(|(name, file)| ((*name).to_owned(), file.entry())).collect();
        Mark { rows: self.rows, tokens: self.tokens, files }
    }

    /// Completes the segment. `name`: the name that its folder will have.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if two rows have the same id.
    pub fn finish(self, name: &str) -> Result<SegmentEntry> {
        let Self { folder, files, rows, tokens, .. } = self;
        let seal = |(name, file): (&'static str, BlockWriter)| Ok((name.to_owned(), file.seal()?));
        let files: BTreeMap<String, FileDigest> = files.into_iter().map(seal).collect::<Result<_>>()?;
        let ids = Ids::open(&folder, &files)?;
        let mut builder = IdTableBuilder::new(&folder);
        (0..rows).try_for_each(|row| builder.push(ids.get(row)?, row))?;
        refuse_equal_ids(&builder.finish(folder.join(ID_TABLE))?, &ids)?;
        sync_folder(&folder)?;
        Ok(SegmentEntry { name: name.to_owned(), rows, tokens, files, deletions: None })
    }
}

/// The size of a segment so far.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub rows: u64,
    pub tokens: u64,
    pub files: BTreeMap<String, FileDigest>,
}

fn refuse_equal_ids(table: &IdTable, ids: &Ids) -> Result<()> {
    let mut same_hash: Vec<u64> = Vec::new();
    let mut last = None;
    for entry in table.entries() {
        let (hash, row) = entry?;
        if last != Some(hash) {
            same_hash.clear();
        }
        for &other in &same_hash {
            if ids.get(other)? == ids.get(row)? {
                let (id, first, second) = (ids.get(row)?, other + 1, row + 1);
                return Err(Error::InvalidArgument(format!(
                    "rows {first} and {second} of the corpus both have the id '{id}'; ids must differ: correct the corpus and build with \
                     `restart=`, or name another field with `id_field=`"
                )));
            }
        }
        same_hash.push(row);
        last = Some(hash);
    }
    Ok(())
}

/// The ids of a segment.
#[derive(Debug)]
struct Ids {
    bytes: BlockFile,
    ends: BlockFile,
}

impl Ids {
    fn open(folder: &Path, files: &BTreeMap<String, FileDigest>) -> Result<Self> {
        let open = |name| BlockFile::open(&folder.join(name), &entry(folder, files, name)?);
        Ok(Self { bytes: open(IDS)?, ends: open(ID_ENDS)? })
    }

    fn get(&self, row: u64) -> Result<&str> {
        self.ends.check(ends_before(row))?;
        let range = range_before(self.ends.numbers(), row as usize);
        self.bytes.check(range.clone())?;
        let id = self.bytes.content().get(range).and_then(|bytes| std::str::from_utf8(bytes).ok());
        id.ok_or_else(|| damaged(self.bytes.path(), format_args!("an id for row {row}"), "none", Remedy::RebuildIndex))
    }
}

/// Returns the range of bytes of `*-ends` that [`range_before`] reads for a row.
fn ends_before(row: u64) -> Range<usize> {
    let row = row as usize;
    row.saturating_sub(1) * size_of::<u64>()..(row + 1) * size_of::<u64>()
}

/// Returns the range from the end of the row before to the end of the row. Damaged ends give an
/// invalid range.
fn range_before(ends: &[u64], row: usize) -> Range<usize> {
    let start = if row == 0 { 0 } else { ends[row - 1] };
    start as usize..ends[row] as usize
}

fn entry(folder: &Path, files: &BTreeMap<String, FileDigest>, name: &str) -> Result<FileDigest> {
    let missing = || damaged(folder, format_args!("a file '{name}' in the manifest"), "none", Remedy::RebuildIndex);
    files.get(name).copied().ok_or_else(missing)
}

/// A segment that is open for reading.
#[derive(Debug)]
pub(super) struct Segment {
    folder: PathBuf,
    dtype: Dtype,
    /// Number of components of a row, including padding.
    row_len: usize,
    rows: u64,
    vectors: BlockFile,
    scales: Option<BlockFile>,
    ids: Ids,
    table: IdTable,
    empty: BlockFile,
    deleted: Option<BlockFile>,
    tokens: Option<TokenFiles>,
}

#[derive(Debug)]
struct TokenFiles {
    bytes: BlockFile,
    ends: BlockFile,
    /// Bytes of a token vector.
    stride: usize,
}

impl Segment {
    pub fn open(index: &Path, manifest: &IndexManifest, segment: &SegmentEntry) -> Result<Self> {
        let folder = index.join(&segment.name);
        let (dtype, model) = (manifest.dtype, &manifest.model);
        let open = |name, bytes: Option<u64>| {
            let entry = entry(&folder, &segment.files, name)?;
            if let Some(expected) = bytes.filter(|bytes| *bytes != entry.bytes) {
                let expected = format_args!("{expected} bytes for {} rows", segment.rows);
                return Err(damaged(&folder.join(name), expected, entry.bytes, Remedy::RebuildIndex));
            }
            BlockFile::open(&folder.join(name), &entry)
        };
        let rows = segment.rows;
        let token_files = |stride: usize| {
            let (bytes, ends) =
                (open(TOKENS, Some(segment.tokens * stride as u64))?, open(TOKEN_ENDS, Some(rows * 8))?);
            Ok::<_, Error>(TokenFiles { bytes, ends, stride })
        };
        let table = IdTable::open(folder.join(ID_TABLE))?;
        if table.len() != rows {
            let found = format_args!("{} rows", table.len());
            return Err(damaged(&folder.join(ID_TABLE), format_args!("{rows} rows"), found, Remedy::RebuildIndex));
        }
        open(ID_ENDS, Some(rows * 8))?;
        Ok(Self {
            dtype,
            row_len: row_len(dtype, model.dim),
            rows,
            vectors: open(VECTORS, Some(rows * row_bytes(dtype, model.dim) as u64))?,
            scales: (dtype == Dtype::I8).then(|| open(SCALES, Some(rows * 4))).transpose()?,
            ids: Ids::open(&folder, &segment.files)?,
            table,
            empty: sound_empty(open(EMPTY, None)?, rows)?,
            deleted: segment
                .deletions
                .as_ref()
                .map(|deletions| open_deletions(&folder, deletions, rows))
                .transpose()?,
            tokens: manifest.tokens.then(|| token_files(tokens::token_bytes(model.token_dim))).transpose()?,
            folder,
        })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Compares the blocks of these rows' vectors with their checksums, once. Call it before using
    /// them through [`Segment::vectors`].
    pub fn check_rows(&self, rows: Range<usize>) -> Result<()> {
        let stride = self.row_len * self.dtype.bytes();
        self.vectors.check(rows.start * stride..rows.end * stride)?;
        let scale = size_of::<f32>();
        self.scales.as_ref().map_or(Ok(()), |scales| scales.check(rows.start * scale..rows.end * scale))
    }

    /// Returns the error for a row whose score is not a cosine although its blocks are undamaged.
    pub fn impossible_score(&self, row: usize) -> Error {
        let block = row * self.row_len * self.dtype.bytes() / BLOCK_BYTES;
        let found = format_args!("another number for row {row} (block {block})");
        damaged(self.vectors.path(), "cosines from -1 to 1", found, Remedy::VerifyIndex)
    }

    /// Returns the number of components of a row, including padding.
    pub fn row_len(&self) -> usize {
        self.row_len
    }

    pub fn vectors(&self) -> SegmentRows<'_> {
        match (self.dtype, &self.scales) {
            (Dtype::F16, _) => SegmentRows::F16(self.vectors.numbers()),
            (Dtype::I8, Some(scales)) => SegmentRows::I8(self.vectors.numbers(), scales.numbers()),
            _ => SegmentRows::F32(self.vectors.numbers()),
        }
    }

    pub fn id(&self, row: u64) -> Result<&str> {
        self.ids.get(row)
    }

    /// Returns the row with this id, deleted or not.
    pub fn find(&self, id: &str) -> Result<Option<u64>> {
        for row in self.table.find(id)? {
            if row < self.rows && self.ids.get(row)? == id {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    pub fn is_deleted(&self, row: u64) -> bool {
        let Some(deleted) = &self.deleted else { return false };
        deleted.content()[row as usize / 8] >> (row % 8) & 1 == 1
    }

    /// True if the row's text is blank.
    pub fn is_empty_text(&self, row: u64) -> bool {
        self.empty.numbers::<u64>().binary_search(&row).is_ok()
    }

    /// Returns the rows with blank text that are not deleted, ascending.
    pub fn empty_rows(&self) -> impl Iterator<Item = u64> {
        let is_there = |row: &u64| *row < self.rows && !self.is_deleted(*row);
        self.empty.numbers::<u64>().iter().copied().filter(is_there)
    }

    /// Returns the bytes of a row's token vectors; `None` for an index without them.
    pub fn token_bytes(&self, row: u64) -> Result<Option<&[u8]>> {
        let Some(TokenFiles { bytes, ends, stride }) = &self.tokens else { return Ok(None) };
        ends.check(ends_before(row))?;
        let Range { start, end } = range_before(ends.numbers(), row as usize);
        let range = start.saturating_mul(*stride)..end.saturating_mul(*stride);
        bytes.check(range.clone())?;
        let found = bytes.content().get(range);
        let missing =
            || damaged(bytes.path(), format_args!("token vectors of row {row}"), "none", Remedy::RebuildIndex);
        found.map(Some).ok_or_else(missing)
    }

    /// Returns a bit for each row, set for deleted rows.
    pub fn deleted_bits(&self) -> Vec<u8> {
        match &self.deleted {
            Some(deleted) => deleted.content().to_vec(),
            None => vec![0; self.rows.div_ceil(8) as usize],
        }
    }

    /// Reads everything and returns the damaged parts.
    pub fn damages(&self) -> Vec<Damage> {
        let Self { vectors, ids, empty, .. } = self;
        let always = [vectors, &ids.bytes, &ids.ends, empty];
        let tokens = self.tokens.iter().flat_map(|tokens| [&tokens.bytes, &tokens.ends]);
        let files = always.into_iter().chain(&self.scales).chain(&self.deleted).chain(tokens);
        let table = self
            .table
            .entries()
            .find_map(Result::err)
            .map(|error| Damage { path: self.folder.join(ID_TABLE), message: error.to_string() });
        files.flat_map(BlockFile::damages).chain(table).collect()
    }
}

fn open_deletions(folder: &Path, deletions: &Deletions, rows: u64) -> Result<BlockFile> {
    let path = folder.join(&deletions.name);
    if deletions.file.bytes != rows.div_ceil(8) {
        let expected = format_args!("a bit for each of {rows} rows");
        return Err(damaged(&path, expected, format_args!("{} bytes", deletions.file.bytes), Remedy::RebuildIndex));
    }
    let file = BlockFile::open(&path, &deletions.file)?;
    file.check_all()?;
    let found: u64 = file.content().iter().map(|byte| u64::from(byte.count_ones())).sum();
    match found == deletions.rows {
        true => Ok(file),
        false => Err(damaged(&path, format_args!("{} deleted rows", deletions.rows), found, Remedy::RebuildIndex)),
    }
}

/// Checks the file of blank rows as a whole, because a search uses it for every hit.
fn sound_empty(file: BlockFile, rows: u64) -> Result<BlockFile> {
    file.check_all()?;
    let is_whole = file.content().len().is_multiple_of(size_of::<u64>());
    let blank = if is_whole { file.numbers::<u64>() } else { &[] };
    match is_whole && blank.is_sorted_by(|a, b| a < b) && blank.last().is_none_or(|&last| last < rows) {
        true => Ok(file),
        false => Err(damaged(file.path(), "ascending row numbers", "others", Remedy::RebuildIndex)),
    }
}

/// Writes the deleted rows of a segment as a new file beside the old one.
pub(super) fn write_deletions(folder: &Path, generation: u64, bits: &[u8]) -> Result<Deletions> {
    if folder.is_symlink() {
        let message = format!("{} is a link; nearsort writes into folders of the index only", folder.display());
        return Err(Error::InvalidArgument(message));
    }
    let name = format!("deleted-{generation:06}");
    let mut file = BlockWriter::create(&folder.join(&name))?;
    file.write(bits)?;
    let rows = bits.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let file = file.seal()?;
    sync_folder(folder)?;
    Ok(Deletions { name, rows, file })
}
