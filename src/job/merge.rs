//! Merging of the outputs of all shards into the output of the whole job.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::shard_note::ShardNote;
use crate::answer::{Format, join_columns};
use crate::error::Difference;
use crate::io::WholeFile;
use crate::{Error, JobError, Result};

/// Maximum number of missing shards that a message names.
const NAMED_MISSING: usize = 10;

/// Joins the outputs of all shards of a job, in any order, into the output of the unsharded job.
/// Each output must have the note of its job beside it. `unfinished` is called with the path of the
/// temporary file.
///
/// # Errors
/// [`Error::BadInput`] for a note or an output that is not what the shard wrote;
/// [`Error::InvalidArgument`] for shards that are missing, given twice or of different jobs;
/// [`Error::Io`].
pub fn merge(shards: &[impl AsRef<Path>], output: &Path, unfinished: impl FnOnce(&Path)) -> Result<()> {
    let read = |path: &Path| Ok((ShardNote::read(path)?, path.to_owned()));
    let mut shards = shards.iter().map(|path| read(path.as_ref())).collect::<Result<Vec<_>>>()?;
    shards.sort_by_key(|(note, _)| note.shard.index);
    check(&shards)?;
    let paths: Vec<&Path> = shards.iter().map(|(_, path)| path.as_path()).collect();
    let first = &shards[0].0;
    if first.format == Format::Parquet {
        return join_columns(&paths, output, first.job.has_texts());
    }
    let mut out = WholeFile::create(output)?;
    unfinished(out.temporary_path());
    join(&paths, first.format, &mut out)?;
    out.finish().map(drop)
}

/// Checks that these are all shards of one job, each once.
fn check(shards: &[(ShardNote, PathBuf)]) -> Result<()> {
    let Some(((first, first_path), rest)) = shards.split_first() else {
        return Err(Error::InvalidArgument("give the outputs of all shards".into()));
    };
    for (note, path) in rest {
        let difference = match first.job.difference(&note.job) {
            None if note.shard.of != first.shard.of => {
                let [first, other] = [first.shard.of, note.shard.of];
                Some(Difference::Other(format!("one is of {first} shards, the other of {other}")))
            }
            difference => difference,
        };
        if let Some(difference) = difference {
            let (one, other) = (first_path.clone(), path.clone());
            return Err(JobError::NotOneJob { one, other, difference }.into());
        }
    }
    for pair in shards.windows(2) {
        if pair[0].0.shard == pair[1].0.shard {
            let [one, other] = [pair[0].1.display(), pair[1].1.display()];
            let shard = pair[0].0.shard;
            return Err(Error::InvalidArgument(format!("{one} and {other} are both shard {shard}; leave one out")));
        }
    }
    refuse_missing(first.shard.of, &shards.iter().map(|(note, _)| note.shard.index).collect())
}

/// Returns an error that names the first few missing shards; their number is not bounded.
fn refuse_missing(of: u64, found: &HashSet<u64>) -> Result<()> {
    let missing = (1..=of).filter(|index| !found.contains(index));
    let named: Vec<String> = missing.take(NAMED_MISSING).map(|index| format!("{index}/{of}")).collect();
    // All shards found are among the `of`, each once.
    let more = (of - found.len() as u64) - named.len() as u64;
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match named.is_empty() {
        true => Ok(()),
        false => Err(Error::InvalidArgument(format!(
            "the output of shard {}{and_more} is missing; run it, or name its file",
            named.join(", ")
        ))),
    }
}

/// Concatenates the files. JSON arrays are joined into one.
fn join(shards: &[&Path], format: Format, out: &mut WholeFile) -> Result<()> {
    let output = out.path().to_owned();
    let written = |error: io::Error| Error::io("write", &output)(error);
    let mut is_first = true;
    for path in shards {
        let failed = |error: io::Error| Error::io("read", *path)(error);
        let mut file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let content = match format {
            Format::Json => JSON_BEGIN.len() as u64..bytes.saturating_sub(JSON_END.len() as u64),
            _ => 0..bytes,
        };
        // "[]\n" has no content.
        if content.start >= content.end {
            continue;
        }
        if format == Format::Json {
            let before = if is_first { JSON_BEGIN } else { b",\n" };
            out.write_all(before).map_err(written)?;
        }
        is_first = false;
        file.seek(SeekFrom::Start(content.start)).map_err(failed)?;
        let mut content = BufReader::new(file).take(content.end - content.start);
        loop {
            let bytes = content.fill_buf().map_err(failed)?;
            if bytes.is_empty() {
                break;
            }
            out.write_all(bytes).map_err(written)?;
            let read = bytes.len();
            content.consume(read);
        }
    }
    if format == Format::Json {
        let end = if is_first { b"[]\n" } else { JSON_END };
        out.write_all(end).map_err(written)?;
    }
    Ok(())
}

/// The start and the end of a JSON array around its answers.
const JSON_BEGIN: &[u8] = b"[\n";
const JSON_END: &[u8] = b"\n]\n";
