//! The tables on disk: one LMDB environment per folder and process.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, PutFlags, RoTxn, RwTxn, WithoutTls};

use super::pages::{self, Snapshot};
use super::record::{self, CacheEntry, record_key};
use super::{CacheKey, DEFAULT_MAX_BYTES, MIN_MAX_BYTES, stamp};
use crate::error::Remedy;
use crate::io::PositionedFile;
use crate::{Error, Result};

/// Version of the layout of the tables. A cache with another version belongs to another release.
const FORMAT: u32 = 1;
/// Size of the map: address space, not memory or disk. The file grows as it is written. LMDB needs
/// one size that suits all processes.
const MAP_BYTES: usize = if usize::BITS == 64 { 1 << 40 } else { 1 << 30 };
/// The largest limit: half the map, because pages are freed only after others have been written.
pub(super) const MAX_LIMIT: u64 = MAP_BYTES as u64 / 2;
/// Maximum number of read transactions of all processes together.
const MAX_READERS: u32 = 1024;
/// LMDB's files in the folder. Other files there are not nearsort's.
const FILES: [&str; 2] = ["data.mdb", "lock.mdb"];
/// Maximum time for closing a cache that this process is just closing.
const CLOSING: Duration = Duration::from_secs(10);

/// Maximum number of times that a writer may come between the read of the meta pages and the
/// transaction.
const TRIES: usize = 100;
/// True if LMDB's files have the layout that `pages` reads. On other systems they are not checked.
const IS_READABLE: bool = cfg!(all(target_pointer_width = "64", target_endian = "little"));

type LmdbTable = Database<'static, Bytes, Bytes>;

/// The environments that this process has open. LMDB allows each file once per process.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<RecordStore>>>> = Mutex::new(None);

pub(super) struct RecordStore {
    pub folder: PathBuf,
    env: Env<WithoutTls>,
    /// Maps a key to its [`CacheEntry`].
    pub index: LmdbTable,
    /// Maps a number to its record.
    pub vectors: LmdbTable,
    /// Maps a key's model bytes to name and fingerprint.
    pub models: LmdbTable,
    /// The format and the limit.
    about: LmdbTable,
    /// True if this process changed the file.
    is_changed: AtomicBool,
}

