//! `nearsort embed`: one vector per input row.

use std::path::Path;
use std::time::{Duration, Instant};

use nearsort::io::{EmbeddingWriter, Rows};
use nearsort::job::{EncodedRows, embed_rows};
use nearsort::kernels::Isa;
use nearsort::{Encoder, Model, ModelInfo, Role};
use serde::Serialize;

use crate::args::{EmbedArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::progress::Counter;
use crate::service::DryRun;
use crate::session::Session;
use crate::{Failure, Outcome, Run, cache, model};

/// The output of --stats.
#[derive(Serialize)]
struct Stats {
    documents: u64,
    tokens: u64,
    load_seconds: f64,
    encode_seconds: f64,
    engine: String,
    precision: String,
    isa: &'static str,
    device: String,
    peak_rss_bytes: Option<u64>,
    /// Present with --cache only.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hits: Option<u64>,
}

pub fn run(args: &EmbedArgs, session: &Session) -> Run {
    for path in [Some(&args.output), args.stats.as_ref()].into_iter().flatten() {
        model::check_target(path, &[Some(&args.input)])?;
    }
    if args.stats.as_ref().is_some_and(|stats| same_file(stats, &args.output)) {
        return Err(Failure::Error("--stats and --output name the same file; give one of them another name".into()));
    }
    EmbeddingWriter::check_name(&args.output)?;
    let inputs = [Some(&args.input), args.stats.as_ref()];
    session.with_rejects(&args.reading, Some(&args.output), &inputs, || embed(args, session))
}

fn embed(args: &EmbedArgs, session: &Session) -> Run {
    let talk = session.talk;
    let mut rows = model::open_rows(std::slice::from_ref(&args.input), &session.reading(&args.reading), talk)?;
    if let Some(mut dry) = DryRun::of(&args.model)? {
        dry.rows(&mut rows)?;
        return dry.print();
    }
    let counter = Counter::new(talk);
    let started = Instant::now();
    let mut options = model::options(&args.model, session)?;
    let cache = cache::open(&args.cache, &args.model)?;
    if let Some(cache) = &cache {
        options = options.cache(cache.clone());
    }
    let encoder = Model::load_encoder(args.model.name(), options)?;
    let model =
        encoder.model().ok_or_else(|| Failure::Error("the encoder gives no information about its model".into()))?;
    let cached = cache::before(cache, &encoder)?;
    let load = started.elapsed();
    let encode: &dyn Encoder = cached.as_ref().map_or(encoder.as_ref(), |cached| cached);
    let call = counter.call();
    let embedded = embed_rows(&mut rows, encode, args.role, &args.output, &counter, &call);
    counter.finish();
    let embedded = embedded?;
    let saved = cached.as_ref().map(|_| call.usage().cached);
    report(&embedded, &rows, (args.role, model.max_tokens), saved, talk);
    if let Some(path) = &args.stats {
        let stats = stats(&embedded, load, model, saved);
        let json = serde_json::to_string_pretty(&stats).map_err(|e| Failure::Error(e.to_string()))?;
        nearsort::io::write_whole(path, format!("{json}\n").as_bytes())?;
    }
    Ok(Outcome::Done)
}

/// Returns true if two paths, which may not exist yet, are one file.
fn same_file(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
    };
    place(a).is_some_and(|a| Some(a) == place(b))
}

fn report(embedded: &EncodedRows, rows: &Rows, (role, max_tokens): (Role, usize), saved: Option<u64>, talk: Talk) {
    let (truncated, texts, first) =
        (embedded.truncated, embedded.rows, embedded.first_truncated.clone().unwrap_or_default());
    // A truncated query is always reported, as in a search.
    warn(
        talk,
        &match role {
            Role::Query => {
                Warning::TruncatedQueries { truncated, queries: texts, first, max_tokens, reads_pairs: false }
            }
            Role::Document => Warning::Truncated { truncated, candidates: texts, max_tokens },
        },
    );
    warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
    if embedded.rows == 0 {
        warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
    }
    if talk == Talk::Verbose {
        let seconds = embedded.encoding.as_secs_f64();
        say(format_args!("{} texts, {} tokens in {seconds:.3} s", embedded.rows, embedded.tokens));
        if let Some(hits) = saved {
            say(format_args!("{hits} from the cache, {} encoded", embedded.rows as u64 - hits));
        }
    }
}

fn stats(embedded: &EncodedRows, load: Duration, model: ModelInfo, saved: Option<u64>) -> Stats {
    Stats {
        documents: embedded.rows as u64,
        tokens: embedded.tokens,
        load_seconds: load.as_secs_f64(),
        encode_seconds: embedded.encoding.as_secs_f64(),
        engine: model.engine,
        precision: model.precision,
        isa: Isa::detect().name(),
        device: model.device,
        peak_rss_bytes: peak_rss_bytes(),
        cache_hits: saved,
    }
}

/// Returns the largest resident set so far, if the system reports it.
#[cfg(unix)]
fn peak_rss_bytes() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes a whole rusage to the pointer, which is valid for it; zeroed bytes
    // are a valid rusage too.
    let (status, usage) = unsafe { (libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), usage.assume_init()) };
    // macOS counts bytes, the others KiB.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    (status == 0).then(|| usage.ru_maxrss as u64 * unit)
}

#[cfg(not(unix))]
fn peak_rss_bytes() -> Option<u64> {
    None
}
