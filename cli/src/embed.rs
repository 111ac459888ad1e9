//! `nearsort embed`: one vector per input row.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nearsort::io::{EmbeddingWriter, Row, Rows};
use nearsort::kernels::Isa;
use nearsort::{Call, Encoder, ModelInfo, Role};
use serde::Serialize;

use crate::args::{EmbedArgs, ReadingArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::interrupt::remove_on_interrupt;
use crate::progress::Counter;
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, cache, model};

/// Rows encoded at a time. Like lengths are grouped within a chunk; memory holds one chunk's texts and vectors.
const CHUNK_ROWS: usize = 4096;

/// What --stats writes.
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
    /// With --cache only.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hits: Option<u64>,
}

#[derive(Default)]
struct Totals {
    documents: usize,
    tokens: u64,
    truncated: usize,
    /// The id of the first text that was cut.
    first_truncated: Option<String>,
    encode: Duration,
}

pub fn run(args: &EmbedArgs, talk: Talk) -> Run {
    for path in [Some(&args.output), args.stats.as_ref()].into_iter().flatten() {
        model::check_target(path, &[Some(&args.input)])?;
    }
    if args.stats.as_ref().is_some_and(|stats| same_file(stats, &args.output)) {
        return Err(Failure::Error("--stats and --output name the same file; give one of them another name".into()));
    }
    EmbeddingWriter::check_name(&args.output)?;
    let inputs = [Some(&args.input), args.stats.as_ref()];
    model::with_rejects(&args.reading, Some(&args.output), &inputs, talk, |reading| embed(args, &reading, talk))
}

fn embed(args: &EmbedArgs, reading: &ReadingArgs, talk: Talk) -> Run {
    let mut rows = model::open_rows(std::slice::from_ref(&args.input), reading, false, talk)?;
    if let Some(mut dry) = DryRun::of(&args.model)? {
        dry.rows(&mut rows)?;
        return dry.print();
    }
    let counter = Counter::new(talk);
    let started = Instant::now();
    let mut builder = model::builder(&args.model, talk)?;
    let cache = cache::open(&args.cache, &args.model)?;
    if let Some(cache) = &cache {
        builder = builder.cache(cache.clone());
    }
    let encoder = builder.build_any_encoder()?;
    let model = encoder.model().ok_or_else(|| Failure::Error("the encoder does not say what it is".into()))?;
    let cached = cache::before(cache, &encoder)?;
    let load = started.elapsed();
    let mut writer =
        EmbeddingWriter::create(&args.output, encoder.dim(), &metadata(&model, encoder.fingerprint()?, args.role))?;
    remove_on_interrupt(writer.temporary_path());
    let encode: &dyn Encoder = cached.as_ref().map_or(encoder.as_ref(), |cached| cached);
    let call = counter.call();
    let totals = encode_rows(&mut rows, encode, args.role, (&counter, &call), &mut writer);
    counter.finish();
    let totals = totals?;
    writer.finish()?;
    let saved = cached.as_ref().map(|_| call.usage().cached);
    report(&totals, &rows, (args.role, model.max_tokens), saved, talk);
    if let Some(path) = &args.stats {
        let stats = stats(&totals, load, model, saved);
        let json = serde_json::to_string_pretty(&stats).map_err(|e| Failure::Error(e.to_string()))?;
        nearsort::io::write_whole(path, format!("{json}\n").as_bytes())?;
    }
    Ok(Outcome::Done)
}

/// Whether two targets that may not exist yet are one file.
fn same_file(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
    };
    place(a).is_some_and(|a| Some(a) == place(b))
}

fn encode_rows(
    rows: &mut Rows,
    encoder: &dyn Encoder,
    role: Role,
    (counter, call): (&Counter, &Call<'_>),
    writer: &mut EmbeddingWriter,
) -> Result<Totals, Failure> {
    let mut totals = Totals::default();
    loop {
        let chunk = rows.next_chunk(CHUNK_ROWS)?;
        if chunk.is_empty() {
            return Ok(totals);
        }
        counter.expect(chunk.len(), chunk.len() < CHUNK_ROWS);
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
        let started = Instant::now();
        let embeddings = encoder.encode_with(&texts, role, call)?;
        totals.encode += started.elapsed();
        totals.documents += chunk.len();
        totals.tokens += embeddings.tokens.iter().copied().map(u64::from).sum::<u64>();
        let cut = chunk.iter().zip(&embeddings.truncated).filter(|(_, cut)| **cut).map(|(row, _)| &row.id);
        if totals.first_truncated.is_none() {
            totals.first_truncated = cut.clone().next().cloned();
        }
        totals.truncated += cut.count();
        for (row, vector) in chunk.iter().zip(embeddings.vectors.rows()) {
            writer.push(&row.id, &vector.to_vec())?;
        }
    }
}

fn metadata(model: &ModelInfo, fingerprint: String, role: Role) -> BTreeMap<String, String> {
    let fields = [
        ("model", model.name.clone()),
        ("revision", model.revision.clone().unwrap_or_default()),
        ("fingerprint", fingerprint),
        ("role", role.to_string()),
        ("engine", model.engine.clone()),
        ("precision", model.precision.clone()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn report(totals: &Totals, rows: &Rows, (role, max_tokens): (Role, usize), saved: Option<u64>, talk: Talk) {
    let (truncated, texts, first) =
        (totals.truncated, totals.documents, totals.first_truncated.clone().unwrap_or_default());
    // A query that was cut is said always, as where it is searched for.
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
    if totals.documents == 0 {
        warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
    }
    if talk == Talk::Verbose {
        let seconds = totals.encode.as_secs_f64();
        say(format_args!("{} texts, {} tokens in {seconds:.3} s", totals.documents, totals.tokens));
        if let Some(hits) = saved {
            say(format_args!("{hits} from the cache, {} encoded", totals.documents as u64 - hits));
        }
    }
}

fn stats(totals: &Totals, load: Duration, model: ModelInfo, saved: Option<u64>) -> Stats {
    Stats {
        documents: totals.documents as u64,
        tokens: totals.tokens,
        load_seconds: load.as_secs_f64(),
        encode_seconds: totals.encode.as_secs_f64(),
        engine: model.engine,
        precision: model.precision,
        isa: Isa::detect().name(),
        device: model.device,
        peak_rss_bytes: peak_rss_bytes(),
        cache_hits: saved,
    }
}

/// The largest resident set so far, where the system says.
#[cfg(unix)]
fn peak_rss_bytes() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes a whole rusage to the pointer, which is valid for it; zeroed bytes are a valid rusage too.
    let (status, usage) = unsafe { (libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), usage.assume_init()) };
    // macOS counts bytes, the others KiB.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    (status == 0).then(|| usage.ru_maxrss as u64 * unit)
}

#[cfg(not(unix))]
fn peak_rss_bytes() -> Option<u64> {
    None
}
