//! The embedding cache: vectors of texts, kept on disk.
//!
//! The key of a vector is a hash of everything that decides it ([`CachedModel::key`]), so no entry
//! is ever out of date: another text, prompt, precision or revision of a model has another key.
//! Unused entries are evicted by age.
//!
//! [`CachedEncoder`] puts the cache before any encoder; its answers are the encoder's, bit by bit.
//! Answers of services are stored beside the vectors, as bytes under a hash of the question
//! ([`crate::remote::KeptAnswers`]).
//!
//! # The store
//!
//! LMDB, by heed. Many processes read and write one cache at once, and readers never wait. A
//! process that is killed in the middle of a write leaves the last whole transaction. Measured with
//! 100,000 records of 1.5 KB (benches/record): four processes at once write them in 4.2 s and read
//! them in 0.7 s; SQLite (WAL, mapped) takes 7.3 s and 1.2 s. redb allows one process at a time,
//! and reopened for each batch it takes 11.8 s and 4.4 s.
//!
//! Vectors are stored in the order of writing under a number. A small index maps a key to the
//! number and the time of use. If the vectors' keys were hashes, every batch would touch all pages
//! of the tree, and take a third more disk. LMDB does not work on a network file system.
//!
//! # Age and size
//!
//! The time of use has the resolution of an hour: a hit writes only if its entry's time is older,
//! and then all such entries of a batch in one transaction. A write that exceeds the limit evicts
//! the longest unused entries down to nine tenths of it. Freed pages are used again, but the file
//! never shrinks; [`EmbeddingCache::clear`] removes it.
//!
//! # What can go wrong
//!
//! A record with a wrong checksum is a miss, and is written again. LMDB trusts its file, and a
//! damaged one would end the process. So every page is checked before LMDB uses it (`pages.rs`),
//! unless the file is unchanged since a process that knew it to be sound (`stamp.rs`). For 200,000
//! entries in 60 MB the check takes a tenth of a second, and no time with a stamp.
//!
//! A cache that cannot be opened, read or written is an [`crate::Error::Cache`] that names the
//! folder and a remedy. nearsort never runs without the requested cache, because that would cost
//! what the cache was to save.

mod encoder;
mod eviction;
mod key;
mod pages;
mod record;
mod stamp;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use encoder::CachedEncoder;
pub use key::{CacheKey, CachedModel};
pub use record::CachedVector;
pub use store::{DEFAULT_MAX_BYTES, MIN_MAX_BYTES};

use crate::{Error, Result};
use key::MODEL_BYTES;
use record::{Entry, record_key};
use store::{MAX_LIMIT, Store};

/// Age in seconds below which a time of use is not updated.
const TOUCH_AFTER: u64 = 3600;
/// Number of entries read in one snapshot.
const READ_AT_ONCE: usize = 4096;
/// Number of entries written in one transaction. Another process waits that long, and a kill loses
/// that many.
const WRITTEN_AT_ONCE: usize = 1024;

/// The folder and the size limit of the embedding cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// A folder for the cache alone, on a local disk. It is created if it does not exist; see
    /// [`crate::StoreOptions::embedding_cache`].
    pub folder: PathBuf,
    /// The limit in bytes, from [`MIN_MAX_BYTES`] to 512 GiB. The cache stores it for all its
    /// users. `None`: the stored limit, at first [`DEFAULT_MAX_BYTES`].
    pub max_bytes: Option<u64>,
}

/// An open cache. Clones share it, and threads and other processes may use it at the same time.
#[derive(Clone)]
pub struct EmbeddingCache {
    store: Arc<Store>,
    /// Returns seconds since 1970.
    clock: fn() -> u64,
}

/// The content of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// The folder.
    pub folder: PathBuf,
    /// The number of vectors.
    pub entries: u64,
    /// Bytes in use, which the limit applies to.
    pub bytes: u64,
    /// Bytes on disk, including free pages.
    pub file_bytes: u64,
    /// The limit in bytes.
    pub max_bytes: u64,
    /// The last use of the entry that is evicted next, to the hour.
    pub oldest: Option<SystemTime>,
    /// The latest use of any entry, to the hour.
    pub newest: Option<SystemTime>,
    /// Entries by model, the model with the most entries first.
    pub models: Vec<ModelEntries>,
}

