//! The stamp of a sound file, so that it need not be checked again.
//!
//! A process that has checked the file, or changed a sound one, sets a time of modification that no
//! write sets: its fraction of a second is random. A later write by another program, whether LMDB
//! in another process or a fault, changes the time, and the next process checks the file again. The
//! stamp is stored in the lock file beside the cache.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

/// Longer than any stamp.
const MAX_BYTES: u64 = 256;

/// True if the file matches the stamp.
pub(super) fn is_stamped(mut lock: &File, file: &File) -> bool {
    let mut stamp = String::new();
    let read = lock.seek(SeekFrom::Start(0)).and_then(|_| lock.take(MAX_BYTES).read_to_string(&mut stamp));
    read.is_ok() && state(file).is_ok_and(|state| state == stamp)
}

/// Marks the file as sound. If that fails, or if the file system's times are too coarse, it has no
/// stamp and is checked the next time.
pub(super) fn stamp(lock: &File, file: &File) {
    if try_stamp(lock, file).is_err() {
        // A half-written stamp never matches a file.
        let _ = lock.set_len(0);
    }
}

fn try_stamp(mut lock: &File, file: &File) -> io::Result<()> {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?.as_secs();
    let drawn = RandomState::new().build_hasher().finish() % 1_000_000_000;
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, drawn as u32);
    file.set_modified(time)?;
    if file.metadata()?.modified()? != time {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let state = state(file)?;
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    lock.write_all(state.as_bytes())
}

fn state(file: &File) -> io::Result<String> {
    let found = file.metadata()?;
    let modified = found.modified()?.duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(format!("sound: {} {} {}\n", identity(&found), found.len(), modified.as_nanos()))
}

#[cfg(unix)]
fn identity(file: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    // Includes the time of the last change of the file or its metadata, which no program can set.
    format!("{}:{}:{}.{:09}", file.dev(), file.ino(), file.ctime(), file.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(file: &std::fs::Metadata) -> String {
    let since = file.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(String::new(), |since| since.as_nanos().to_string())
}
