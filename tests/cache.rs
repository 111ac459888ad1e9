//! The embedding cache, before encoders that count and before a real one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Array2;
use nearsort::cache::{CacheKey, CachedModel, CachedVector, MIN_MAX_BYTES};
use nearsort::{
    CacheOptions, CachedEncoder, Call, EmbeddingCache, Embeddings, Encoder, Error, LongText, ModelOptions, RankOptions,
    Reranker, Result, Role, Scoring,
};

use crate::support::{tiny, tiny_path};

/// Encodes a text as its length, and counts.
struct Counting {
    fingerprint: &'static str,
    dim: usize,
    encoded: AtomicUsize,
}

impl Counting {
    fn new(fingerprint: &'static str, dim: usize) -> Arc<Self> {
        Arc::new(Self { fingerprint, dim, encoded: AtomicUsize::new(0) })
    }

    fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }
}

impl Encoder for Counting {
    fn dim(&self) -> usize {
        self.dim
    }

    fn max_tokens(&self) -> usize {
        4
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(self.fingerprint.to_owned())
    }

    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.encoded.fetch_add(texts.len(), Ordering::Relaxed);
        let sign = if role == Role::Query { -1.0 } else { 1.0 };
        let value = |(row, _): (usize, usize)| sign * texts[row].len() as f32;
        Ok(Embeddings {
            vectors: Array2::from_shape_fn((texts.len(), self.dim), value),
            tokens: texts.iter().map(|text| text.len().min(4) as u32).collect(),
            truncated: texts.iter().map(|text| text.len() > 4).collect(),
        })
    }
}

fn options(folder: &Path) -> CacheOptions {
    CacheOptions { folder: folder.join("embeddings"), max_bytes: None }
}

fn open(folder: &Path) -> EmbeddingCache {
    EmbeddingCache::open(&options(folder)).unwrap()
}

fn cached(encoder: &Arc<Counting>, cache: &EmbeddingCache) -> CachedEncoder {
    CachedEncoder::new(Arc::clone(encoder) as Arc<dyn Encoder>, cache.clone(), "counting").unwrap()
}

#[test]
fn a_text_is_encoded_once_whatever_the_call_and_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let (encoder, cache) = (Counting::new("f", 3), open(folder.path()));
    let first = cached(&encoder, &cache);
    let texts = ["one", "three", "one", "", "three"];
    let expected = encoder.encode(&texts, Role::Document).unwrap();
    let call = Call::new();
    assert_eq!(first.encode_with(&texts, Role::Document, &call).unwrap(), expected);
    assert_eq!((encoder.encoded(), call.usage().cached, call.usage().texts), (5 + 3, 2, 3));
    let second = cached(&encoder, &cache);
    let call = Call::new();
    assert_eq!(second.encode_with(&["three", "two", "one"], Role::Document, &call).unwrap().tokens, [4, 3, 3]);
    assert_eq!((encoder.encoded(), call.usage().cached, call.usage().texts), (5 + 4, 2, 1));
    assert!(second.encode(&[], Role::Document).unwrap().is_empty());
}

#[test]
fn roles_fingerprints_and_dimensions_do_not_share_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let (encoder, cache) = (Counting::new("f", 3), open(folder.path()));
    cached(&encoder, &cache).encode(&["text"], Role::Document).unwrap();
    assert_eq!(cached(&encoder, &cache).encode(&["text"], Role::Query).unwrap().vectors[[0, 0]], -4.0);
    assert_eq!(encoder.encoded(), 2);
    // The last one breaks the rule that equal fingerprints mean equal vectors; a vector of another
    // length is never taken.
    for other in [Counting::new("g", 3), Counting::new("f", 2)] {
        let found = cached(&other, &cache).encode(&["text"], Role::Document).unwrap();
        assert_eq!((found.vectors.dim(), other.encoded()), ((1, other.dim), 1));
    }
}