impl RecordStore {
    /// Opens the cache in a folder, which is created if it does not exist.
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        let alone = FolderLock::acquire(folder)?;
        fs::create_dir_all(folder).map_err(|e| failed("create", folder, e.into()))?;
        let canonical = folder.canonicalize().map_err(|e| failed("open", folder, e.into()))?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(store) = open.get(&canonical).and_then(Weak::upgrade) {
            return Ok(store);
        }
        let store = Arc::new(Self::open_tables(folder, &canonical, &alone)?);
        open.retain(|_, store| store.strong_count() > 0);
        open.insert(canonical, Arc::downgrade(&store));
        Ok(store)
    }

    fn open_tables(folder: &Path, canonical: &Path, lock: &FolderLock) -> Result<Self> {
        let named = |error| failed("open", folder, error);
        let damaged = |why: String| unusable("open", folder, &format!("its file is damaged ({why})"));
        let file = canonical.join(FILES[0]);
        let is_new = !file.metadata().is_ok_and(|file| file.len() > 0);
        if IS_READABLE && !is_new {
            Snapshot::read(&PositionedFile::open(&file)?, None, MAP_BYTES as u64).map_err(damaged)?;
        }
        let env = open_environment(canonical).map_err(named)?;
        fill_up(&env).map_err(named)?;
        env.clear_stale_readers().map_err(named)?;
        if IS_READABLE && !is_new {
            let file = env.try_clone_inner_file().map_err(named)?;
            if !stamp::is_stamped(&lock.file, &file) {
                look_through(&env, &PositionedFile::open(&canonical.join(FILES[0]))?)
                    .map_err(named)?
                    .map_err(damaged)?;
                stamp::stamp(&lock.file, &file);
            }
        }
        let mut format = FORMAT.to_le_bytes().to_vec();
        let txn = env.write_txn().map_err(named)?;
        let tables = env.create_databases_and_commit(txn, |opener, txn| {
            let mut table = |name| opener.create_database::<Bytes, Bytes>(txn, Some(name));
            let tables = [table("index")?, table("vectors")?, table("models")?, table("about")?];
            match tables[3].get(txn, b"format")? {
                Some(found) => format = found.to_vec(),
                None => tables[3].put(txn, b"format", &format)?,
            }
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
        });
        let CommitOrAbort::Commit([index, vectors, models, about]) = tables.map_err(named)? else {
            return Err(unusable("open", folder, "its tables could not be made"));
        };
        if format != FORMAT.to_le_bytes() {
            return Err(unusable("open", folder, "another release of nearsort wrote it"));
        }
        let is_changed = AtomicBool::new(is_new);
        Ok(Self { folder: folder.to_owned(), env, index, vectors, models, about, is_changed })
    }

    /// Reads in one snapshot. Keep it short: while it lasts, no freed page is reused.
    pub fn read<T>(&self, work: impl FnOnce(&RoTxn<'_, WithoutTls>) -> heed::Result<T>) -> Result<T> {
        let read = || work(&self.env.read_txn()?);
        read().map_err(|error| failed("read", &self.folder, error))
    }

    /// Writes in one transaction: all or nothing, one process at a time.
    pub fn write<T>(&self, work: impl FnOnce(&mut RwTxn<'_>) -> heed::Result<T>) -> Result<T> {
        self.is_changed.store(true, Ordering::Relaxed);
        let write = || {
            let mut txn = self.env.write_txn()?;
            let result = work(&mut txn)?;
            txn.commit()?;
            Ok(result)
        };
        write().map_err(|error| failed("write", &self.folder, error))
    }

    pub fn entry(&self, txn: &RoTxn<'_>, key: &CacheKey) -> heed::Result<Option<CacheEntry>> {
        Ok(self.index.get(txn, &key.0)?.and_then(CacheEntry::from_bytes))
    }

    /// Returns the number of the next record.
    pub fn next_id(&self, txn: &RoTxn<'_>) -> heed::Result<u64> {
        let last = self.vectors.last(txn)?.and_then(|(key, _)| key.try_into().ok());
        let next = last.map_or(Some(0), |last| u64::from_be_bytes(last).checked_add(1));
        next.ok_or(heed::Error::Mdb(MdbError::Corrupted))
    }

    /// True if there is an undamaged record for the key.
    pub fn has_sound(&self, txn: &RoTxn<'_>, key: &CacheKey) -> heed::Result<bool> {
        let Some(entry) = self.entry(txn, key)? else { return Ok(false) };
        Ok(self.vectors.get(txn, &record_key(entry.id))?.is_some_and(|bytes| record::is_sound(key, bytes)))
    }

    /// Writes a record under the next number, replacing an older one.
    pub fn put(&self, txn: &mut RwTxn<'_>, key: &CacheKey, entry: CacheEntry, record: &[u8]) -> heed::Result<()> {
        if let Some(damaged) = self.entry(txn, key)? {
            self.vectors.delete(txn, &record_key(damaged.id))?;
        }
        self.vectors.put_with_flags(txn, PutFlags::APPEND, &record_key(entry.id), record)?;
        self.index.put(txn, &key.0, &entry.to_bytes())
    }

    /// Returns the bytes of the pages in use. The file also has free pages that were used once.
    pub fn used_bytes(&self, txn: &RoTxn<'_>) -> heed::Result<u64> {
        let mut bytes = 0;
        for table in [&self.index, &self.vectors, &self.models, &self.about] {
            let stat = table.stat(txn)?;
            bytes += (stat.branch_pages + stat.leaf_pages + stat.overflow_pages) as u64 * u64::from(stat.page_size);
        }
        Ok(bytes)
    }

    /// Returns the bytes of the file.
    pub fn file_bytes(&self) -> Result<u64> {
        self.env.real_disk_size().map_err(|error| failed("read", &self.folder, error))
    }

    /// Returns the limit that was set last.
    pub fn max_bytes(&self, txn: &RoTxn<'_>) -> heed::Result<u64> {
        let Some(bytes) = self.about.get(txn, b"max_bytes")? else { return Ok(DEFAULT_MAX_BYTES) };
        // The release before wrote no checksum.
        let (limit, sum) = bytes.split_at_checked(8).unwrap_or((bytes, b""));
        let is_sound = sum.is_empty() || sum == crc32fast::hash(limit).to_le_bytes();
        let limit = limit.try_into().ok().map(u64::from_le_bytes).filter(|_| is_sound);
        limit.filter(|limit| (MIN_MAX_BYTES..=MAX_LIMIT).contains(limit)).ok_or(heed::Error::Mdb(MdbError::Corrupted))
    }

    pub fn set_max_bytes(&self, bytes: u64) -> Result<()> {
        let limit = bytes.to_le_bytes();
        let value = [&limit[..], &crc32fast::hash(&limit).to_le_bytes()].concat();
        self.write(|txn| self.about.put(txn, b"max_bytes", &value))
    }
}

/// Stamps the file: if this process knew it to be sound, it leaves a sound one.
impl Drop for RecordStore {
    fn drop(&mut self) {
        if !IS_READABLE || !self.is_changed.load(Ordering::Relaxed) {
            return;
        }
        // A process that is opening the cache at this moment checks the file itself.
        let Ok(Some(lock)) = FolderLock::try_acquire(&self.folder) else { return };
        if let Ok(file) = self.env.try_clone_inner_file() {
            stamp::stamp(&lock.file, &file);
        }
    }
}

#[cfg(test)]
impl RecordStore {
    pub fn set_format(&self, format: u32) -> Result<()> {
        self.set_about(b"format", &format.to_le_bytes())
    }

    pub fn set_about(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|txn| self.about.put(txn, key, value))
    }

    pub fn look(&self, file: &PositionedFile) -> Result<(), String> {
        look_through(&self.env, file).map_err(|error| error.to_string())?
    }
}

