//! Passages per second of the default model by length and threads.
//!
//! What: tokenizing, the forward pass and pooling of 16 made passages of about 16, 80 and 256 tokens, on 1 thread and on all.
//! On what: all-MiniLM-L6-v2 in f32 on the CPU; fetched on the first run.
//! How: `cargo bench -p nearsort --bench encode`. Passages of real collections beside other engines are measured from outside,
//! by `nearsort embed --stats`.
//!
//! Floor: a passage of n tokens costs 6 layers x n x (2 x 4 x 384 x 384 + 2 x 2 x 384 x 1536) multiply-adds counted as two, that
//! is 21.2 MFLOP a token, and 6 x 4 x n x n x 384 for attention: 2.6 GFLOP at 116 tokens. At the 230 GFLOP/s that two cores of
//! an AMD Zen 4 reach in f32 that is 88 passages a second.

use divan::counter::ItemsCount;
use nearsort::{Encoder, LocalEncoder, LocalEncoderOptions, ModelSpec, ModelStore, Role, StoreOptions};

const PASSAGES: usize = 16;

/// One token per word for this model's vocabulary.
const WORDS: [&str; 12] =
    ["river", "stone", "bridge", "winter", "market", "letter", "garden", "music", "window", "horse", "city", "road"];

fn main() {
    divan::main();
}

fn encoder(threads: Option<usize>) -> LocalEncoder {
    let store = ModelStore::new(StoreOptions::from_env().expect("an environment with a home folder"));
    let spec = ModelSpec::parse(nearsort::DEFAULT_MODEL).expect("a registered model");
    let files = store.get(&spec).unwrap_or_else(|error| panic!("{error}"));
    LocalEncoder::load(files, LocalEncoderOptions { threads, ..Default::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// `PASSAGES` different texts of `tokens` tokens, two special ones included.
fn passages(tokens: usize) -> Vec<String> {
    let words = |first: usize| (0..tokens - 2).map(move |at| WORDS[(first + at * (first + 1)) % WORDS.len()]);
    (0..PASSAGES).map(|first| words(first).collect::<Vec<_>>().join(" ")).collect()
}

fn bench(bencher: divan::Bencher<'_, '_>, threads: Option<usize>, tokens: usize) {
    let encoder = encoder(threads);
    let passages = passages(tokens);
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    bencher.counter(ItemsCount::new(PASSAGES)).bench(|| encoder.encode(&texts, Role::Document));
}

#[divan::bench(args = [16, 80, 256], sample_count = 10, sample_size = 1)]
fn one_thread(bencher: divan::Bencher<'_, '_>, tokens: usize) {
    bench(bencher, Some(1), tokens);
}

#[divan::bench(args = [16, 80, 256], sample_count = 10, sample_size = 1)]
fn all_threads(bencher: divan::Bencher<'_, '_>, tokens: usize) {
    bench(bencher, None, tokens);
}
