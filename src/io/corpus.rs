//! Documents by id, from files of any size.
//!
//! One pass over the files notes each row's position and id. Later, each text is read from its
//! position when it is needed. Some rows cannot be read in place: CSV (its rows have no end of
//! their own), JSON arrays, compressed files and columns. The pass writes these to a temporary file
//! of JSON lines, and they are read from there.
//!
//! Every address carries a checksum of the row's bytes. So a file that changed is an error and
//! never yields another text.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::byte_rows::ByteRows;
use super::fields::Fields;
use super::id_table::{IdTable, IdTableBuilder};
use super::merge::unnamed_file;
use super::options::ReadOptions;
use super::parser::{Fault, RowParser};
use super::positioned::PositionedFile;
use super::record::RawRow;
use super::row::Row;
use super::rows::Rows;
use super::source::Bytes;
use crate::hex::hex;
use crate::{Error, Result};

/// Maximum number of reasons for skipped rows that are kept.
const KEPT_REASONS: usize = 5;
/// Number of original files that stay open. The others are opened again for each row that is read.
const OPEN_FILES: usize = 128;

/// Documents by id, on disk.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("cities.jsonl");
/// # std::fs::write(&path, "{\"id\": \"p\", \"text\": \"Paris\"}\n{\"id\": \"b\", \"text\": \"Berlin\"}\n").unwrap();
/// use nearsort::io::{Corpus, ReadOptions};
/// let corpus = Corpus::open(&[path], &ReadOptions::default(), folder.path())?;
/// let position = corpus.position("b")?.unwrap();
/// assert_eq!((position, corpus.row(position)?.text.as_str()), (1, "Berlin"));
/// # Ok::<(), nearsort::Error>(())
/// ```
///
/// Memory does not depend on the length of the texts. Opening takes the memory of [`Rows`] and 8
/// MiB for sorting ids; later it is 12 bytes per 256 rows and some KiB per file.
///
/// Disk: 48 bytes per row, and a copy of the rows unless they are lines of an uncompressed file.
/// These files have no name, so they vanish with the corpus.
#[derive(Debug)]
pub struct Corpus {
    name: String,
    files: Vec<CorpusFile>,
    ids: IdTable,
    addresses: PositionedFile,
    len: u64,
    spool: PositionedFile,
    digest: String,
    skipped: u64,
    reasons: Vec<Error>,
}

/// One of the files of a corpus.
#[derive(Debug)]
struct CorpusFile {
    name: String,
    /// The positions of its rows.
    positions: Range<u64>,
    place: RowPlace,
}

/// The place from which a file's rows are read.
#[derive(Debug)]
enum RowPlace {
    /// The file itself.
    Original {
        path: PathBuf,
        open: Option<PositionedFile>,
        parser: Box<RowParser>,
    },
    Spool,
}

/// A row's position and the checksum of its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Address {
    /// Byte offset in the original file or in the spool.
    offset: u64,
    /// Number of bytes, without the line end.
    length: u32,
    /// CRC-32 of these bytes.
    crc: u32,
    /// 1-based line of the original file.
    line: u64,
    /// The row's number, its id if it has none of its own.
    number: u64,
}

const ADDRESS_BYTES: usize = 32;

/// A row as a line of the spool.
#[derive(Serialize, Deserialize)]
struct SpooledRow {
    id: String,
    text: String,
    title: Option<String>,
    score: Option<f64>,
    extra: Fields,
    fault: Option<Box<str>>,
}

impl Corpus {
    /// Reads the files once, notes the positions of their rows, and checks that no id is used
    /// twice. `-` is standard input. Temporary files without a name go to `folder`.
    ///
    /// Rows without an id of their own are numbered as in [`Rows::open_all`].
    ///
    /// # Errors
    /// As [`Rows`]; [`Error::BadRow`] for a repeated id; [`Error::InvalidArgument`] without a file.
    pub fn open(paths: &[impl AsRef<Path>], options: &ReadOptions, folder: impl AsRef<Path>) -> Result<Self> {
        let mut pass = CorpusPass::new(folder.as_ref())?;
        let [first, ..] = paths else { return Err(Error::InvalidArgument("no file to read".to_owned())) };
        paths.iter().try_for_each(|path| pass.read(path.as_ref(), options))?;
        let corpus = pass.finish(name_of(first.as_ref(), paths.len()))?;
        corpus.check_ids_differ()?;
        Ok(corpus)
    }