fn open_environment(folder: &Path) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_BYTES).max_dbs(8).max_readers(MAX_READERS);
    // SAFETY: reading ahead or not does not affect soundness.
    unsafe { options.flags(EnvFlags::NO_READ_AHEAD) };
    loop {
        // SAFETY: LMDB maps the file, which must be changed only through LMDB. No other code writes
        // into it: `clear` moves the whole folder away, and `fill_up` makes the file longer, never
        // shorter.
        match unsafe { options.open(folder) } {
            Err(heed::Error::EnvAlreadyOpened) => {
                // Another thread is dropping its last handle.
                let closed = heed::env_closing_event(folder).is_none_or(|closing| closing.wait_timeout(CLOSING));
                if !closed {
                    return Err(heed::Error::EnvAlreadyOpened);
                }
            }
            result => return result,
        }
    }
}

/// Checks all pages of the newest snapshot. The outer error is LMDB's, the inner one is the damage.
fn look_through(env: &Env<WithoutTls>, file: &PositionedFile) -> heed::Result<Result<(), String>> {
    #[cfg(test)]
    super::tests::LOOKS.set(super::tests::LOOKS.get() + 1);
    let mut found = Ok(());
    for _ in 0..TRIES {
        // The transaction keeps writers from reusing the snapshot's pages.
        let txn = env.read_txn()?;
        match Snapshot::read(file, Some(txn.id() as u64), MAP_BYTES as u64) {
            Ok(snapshot) => return Ok(pages::check(file, &snapshot)),
            // A writer may have come in between, twice.
            Err(why) => found = Err(why),
        }
    }
    Ok(found)
}

/// Extends a truncated file to its stated length. The lost pages are then zeros, which LMDB and the
/// checksums detect; a page beyond the end of the file would end the process.
fn fill_up(env: &Env<WithoutTls>) -> heed::Result<()> {
    let _no_writer = env.write_txn()?;
    let page_bytes = u64::from(env.unnamed_database_stat().page_size);
    let expected = (env.info().last_page_number as u64 + 1) * page_bytes;
    let file = env.try_clone_inner_file()?;
    if file.metadata()?.len() < expected {
        file.set_len(expected)?;
    }
    Ok(())
}

