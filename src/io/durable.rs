//! File-system steps whose order decides what a crash leaves.
//!
//! A rename or a new name is durable once its *folder* is synced: a file's own `fsync` does not
//! cover its name. Code that relies on a name (a manifest that names a segment, an answer that ends
//! a job) syncs the folder first. Tests read the order of the steps from [`trace`].

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::{Error, Result};

/// Returns the folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs a folder, so that the names in it are on the disk.
///
/// # Errors
/// [`Error::Io`]. It is no error if folders cannot be synced at all: on Windows, on file systems
/// that refuse it, and for a folder that may be written but not read.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    trace(|| format!("sync {}", shown(folder)));
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced.map_err(Error::io("write", folder)),
    }
}

/// Renames a file and syncs the folders of both names.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    rename_only(from, to).map_err(Error::io("rename", from))?;
    sync_folder(folder_of(to))?;
    if folder_of(from) != folder_of(to) {
        sync_folder(folder_of(from))?;
    }
    Ok(())
}

pub(super) fn rename_only(from: &Path, to: &Path) -> io::Result<()> {
    trace(|| format!("rename {} to {}", shown(from), shown(to)));
    fs::rename(from, to)
}

/// Syncs a file to the disk.
pub(crate) fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    trace(|| format!("sync {}", shown(path)));
    file.sync_all()
}

/// Creates a folder and its missing parents, and syncs their names. Existing folders stay as they
/// are.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    let made: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    // The empty path is the working directory, which exists and has no name here.
    made.iter().filter(|made| !made.as_os_str().is_empty()).try_for_each(|made| sync_folder(folder_of(made)))
}

/// Removes a file. A missing file is no error.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    trace(|| format!("remove {}", shown(path)));
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns the last two parts of a path: enough to distinguish the files of a test.
#[cfg(test)]
fn shown(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

#[cfg(not(test))]
fn shown(_: &Path) -> &'static str {
    ""
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
pub(crate) fn trace(step: impl FnOnce() -> String) {
    STEPS.with_borrow_mut(|steps| steps.push(step()));
}

#[cfg(not(test))]
#[inline]
pub(crate) fn trace(_: impl FnOnce() -> String) {}

/// Returns the steps of this thread since the last call.
#[cfg(test)]
pub(crate) fn take_steps() -> Vec<String> {
    STEPS.take()
}
