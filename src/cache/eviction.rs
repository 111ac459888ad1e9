//! Eviction: the longest unused entries go first, in transactions that block other processes only
//! shortly.

use std::ops::Bound;

use super::record::{CacheEntry, record_key};
use super::store::RecordStore;
use crate::Result;

/// Maximum number of entries deleted in one transaction.
const DELETED_AT_ONCE: usize = 4096;
/// Maximum number of entries examined in one transaction.
const SCANNED_AT_ONCE: usize = 1 << 16;

/// The result of one transaction.
struct Evicted {
    deleted: u64,
    /// The last key that was examined; `None` at the end.
    last: Option<Vec<u8>>,
}

impl RecordStore {
    /// Deletes the longest unused entries until at most `bytes` bytes are in use. Returns the
    /// number of deleted entries. Takes 16 bytes of memory per entry of the cache.
    pub fn evict_to(&self, bytes: u64) -> Result<u64> {
        let mut deleted = 0;
        while let Some(last) = self.last_to_go(bytes)? {
            match self.delete_through(last)? {
                // Another process was faster.
                0 => break,
                some => deleted += some,
            }
        }
        Ok(deleted)
    }

    /// Deletes every entry up to `last` in the order of use. Returns their number.
    pub fn delete_through(&self, last: CacheEntry) -> Result<u64> {
        let mut deleted = 0;
        let mut after = None;
        loop {
            let step = self.delete_some(after.as_deref(), last)?;
            deleted += step.deleted;
            after = step.last;
            if after.is_none() {
                return Ok(deleted);
            }
        }
    }

    /// Returns the entry up to which all must be deleted, estimated from their mean size.
    fn last_to_go(&self, bytes: u64) -> Result<Option<CacheEntry>> {
        self.read(|txn| {
            let used = self.used_bytes(txn)?;
            let mut entries = Vec::new();
            if used > bytes {
                for item in self.index.iter(txn)? {
                    entries.push(entry_of(item?.1));
                }
            }
            if entries.is_empty() {
                return Ok(None);
            }
            let share = (used - bytes) as f64 / used as f64;
            let count = ((entries.len() as f64 * share).ceil() as usize).clamp(1, entries.len());
            Ok(Some(*entries.select_nth_unstable(count - 1).1))
        })
    }

    /// Does one step of [`RecordStore::delete_through`], over the keys after `after`.
    fn delete_some(&self, after: Option<&[u8]>, last: CacheEntry) -> Result<Evicted> {
        self.write(|txn| {
            let mut going: Vec<(Vec<u8>, CacheEntry)> = Vec::new();
            let mut scanned = None;
            let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            for (number, item) in (1..).zip(self.index.range(txn, &range)?) {
                let (key, bytes) = item?;
                let entry = entry_of(bytes);
                if entry <= last {
                    going.push((key.to_vec(), entry));
                }
                if going.len() == DELETED_AT_ONCE || number == SCANNED_AT_ONCE {
                    scanned = Some(key.to_vec());
                    break;
                }
            }
            for (key, entry) in &going {
                self.index.delete(txn, key)?;
                self.vectors.delete(txn, &record_key(entry.id))?;
            }
            Ok(Evicted { deleted: going.len() as u64, last: scanned })
        })
    }
}

/// Reads an entry. Invalid bytes count as the oldest entry.
fn entry_of(bytes: &[u8]) -> CacheEntry {
    CacheEntry::from_bytes(bytes).unwrap_or(CacheEntry { used: 0, id: u64::MAX })
}
