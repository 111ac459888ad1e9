//! Pairs per second of cross-encoders beside each other.
//!
//! What is measured: `CrossEncoder::logits` of one query with 64 documents, in f32 and i8, all
//! threads. The models take turns: seven rounds, medians of pairs per second, and of the first
//! model's time over each other's in the same round. On what data: folders of models given as
//! arguments; `benches/random_models.py` writes two of random weights. Documents are made of one
//! text, so that pairs have about the wanted number of tokens. How to run: `cargo bench --bench
//! pairs -- FOLDER FOLDER`; it prints Markdown.

use std::time::Instant;

use nearsort::encoder::{CrossEncoder, CrossEncoderOptions};
use nearsort::{Call, LocalEncoderOptions, ModelSpec, ModelStore, Precision, StoreOptions};

const ROUNDS: usize = 7;
const DOCUMENTS: usize = 64;
const TOKENS: [usize; 3] = [64, 128, 510];
const TEXT: &str = "the ferry leaves the northern pier at seven and the harbour is quiet ";

fn load(folder: &str, precision: Precision, max_tokens: usize) -> CrossEncoder {
    let store = ModelStore::new(StoreOptions::from_env().expect("options"));
    let files = store.get(&ModelSpec::parse(folder).expect("a folder")).expect("a model");
    let mut local = LocalEncoderOptions { precision: Some(precision), ..Default::default() };
    local.overrides.max_tokens = Some(max_tokens);
    CrossEncoder::load(files, CrossEncoderOptions { local, instruction: None }).expect("a cross-encoder")
}

/// Seconds for one query with all documents; the pairs are cut to the model's limit.
fn seconds(model: &CrossEncoder, documents: &[String], tokens: usize) -> f64 {
    let texts: Vec<&str> = documents.iter().map(String::as_str).collect();
    let pairs: Vec<(usize, usize)> = (0..texts.len()).map(|text| (0, text)).collect();
    let start = Instant::now();
    let scored = model.logits(&["where is the harbour"], &texts, &pairs, &Call::new()).expect("logits");
    let took = start.elapsed().as_secs_f64();
    assert!(scored.lengths.tokens.iter().all(|found| *found as usize == tokens), "{:?}", scored.lengths.tokens);
    took
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let folders: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let documents: Vec<String> = (0..DOCUMENTS).map(|n| format!("{n} {}", TEXT.repeat(60))).collect();
    println!("| precision | tokens per pair | model | pairs/s | its time over the first's |");
    println!("|---|---|---|---|---|");
    for precision in [Precision::F32, Precision::I8] {
        for tokens in TOKENS {
            let models: Vec<CrossEncoder> = folders.iter().map(|folder| load(folder, precision, tokens)).collect();
            let mut times = vec![Vec::new(); models.len()];
            for model in &models {
                seconds(model, &documents, tokens);
            }
            for _ in 0..ROUNDS {
                models.iter().zip(&mut times).for_each(|(model, times)| times.push(seconds(model, &documents, tokens)));
            }
            for (folder, own) in folders.iter().zip(&times) {
                let name = folder.rsplit('/').next().unwrap_or(folder);
                let pairs_per_second = DOCUMENTS as f64 / median(own.clone());
                let ratio = median(own.iter().zip(&times[0]).map(|(own, first)| own / first).collect());
                println!("| {precision} | {tokens} | {name} | {pairs_per_second:.1} | {ratio:.2} |");
            }
        }
    }
}
