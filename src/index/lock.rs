//! The lock of the process that changes an index.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::folder::LOCK;
use crate::{Error, Result};

/// The lock of an index's writer: only one process changes an index at a time. The system releases
/// the lock when the process ends, however it ends.
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            let error = std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "it is not a regular file, so it is not nearsort's",
            );
            return Err(Error::io("open", path)(error));
        }
        let file = File::options().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::InvalidArgument(format!(
                "another process is changing the index {}; wait until it is done",
                folder.display()
            ))),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
        }
    }
}
