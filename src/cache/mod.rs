//! The embedding cache: what a text's vector was, kept on the disk for the next time.
//!
//! A vector is filed under a hash of everything that decides it ([`CachedModel::key`]), so that nothing in the cache is ever out of date:
//! another text, prompt, precision or revision of a model is another key, and what nobody asks for any more goes by age.
//! [`CachedEncoder`] puts the cache before any encoder; its answers are the encoder's, bit by bit. Answers of services lie beside the vectors, as bytes under a
//! hash of the question ([`crate::remote::KeptAnswers`]).
//!
//! # The store
//!
//! LMDB, by heed. Many processes read and write one cache at once, readers without waiting for anybody; a process that is killed in the
//! middle of a write leaves the last whole transaction. Measured with 100,000 records of 1.5 KB (benches/record): four processes at once
//! write them in 4.2 s and read them in 0.7 s; SQLite (WAL, mapped) takes 7.3 s and 1.2 s. redb lets one process in at a time, and reopened for
//! each batch it takes 11.8 s and 4.4 s.
//!
//! Vectors lie in the order of writing under a number, and a small index leads from key to number and time of use. Hashes as keys of the
//! vectors themselves would spread every batch over all pages of the tree: a third more on the disk. LMDB cannot live on a network file system.
//!
//! # Age and size
//!
//! The time of use is kept to the hour: a hit writes only when its entry's time is older than that, and then all such entries of a
//! batch in one transaction. A write that passes the limit evicts the longest unused entries down to nine tenths of it. Freed pages are used
//! again, but the file keeps the size that it once had; [`EmbeddingCache::clear`] gives it back.
//!
//! # What can go wrong
//!
//! A record whose checksum is wrong is a miss, and is written anew. LMDB trusts its file, and a damaged one would end the process: so every page is looked at before
//! LMDB follows it (`pages.rs`), unless the file is as the last process that knew it to be sound left it (`stamp.rs`). For 200,000 entries in 60 MB
//! that takes a tenth of a second, and nothing with a stamp. A cache that cannot be opened, read or written is an
//! [`crate::Error::Cache`] that names the folder and says what to do: never a run without it, which would cost what the cache was to save.

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

/// A time of use that is younger than this is left as it is, in seconds.
const TOUCH_AFTER: u64 = 3600;
/// Entries read in one snapshot.
const READ_AT_ONCE: usize = 4096;
/// Entries written in one transaction: so long another process waits, and so much is lost when the process is killed.
const WRITTEN_AT_ONCE: usize = 1024;

/// Where the embedding cache is, and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// A folder of its own on a local disk, made if it is not there; see [`crate::StoreOptions::embedding_cache`].
    pub folder: PathBuf,
    /// The limit in bytes, from [`MIN_MAX_BYTES`] to 512 GiB, which the cache remembers for all who use it; `None`: what it remembers, at first
    /// [`DEFAULT_MAX_BYTES`].
    pub max_bytes: Option<u64>,
}

/// An open cache. Clones share it, threads may use it side by side, and so may other processes.
#[derive(Clone)]
pub struct EmbeddingCache {
    store: Arc<Store>,
    /// Seconds since 1970.
    clock: fn() -> u64,
}

/// What is in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// Where it is.
    pub folder: PathBuf,
    /// Vectors in it.
    pub entries: u64,
    /// Bytes in use; what the limit speaks of.
    pub bytes: u64,
    /// Bytes on the disk, free pages included.
    pub file_bytes: u64,
    /// The limit in bytes.
    pub max_bytes: u64,
    /// When the entry that goes next was last used, to the hour.
    pub oldest: Option<SystemTime>,
    /// When an entry was last used, to the hour.
    pub newest: Option<SystemTime>,
    /// Entries by model, most first.
    pub models: Vec<ModelEntries>,
}

/// How much of a cache is one model's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntries {
    /// The model's name when its first vector was kept.
    pub name: String,
    /// The model's fingerprint.
    pub fingerprint: String,
    /// Its vectors.
    pub entries: u64,
}

/// What is taken out of a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prune {
    /// The longest unused entries, until at most so many bytes are in use.
    pub max_bytes: Option<u64>,
    /// Entries that were not used for so long.
    pub older_than: Option<Duration>,
}

impl EmbeddingCache {
    /// Opens the cache in a folder, or makes one. Opened twice in a process it is the same cache.
    ///
    /// # Errors
    /// [`Error::Cache`] when the folder cannot be written or holds something else; [`Error::InvalidArgument`] for a limit out of range.
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

    /// Whether a folder has a cache in it, which [`EmbeddingCache::open`] would make otherwise.
    pub fn exists(folder: &Path) -> bool {
        store::exists(folder)
    }

    /// Removes the cache in a folder from the disk, whatever its state, and gives the bytes that it took; 0 where there is none. Processes that
    /// have it open go on, and what they write is lost.
    ///
    /// # Errors
    /// [`Error::Cache`] when the files cannot be removed, when there are other files in the folder, or when this process has it open.
    pub fn clear(folder: &Path) -> Result<u64> {
        store::remove(folder)
    }

    /// What is filed under each key, `None` where there is nothing. What was found counts as used now.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be read, or a time of use cannot be written.
    pub fn get_many(&self, keys: &[CacheKey]) -> Result<Vec<Option<CachedVector>>> {
        self.get_decoded(keys, record::decode)
    }

    /// The answer of a service that is kept under a key ([`CachedModel::question_key`]); it counts as used now.
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

    /// Files vectors of a model. What is there already stays, unless it is damaged.
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

    /// Keeps the answer of a service, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be written.
    pub fn put_answer(&self, model: &CachedModel, key: &CacheKey, answer: &[u8]) -> Result<()> {
        self.put_records(model, &[(*key, record::encode_answer(key, answer))], true)
    }

    /// Files records in one transaction, and makes room where they are too many.
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

    /// What is in the cache. Reads the index, some 60 bytes per entry, and no vector.
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

    /// Takes entries out, and gives their number.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be written.
    pub fn prune(&self, prune: Prune) -> Result<u64> {
        let mut deleted = 0;
        if let Some(age) = prune.older_than {
            // An entry that is exactly as old is not older.
            if let Some(used) = (self.clock)().checked_sub(age.as_secs().saturating_add(1)) {
                deleted += self.store.delete_through(Entry { used, id: u64::MAX })?;
            }
        }
        if let Some(bytes) = prune.max_bytes {
            deleted += self.store.evict_to(bytes)?;
        }
        Ok(deleted)
    }

    /// Notes that entries were used.
    fn touch(&self, keys: &[CacheKey], now: u64) -> Result<()> {
        keys.chunks(READ_AT_ONCE).try_for_each(|keys| {
            self.store.write(|txn| {
                for key in keys {
                    // Another process may have taken it out meanwhile.
                    if let Some(entry) = self.store.entry(txn, key)? {
                        self.store.index.put(txn, &key.0, &Entry { used: now, ..entry }.to_bytes())?;
                    }
                }
                Ok(())
            })
        })
    }
}

/// Seconds since 1970; 0 where the machine's clock says less.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
