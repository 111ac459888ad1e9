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

#[cfg(feature = "cache")]
mod embedding_cache;
#[cfg(not(feature = "cache"))]
#[path = "embedding_cache_off.rs"]
mod embedding_cache;
mod encoder;
#[cfg(feature = "cache")]
mod eviction;
mod key;
#[cfg(feature = "cache")]
mod pages;
// Only the store reads and writes records.
#[cfg_attr(not(feature = "cache"), allow(dead_code))]
mod record;
#[cfg(feature = "cache")]
mod stamp;
#[cfg(feature = "cache")]
mod store;
#[cfg(all(test, feature = "cache"))]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

pub use embedding_cache::EmbeddingCache;
pub use encoder::CachedEncoder;
pub use key::{CacheKey, CachedModel};
pub use record::CachedVector;

/// Default limit of a cache: 4 GiB, some two million vectors of 384 components.
pub const DEFAULT_MAX_BYTES: u64 = 4 << 30;
/// The smallest limit.
pub const MIN_MAX_BYTES: u64 = 1 << 20;

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
