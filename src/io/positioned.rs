//! A file that many threads read at any position at once.
//!
//! It is not memory-mapped: mapped pages would count as this process's memory, and truncating a
//! mapped file ends the process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A file without a shared position.
#[derive(Debug)]
pub(crate) struct PositionedFile {
    #[cfg(unix)]
    file: File,
    /// On other systems a positioned read is a seek and a read, which must not be separated.
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    path: PathBuf,
}

impl PositionedFile {
    /// Wraps a file. `path` is used in messages.
    pub fn new(file: File, path: impl Into<PathBuf>) -> Self {
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Self { file, path: path.into() }
    }

    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::new(File::open(path).map_err(Error::io("open", path))?, path))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of bytes in the file.
    pub fn len(&self) -> Result<u64> {
        self.metadata().map(|metadata| metadata.len()).map_err(Error::io("read", &self.path))
    }

    /// Fills `bytes` from `offset` on; [`io::ErrorKind::UnexpectedEof`] if the file has fewer.
    #[cfg(unix)]
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(unix)]
    fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    /// Fills `bytes` from `offset` on; [`io::ErrorKind::UnexpectedEof`] if the file has fewer.
    #[cfg(not(unix))]
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }

    #[cfg(not(unix))]
    fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).metadata()
    }
}
