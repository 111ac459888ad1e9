//! `nearsort cache`: info, clear, prune. Opens the cache for `--cache`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use indicatif::{BinaryBytes, HumanCount};
use nearsort::cache::{CacheInfo, CacheOptions, CachedEncoder, DEFAULT_MAX_BYTES, EmbeddingCache, Prune};
use nearsort::{Encoder, StoreOptions};
use nearsort_report::visible;
use serde_json::{Value, json};

use crate::args::{CacheArgs, CacheVerb, CacheVerbArgs, ModelArgs, Talk};
use crate::hints::say;
use crate::{Failure, Outcome, Run, model};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Opens the cache, if the arguments ask for it, or if the model is a service's and costs money.
pub fn open(args: &CacheArgs, model: &ModelArgs) -> Result<Option<EmbeddingCache>, Failure> {
    open_for(args, model, model.service_name().is_some())
}

/// As [`open`], if it is known that a service is used or not.
pub fn open_for(args: &CacheArgs, model: &ModelArgs, uses_service: bool) -> Result<Option<EmbeddingCache>, Failure> {
    let is_recorded = model.service.is_recorded();
    if args.cache && is_recorded {
        return Err(Failure::Error(
            "--record and --replay do not use the cache, because cached texts would be missing from the recording; leave --cache out"
                .into(),
        ));
    }
    let by_default = uses_service && !args.no_cache && !is_recorded;
    if !args.cache && !by_default {
        return Ok(None);
    }
    Ok(Some(EmbeddingCache::open(&CacheOptions { folder: folder()?, max_bytes: args.cache_size })?))
}

/// Puts the cache before an encoder, if there is one.
pub fn before(cache: Option<EmbeddingCache>, encoder: &Arc<dyn Encoder>) -> Result<Option<CachedEncoder>, Failure> {
    let Some(cache) = cache else { return Ok(None) };
    Ok(Some(CachedEncoder::new(Arc::clone(encoder), cache, &model::name_of(encoder.as_ref()))?))
}

pub fn run(args: &CacheVerbArgs, talk: Talk) -> Run {
    match args.verb {
        CacheVerb::Info { json } => show(json)?,
        CacheVerb::Clear => {
            let folder = folder()?;
            let bytes = EmbeddingCache::clear(&folder)?;
            if talk > Talk::Quiet {
                say(format_args!("{} removed from {}", BinaryBytes(bytes), folder.display()));
            }
        }
        CacheVerb::Prune { max_size, older_than } => {
            let age = older_than.map(|days| Duration::from_secs(u64::from(days) * SECONDS_PER_DAY));
            let deleted = match existing()? {
                Some(cache) => cache.prune(Prune { max_bytes: max_size, older_than: age })?,
                None => 0,
            };
            if talk > Talk::Quiet {
                say(format_args!("{} embeddings removed", HumanCount(deleted)));
            }
        }
    }
    Ok(Outcome::Done)
}

fn folder() -> Result<PathBuf, Failure> {
    Ok(StoreOptions::from_env()?.embedding_cache())
}

/// Opens the cache if it exists. Looking at it must not create it.
fn existing() -> Result<Option<EmbeddingCache>, Failure> {
    let folder = folder()?;
    if !EmbeddingCache::exists(&folder) {
        return Ok(None);
    }
    Ok(Some(EmbeddingCache::open(&CacheOptions { folder, max_bytes: None })?))
}

fn show(as_json: bool) -> Result<(), Failure> {
    let info = match existing()? {
        Some(cache) => cache.info()?,
        None => nothing(folder()?),
    };
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &document(&info)).map_err(io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    Ok(write!(out, "{}", table(&info))?)
}

fn nothing(folder: PathBuf) -> CacheInfo {
    CacheInfo {
        folder,
        entries: 0,
        bytes: 0,
        file_bytes: 0,
        max_bytes: DEFAULT_MAX_BYTES,
        oldest: None,
        newest: None,
        models: Vec::new(),
    }
}

fn document(info: &CacheInfo) -> Value {
    let model = |model: &nearsort::cache::ModelEntries| json!({ "model": model.name, "fingerprint": model.fingerprint, "entries": model.entries });
    json!({
        "folder": info.folder,
        "entries": info.entries,
        "bytes": info.bytes,
        "file_bytes": info.file_bytes,
        "max_bytes": info.max_bytes,
        "oldest": info.oldest.map(seconds),
        "newest": info.newest.map(seconds),
        "models": info.models.iter().map(model).collect::<Vec<_>>(),
    })
}

/// Returns the seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn table(info: &CacheInfo) -> String {
    let days = |time: Option<SystemTime>| match time.and_then(|time| time.elapsed().ok()).map(|age| age.as_secs()) {
        None => "-".to_owned(),
        Some(age) if age < SECONDS_PER_DAY => "today".to_owned(),
        Some(age) => format!("{} days ago", age / SECONDS_PER_DAY),
    };
    let mut lines = vec![
        ("folder", info.folder.display().to_string()),
        ("embeddings", HumanCount(info.entries).to_string()),
        ("in use", format!("{} of {}", BinaryBytes(info.bytes), BinaryBytes(info.max_bytes))),
        ("on disk", BinaryBytes(info.file_bytes).to_string()),
        ("last used", format!("{} to {}", days(info.oldest), days(info.newest))),
    ];
    lines.extend(info.models.iter().map(|model| {
        let fingerprint: String = model.fingerprint.chars().take(12).collect();
        ("model", format!("{} ({fingerprint}): {}", model.name, HumanCount(model.entries)))
    }));
    lines.iter().map(|(name, value)| format!("{name:11} {}\n", visible(value))).collect()
}
