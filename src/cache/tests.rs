//! Time, size and damage, which public tests cannot control.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::record::record_key;
use super::*;
use crate::encoder::Role;
use crate::io::PositionedFile;

const HOUR: u64 = 3600;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(1000 * HOUR) };
    /// Number of times that this thread has checked a file.
    pub(super) static LOOKS: Cell<usize> = const { Cell::new(0) };
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
    for part in ["another release", "EmbeddingCache::clear", options.folder.to_str().unwrap()] {
        assert!(error.contains(part), "{error}");
    }
    assert!(EmbeddingCache::clear(&options.folder).unwrap() > 0);
    EmbeddingCache::open(&options).unwrap();
}

/// A truncated file, as after a full disk during a copy. The process continues, whatever was lost.
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
            Err(error) => assert!(error.to_string().contains("EmbeddingCache::clear"), "{error}"),
        }
    }
}

/// Returns the file of a cache with all kinds of content: trees of two levels, values in overflow
/// pages, and free pages.
fn much_used(folder: &Path) -> Vec<u8> {
    let cache = open(folder, Some(MIN_MAX_BYTES));
    put(&cache, 0..300, 256);
    cache.prune(Prune { max_bytes: Some(200_000), older_than: None }).unwrap();
    put(&cache, 300..330, 4000);
    put(&cache, 0..40, 16);
    let answer: Vec<u8> = (0..20_000_u32).map(|at| at as u8).collect();
    cache.put_answer(&model(), &model().question_key("q"), &answer).unwrap();
    drop(cache);
    fs::read(folder.join("embeddings/data.mdb")).unwrap()
}

/// Uses a cache in all ways. Returns true if it was found to be damaged.
fn used(folder: &Path, dims: &[(std::ops::Range<usize>, usize)]) -> bool {
    let options = CacheOptions { folder: folder.join("embeddings"), max_bytes: None };
    let work = || {
        let cache = EmbeddingCache::open(&options)?;
        for (numbers, dim) in dims {
            let found = cache.get_many(&keys(numbers.clone()))?;
            assert!(found.iter().flatten().all(|value| *value == vector(*dim)), "another answer");
        }
        if let Some(answer) = cache.get_answer(&model().question_key("q"))? {
            assert!(answer.iter().enumerate().all(|(at, &byte)| byte == at as u8) && answer.len() == 20_000);
        }
        cache.put_many(&model(), &[(keys(7000..7001)[0], vector(256))])?;
        assert_eq!(cache.get_many(&keys(7000..7001))?, [Some(vector(256))]);
        cache.info()?;
        cache.prune(Prune { max_bytes: Some(60_000), older_than: None })?;
        cache.put_many(&model(), &keys(100..160).into_iter().map(|key| (key, vector(256))).collect::<Vec<_>>())
    };
    match work() {
        Ok(()) => false,
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("EmbeddingCache::clear") || message.contains("cache_size"), "{message}");
            true
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed_or_harmless_and_ends_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let whole = much_used(folder.path());
    let file = folder.path().join("embeddings/data.mdb");
    let dims = [(0..40, 16), (300..330, 4000)];
    assert!(!used(folder.path(), &dims), "a sound cache is used");
    // Every byte of the meta pages, the heads of all pages with what LMDB follows, and some of the
    // rest.
    let of_metas = [0, 4096].into_iter().flat_map(|page| page..page + 152);
    let of_pages = (2..whole.len() / 4096).flat_map(|page| (0..40).map(move |at| 4096 * page + at));
    let others = (0..200).map(|number| number * 7919 * 13 % whole.len());
    let mut noticed = 0;
    for (number, at) in of_metas.chain(of_pages.step_by(29)).chain(others).enumerate() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (number % 8);
        fs::write(&file, flipped).unwrap();
        noticed += usize::from(used(folder.path(), &dims));
    }
    assert!(noticed > 200, "{noticed}");
    for cut in [0, 1, 100, 4096, 5000, 8192, 8193, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        used(folder.path(), &dims);
    }
}

