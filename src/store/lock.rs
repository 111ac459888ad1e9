//! A lock that lets one process at a time fetch a model. The others wait and then find it in the
//! cache.
//!
//! It uses advisory locks of the operating system. They end with the process that holds them, so a
//! killed download leaves nothing that has to be cleaned up.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::options::{FetchStep, StoreOptions};
use crate::{Error, Result};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock. If another process holds it, reports this and waits.
    pub(super) fn acquire(path: &Path, options: &StoreOptions) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                options.report(FetchStep::Waiting, &path.display().to_string(), "", 0, None);
                file.lock().map_err(Error::io("lock", path))?;
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
        }
        Ok(Self { _file: file })
    }
}
