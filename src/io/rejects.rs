//! The file of rejected rows.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;

use super::whole::WholeFile;
use crate::{Error, Result};

/// Writer of the rows that [`BadRows::Report`](super::BadRows::Report) rejects: JSONL of
/// `{"file": ..., "line": ..., "message": ...}`.
///
/// The file appears when it is complete: in [`Rejects::finish`], or when the last owner drops it.
/// So it is also there after an error ended the work. Without bad rows it is empty. Several inputs
/// may share one.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    words: fn(&str) -> String,
    state: Mutex<RejectsState>,
}

#[derive(Debug)]
struct RejectsState {
    /// The open file; `None` once it has its final name.
    file: Option<WholeFile>,
    count: u64,
}

#[derive(Serialize)]
struct Reject<'a> {
    file: &'a str,
    line: u64,
    message: &'a str,
}

impl Rejects {
    /// Opens the file. An existing file at `path` stays until the end.
    ///
    /// # Errors
    /// [`Error::Io`] when no file can be created in the folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = Some(WholeFile::create(&path)?);
        Ok(Self { path, words: str::to_owned, state: Mutex::new(RejectsState { file, count: 0 }) })
    }

    /// Sets a function that rewrites messages, as [`with_names`](crate::error::with_names) does.
    pub fn words(mut self, words: fn(&str) -> String) -> Self {
        self.words = words;
        self
    }

    /// Writes a row. `line` counts from 1.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written; [`Error::InvalidArgument`] after
    /// [`Rejects::finish`].
    pub fn push(&self, file: &str, line: u64, message: &str) -> Result<()> {
        let mut state = self.state();
        let Some(out) = &mut state.file else {
            return Err(Error::InvalidArgument(format!("{} is finished and takes no more rows", self.path.display())));
        };
        let write = |error| Error::io("write", &self.path)(error);
        let message = &(self.words)(message);
        let mut json = serde_json::to_vec(&Reject { file, line, message }).map_err(|error| write(error.into()))?;
        json.push(b'\n');
        out.write_all(&json).map_err(write)?;
        state.count += 1;
        Ok(())
    }

    /// Returns the number of rows written.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    /// Returns the final name of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the unfinished file, `None` when it is finished. A program that is ended
    /// by a signal can remove it.
    pub fn temporary_path(&self) -> Option<PathBuf> {
        self.state().file.as_ref().map(|file| file.temporary_path().to_owned())
    }

    /// Renames the file to its final name. A second call does nothing.
    ///
    /// # Errors
    /// [`Error::Io`]; an earlier file is then unchanged.
    pub fn finish(&self) -> Result<()> {
        let file = self.state().file.take();
        file.map_or(Ok(()), WholeFile::finish)
    }

    fn state(&self) -> MutexGuard<'_, RejectsState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        // To learn of a full disk, callers use `finish`.
        let _ = self.finish();
    }
}
