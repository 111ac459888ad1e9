//! From a query and its candidates to sorted hits, the model already loaded.
//!
//! What: `Reranker::rerank` for 1, 10 and 100 made candidates of about 60 tokens. One query alone
//! shows the latency that no batch hides. Then each scoring over the same 100 candidates: MaxSim
//! and hybrid share cosine's forward pass, and may cost a tenth more. On what: all-MiniLM-L6-v2 on
//! the CPU in the fastest precision, all threads; fetched on the first run. How: `cargo bench
//! --bench rerank`. The whole process, loading included: `time target/release/nearsort rerank
//! --query ... FILE`.

use divan::counter::ItemsCount;
use nearsort::{DEFAULT_MODEL, ModelOptions, RankOptions, Reranker, Scoring};

const SUBJECTS: [&str; 10] = [
    "a lighthouse",
    "the tram",
    "an orchard",
    "the library",
    "a glacier",
    "the harbour",
    "a violin",
    "the mill",
    "a comet",
    "the tunnel",
];

fn main() {
    divan::main();
}

/// Different candidates of about 60 tokens.
fn candidates(count: usize) -> Vec<String> {
    let text = |n: usize| {
        let (a, b) = (SUBJECTS[n % 10], SUBJECTS[(n / 10 + n) % 10]);
        format!(
            "Report {n} describes {a} and {b}. It was written after a long visit in spring, when both were open to everyone, and it \
             says what they cost, who looks after them, how many people came, and what ought to be repaired before the \
             next winter begins."
        )
    };
    (0..count).map(text).collect()
}

fn reranker(rank: RankOptions) -> Reranker {
    Reranker::load(DEFAULT_MODEL, ModelOptions::default(), rank).unwrap_or_else(|error| panic!("{error}"))
}

#[divan::bench(args = [1, 10, 100], sample_count = 10, sample_size = 1)]
fn one_query(bencher: divan::Bencher<'_, '_>, count: usize) {
    let reranker = reranker(RankOptions::default());
    let candidates = candidates(count);
    let rerank = || reranker.rank("Who repairs the harbour?", &candidates).run();
    bencher.counter(ItemsCount::new(count)).bench(rerank);
}

#[divan::bench(args = Scoring::ALL, sample_count = 10, sample_size = 1)]
fn hundred_candidates(bencher: divan::Bencher<'_, '_>, scoring: Scoring) {
    let reranker = reranker(RankOptions::by(scoring));
    let candidates = candidates(100);
    let rerank = || reranker.rank("Who repairs the harbour?", &candidates).run();
    bencher.counter(ItemsCount::new(100_usize)).bench(rerank);
}