/// Removes the cache in a folder, in any state, and returns the bytes of its files. Other processes
/// that have it open continue with the removed one.
pub(super) fn remove(folder: &Path) -> Result<u64> {
    if !folder.exists() {
        return Ok(0);
    }
    let _alone = FolderLock::acquire(folder)?;
    let named = |error: std::io::Error| failed("remove", folder, error.into());
    let canonical = folder.canonicalize().map_err(named)?;
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if open.as_ref().is_some_and(|open| open.get(&canonical).is_some_and(|store| store.strong_count() > 0)) {
        return Err(unusable("remove", folder, "this process has it open"));
    }
    let mut bytes = 0;
    for entry in fs::read_dir(&canonical).map_err(named)? {
        let entry = entry.map_err(named)?;
        let is_file = entry.file_type().is_ok_and(|found| found.is_file());
        if !is_file || !FILES.iter().any(|name| entry.file_name() == *name) {
            let message = format!("{} is in it, which is not nearsort's; nothing was removed", entry.path().display());
            return Err(Error::Cache { action: "remove", folder: folder.to_owned(), message });
        }
        bytes += entry.metadata().map_err(named)?.len();
    }
    // The rename is one step: no process may find one file of the pair without the other.
    let aside = beside(&canonical, "removed")?;
    remove_files(&aside).map_err(named)?;
    fs::rename(&canonical, &aside).map_err(named)?;
    remove_files(&aside).map_err(named)?;
    Ok(bytes)
}

/// Removes LMDB's files by name, then their folder. It also removes the remains of a process that
/// was killed in between.
fn remove_files(folder: &Path) -> std::io::Result<()> {
    let absent = |error: std::io::Error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) };
    FILES.iter().try_for_each(|name| fs::remove_file(folder.join(name)).or_else(absent))?;
    fs::remove_dir(folder).or_else(absent)
}

/// True if a folder has a cache.
pub(super) fn exists(folder: &Path) -> bool {
    folder.join(FILES[0]).exists()
}

/// Lock for opening and removing a cache, by one process at a time. Its file holds the stamp.
struct FolderLock {
    file: File,
}

impl FolderLock {
    fn acquire(folder: &Path) -> Result<Self> {
        let lock = Self::open(folder)?;
        lock.file.lock().map_err(|error| failed("open", folder, error.into()))?;
        Ok(lock)
    }

    /// Returns `None` while another process has the lock.
    fn try_acquire(folder: &Path) -> Result<Option<Self>> {
        let lock = Self::open(folder)?;
        Ok(lock.file.try_lock().is_ok().then_some(lock))
    }

    fn open(folder: &Path) -> Result<Self> {
        let named = |error: std::io::Error| failed("open", folder, error.into());
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(named)?;
        }
        let path = beside(folder, "lock")?;
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(named)?;
        Ok(Self { file })
    }
}

/// Returns a path beside the folder: `embeddings` -> `embeddings.lock`.
fn beside(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let name = folder.file_name().ok_or_else(|| unusable("open", folder, "the folder has no name"))?;
    let mut name = name.to_owned();
    name.push(format!(".{suffix}"));
    Ok(folder.with_file_name(name))
}

fn unusable(action: &'static str, folder: &Path, why: &str) -> Error {
    Error::Cache { action, folder: folder.to_owned(), message: why.to_owned() }.advised(Remedy::ClearCache)
}

fn failed(action: &'static str, folder: &Path, error: heed::Error) -> Error {
    let damaged = |error: &dyn std::fmt::Display| unusable(action, folder, &format!("its file is damaged ({error})"));
    let message = match error {
        heed::Error::Io(error) if error.kind() == ErrorKind::OutOfMemory => {
            format!(
                "{error}: it takes {} GiB of addresses, not of memory; raise `ulimit -v`, or leave `cache=` out",
                MAP_BYTES >> 30
            )
        }
        heed::Error::Io(error) if is_full(&error, action) => {
            format!(
                "{error}: the disk is full, or a quota or `ulimit -f` is reached; check the disk's free space, or leave `cache=` out"
            )
        }
        heed::Error::Io(error) => {
            format!("{error}; check the folder and the disk's free space, or leave `cache=` out")
        }
        heed::Error::Mdb(MdbError::VersionMismatch) => return unusable(action, folder, "another LMDB wrote it"),
        heed::Error::Mdb(MdbError::MapFull) => "it is full; give it a lower `cache_size=`".to_owned(),
        heed::Error::Mdb(MdbError::ReadersFull) => format!("more than {MAX_READERS} threads read it at once"),
        heed::Error::Mdb(error) => return damaged(&error),
        error => format!("{error}; leave `cache=` out"),
    };
    Error::Cache { action, folder: folder.to_owned(), message }
}

/// True if the disk is full. LMDB reports a short write as a device error.
fn is_full(error: &std::io::Error, action: &str) -> bool {
    const DEVICE_ERROR: i32 = 5;
    let kind = error.kind();
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
        || (cfg!(unix) && action == "write" && error.raw_os_error() == Some(DEVICE_ERROR))
}
