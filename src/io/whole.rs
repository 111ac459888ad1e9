//! Files that are whole or not there.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// Buffer before a file; one write of a megabyte costs no more than one of 8 KiB.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that is written under a temporary name in its folder and gets its own name when it is whole. Dropped before
/// [`WholeFile::finish`], it is removed.
#[derive(Debug)]
pub struct WholeFile {
    out: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl WholeFile {
    /// Opens the temporary file; what lies at `path` stays until the end.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder takes no file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = temporary_beside(&path).map_err(Error::io("write", &path))?;
        Ok(Self { out: BufWriter::with_capacity(BUFFER_BYTES, file), path })
    }

    /// A file whose every write fails as on a disk without space.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn on_a_full_disk(path: &Path) -> Self {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let nowhere = tempfile::TempPath::try_from_path(path.with_extension("none.tmp")).unwrap();
        let out = BufWriter::with_capacity(BUFFER_BYTES, NamedTempFile::from_parts(full, nowhere));
        Self { out, path: path.to_owned() }
    }

    /// Whether a file could be written under this name: not where a device or a pipe is, which renaming would put away.
    ///
    /// # Errors
    /// [`Error::Io`] when something that is no regular file lies there.
    pub fn check_target(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        refuse_what_is_no_file(path).map_err(Error::io("write", path))
    }

    /// The name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the unfinished file: a program that is ended by a signal may want to remove it.
    pub fn temporary_path(&self) -> &Path {
        self.out.get_ref().path()
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Io`]; what lay there before is then as it was.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        let file = self.out.into_inner().map_err(|error| Error::io("write", &path)(error.into_error()))?;
        // On disk before it has its name: no crash may leave a whole name on half a file.
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        file.persist(&path).map(drop::<File>).map_err(|error| Error::io("rename to", &path)(error.error))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.out.seek(to)
    }
}

/// Writes a whole file under a temporary name and renames it: nobody ever sees a part of it.
///
/// # Errors
/// [`Error::Io`]; the target is then as it was.
pub fn write_whole(path: impl AsRef<Path>, content: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let mut file = WholeFile::create(path)?;
    file.write_all(content).map_err(Error::io("write", path))?;
    file.finish()
}

/// A device or a pipe in the target's place is left alone: renaming would put a file where it was.
fn refuse_what_is_no_file(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|target| !target.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file; give the name of one"));
    }
    Ok(())
}

/// A temporary file in the target's folder, because a rename works only within one file system.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    refuse_what_is_no_file(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(".nearsort-").suffix(".tmp");
    // Temporary files are private unless asked otherwise; this one becomes an ordinary file, less the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}