/// One model's part of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntries {
    /// The model's name when its first vector was stored.
    pub name: String,
    /// The model's fingerprint.
    pub fingerprint: String,
    /// The number of its vectors.
    pub entries: u64,
}

/// Selection of the entries to delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prune {
    /// Deletes the longest unused entries until at most this many bytes are in use.
    pub max_bytes: Option<u64>,
    /// Deletes entries that have not been used for this long.
    pub older_than: Option<Duration>,
}

impl EmbeddingCache {
    /// Opens or creates the cache in a folder. A second open in the same process returns the same
    /// cache.
    ///
    /// # Errors
    /// [`Error::Cache`] when the folder cannot be written or has other content;
    /// [`Error::InvalidArgument`] for a limit out of range.
    pub fn open(options: &CacheOptions) -> Result<Self> {
        if let Some(limit) = options.max_bytes.filter(|limit| !(MIN_MAX_BYTES..=MAX_LIMIT).contains(limit)) {
            let message = format!(
                "an embedding cache of {limit} bytes is not possible; give it {MIN_MAX_BYTES} to {MAX_LIMIT} bytes"
            );
            return Err(Error::InvalidArgument(message));
        }
        let store = Store::open(&options.folder)?;
        let known = store.read(|txn| store.max_bytes(txn))?;
        if let Some(limit) = options.max_bytes.filter(|&limit| limit != known) {
            store.set_max_bytes(limit)?;
        }
        Ok(Self { store, clock: now })
    }

    /// True if a folder has a cache; otherwise [`EmbeddingCache::open`] would create one.
    pub fn exists(folder: &Path) -> bool {
        store::exists(folder)
    }

    /// Removes the cache in a folder from the disk, in any state. Returns the bytes that it took; 0
    /// if there is none. Processes that have it open continue, and what they write is lost.
    ///
    /// # Errors
    /// [`Error::Cache`] when the files cannot be removed, when the folder has other files, or when
    /// this process has the cache open.
    pub fn clear(folder: &Path) -> Result<u64> {
        store::remove(folder)
    }

    /// Returns the vectors under these keys, `None` for a missing one. It updates the times of use
    /// of those found.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be read, or a time of use cannot be written.
    pub fn get_many(&self, keys: &[CacheKey]) -> Result<Vec<Option<CachedVector>>> {
        self.get_decoded(keys, record::decode)
    }

    /// Returns the answer of a service under a key ([`CachedModel::question_key`]), and updates its
    /// time of use.
    ///
    /// # Errors
    /// As [`EmbeddingCache::get_many`].
    pub fn get_answer(&self, key: &CacheKey) -> Result<Option<Vec<u8>>> {
        Ok(self.get_decoded(&[*key], record::decode_answer)?.pop().flatten())
    }

    fn get_decoded<T>(&self, keys: &[CacheKey], decode: fn(&CacheKey, &[u8]) -> Option<T>) -> Result<Vec<Option<T>>> {
        let mut found = Vec::with_capacity(keys.len());
        let mut untouched = Vec::new();
        let now = (self.clock)();
        for keys in keys.chunks(READ_AT_ONCE) {
            self.store.read(|txn| {
                for key in keys {
                    let Some(entry) = self.store.entry(txn, key)? else {
                        found.push(None);
                        continue;
                    };
                    let record = self.store.vectors.get(txn, &record_key(entry.id))?;
                    let value = record.and_then(|bytes| decode(key, bytes));
                    if value.is_some() && now.saturating_sub(entry.used) >= TOUCH_AFTER {
                        untouched.push(*key);
                    }
                    found.push(value);
                }
                Ok(())
            })?;
        }
        self.touch(&untouched, now)?;
        Ok(found)
    }

    /// Stores vectors of a model. Existing entries stay, unless they are damaged.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be written.
    pub fn put_many(&self, model: &CachedModel, entries: &[(CacheKey, CachedVector)]) -> Result<()> {
        let mut bytes = Vec::new();
        for entries in entries.chunks(WRITTEN_AT_ONCE) {
            let records = entries.iter().map(|(key, value)| {
                record::encode(&mut bytes, key, value);
                (*key, bytes.clone())
            });
            self.put_records(model, &records.collect::<Vec<_>>(), false)?;
        }
        Ok(())
    }

