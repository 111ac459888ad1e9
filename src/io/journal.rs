//! A file of records that a killed process leaves whole.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::whole::write_whole;
use crate::{Error, Result};

/// Before every record: its length and its CRC-32, both little-endian.
const HEADER_BYTES: usize = 8;

/// Records one after the other, each with its length and checksum; what was appended is on the disk when [`Journal::append`] returns.
///
/// A process that is killed, or a machine that loses power, leaves at most one torn record at the end. Opening again finds it by its
/// checksum and cuts it off. Memory: one record.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Of whole records.
    num_bytes: u64,
}

impl Journal {
    /// Opens or creates a journal, gives every whole record to `replay`, in order, and goes on behind the last one.
    ///
    /// # Errors
    /// [`Error::Io`]; what `replay` fails with; [`Error::BadInput`] for a record that is whole and yet not an `R`: another version wrote it.
    pub fn open<R: DeserializeOwned>(path: impl AsRef<Path>, mut replay: impl FnMut(R) -> Result<()>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::io("open", &path))?;
        let mut num_bytes = 0;
        let mut reader = BufReader::new(&mut file);
        while let Some(record) = next_record(&mut reader).map_err(Error::io("read", &path))? {
            let foreign = |error| Error::BadInput {
                file: path.display().to_string(),
                message: format!("a record of another version of nearsort: {error}"),
            };
            replay(postcard::from_bytes(&record).map_err(foreign)?)?;
            num_bytes += (HEADER_BYTES + record.len()) as u64;
        }
        let mut journal = Self { path, file, num_bytes };
        journal.cut_off_the_rest().map_err(Error::io("truncate", &journal.path))?;
        Ok(journal)
    }

    /// Appends a record and waits until the disk has it.
    ///
    /// # Errors
    /// [`Error::Io`], as for a full disk; the journal is then as good as before.
    pub fn append(&mut self, record: &impl Serialize) -> Result<()> {
        let bytes = framed(record, &self.path)?;
        match self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            Ok(()) => self.num_bytes += bytes.len() as u64,
            Err(error) => {
                // Where even that fails, the next opening does it.
                let _ = self.cut_off_the_rest();
                return Err(Error::io("write", &self.path)(error));
            }
        }
        Ok(())
    }

    /// Puts one record in the place of all.
    ///
    /// # Errors
    /// [`Error::Io`]; the journal is then as it was.
    pub fn replace(&mut self, record: &impl Serialize) -> Result<()> {
        let bytes = framed(record, &self.path)?;
        write_whole(&self.path, &bytes)?;
        self.file = OpenOptions::new().write(true).open(&self.path).map_err(Error::io("open", &self.path))?;
        self.num_bytes = bytes.len() as u64;
        self.cut_off_the_rest().map_err(Error::io("open", &self.path))
    }

    /// Whatever lies behind the whole records.
    fn cut_off_the_rest(&mut self) -> io::Result<()> {
        self.file.set_len(self.num_bytes)?;
        self.file.seek(SeekFrom::Start(self.num_bytes)).map(drop)
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

/// The next whole record; `None` at the end, and where a torn one begins.
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
    // A record of no bytes is none: zeros are what a file system leaves where the data did not arrive.
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
