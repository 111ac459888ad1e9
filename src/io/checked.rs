//! A file that grows over several runs. Each run first checks that it continues the last run's
//! bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable::{folder_of, sync_folder};
use super::merge::unnamed_file;
use crate::{Error, Result};

/// Bytes that are read and written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// A file's length and the CRC-32 of all its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32 (IEEE) of the bytes.
    pub crc32: u32,
}

/// Appends to a file and keeps its [`FileMark`].
///
/// Keep the mark that [`CheckedFile::sync`] returns in a journal. [`CheckedFile::resume`] refuses a
/// file whose first bytes differ from the mark. It cuts off the bytes behind the mark, which a
/// killed process wrote later.
#[derive(Debug)]
pub struct CheckedFile {
    path: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
    checksum: crc32fast::Hasher,
}

impl CheckedFile {
    /// Opens the file to append behind the marked bytes. A mark of 0 bytes begins a new file.
    ///
    /// # Errors
    /// [`Error::Corrupted`] when the first bytes are not those of the mark; [`Error::Io`].
    pub fn resume(path: impl AsRef<Path>, mark: &FileMark) -> Result<Self> {
        let path = path.as_ref();
        if mark.bytes == 0 {
            return Self::begin(path);
        }
        let mut file = open_own(path)?;
        let checksum = check(&mut file, path, mark)?;
        file.set_len(mark.bytes).map_err(Error::io("truncate", path))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io("seek in", path))?;
        Ok(Self { bytes: mark.bytes, checksum, ..Self::over(path, file) })
    }

    fn begin(path: &Path) -> Result<Self> {
        if path.is_symlink() {
            // A write must not go to the link's target.
            fs::remove_file(path).map_err(Error::io("remove", path))?;
        }
        let file = File::create(path).map_err(Error::io("create", path))?;
        sync_folder(folder_of(path))?;
        Ok(Self::over(path, file))
    }

    /// Creates a file without a name in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] when no file can be created in the folder.
    pub fn unnamed(folder: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::over(folder.as_ref(), unnamed_file(folder.as_ref())?))
    }

    fn over(path: &Path, file: File) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Self { path: path.to_owned(), out, bytes: 0, checksum: crc32fast::Hasher::new() }
    }

    /// Checks that a file has the marked bytes and no others.
    ///
    /// # Errors
    /// [`Error::Corrupted`] when it has not; [`Error::Io`].
    pub fn verify(path: impl AsRef<Path>, mark: &FileMark) -> Result<()> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let found = file.metadata().map_err(Error::io("read", path))?.len();
        if found != mark.bytes {
            return Err(other_bytes(path, mark, format!("{found} bytes")));
        }
        check(&mut file, path, mark).map(drop)
    }

    /// Waits until the written bytes are on the disk, and returns the mark of the whole file.
    ///
    /// # Errors
    /// [`Error::Io`], as for a full disk.
    pub fn sync(&mut self) -> Result<FileMark> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_data());
        synced.map_err(Error::io("write", &self.path))?;
        Ok(FileMark { bytes: self.bytes, crc32: self.checksum.clone().finalize() })
    }
}

impl Write for CheckedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens a file of an earlier run. Refuses a link in its place, because nearsort makes none.
fn open_own(path: &Path) -> Result<File> {
    if path.is_symlink() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is a link, which nearsort did not make");
        return Err(Error::io("open", path)(error));
    }
    OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))
}

/// Reads the marked bytes and returns the state of their checksum.
fn check(file: &mut File, path: &Path, mark: &FileMark) -> Result<crc32fast::Hasher> {
    let mut checksum = crc32fast::Hasher::new();
    let mut left = Read::by_ref(file).take(mark.bytes);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = left.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        checksum.update(&buffer[..read]);
    }
    let found = FileMark { bytes: mark.bytes - left.limit(), crc32: checksum.clone().finalize() };
    if found == *mark {
        return Ok(checksum);
    }
    let shown = match found.bytes == mark.bytes {
        true => "other bytes".to_owned(),
        false => format!("{} bytes", found.bytes),
    };
    Err(other_bytes(path, mark, shown))
}

fn other_bytes(path: &Path, mark: &FileMark, found: String) -> Error {
    Error::Corrupted {
        path: path.to_owned(),
        expected: format!("the {} bytes that were written (crc32 {:08x})", mark.bytes, mark.crc32),
        found,
        hint: "it cannot be continued".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(path: &Path, parts: &[&[u8]]) -> FileMark {
        let mut mark = FileMark::default();
        for part in parts {
            let mut file = CheckedFile::resume(path, &mark).unwrap();
            file.write_all(part).unwrap();
            mark = file.sync().unwrap();
            file.write_all(b"after the mark").unwrap();
        }
        mark
    }

    #[test]
    fn a_file_goes_on_behind_its_mark_and_no_flipped_bit_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        let mark = marked(&path, &[b"one ", b"two ", b"three"]);
        assert_eq!((mark.bytes, mark.crc32), (13, crc32fast::hash(b"one two three")));
        CheckedFile::resume(&path, &mark).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole, b"one two three");
        CheckedFile::verify(&path, &mark).unwrap();
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            for found in [CheckedFile::resume(&path, &mark).map(drop), CheckedFile::verify(&path, &mark)] {
                let message = found.unwrap_err().to_string();
                assert!(message.contains("found other bytes") && message.contains("answers"), "{message}");
            }
            assert_eq!(fs::read(&path).unwrap(), flipped, "what is refused is left alone");
        }
        fs::write(&path, &whole[..7]).unwrap();
        assert!(CheckedFile::resume(&path, &mark).unwrap_err().to_string().contains("found 7 bytes"));
        assert!(CheckedFile::verify(&path, &mark).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_never_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("answers"), folder.path().join("thesis.txt"));
        fs::write(&other, "work").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let mark = FileMark { bytes: 4, crc32: crc32fast::hash(b"work") };
        assert!(CheckedFile::resume(&path, &mark).unwrap_err().to_string().contains("it is a link"));
        CheckedFile::resume(&path, &FileMark::default()).unwrap().write_all(b"answer").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"work");
    }
}