#[test]
fn hits_are_the_encoders_own_answers_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = Arc::new(tiny("tiny-bert"));
    let long = "tower ".repeat(2000);
    let texts = ["a tower", "some bread", long.as_str(), "a tower", ""];
    let expected = encoder.encode(&texts, Role::Document).unwrap();
    assert!(expected.truncated[2]);
    let cache = open(folder.path());
    for _ in 0..2 {
        let cached = CachedEncoder::new(Arc::clone(&encoder) as Arc<dyn Encoder>, cache.clone(), "tiny").unwrap();
        let found = cached.encode(&texts, Role::Document).unwrap();
        let bits = |vectors: &Array2<f32>| vectors.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.vectors), bits(&expected.vectors));
        assert_eq!((found.tokens, found.truncated), (expected.tokens.clone(), expected.truncated.clone()));
        assert_eq!(cached.fingerprint().unwrap(), encoder.fingerprint().unwrap());
    }
}

#[test]
fn many_threads_with_handles_of_their_own_share_one_cache() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..300).map(|number| "x".repeat(number)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let encoder = Counting::new("f", 3);
    let expected = encoder.encode(&texts, Role::Document).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let cached = cached(&encoder, &open(folder.path()));
                    assert_eq!(cached.encode(&texts, Role::Document).unwrap(), expected);
                }
            });
        }
    });
    let info = open(folder.path()).info().unwrap();
    assert_eq!((info.entries, info.models.len()), (300, 1));
    assert_eq!((info.models[0].name.as_str(), info.models[0].fingerprint.as_str()), ("counting", "f"));
    assert!(info.bytes <= info.file_bytes && info.oldest <= info.newest && info.oldest.is_some());
}

#[test]
fn a_limit_is_remembered_and_must_be_in_range() {
    let folder = tempfile::tempdir().unwrap();
    let with = |max_bytes| EmbeddingCache::open(&CacheOptions { max_bytes, ..options(folder.path()) });
    assert_eq!(with(None).unwrap().info().unwrap().max_bytes, 4 << 30);
    assert_eq!(with(Some(5 << 20)).unwrap().info().unwrap().max_bytes, 5 << 20);
    assert_eq!(with(None).unwrap().info().unwrap().max_bytes, 5 << 20);
    for limit in [0, MIN_MAX_BYTES - 1, u64::MAX] {
        let error = with(Some(limit)).err().unwrap();
        assert!(matches!(&error, Error::InvalidArgument(message) if message.contains("1048576 to")), "{error}");
    }
}

#[test]
fn clear_removes_what_is_there_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let place = options(folder.path()).folder;
    assert_eq!(EmbeddingCache::clear(&place).unwrap(), 0);
    let cache = open(folder.path());
    let error = EmbeddingCache::clear(&place).unwrap_err().to_string();
    assert!(error.contains("this process has it open"), "{error}");
    drop(cache);
    std::fs::write(place.join("notes.txt"), "mine").unwrap();
    let error = EmbeddingCache::clear(&place).unwrap_err().to_string();
    assert!(error.contains("notes.txt") && error.contains("nothing was removed"), "{error}");
    assert!(EmbeddingCache::exists(&place));
    std::fs::remove_file(place.join("notes.txt")).unwrap();
    assert!(EmbeddingCache::clear(&place).unwrap() > 0);
    assert!(!place.exists());
    assert_eq!(open(folder.path()).info().unwrap().entries, 0);
}

#[test]
fn what_is_no_cache_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let place = options(folder.path()).folder;
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("data.mdb"), "no tables ".repeat(5000)).unwrap();
    let error = EmbeddingCache::open(&options(folder.path())).err().unwrap().to_string();
    assert!(error.contains("damaged") && error.contains("EmbeddingCache::clear"), "{error}");
    assert!(error.contains(&place.display().to_string()), "{error}");
    assert!(EmbeddingCache::clear(&place).unwrap() >= 50_000);
    open(folder.path());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("embeddings"), "a file").unwrap();
    let error = EmbeddingCache::open(&options(folder.path())).err().unwrap().to_string();
    assert!(error.contains("embeddings") && error.contains("leave `cache=` out"), "{error}");
    let error = EmbeddingCache::open(&CacheOptions { folder: "/".into(), max_bytes: None }).err().unwrap();
    assert!(error.to_string().contains("no name"), "{error}");
}