    /// Returns the number of rows.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the name for messages: that of the first file, and the number of further files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the file that has the row at `position`; empty beyond the last.
    pub fn file_name(&self, position: u64) -> &str {
        self.file_of(position).map_or("", |file| &file.name)
    }

    /// Returns the sha256 of one file's bytes on disk, as `sha256sum` prints it. For several files
    /// it is the sha256 of their digests (32 bytes each) in order. File names and reading options
    /// do not affect it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the number of bad rows that were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the reasons for the first few skipped rows, each an [`Error::BadRow`].
    pub fn skip_reasons(&self) -> &[Error] {
        &self.reasons
    }

    /// Returns the position of the row with this id, from 0 in the order of the files; `None` if
    /// there is none.
    ///
    /// # Errors
    /// As [`Corpus::row`].
    pub fn position(&self, id: &str) -> Result<Option<u64>> {
        Ok(self.find(id)?.map(|(position, _)| position))
    }

    /// Returns the row with this id and its position; `None` if there is none.
    ///
    /// # Errors
    /// As [`Corpus::row`].
    pub fn find(&self, id: &str) -> Result<Option<(u64, Row)>> {
        for position in self.ids.find(id)? {
            let row = self.row(position)?;
            if row.id == id {
                return Ok(Some((position, row)));
            }
        }
        Ok(None)
    }

    /// Returns the row at `position` < [`Corpus::len`], as [`Rows`] returned it.
    ///
    /// # Errors
    /// [`Error::BadRow`] when its file has changed since it was first read; [`Error::Io`] when it
    /// cannot be read; [`Error::InvalidArgument`] for a position beyond the last.
    pub fn row(&self, position: u64) -> Result<Row> {
        let Some(file) = self.file_of(position) else {
            let message = format!("there is no row {position} (counted from 0): {} has {}", self.name, self.len);
            return Err(Error::InvalidArgument(message));
        };
        let mut bytes = [0; ADDRESS_BYTES];
        self.addresses
            .read_at(&mut bytes, position * ADDRESS_BYTES as u64)
            .map_err(Error::io("read", self.addresses.path()))?;
        file.row(&Address::of(&bytes), &self.spool)
    }

    fn file_of(&self, position: u64) -> Option<&CorpusFile> {
        let at = self.files.partition_point(|file| file.positions.end <= position);
        self.files.get(at)
    }

    /// Finds the first row whose id an earlier row has. It compares ids only if their hashes are
    /// equal, and only of rows before the first repetition found so far. These are few, even if
    /// every id is used twice.
    fn check_ids_differ(&self) -> Result<()> {
        let mut first_repetition: Option<(u64, u64, String)> = None;
        let mut same_hash = 0;
        // Rows with this hash, each with another id.
        let mut distinct: Vec<u64> = Vec::new();
        for entry in self.ids.entries() {
            let (hash, position) = entry?;
            if hash != same_hash || distinct.is_empty() {
                same_hash = hash;
                distinct = vec![position];
                continue;
            }
            if first_repetition.as_ref().is_some_and(|&(_, second, _)| second <= position) {
                continue;
            }
            let id = self.row(position)?.id;
            let mut earlier = None;
            for &other in &distinct {
                if self.row(other)?.id == id {
                    earlier = Some(other);
                }
            }
            match earlier {
                Some(earlier) => first_repetition = Some((earlier, position, id)),
                None => distinct.push(position),
            }
        }
        first_repetition.map_or(Ok(()), |(first, second, id)| Err(self.repetition(first, second, &id)))
    }

    fn repetition(&self, first: u64, second: u64, id: &str) -> Error {
        let line = |position| self.row(position).map_or(0, |row| row.line);
        let (file, first_file) = (self.file_name(second), self.file_name(first));
        let place = match file == first_file {
            true => format!("on line {}", line(first)),
            false => format!("in {first_file}:{}", line(first)),
        };
        let message = format!("the id '{id}' is used already, {place}; ids of documents must differ");
        Error::BadRow { file: file.to_owned(), line: line(second), message }
    }
}

