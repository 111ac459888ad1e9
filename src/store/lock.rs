//! One process at a time fetches a model; the others wait and then find it in the cache.
//!
//! Advisory locks of the operating system: they end with the process that holds them, so a killed download leaves
//! nothing behind that has to be cleaned up.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::options::{Step, StoreOptions};
use crate::{Error, Result};

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for whoever holds it and saying so.
    pub(super) fn acquire(path: &Path, options: &StoreOptions) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                options.report(Step::Waiting, &path.display().to_string(), "", 0, None);
                file.lock().map_err(Error::io("lock", path))?;
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
        }
        Ok(Self { _file: file })
    }
}
