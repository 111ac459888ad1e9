//! What a sound file looked like, so that it need not be looked through again.
//!
//! A process that has looked through the file, or that changed a sound one, gives it a time of modification that no write gives: its
//! part below a second is drawn. Whoever writes into the file afterwards, be it LMDB in another process or a fault, changes the time, and
//! the next process looks through it again. The stamp lies in the lock file beside the cache.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

/// Longer than any stamp.
const MAX_BYTES: u64 = 256;

/// Whether the file is as the stamp says.
pub(super) fn is_stamped(mut lock: &File, file: &File) -> bool {
    let mut stamp = String::new();
    let read = lock.seek(SeekFrom::Start(0)).and_then(|_| lock.take(MAX_BYTES).read_to_string(&mut stamp));
    read.is_ok() && state(file).is_ok_and(|state| state == stamp)
}

/// Marks the file as sound. Where that fails, or the file system keeps times too coarsely, it has no stamp, and is looked through the next time.
pub(super) fn stamp(lock: &File, file: &File) {
    if try_stamp(lock, file).is_err() {
        // A stamp that was half written is no state of any file.
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
    // With the time of the last change of the file or what is known of it, which nobody sets.
    format!("{}:{}:{}.{:09}", file.dev(), file.ino(), file.ctime(), file.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(file: &std::fs::Metadata) -> String {
    let since = file.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(String::new(), |since| since.as_nanos().to_string())
}
