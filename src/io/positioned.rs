//! Reading a file at any place, from many threads at once.
//!
//! Not by a map of the file: its pages would count as this process's memory, and a file that is cut while it is mapped ends the process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A file without a position of its own.
#[derive(Debug)]
pub(crate) struct PositionedFile {
    #[cfg(unix)]
    file: File,
    /// Elsewhere a read at a place is a seek and a read, which must not come apart.
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    path: PathBuf,
}

impl PositionedFile {
    /// `path` is used in messages.
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

    /// Bytes in the file.
    pub fn len(&self) -> Result<u64> {
        self.metadata().map(|metadata| metadata.len()).map_err(Error::io("read", &self.path))
    }

    /// Fills `bytes` from `offset` on; [`io::ErrorKind::UnexpectedEof`] where the file has fewer.
    #[cfg(unix)]
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(unix)]
    fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    /// Fills `bytes` from `offset` on; [`io::ErrorKind::UnexpectedEof`] where the file has fewer.
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