    /// Stores the answer of a service, replacing an existing one.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be written.
    pub fn put_answer(&self, model: &CachedModel, key: &CacheKey, answer: &[u8]) -> Result<()> {
        self.put_records(model, &[(*key, record::encode_answer(key, answer))], true)
    }

    /// Stores records in one transaction, and evicts entries if the limit is exceeded.
    fn put_records(&self, model: &CachedModel, records: &[(CacheKey, Vec<u8>)], replaces: bool) -> Result<()> {
        let (used, limit) = self.store.write(|txn| {
            if self.store.models.get(txn, model.prefix())?.is_none() {
                let said = format!("{}\n{}", model.fingerprint, model.name);
                self.store.models.put(txn, model.prefix(), said.as_bytes())?;
            }
            let mut id = self.store.next_id(txn)?;
            for (key, bytes) in records {
                if !replaces && self.store.has_sound(txn, key)? {
                    continue;
                }
                self.store.put(txn, key, Entry { used: (self.clock)(), id }, bytes)?;
                id += 1;
            }
            Ok((self.store.used_bytes(txn)?, self.store.max_bytes(txn)?))
        })?;
        if used > limit {
            self.store.evict_to(limit / 10 * 9)?;
        }
        Ok(())
    }

    /// Returns facts about the content. It reads the index, some 60 bytes per entry, and no
    /// vectors.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be read.
    pub fn info(&self) -> Result<CacheInfo> {
        let store = &self.store;
        let file_bytes = store.file_bytes()?;
        store.read(|txn| {
            let mut by_model: HashMap<Vec<u8>, u64> = HashMap::new();
            let (mut oldest, mut newest) = (None::<u64>, None::<u64>);
            for item in store.index.iter(txn)? {
                let (key, bytes) = item?;
                *by_model.entry(key[..MODEL_BYTES.min(key.len())].to_vec()).or_default() += 1;
                if let Some(Entry { used, .. }) = Entry::from_bytes(bytes) {
                    oldest = Some(oldest.map_or(used, |oldest| oldest.min(used)));
                    newest = newest.max(Some(used));
                }
            }
            let mut models = Vec::with_capacity(by_model.len());
            for (prefix, entries) in by_model {
                let said = store.models.get(txn, &prefix)?.map(String::from_utf8_lossy).unwrap_or_default();
                let (fingerprint, name) = said.split_once('\n').unwrap_or_default();
                models.push(ModelEntries { name: name.to_owned(), fingerprint: fingerprint.to_owned(), entries });
            }
            models.sort_by(|a, b| b.entries.cmp(&a.entries).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
            let time = |seconds: Option<u64>| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds?));
            Ok(CacheInfo {
                folder: store.folder.clone(),
                entries: models.iter().map(|model| model.entries).sum(),
                bytes: store.used_bytes(txn)?,
                file_bytes,
                max_bytes: store.max_bytes(txn)?,
                oldest: time(oldest),
                newest: time(newest),
                models,
            })
        })
    }

    /// Deletes entries, and returns their number.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be written.
    pub fn prune(&self, prune: Prune) -> Result<u64> {
        let mut deleted = 0;
        if let Some(age) = prune.older_than {
            // An entry of exactly this age is not older.
            if let Some(used) = (self.clock)().checked_sub(age.as_secs().saturating_add(1)) {
                deleted += self.store.delete_through(Entry { used, id: u64::MAX })?;
            }
        }
        if let Some(bytes) = prune.max_bytes {
            deleted += self.store.evict_to(bytes)?;
        }
        Ok(deleted)
    }

    /// Updates the times of use of entries.
    fn touch(&self, keys: &[CacheKey], now: u64) -> Result<()> {
        keys.chunks(READ_AT_ONCE).try_for_each(|keys| {
            self.store.write(|txn| {
                for key in keys {
                    // Another process may have deleted it in between.
                    if let Some(entry) = self.store.entry(txn, key)? {
                        self.store.index.put(txn, &key.0, &Entry { used: now, ..entry }.to_bytes())?;
                    }
                }
                Ok(())
            })
        })
    }
}

/// Returns seconds since 1970; 0 if the clock is before that.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
