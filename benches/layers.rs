//! Where the time of a forward pass goes, by operation and by layer, beside what the processor
//! could do.
//!
//! What: the native engine's own stopwatch over batches of made token ids, texts of 16, 80, 256 and
//! 512 tokens, in every precision, on one thread. For products: operations a second, and their
//! share of the peak of the same instructions on registers alone, measured in the same run. For all
//! operations: their share of the time. On what: all-MiniLM-L6-v2; fetched on the first run. How:
//! `cargo bench --bench layers [-- WORD ...]`, where words name instruction sets (`amx`,
//! `avx512-vnni`; default: the best), precisions and lengths; none of a kind: all. The best pass of
//! some seconds is shown: a shared machine only ever makes one slower.

mod peak;

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearsort::engine::{NativeBackend, Operation, PassTimes, RaggedBatch, WeightsFile};
use nearsort::kernels::{Isa, Kernels};
use nearsort::{ModelSpec, ModelStore, Precision, StoreOptions};

/// About as many tokens in each batch.
const TOKENS: usize = 2048;
const LENGTHS: [usize; 4] = [16, 80, 256, 512];
const PASSES: usize = 7;
/// And as many more as take this long.
const SPREAD: Duration = Duration::from_secs(3);
/// The length whose layers are shown one by one.
const BY_LAYER: usize = 80;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let named = |name: String| words.contains(&name);
    let isas: Vec<Isa> = Isa::ALL.into_iter().filter(|isa| named(isa.to_string())).collect();
    for isa in if isas.is_empty() { vec![Kernels::best().isa()] } else { isas } {
        match Kernels::for_isa(isa) {
            Some(kernels) => show(Box::leak(Box::new(kernels)), &words),
            None => println!("{isa}: not on this machine"),
        }
    }
}

fn show(kernels: &'static Kernels, words: &[String]) {
    println!(
        "{}: time of operations on one thread; products also in Gop/s and in % of the peak on registers",
        kernels.isa()
    );
    let precisions = named_or_all(Precision::ALL, words);
    for precision in precisions {
        let engine = load(precision, kernels);
        let peak = peak::peak(kernels.isa(), precision);
        for length in named_or_all(LENGTHS, words) {
            let batch = batch(length);
            let profile = best_of(&engine, &batch);
            let seconds = total(&profile).as_secs_f64();
            let rate = batch.len() as f64 / seconds;
            let at = peak.map_or(String::new(), |peak| format!(", peak {:.0} Gop/s", peak / 1e9));
            println!("\n{precision}, texts of {length} tokens: {rate:.1} a second{at}");
            table(&profile, seconds, peak);
            if length == BY_LAYER {
                by_layer(&profile);
            }
        }
    }
}

fn named_or_all<T: ToString, const N: usize>(all: [T; N], words: &[String]) -> Vec<T> {
    let names_one = all.iter().any(|value| words.contains(&value.to_string()));
    all.into_iter().filter(|value| !names_one || words.contains(&value.to_string())).collect()
}

fn load(precision: Precision, kernels: &'static Kernels) -> NativeBackend {
    let store = ModelStore::new(StoreOptions::from_env().expect("an environment with a home folder"));
    let spec = ModelSpec::parse(nearsort::DEFAULT_MODEL).expect("a registered model");
    let files = store.get(&spec).unwrap_or_else(|error| panic!("{error}"));
    let read = |name: &str| std::fs::read(files.dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let config = serde_json::from_slice(&read("config.json")).expect("config.json");
    let weights: Arc<dyn WeightsFile> = Arc::new(read("model.safetensors"));
    NativeBackend::load(&config, vec![weights], &files.dir, precision, kernels)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn batch(length: usize) -> RaggedBatch {
    let texts = TOKENS.div_ceil(length);
    let ids = |text: usize| (0..length).map(move |at| 1000 + ((at * 37 + text * 101) % 20_000) as u32);
    let ids: Vec<Vec<u32>> = (0..texts).map(|text| ids(text).collect()).collect();
    RaggedBatch::of(ids.iter().map(Vec::as_slice))
}

fn best_of(engine: &NativeBackend, batch: &RaggedBatch) -> PassTimes {
    let started = Instant::now();
    let passes = (0..).take_while(|pass| *pass < PASSES || started.elapsed() < SPREAD);
    let profiles = passes.map(|_| engine.profile(batch).unwrap_or_else(|error| panic!("{error}")));
    profiles.min_by_key(total).expect("there are passes")
}

fn total(profile: &PassTimes) -> Duration {
    Operation::ALL.iter().map(|operation| profile.total(*operation)).sum()
}

fn table(profile: &PassTimes, seconds: f64, peak: Option<f64>) {
    for operation in Operation::ALL {
        let time = profile.total(operation).as_secs_f64();
        if time == 0.0 {
            continue;
        }
        let rate = profile.operations[operation as usize] as f64 / time;
        print!("  {operation:18} {:5.1} %", 100.0 * time / seconds);
        if rate > 0.0 {
            print!("  {:7.1} Gop/s", rate / 1e9);
            // Attention is computed in f32 in every precision: a share of another peak would say
            // nothing.
            if let Some(peak) = peak.filter(|_| operation != Operation::Attention) {
                print!("  {:5.1} % of peak", 100.0 * rate / peak);
            }
        }
        println!();
    }
}

fn by_layer(profile: &PassTimes) {
    print!("  ms by layer       ");
    (0..profile.layers.len()).for_each(|layer| print!("{layer:8}"));
    println!();
    for operation in Operation::ALL {
        if profile.total(operation).is_zero() {
            continue;
        }
        print!("  {operation:18}");
        profile.layers.iter().for_each(|layer| print!("{:8.2}", layer[operation as usize].as_secs_f64() * 1e3));
        println!();
    }
}
