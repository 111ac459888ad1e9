//! Time, size and damage: what the public tests cannot bring about.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::encoder::Role;

const HOUR: u64 = 3600;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(1000 * HOUR) };
}

fn at(hour: u64) {
    NOW.set(hour * HOUR);
}

fn open(folder: &Path, max_bytes: Option<u64>) -> EmbeddingCache {
    let options = CacheOptions { folder: folder.join("embeddings"), max_bytes };
    EmbeddingCache { clock: || NOW.get(), ..EmbeddingCache::open(&options).unwrap() }
}

fn model() -> CachedModel {
    CachedModel::new("a model", "its fingerprint")
}

fn keys(numbers: std::ops::Range<usize>) -> Vec<CacheKey> {
    numbers.map(|number| model().key(Role::Document, &number.to_string())).collect()
}

fn vector(dim: usize) -> CachedVector {
    CachedVector { vector: (0..dim).map(|at| at as f32).collect(), tokens: 5, truncated: false }
}

fn put(cache: &EmbeddingCache, numbers: std::ops::Range<usize>, dim: usize) {
    let entries: Vec<_> = keys(numbers).into_iter().map(|key| (key, vector(dim))).collect();
    cache.put_many(&model(), &entries).unwrap();
}

fn there(cache: &EmbeddingCache, numbers: std::ops::Range<usize>) -> usize {
    let store = &cache.store;
    let found = |key: &CacheKey| store.read(|txn| store.has_sound(txn, key)).unwrap();
    keys(numbers).iter().filter(|key| found(key)).count()
}

fn entries(cache: &EmbeddingCache) -> u64 {
    cache.info().unwrap().entries
}

#[test]
fn a_full_cache_lets_the_longest_unused_go_down_to_nine_tenths() {
    let folder = tempfile::tempdir().unwrap();
    let limit = MIN_MAX_BYTES;
    let cache = open(folder.path(), Some(limit));
    at(10);
    put(&cache, 0..100, 256);
    at(20);
    put(&cache, 100..200, 256);
    at(30);
    assert!(cache.get_many(&keys(0..100)).unwrap().iter().all(Option::is_some));
    let mut next = 200;
    while there(&cache, 100..200) == 100 {
        at(40 + next as u64);
        put(&cache, next..next + 10, 256);
        next += 10;
    }
    let info = cache.info().unwrap();
    assert!(info.bytes <= limit / 10 * 9 && info.bytes > limit / 2, "{info:?}");
    assert_eq!(there(&cache, 0..100), 100, "what was used later stays");
    assert_eq!(there(&cache, next - 10..next), 10, "what is new stays");
    assert_eq!(there(&cache, 200..next), next - 200);
    assert!(there(&cache, 100..200) < 100);
}

#[test]
fn a_cache_that_is_much_too_small_for_a_batch_ends_below_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), Some(MIN_MAX_BYTES));
    put(&cache, 0..5000, 256);
    let info = cache.info().unwrap();
    assert!(info.bytes <= MIN_MAX_BYTES && info.entries > 300, "{info:?}");
    assert!(info.file_bytes < 8 * MIN_MAX_BYTES, "pages are used again: {info:?}");
    assert_eq!(there(&cache, 4900..5000), 100, "the newest stay");
}

#[test]
fn a_hit_writes_only_when_the_time_of_use_is_an_hour_old() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    let used = || cache.info().unwrap().newest.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    at(10);
    put(&cache, 0..3, 4);
    NOW.set(11 * HOUR - 1);
    cache.get_many(&keys(0..3)).unwrap();
    assert_eq!(used(), 10 * HOUR);
    at(11);
    cache.get_many(&keys(0..1)).unwrap();
    assert_eq!(used(), 11 * HOUR);
    assert_eq!(cache.info().unwrap().oldest.unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(10 * HOUR));
}

#[test]
fn prune_takes_out_by_age_and_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    at(0);
    put(&cache, 0..40, 256);
    at(48);
    put(&cache, 40..400, 256);
    let age = |hours| Prune { older_than: Some(Duration::from_secs(hours * HOUR)), max_bytes: None };
    assert_eq!(cache.prune(Prune::default()).unwrap(), 0);
    assert_eq!(cache.prune(age(48)).unwrap(), 0, "exactly as old is not older");
    assert_eq!(cache.prune(age(47)).unwrap(), 40);
    assert_eq!((there(&cache, 0..40), there(&cache, 40..400)), (0, 360));
    let half = cache.info().unwrap().bytes / 2;
    let deleted = cache.prune(Prune { max_bytes: Some(half), older_than: None }).unwrap();
    assert!(deleted > 100 && cache.info().unwrap().bytes <= half);
    assert_eq!(cache.prune(Prune { max_bytes: Some(0), older_than: None }).unwrap(), 360 - deleted);
    assert_eq!(entries(&cache), 0);
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    at(500);
    put(&cache, 0..3, 4);
    at(10);
    assert!(cache.get_many(&keys(0..3)).unwrap().iter().all(Option::is_some));
    assert_eq!(cache.prune(Prune { older_than: Some(Duration::from_secs(1)), max_bytes: None }).unwrap(), 0);
}

#[test]
fn a_damaged_record_is_a_miss_and_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    put(&cache, 0..3, 4);
    let damaged = keys(1..2)[0];
    let store = &cache.store;
    let spoil = |txn: &mut heed::RwTxn<'_>| {
        let id = record_key(store.entry(txn, &damaged)?.unwrap().id);
        let mut bytes = store.vectors.get(txn, &id)?.unwrap().to_vec();
        bytes[15] ^= 1;
        store.vectors.put(txn, &id, &bytes)
    };
    store.write(spoil).unwrap();
    let found = cache.get_many(&keys(0..3)).unwrap();
    assert_eq!(found, [Some(vector(4)), None, Some(vector(4))]);
    put(&cache, 0..3, 4);
    assert_eq!(cache.get_many(&keys(0..3)).unwrap(), vec![Some(vector(4)); 3]);
    let records = store.read(|txn| store.vectors.len(txn)).unwrap();
    assert_eq!((entries(&cache), records), (3, 3), "the damaged record is gone");
}

#[test]
fn a_cache_of_another_format_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    cache.store.set_format(2).unwrap();
    drop(cache);
    let options = CacheOptions { folder: folder.path().join("embeddings"), max_bytes: None };
    let error = EmbeddingCache::open(&options).err().unwrap().to_string();
    for part in ["another release", "nearsort cache clear", options.folder.to_str().unwrap()] {
        assert!(error.contains(part), "{error}");
    }
    assert!(EmbeddingCache::clear(&options.folder).unwrap() > 0);
    EmbeddingCache::open(&options).unwrap();
}

/// As after a full disk during a copy. Whatever was lost, the process goes on.
#[test]
fn a_file_that_was_cut_short_ends_nobody() {
    for kept in [1, 2, 5, 9] {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), None);
        put(&cache, 0..200, 256);
        drop(cache);
        let file = folder.path().join("embeddings").join("data.mdb");
        let length = fs::metadata(&file).unwrap().len();
        let kept = (length / 10 * kept / 4096 * 4096).max(2 * 4096);
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(kept).unwrap();
        let options = CacheOptions { folder: folder.path().join("embeddings"), max_bytes: None };
        let found = EmbeddingCache::open(&options).and_then(|cache| cache.get_many(&keys(0..200)));
        match found {
            Ok(found) => assert!(found.iter().flatten().all(|value| *value == vector(256))),
            Err(error) => assert!(error.to_string().contains("nearsort cache clear"), "{error}"),
        }
    }
}
