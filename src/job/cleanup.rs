//! The files of a job's folder, and their removal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const MANIFEST: &str = "job.json";
pub(super) const JOURNAL: &str = "journal";
pub(super) const ANSWERS: &str = "answers";
pub(super) const COLUMNS: &str = "columns";
pub(super) const LOCK: &str = "lock";
/// A file of earlier versions.
const LISTS: &str = "lists";

/// Removes or keeps a job's folder when a signal ends the process; for interfaces that handle
/// signals. If a process ends without it, the folder stays, and the next run continues from it or
/// removes it.
pub struct Cleanup {
    pub(super) folder: PathBuf,
    pub(super) is_worth_keeping: Arc<AtomicBool>,
}

impl Cleanup {
    /// Creates the cleanup of a folder without anything worth keeping.
    pub(super) fn of_temporary(folder: PathBuf) -> Self {
        Self { folder, is_worth_keeping: Arc::new(AtomicBool::new(false)) }
    }

    /// Removes the folder, or returns its path if the same job can continue from it.
    pub fn leave(self) -> Option<PathBuf> {
        if self.is_worth_keeping.load(Ordering::Relaxed) {
            return Some(self.folder);
        }
        remove(&self.folder);
        None
    }
}

/// True for the names of files that a job makes: its own, unfinished ones, and the temporary ones
/// of systems without unnamed files.
pub(super) fn is_ours(name: &str) -> bool {
    let is_temporary = name.starts_with(".nearsort-") && name.ends_with(".tmp");
    let is_unnamed = name.strip_prefix(".tmp").is_some_and(|rest| rest.len() == 6);
    [MANIFEST, JOURNAL, ANSWERS, COLUMNS, LISTS, LOCK].contains(&name) || is_temporary || is_unnamed
}

/// Removes the files of a job by name, then the folder if it is empty. Files that cannot be removed
/// stay, and the next run takes the folder over. The lock, which marks the folder as a job's, goes
/// last.
pub(super) fn remove(path: &Path) {
    let names = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let temporary = names.filter(|name| name != LOCK && is_ours(&name.to_string_lossy()));
    let temporary: Vec<_> = temporary.collect();
    // The manifest goes first: without it, no run takes the work up.
    drop(fs::remove_file(path.join(MANIFEST)));
    temporary.iter().for_each(|name| drop(fs::remove_file(path.join(name))));
    let others =
        fs::read_dir(path).map_or(0, |entries| entries.flatten().filter(|entry| entry.file_name() != LOCK).count());
    if others == 0 {
        drop(fs::remove_file(path.join(LOCK)));
        drop(fs::remove_dir(path));
    }
}
