//! The folder of a job: its owner, its lock, and the removal of its files.
//!
//! An existing folder is used only if it is a job's. It must hold nothing but regular files of the
//! known names. Also its `lock` must have the mark, or there must be a manifest, or the job must
//! not have got beyond the lock. Any other file or folder with this name is refused before anything
//! in it is touched, and files are removed only by name.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cleanup::{ANSWERS, COLUMNS, Cleanup, JOURNAL, LOCK, MANIFEST, is_ours, remove};
use super::manifest::JobManifest;
use crate::{Error, JobError, Result};

/// The content of a lock file of nearsort.
const MARK: &[u8] = b"nearsort job\n";
/// Maximum number of attempts. The folder may vanish each time, because the process that held the
/// lock removes it when its job is done.
const TRIES: usize = 10;

/// The folder of a job, locked.
pub struct JobFolder {
    path: PathBuf,
    output: PathBuf,
    _lock: File,
    /// True if a later run can use its content.
    is_worth_keeping: Arc<AtomicBool>,
}

impl JobFolder {
    /// Creates or opens `OUTPUT.job`, checks that it is a job's folder, and locks it against other
    /// processes.
    pub fn open(output: &Path, restart: bool) -> Result<Self> {
        let mut name = output.as_os_str().to_owned();
        name.push(".job");
        let path = PathBuf::from(name);
        let lock = take(&path, output, restart)?;
        let is_worth_keeping = Arc::new(AtomicBool::new(path.join(MANIFEST).exists()));
        let folder = Self { path, output: output.to_owned(), _lock: lock, is_worth_keeping };
        if restart {
            folder.forget_work()?;
            folder.remove_file(MANIFEST)?;
        }
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the handling of the folder for a process that a signal ends.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup { folder: self.path.clone(), is_worth_keeping: Arc::clone(&self.is_worth_keeping) }
    }

    /// Returns the path of the job's output.
    pub fn output(&self) -> &Path {
        &self.output
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Sets whether the folder outlives this process.
    pub fn keep(&self, is_worth_keeping: bool) {
        self.is_worth_keeping.store(is_worth_keeping, Ordering::Relaxed);
    }

    /// Removes all work. Without its manifest, it is unknown which job it belongs to.
    pub fn forget_work(&self) -> Result<()> {
        [ANSWERS, COLUMNS, JOURNAL].into_iter().try_for_each(|name| self.remove_file(name))
    }

    fn remove_file(&self, name: &str) -> Result<()> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        if !self.is_worth_keeping.load(Ordering::Relaxed) {
            remove(&self.path);
        }
    }
}

/// Locks the folder. Creates it if it does not exist.
fn take(path: &Path, output: &Path, restart: bool) -> Result<File> {
    let busy = || Error::from(JobError::Busy { output: output.to_owned() });
    for _ in 0..TRIES {
        if fs::symlink_metadata(path).is_ok() {
            refuse_what_is_no_job(path, restart)?;
        } else {
            fs::create_dir_all(path).map_err(Error::io("create", path))?;
        }
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(path.join(LOCK));
        let lock = match lock {
            // Another process finished its job here and removed the folder in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lock => lock.map_err(Error::io("write in", path))?,
        };
        match lock.try_lock() {
            Ok(()) if !is_removed(&lock) => return marked(lock).map_err(Error::io("write in", path)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
    }
    Err(busy())
}

/// Writes the mark into an empty lock.
fn marked(mut lock: File) -> io::Result<File> {
    if lock.metadata()?.len() == 0 {
        lock.write_all(MARK)?;
    }
    Ok(lock)
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|file| file.nlink() == 0)
}

#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false
}

/// Checks that a folder can be a job's. The error names the reason why it is not.
fn refuse_what_is_no_job(path: &Path, restart: bool) -> Result<()> {
    let foreign = |why: String| Err(JobError::Foreign { folder: path.to_owned(), why }.into());
    let read = Error::io("read", path);
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return foreign("it is not a folder".to_owned());
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>()).map_err(read)?;
    for entry in &entries {
        let name = entry.file_name();
        if !is_ours(&name.to_string_lossy()) || !entry.file_type().is_ok_and(|found| found.is_file()) {
            return foreign(format!("it holds '{}'", name.to_string_lossy()));
        }
    }
    let has = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
    let lock = lock_content(path);
    let has_manifest = has(MANIFEST) && (JobManifest::read(&path.join(MANIFEST)).is_ok() || (restart && has(LOCK)));
    let is_begun = ![MANIFEST, JOURNAL, ANSWERS, COLUMNS].into_iter().any(has) && lock.is_empty();
    if entries.is_empty() || lock.starts_with(MARK) || has_manifest || (is_begun && has(LOCK)) {
        return Ok(());
    }
    foreign("its files are not a job's".to_owned())
}

/// Returns the start of the lock's content; empty if there is no lock.
fn lock_content(path: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    // A lock that cannot be read does not count as nearsort's.
    let _ = File::open(path.join(LOCK)).and_then(|lock| lock.take(MARK.len() as u64).read_to_end(&mut content));
    content
}