#[test]
fn a_file_is_looked_through_only_when_others_may_have_changed_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("embeddings/data.mdb");
    let looks = || LOOKS.replace(0);
    drop(open(folder.path(), None));
    put(&open(folder.path(), None), 0..300, 256);
    looks();
    for _ in 0..3 {
        assert!(open(folder.path(), None).get_many(&keys(0..300)).unwrap().iter().all(Option::is_some));
    }
    put(&open(folder.path(), None), 300..310, 256);
    assert_eq!(there(&open(folder.path(), None), 0..310), 310);
    assert_eq!(looks(), 0, "who left it knew that it was sound");
    // The same bytes, written by another program.
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    assert_eq!(there(&open(folder.path(), None), 0..310), 310);
    assert_eq!(looks(), 1);
    assert_eq!(there(&open(folder.path(), None), 0..310), 310);
    assert_eq!(looks(), 0, "and then it is known again");
    fs::write(folder.path().join("embeddings.lock"), "sound: no such thing").unwrap();
    assert_eq!(there(&open(folder.path(), None), 0..310), 310);
    assert_eq!(looks(), 1);
}

/// Every file that LMDB writes passes the check too: trees that grow and shrink, pages that are
/// freed and reused.
#[test]
fn what_lmdb_writes_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("embeddings.lock");
    let mut state = 12345_usize;
    for round in 0..60 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (first, count, dim) = (state >> 50, 1 + (state >> 20) % 400, [3, 40, 256, 700, 3000][round % 5]);
        let cache = open(folder.path(), Some(8 << 20));
        put(&cache, first..first + count, dim);
        if round % 3 == 2 {
            let bytes = cache.info().unwrap().bytes * ((state >> 9) % 10) as u64 / 10;
            cache.prune(Prune { max_bytes: Some(bytes), older_than: None }).unwrap();
        }
        drop(cache);
        fs::write(&lock, "").unwrap();
    }
    assert!(LOOKS.get() >= 59);
}

/// A file is not reported as damaged because other processes write while it is checked.
#[test]
fn a_file_that_is_written_meanwhile_is_not_taken_for_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), Some(8 << 20));
    put(&cache, 0..2000, 256);
    let file = PositionedFile::open(&folder.path().join("embeddings/data.mdb")).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..40 {
                put(&cache, 10_000 + round * 50..10_050 + round * 50, 256);
            }
        });
        while !writer.is_finished() {
            assert_eq!(cache.store.look(&file), Ok(()));
        }
    });
}

#[test]
fn a_limit_that_was_damaged_is_not_another_limit() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), Some(2 << 20));
    assert_eq!(cache.info().unwrap().max_bytes, 2 << 20);
    cache.store.set_about(b"max_bytes", &[&(3_u64 << 20).to_le_bytes()[..], b"sum?"].concat()).unwrap();
    assert!(cache.info().unwrap_err().to_string().contains("damaged"));
    cache.store.set_about(b"max_bytes", &(3_u64 << 20).to_le_bytes()).unwrap();
    assert_eq!(cache.info().unwrap().max_bytes, 3 << 20, "of the release before");
}

#[test]
fn only_files_of_the_cache_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("embeddings");
    drop(open(folder.path(), None));
    fs::remove_file(place.join("lock.mdb")).unwrap();
    fs::create_dir(place.join("lock.mdb")).unwrap();
    fs::write(place.join("lock.mdb/thesis.txt"), "work").unwrap();
    assert!(EmbeddingCache::clear(&place).is_err());
    assert_eq!(fs::read(place.join("lock.mdb/thesis.txt")).unwrap(), b"work");
    fs::remove_dir_all(place.join("lock.mdb")).unwrap();
    // A process was killed between moving the folder away and removing it.
    fs::create_dir(folder.path().join("embeddings.removed")).unwrap();
    fs::write(folder.path().join("embeddings.removed/data.mdb"), "old").unwrap();
    assert!(EmbeddingCache::clear(&place).unwrap() > 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["embeddings.lock"]);
}
