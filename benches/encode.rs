//! Passages per second of the default model by length and threads.
//!
//! What: tokenizing, the forward pass and pooling of 64 made passages of about 16, 80, 256 and 512
//! tokens, on 1 thread and on all, in the fastest precision and in f32. On what: all-MiniLM-L6-v2
//! by the native engine; fetched on the first run. How: `cargo bench --bench encode`. Passages of
//! real collections beside other engines are measured from outside, by `nearsort embed --stats`.
//!
//! Floor: a passage of n tokens costs 6 layers x n x (2 x 4 x 384 x 384 + 2 x 2 x 384 x 1536)
//! multiply-adds counted as two, that is 21.2 MFLOP a token, and 6 x 4 x n x n x 384 for attention:
//! 2.6 GFLOP at 116 tokens. At the 230 GFLOP/s that two cores of an AMD Zen 4 reach in f32 that is
//! 88 passages a second; at the 927 Gop/s of i8, if attention ran as fast, 360.

use divan::counter::ItemsCount;
use nearsort::{
    Encoder, LocalEncoder, LocalEncoderOptions, ModelSpec, ModelStore, Overrides, Precision, Role, StoreOptions,
};

const PASSAGES: usize = 64;

/// The longest passage: the model has so many positions, though it was trained for 256.
const MAX_TOKENS: usize = 512;

/// One token per word for this model's vocabulary.
const WORDS: [&str; 12] =
    ["river", "stone", "bridge", "winter", "market", "letter", "garden", "music", "window", "horse", "city", "road"];

fn main() {
    divan::main();
}

fn encoder(threads: Option<usize>, precision: Option<Precision>) -> LocalEncoder {
    let store = ModelStore::new(StoreOptions::from_env().expect("an environment with a home folder"));
    let spec = ModelSpec::parse(nearsort::DEFAULT_MODEL).expect("a registered model");
    let files = store.get(&spec).unwrap_or_else(|error| panic!("{error}"));
    let overrides = Overrides { max_tokens: Some(MAX_TOKENS), ..Default::default() };
    LocalEncoder::load(files, LocalEncoderOptions { threads, precision, overrides, ..Default::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// `PASSAGES` different texts of `tokens` tokens, two special ones included.
fn passages(tokens: usize) -> Vec<String> {
    let words = |first: usize| (0..tokens - 2).map(move |at| WORDS[(first + at * (first + 1)) % WORDS.len()]);
    (0..PASSAGES).map(|first| words(first).collect::<Vec<_>>().join(" ")).collect()
}

fn bench(bencher: divan::Bencher<'_, '_>, threads: Option<usize>, precision: Option<Precision>, tokens: usize) {
    let encoder = encoder(threads, precision);
    let passages = passages(tokens);
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    bencher.counter(ItemsCount::new(PASSAGES)).bench(|| encoder.encode(&texts, Role::Document));
}

#[divan::bench(args = [16, 80, 256, 512], sample_count = 10, sample_size = 1)]
fn fastest_one_thread(bencher: divan::Bencher<'_, '_>, tokens: usize) {
    bench(bencher, Some(1), None, tokens);
}

#[divan::bench(args = [16, 80, 256, 512], sample_count = 10, sample_size = 1)]
fn fastest_all_threads(bencher: divan::Bencher<'_, '_>, tokens: usize) {
    bench(bencher, None, None, tokens);
}

#[divan::bench(args = [16, 80, 256, 512], sample_count = 10, sample_size = 1)]
fn f32_one_thread(bencher: divan::Bencher<'_, '_>, tokens: usize) {
    bench(bencher, Some(1), Some(Precision::F32), tokens);
}

#[divan::bench(args = [16, 80, 256, 512], sample_count = 10, sample_size = 1)]
fn f32_all_threads(bencher: divan::Bencher<'_, '_>, tokens: usize) {
    bench(bencher, None, Some(Precision::F32), tokens);
}