#[test]
fn what_is_filed_comes_back_and_the_rest_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, model) = (open(folder.path()), CachedModel::new("m", "f"));
    let keys: Vec<CacheKey> = (0..10_000).map(|n: usize| model.key(Role::Document, &n.to_string())).collect();
    let value = |n: usize| CachedVector { vector: vec![n as f32; 8], tokens: n as u32, truncated: n.is_multiple_of(2) };
    let even: Vec<_> = (0..10_000).step_by(2).map(|n| (keys[n], value(n))).collect();
    cache.put_many(&model, &even).unwrap();
    let found = cache.get_many(&keys).unwrap();
    assert!((0..10_000).all(|n| found[n] == n.is_multiple_of(2).then(|| value(n))));
}

#[test]
fn a_reranker_scores_from_the_cache_as_without_it_and_still_explains() {
    let folder = tempfile::tempdir().unwrap();
    let load = |options| Reranker::load(&tiny_path("tiny-bert"), options, RankOptions::by(Scoring::Cosine)).unwrap();
    let candidates = ["a tower", "some bread", "a tower"];
    let plain = load(ModelOptions::default());
    let expected = plain.rank("tower", &candidates).run().unwrap().hits;
    for hits in [0, 3] {
        let reranker = load(ModelOptions::default().cache(open(folder.path())));
        let answer = reranker.rank("tower", &candidates).run().unwrap();
        assert_eq!((answer.hits, answer.usage.cached, answer.usage.texts), (expected.clone(), hits, 3 - hits));
        assert_eq!(reranker.explain("tower", "a tower").unwrap(), plain.explain("tower", "a tower").unwrap());
    }
}

#[test]
fn a_cache_is_refused_where_token_vectors_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |scoring, long_text| {
        let (options, rank) = (ModelOptions::default().cache(open(folder.path())), RankOptions::by(scoring));
        Reranker::load("./no-such-model", options, rank.long_text(long_text)).err().unwrap().to_string()
    };
    for scoring in [Scoring::Hybrid, Scoring::MaxSim] {
        assert!(refused(scoring, LongText::Truncate).contains("`scoring=cosine`"));
    }
    assert!(refused(Scoring::Cosine, LongText::Window).contains("`long_text=truncate`"));
}

/// Encodes like another encoder, but one text as NaN.
struct Broken(Arc<Counting>);

impl Encoder for Broken {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }

    fn fingerprint(&self) -> Result<String> {
        self.0.fingerprint()
    }

    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        let mut embeddings = self.0.encode(texts, role)?;
        let rows = texts.iter().zip(embeddings.vectors.rows_mut());
        rows.filter(|(text, _)| **text == "bad").for_each(|(_, mut row)| row.fill(f32::NAN));
        Ok(embeddings)
    }
}

#[test]
fn a_vector_that_is_not_finite_is_given_but_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = EmbeddingCache::open(&options(folder.path())).unwrap();
    let inner = Counting::new("f", 3);
    let broken = CachedEncoder::new(Arc::new(Broken(Arc::clone(&inner))), cache, "m").unwrap();
    for encoded in [2, 3] {
        let vectors = broken.encode(&["good", "bad"], Role::Document).unwrap().vectors;
        assert!(vectors.row(0).iter().all(|x| *x == 4.0) && vectors.row(1).iter().all(|x| x.is_nan()));
        assert_eq!(inner.encoded(), encoded, "the good one is kept, the bad one encoded again");
    }
}