fn name_of(first: &Path, num_files: usize) -> String {
    let first = first.display();
    match num_files {
        1 => first.to_string(),
        2 => format!("{first} and 1 more file"),
        _ => format!("{first} and {} more files", num_files - 1),
    }
}

impl CorpusFile {
    fn row(&self, address: &Address, spool: &PositionedFile) -> Result<Row> {
        let mut bytes = vec![0; address.length as usize];
        let (read, path) = match &self.place {
            RowPlace::Original { open: Some(file), path, .. } => {
                (file.read_at(&mut bytes, address.offset), path.as_path())
            }
            RowPlace::Original { open: None, path, .. } => {
                (PositionedFile::open(path)?.read_at(&mut bytes, address.offset), path.as_path())
            }
            RowPlace::Spool => (spool.read_at(&mut bytes, address.offset), spool.path()),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.changed(address)),
            read => read.map_err(Error::io("read", path))?,
        }
        if crc32fast::hash(&bytes) != address.crc {
            return Err(self.changed(address));
        }
        match &self.place {
            RowPlace::Original { parser, .. } => {
                let raw = RawRow { bytes, line: address.line, ..RawRow::default() };
                parser.row(&raw, address.number).map_err(|fault| match fault {
                    Fault::Row(line, message) => parser.bad_row(line, message),
                    Fault::Fatal(error) => error,
                })
            }
            RowPlace::Spool => {
                let row: SpooledRow = serde_json::from_slice(&bytes).map_err(|_| self.changed(address))?;
                let SpooledRow { id, text, title, score: first_stage_score, extra, fault: score_fault } = row;
                Ok(Row { line: address.line, id, text, title, first_stage_score, extra, score_fault })
            }
        }
    }

    fn changed(&self, address: &Address) -> Error {
        let message = "this row has changed since the file was first read; start again";
        Error::BadRow { file: self.name.clone(), line: address.line, message: message.to_owned() }
    }
}

impl Address {
    fn bytes(&self) -> [u8; ADDRESS_BYTES] {
        let mut bytes = [0; ADDRESS_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.crc.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.line.to_le_bytes());
        bytes[24..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8; ADDRESS_BYTES]) -> Self {
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        Self { offset: u64_at(0), length: u32_at(8), crc: u32_at(12), line: u64_at(16), number: u64_at(24) }
    }
}

/// State of the one pass over the files.
struct CorpusPass {
    folder: PathBuf,
    files: Vec<CorpusFile>,
    ids: IdTableBuilder,
    addresses: BufWriter<File>,
    spool: BufWriter<File>,
    spool_bytes: u64,
    /// Number of rows that can be used.
    len: u64,
    /// Number of rows begun.
    number: u64,
    digests: Vec<[u8; 32]>,
    skipped: u64,
    reasons: Vec<Error>,
}

impl CorpusPass {
    fn new(folder: &Path) -> Result<Self> {
        let file = || Ok::<_, Error>(BufWriter::new(unnamed_file(folder)?));
        Ok(Self {
            folder: folder.to_owned(),
            files: Vec::new(),
            ids: IdTableBuilder::new(folder),
            addresses: file()?,
            spool: file()?,
            spool_bytes: 0,
            len: 0,
            number: 0,
            digests: Vec::new(),
            skipped: 0,
            reasons: Vec::new(),
        })
    }

