//! What a hit of the embedding cache costs.
//!
//! What: `EmbeddingCache::get_many` for one key and for 4096, in random order, of a cache of 50,000
//! vectors of 384 components; then `CachedEncoder::encode` for 4096 texts that are all there, keys
//! hashed from passages of some 340 bytes and the matrix put together; then writes of 1024 new
//! ones. On what: a cache in a temporary folder, which the page cache holds. How: `cargo bench
//! --bench cache`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use divan::counter::ItemsCount;
use nearsort::cache::{CacheKey, CacheOptions, CachedEncoder, CachedModel, CachedVector, EmbeddingCache};
use nearsort::{Embeddings, Encoder, Result, Role};
use tempfile::TempDir;

const ENTRIES: u64 = 50_000;
const DIM: usize = 384;

/// A cache that is full of texts.
static FILLED: LazyLock<(TempDir, EmbeddingCache)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let options = CacheOptions { folder: folder.path().join("embeddings"), max_bytes: None };
    let cache = EmbeddingCache::open(&options).unwrap();
    let entries: Vec<_> = (0..ENTRIES).map(|number| (key(number), vector())).collect();
    cache.put_many(&model(), &entries).unwrap();
    (folder, cache)
});

fn main() {
    divan::main();
}

fn model() -> CachedModel {
    CachedModel::new("bench", "fingerprint")
}

fn text(number: u64) -> String {
    format!("{number} {}", "words of a passage ".repeat(17))
}

fn key(number: u64) -> CacheKey {
    model().key(Role::Document, &text(number))
}

fn vector() -> CachedVector {
    CachedVector { vector: vec![0.1; DIM], tokens: 80, truncated: false }
}

/// Numbers in no order.
fn numbers(count: u64, end: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % end)
}

#[divan::bench(args = [1, 4096])]
fn hits(bencher: divan::Bencher<'_, '_>, count: u64) {
    let keys: Vec<CacheKey> = numbers(count, ENTRIES).map(key).collect();
    let (_, cache) = &*FILLED;
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let found = cache.get_many(&keys).unwrap();
        assert!(found.iter().all(Option::is_some));
        found
    });
}

struct Never;

impl Encoder for Never {
    fn dim(&self) -> usize {
        DIM
    }

    fn max_tokens(&self) -> usize {
        512
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(model().fingerprint)
    }

    fn encode(&self, texts: &[&str], _: Role) -> Result<Embeddings> {
        panic!("{} texts were not in the cache", texts.len())
    }
}

#[divan::bench]
fn encode_4096_texts_that_are_there(bencher: divan::Bencher<'_, '_>) {
    let texts: Vec<String> = numbers(4096, ENTRIES).map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let cached = CachedEncoder::new(Arc::new(Never), FILLED.1.clone(), "bench").unwrap();
    bencher.counter(ItemsCount::new(texts.len())).bench(|| cached.encode(&texts, Role::Document).unwrap());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn write_1024(bencher: divan::Bencher<'_, '_>) {
    static NEXT: AtomicU64 = AtomicU64::new(ENTRIES);
    let (_, cache) = &*FILLED;
    let fresh = || {
        let first = NEXT.fetch_add(1024, Ordering::Relaxed);
        (first..first + 1024).map(|number| (key(number), vector())).collect::<Vec<_>>()
    };
    bencher
        .counter(ItemsCount::new(1024_usize))
        .with_inputs(fresh)
        .bench_values(|entries| cache.put_many(&model(), &entries).unwrap());
}
