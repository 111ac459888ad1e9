//! A file of records that stays readable when the process is killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::whole::write_own;
use crate::{Error, Result};

/// The first bytes of a journal. They ensure that another file is never mistaken for a torn journal
/// and truncated.
const MAGIC: &[u8; 8] = b"nsrt-jnl";
/// Length of the header of every record: its length and its CRC-32, both little-endian.
const HEADER_BYTES: usize = 8;

/// A file of records, each with its length and checksum. A record is on the disk when
/// [`Journal::append`] returns.
///
/// A process that is killed, or a machine that loses power, leaves at most one torn record at the
/// end. The next open detects it by its checksum and cuts it off. Memory: one record.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// The end of the last whole record.
    num_bytes: u64,
}

impl Journal {
    /// Opens or creates a journal, passes every whole record to `replay`, in order, and continues
    /// behind the last one.
    ///
    /// # Errors
    /// [`Error::Io`]; the error of `replay`; [`Error::BadInput`] for a file that is not a journal
    /// of this version, which is left as it is, and for a whole record that is not an `R`, because
    /// another version wrote it.
    pub fn open<R: DeserializeOwned>(path: impl AsRef<Path>, mut replay: impl FnMut(R) -> Result<()>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        create_where_none_is(&path)?;
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(Error::io("open", &path))?;
        let bad = |message: String| Error::BadInput { file: path.display().to_string(), message };
        let mut reader = BufReader::new(&mut file);
        let mut magic = [0; MAGIC.len()];
        match reader.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(Error::io("read", &path)(error)),
            _ => return Err(bad("it is not a journal of this version of nearsort".to_owned())),
        }
        let mut num_bytes = MAGIC.len() as u64;
        while let Some(record) = next_record(&mut reader).map_err(Error::io("read", &path))? {
            let foreign = |error| bad(format!("a record of another version of nearsort: {error}"));
            replay(postcard::from_bytes(&record).map_err(foreign)?)?;
            num_bytes += (HEADER_BYTES + record.len()) as u64;
        }
        let mut journal = Self { path, file, num_bytes };
        journal.cut_off_the_rest().map_err(Error::io("truncate", &journal.path))?;
        Ok(journal)
    }

    /// Begins a journal with this record. Replaces any file at the path.
    ///
    /// # Errors
    /// [`Error::Io`]; the file at the path is then unchanged.
    pub fn create(path: impl AsRef<Path>, record: &impl Serialize) -> Result<Self> {
        let path = path.as_ref();
        let bytes = [&MAGIC[..], &framed(record, path)?].concat();
        write_own(path, &bytes)?;
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
        Ok(Self { path: path.to_owned(), file, num_bytes: bytes.len() as u64 })
    }

    /// True if a file is a journal of this version. A missing file is not a journal.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read.
    pub fn is_one(path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        let mut found = Vec::new();
        match File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut found)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("read", path)(error)),
            Ok(_) => Ok(found == MAGIC),
        }
    }

    /// Appends a record and waits until it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`], as for a full disk; the journal then keeps its earlier records.
    pub fn append(&mut self, record: &impl Serialize) -> Result<()> {
        let bytes = framed(record, &self.path)?;
        match self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            Ok(()) => self.num_bytes += bytes.len() as u64,
            Err(error) => {
                // If this fails too, the next open cuts the rest off.
                let _ = self.cut_off_the_rest();
                return Err(Error::io("write", &self.path)(error));
            }
        }
        Ok(())
    }

    /// Replaces all records with one.
    ///
    /// # Errors
    /// [`Error::Io`]; the journal is then unchanged.
    pub fn replace(&mut self, record: &impl Serialize) -> Result<()> {
        *self = Self::create(&self.path, record)?;
        Ok(())
    }

    /// Cuts off the bytes behind the whole records.
    fn cut_off_the_rest(&mut self) -> io::Result<()> {
        self.file.set_len(self.num_bytes)?;
        self.file.seek(SeekFrom::Start(self.num_bytes)).map(drop)
    }
}

/// Creates a journal if there is no file or an empty one. Refuses a path that is a link or not a
/// regular file.
fn create_where_none_is(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            let error = io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
            Err(Error::io("open", path)(error))
        }
        Ok(found) if found.len() > 0 => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("open", path)(error)),
        _ => write_own(path, MAGIC),
    }
}

