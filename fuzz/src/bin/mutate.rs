//! Mutates valid input for a target, for a time, without a fuzzer:
//!
//! ```text
//! cargo run --release --manifest-path fuzz/Cargo.toml --bin mutate -- TARGET [--seconds N] [--seed N] [--input FILE]
//! ```
//!
//! Prints the number of inputs, the slowest and the hungriest. A panic is reported once per place,
//! and its input kept under fuzz/artifacts/TARGET; so is an input that takes more than ten seconds
//! or a gibibyte. The input under way is kept in fuzz/artifacts/TARGET/current, for a crash that
//! nothing can catch.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, panic, process};

use nearsort_fuzz::mutation::{Random, mutate};
use nearsort_fuzz::{TARGETS, Target};

/// An input that takes more is a finding.
const MAX_SECONDS: f64 = 10.0;
const MAX_BYTES: usize = 1 << 30;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Where the last panic was.
static PLACE: Mutex<String> = Mutex::new(String::new());

struct Options {
    target: &'static Target,
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
}

fn usage() -> ! {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("usage: mutate TARGET [--seconds N] [--seed N] [--input FILE]; targets: {}", names.join(" "));
    process::exit(2)
}

fn options() -> Options {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| usage());
    let target = TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| usage());
    let mut options = Options { target, seconds: 60, seed: 1, input: None };
    while let (Some(option), Some(value)) = (arguments.next(), arguments.next()) {
        match option.as_str() {
            "--seconds" => options.seconds = value.parse().unwrap_or_else(|_| usage()),
            "--seed" => options.seed = value.parse().unwrap_or_else(|_| usage()),
            "--input" => options.input = Some(value.into()),
            _ => usage(),
        }
    }
    options
}

/// What one input came to.
struct Outcome {
    seconds: f64,
    bytes: usize,
    good: bool,
    panicked_at: Option<String>,
}

fn try_input(target: &Target, input: &[u8]) -> Outcome {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = Instant::now();
    let result = panic::catch_unwind(|| (target.run)(input));
    let panicked_at = result.is_err().then(|| PLACE.lock().map(|place| place.clone()).unwrap_or_default());
    let bytes = PEAK.load(Relaxed).saturating_sub(before);
    Outcome { seconds: start.elapsed().as_secs_f64(), bytes, good: result.unwrap_or(false), panicked_at }
}

/// The finding that an outcome is, in words.
fn finding(outcome: &Outcome) -> Option<String> {
    if let Some(place) = &outcome.panicked_at {
        return Some(format!("panic at {place}"));
    }
    if outcome.seconds > MAX_SECONDS {
        return Some("slow".into());
    }
    (outcome.bytes > MAX_BYTES).then(|| "hungry".into())
}

fn keep(folder: &Path, number: usize, input: &[u8]) -> PathBuf {
    let path = folder.join(format!("finding-{number}"));
    fs::write(&path, input).expect("the finding is written");
    path
}

fn main() {
    let options = options();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = format!("{place}: {info}");
    }));
    if let Some(path) = &options.input {
        let outcome = try_input(options.target, &fs::read(path).expect("the input can be read"));
        let found = finding(&outcome).unwrap_or_else(|| "nothing found".into());
        println!("{found}; {:.3} s, {} bytes", outcome.seconds, outcome.bytes);
        return;
    }
    drive(&options);
}

fn drive(options: &Options) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(options.target.name);
    fs::create_dir_all(&folder).expect("the folder of findings is made");
    let seeds = (options.target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        // The first use of a target loads what it needs; it is not timed.
        let outcome = try_input(options.target, seed);
        if !outcome.good {
            println!("seed {number} is not good: {}", outcome.panicked_at.unwrap_or_default());
        }
    }
    let mut random = Random::new(options.seed);
    let mut found = BTreeSet::new();
    let (mut runs, mut good, mut slowest, mut hungriest) = (0u64, 0u64, 0f64, 0usize);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        let (seed, other) = (&seeds[random.below(seeds.len())], &seeds[random.below(seeds.len())]);
        let input = mutate(seed, other, options.target.words, &mut random);
        fs::write(folder.join("current"), &input).expect("the input is kept");
        let outcome = try_input(options.target, &input);
        runs += 1;
        good += u64::from(outcome.good);
        slowest = slowest.max(outcome.seconds);
        hungriest = hungriest.max(outcome.bytes);
        if let Some(what) = finding(&outcome)
            && found.insert(what.clone())
        {
            println!("{what}\n    input: {}", keep(&folder, found.len(), &input).display());
        }
    }
    println!(
        "{}: {runs} inputs ({good} good to the end) in {} s from seed {}, {} findings; slowest {slowest:.3} s, hungriest {} KiB",
        options.target.name,
        options.seconds,
        options.seed,
        found.len(),
        hungriest / 1024
    );
    process::exit(i32::from(!found.is_empty()));
}
