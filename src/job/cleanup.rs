//! The files of a job's folder, and how they are removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const MANIFEST: &str = "job.json";
pub(super) const JOURNAL: &str = "journal";
pub(super) const ANSWERS: &str = "answers";
pub(super) const COLUMNS: &str = "columns";
pub(super) const LOCK: &str = "lock";
/// Earlier versions kept it under this name.
const LISTS: &str = "lists";

/// What to do about a job's folder when the process is told to leave, for a face that handles
/// signals. A process that dies without it leaves the folder, which the next run takes up or
/// removes.
pub struct Cleanup {
    pub(super) folder: PathBuf,
    pub(super) is_worth_keeping: Arc<AtomicBool>,
}

impl Cleanup {
    /// Of a folder that holds nothing that a later run would miss.
    pub(super) fn of_temporary(folder: PathBuf) -> Self {
        Self { folder, is_worth_keeping: Arc::new(AtomicBool::new(false)) }
    }

    /// Removes the folder, or gives its path if the same job can go on from it.
    pub fn leave(self) -> Option<PathBuf> {
        if self.is_worth_keeping.load(Ordering::Relaxed) {
            return Some(self.folder);
        }
        remove(&self.folder);
        None
    }
}

/// Names of files that a job makes: its own, unfinished ones, and unnamed ones where the system has
/// none.
pub(super) fn is_ours(name: &str) -> bool {
    let is_temporary = name.starts_with(".nearsort-") && name.ends_with(".tmp");
    let is_unnamed = name.strip_prefix(".tmp").is_some_and(|rest| rest.len() == 6);
    [MANIFEST, JOURNAL, ANSWERS, COLUMNS, LISTS, LOCK].contains(&name) || is_temporary || is_unnamed
}

/// Removes the files of a job by name, then the folder if nothing else is in it. What cannot be
/// removed stays, and is taken by the next run: the lock, which says whose it is, goes last.
pub(super) fn remove(path: &Path) {
    let names = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let temporary = names.filter(|name| name != LOCK && is_ours(&name.to_string_lossy()));
    let temporary: Vec<_> = temporary.collect();
    // The manifest first: work without it is never taken up.
    drop(fs::remove_file(path.join(MANIFEST)));
    temporary.iter().for_each(|name| drop(fs::remove_file(path.join(name))));
    let others =
        fs::read_dir(path).map_or(0, |entries| entries.flatten().filter(|entry| entry.file_name() != LOCK).count());
    if others == 0 {
        drop(fs::remove_file(path.join(LOCK)));
        drop(fs::remove_dir(path));
    }
}