fn framed(record: &impl Serialize, path: &Path) -> Result<Vec<u8>> {
    let too_large = |what: String| Error::io("write", path)(io::Error::new(io::ErrorKind::InvalidInput, what));
    let mut bytes = postcard::to_extend(record, vec![0; HEADER_BYTES]).map_err(|error| too_large(error.to_string()))?;
    let length = u32::try_from(bytes.len() - HEADER_BYTES).map_err(|error| too_large(error.to_string()))?;
    let checksum = crc32fast::hash(&bytes[HEADER_BYTES..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads the next whole record; `None` at the end or at a torn record.
fn next_record(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    reader.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    let (Some(length), Some(checksum)) = (header.first_chunk::<4>(), header.last_chunk::<4>()) else { return Ok(None) };
    if header.len() < HEADER_BYTES {
        return Ok(None);
    }
    let (length, checksum) = (u32::from_le_bytes(*length), u32::from_le_bytes(*checksum));
    let mut record = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut record)?;
    let is_whole = record.len() == length as usize && crc32fast::hash(&record) == checksum;
    // A record of no bytes is not a record: file systems leave zeros where the data did not arrive.
    Ok((is_whole && length > 0).then_some(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(path: &Path) -> Vec<(u32, String)> {
        let mut records = Vec::new();
        Journal::open(path, |record| {
            records.push(record);
            Ok(())
        })
        .unwrap();
        records
    }

    #[test]
    fn a_torn_record_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, |_: (u32, String)| Ok(())).unwrap();
        journal.append(&(1_u32, "one")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        journal.append(&(2_u32, "two, which is torn")).unwrap();
        let both = std::fs::read(&path).unwrap();
        for length in whole.len()..both.len() {
            std::fs::write(&path, &both[..length]).unwrap();
            assert_eq!(replayed(&path), [(1, "one".to_owned())], "{length} bytes");
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        let zeros = [whole.clone(), vec![0; 100]].concat();
        std::fs::write(&path, zeros).unwrap();
        assert_eq!(replayed(&path).len(), 1);
        let mut flipped = both.clone();
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&path, flipped).unwrap();
        assert_eq!(replayed(&path).len(), 1);
    }

    #[test]
    fn a_file_that_is_no_journal_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for content in ["Monday: slept badly. Tuesday: better.", "short"] {
            std::fs::write(&path, content).unwrap();
            let error = Journal::open(&path, |_: String| Ok(())).unwrap_err().to_string();
            assert!(error.contains("not a journal of this version"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        std::fs::write(&path, "").unwrap();
        Journal::open(&path, |_: String| Ok(())).unwrap();
    }

    /// After a loss of power behind `append` or `replace`, the journal is found by its name.
    #[test]
    fn the_name_of_a_new_journal_is_on_the_disk_before_its_records() {
        use super::super::durable::take_steps;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        take_steps();
        let mut journal = Journal::open(&path, |_: String| Ok(())).unwrap();
        journal.replace(&"text").unwrap();
        let steps = take_steps();
        let verbs: Vec<&str> = steps.iter().filter_map(|step| step.split(' ').next()).collect();
        assert_eq!(verbs, ["sync", "rename", "sync", "sync", "rename", "sync"], "{steps:?}");
    }

    #[test]
    fn what_is_appended_after_a_replacement_comes_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, |_: (u32, String)| Ok(())).unwrap();
        journal.append(&(1_u32, "one")).unwrap();
        journal.replace(&(2_u32, "two")).unwrap();
        journal.append(&(3_u32, "three")).unwrap();
        assert_eq!(replayed(&path), [(2, "two".to_owned()), (3, "three".to_owned())]);
        let mut again = Journal::open(&path, |_: (u32, String)| Ok(())).unwrap();
        again.append(&(4_u32, "four")).unwrap();
        assert_eq!(replayed(&path).len(), 3);
    }

    #[test]
    fn a_record_of_another_kind_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        Journal::open(&path, |_: String| Ok(())).unwrap().append(&"text").unwrap();
        let error = Journal::open(&path, |_: (u64, u64, u64, u64, u64, u64)| Ok(())).unwrap_err();
        assert!(error.to_string().contains("another version"), "{error}");
    }
}
