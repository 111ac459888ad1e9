//! The embedding cache in LMDB.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::key::MODEL_BYTES;
use super::record::{self, CacheEntry, record_key};
use super::store::{self, MAX_LIMIT, RecordStore};
use super::{CacheInfo, CacheKey, CacheOptions, CachedModel, CachedVector, MIN_MAX_BYTES, ModelEntries, Prune};
use crate::{Error, Result};

/// Age in seconds below which a time of use is not updated.
const TOUCH_AFTER: u64 = 3600;
/// Number of entries read in one snapshot.
const READ_AT_ONCE: usize = 4096;
/// Number of entries written in one transaction. Another process waits that long, and a kill loses
/// that many.
const WRITTEN_AT_ONCE: usize = 1024;

/// An open cache. Clones share it, and threads and other processes may use it at the same time.
#[derive(Clone)]
pub struct EmbeddingCache {
    pub(super) store: Arc<RecordStore>,
    /// Returns seconds since 1970.
    pub(super) clock: fn() -> u64,
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
        let store = RecordStore::open(&options.folder)?;
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
                self.store.put(txn, key, CacheEntry { used: (self.clock)(), id }, bytes)?;
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
                if let Some(CacheEntry { used, .. }) = CacheEntry::from_bytes(bytes) {
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
                deleted += self.store.delete_through(CacheEntry { used, id: u64::MAX })?;
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
                        self.store.index.put(txn, &key.0, &CacheEntry { used: now, ..entry }.to_bytes())?;
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