    fn read(&mut self, path: &Path, options: &ReadOptions) -> Result<()> {
        let hasher = Arc::new(Mutex::new(Sha256::new()));
        let wrap = |input| -> Bytes { Box::new(Hashed { input, hasher: Arc::clone(&hasher) }) };
        let mut rows = Rows::open_wrapped(path, options, self.number, wrap)?;
        // A pipe can be read only once, whatever its format.
        let is_file = path.as_os_str() != "-" && path.metadata().is_ok_and(|metadata| metadata.is_file());
        let in_place = is_file && rows.addressed().is_some();
        let (first, seeks) = (self.len, rows.seeks());
        while let Some(row) = rows.next() {
            self.add(&row?, &rows, in_place)?;
        }
        // For CSV and TSV the parser knows the columns by now, from the header.
        let place = match rows.addressed() {
            Some(rows) if in_place => {
                let open = if self.files.len() < OPEN_FILES { Some(PositionedFile::open(path)?) } else { None };
                RowPlace::Original { path: path.to_owned(), open, parser: Box::new(rows.parser().clone()) }
            }
            _ => RowPlace::Spool,
        };
        self.files.push(CorpusFile { name: rows.name().to_owned(), positions: first..self.len, place });
        self.number = rows.number();
        self.skipped += rows.skipped();
        let room = KEPT_REASONS - self.reasons.len();
        self.reasons.extend(rows.into_skip_reasons().into_iter().take(room));
        let mut hasher = hasher.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if seeks {
            *hasher = hash_file(path)?;
        }
        self.digests.push(std::mem::take(&mut *hasher).finalize().into());
        Ok(())
    }

    fn add(&mut self, row: &Row, rows: &Rows, in_place: bool) -> Result<()> {
        let (offset, length, crc) = match rows.addressed().map(ByteRows::raw) {
            Some(raw) if in_place => (raw.offset, raw.bytes.len(), crc32fast::hash(&raw.bytes)),
            _ => self.spool(row)?,
        };
        let length = u32::try_from(length).map_err(|_| Error::BadRow {
            file: rows.name().to_owned(),
            line: row.line,
            message: "this row is longer than 4 GiB; split it".to_owned(),
        })?;
        let address = Address { offset, length, crc, line: row.line, number: rows.number() };
        self.addresses.write_all(&address.bytes()).map_err(Error::io("write to", &self.folder))?;
        self.ids.push(&row.id, self.len)?;
        self.len += 1;
        Ok(())
    }

    /// Writes a row to the spool. Returns its offset, its length and its checksum.
    fn spool(&mut self, row: &Row) -> Result<(u64, usize, u32)> {
        let Row { id, text, title, first_stage_score: score, extra, score_fault: fault, .. } = row.clone();
        let write = || Error::io("write to", &self.folder);
        let row = SpooledRow { id, text, title, score, extra, fault };
        let mut line = serde_json::to_vec(&row).map_err(|error| write()(error.into()))?;
        let (offset, length, crc) = (self.spool_bytes, line.len(), crc32fast::hash(&line));
        line.push(b'\n');
        self.spool.write_all(&line).map_err(write())?;
        self.spool_bytes += line.len() as u64;
        Ok((offset, length, crc))
    }

    fn finish(self, name: String) -> Result<Corpus> {
        let Self { folder, files, ids, addresses, spool, len, digests, skipped, reasons, .. } = self;
        let flushed = |file: BufWriter<File>| {
            let file = file.into_inner().map_err(|error| Error::io("write to", &folder)(error.into_error()))?;
            Ok::<_, Error>(PositionedFile::new(file, &folder))
        };
        Ok(Corpus {
            name,
            files,
            ids: ids.finish_unnamed()?,
            addresses: flushed(addresses)?,
            spool: flushed(spool)?,
            len,
            digest: digest(&digests),
            skipped,
            reasons,
        })
    }
}

fn digest(files: &[[u8; 32]]) -> String {
    let digest: [u8; 32] = match files {
        [one] => *one,
        several => Sha256::digest(several.concat()).into(),
    };
    hex(digest)
}

/// Hashes a file that is not read from beginning to end.
fn hash_file(path: &Path) -> Result<Sha256> {
    let mut input =
        Hashed { input: Box::new(File::open(path).map_err(Error::io("open", path))?), hasher: Arc::default() };
    io::copy(&mut input, &mut io::sink()).map_err(Error::io("read", path))?;
    let hasher = input.hasher.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    Ok(hasher.clone())
}

/// An input that hashes its bytes as they are read.
struct Hashed {
    input: Bytes,
    hasher: Arc<Mutex<Sha256>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hasher.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).update(&buffer[..read]);
        Ok(read)
    }
}
