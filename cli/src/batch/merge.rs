//! `nearsort merge`: the outputs of all shards as the one output of the whole job.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nearsort::answer::{Format, join_columns};
use nearsort::io::WholeFile;

use super::shard::ShardNote;
use crate::args::MergeArgs;
use crate::interrupt::remove_on_interrupt;
use crate::{Failure, Outcome, Run, model};

/// Missing shards that are named.
const NAMED_MISSING: usize = 10;

pub fn run(args: &MergeArgs) -> Run {
    let inputs: Vec<Option<&PathBuf>> = args.shards.iter().map(Some).collect();
    model::check_target(&args.output, &inputs)?;
    let mut shards = Vec::with_capacity(args.shards.len());
    for path in &args.shards {
        shards.push((ShardNote::read(path)?, path.as_path()));
    }
    shards.sort_by_key(|(note, _)| note.shard.index);
    check(&shards)?;
    let paths: Vec<&Path> = shards.iter().map(|(_, path)| *path).collect();
    let first = &shards[0].0;
    if first.format == Format::Parquet {
        join_columns(&paths, &args.output, first.job.has_texts())?;
        return Ok(Outcome::Done);
    }
    let mut out = WholeFile::create(&args.output)?;
    remove_on_interrupt(out.temporary_path());
    join(&paths, first.format, &mut out)?;
    out.finish()?;
    Ok(Outcome::Done)
}

/// Whether these are all shards of one job, each once.
fn check(shards: &[(ShardNote, &Path)]) -> Result<(), Failure> {
    let Some(((first, first_path), rest)) = shards.split_first() else {
        return Err(Failure::Error("give the outputs of all shards".into()));
    };
    for (note, path) in rest {
        let difference = match first.job.difference(&note.job) {
            None if note.shard.of != first.shard.of => {
                Some(format!("one is of {} shards, the other of {}", first.shard.of, note.shard.of))
            }
            difference => difference,
        };
        if let Some(difference) = difference {
            return Err(Failure::Error(format!(
                "{} and {} are not of one job: {difference}",
                first_path.display(),
                path.display()
            )));
        }
    }
    for pair in shards.windows(2) {
        if pair[0].0.shard == pair[1].0.shard {
            let [one, other] = [pair[0].1.display(), pair[1].1.display()];
            return Err(Failure::Error(format!("{one} and {other} are both shard {}; leave one out", pair[0].0.shard)));
        }
    }
    refuse_missing(first.shard.of, &shards.iter().map(|(note, _)| note.shard.index).collect())
}

/// Says which shards are not there: the first few of them, for their number may be any.
fn refuse_missing(of: u64, found: &HashSet<u64>) -> Result<(), Failure> {
    let missing = (1..=of).filter(|index| !found.contains(index));
    let named: Vec<String> = missing.take(NAMED_MISSING).map(|index| format!("{index}/{of}")).collect();
    // All that are found are among the `of`, each once.
    let more = (of - found.len() as u64) - named.len() as u64;
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match named.is_empty() {
        true => Ok(()),
        false => Err(Failure::Error(format!(
            "there is no output of shard {}{and_more}; run it, or name its file",
            named.join(", ")
        ))),
    }
}

/// The files one after the other; arrays of JSON become one.
fn join(shards: &[&Path], format: Format, out: &mut WholeFile) -> Result<(), Failure> {
    let output = out.path().to_owned();
    let written = |error: io::Error| Failure::io("write", &output)(error);
    let mut is_first = true;
    for path in shards {
        let failed = |error: io::Error| Failure::io("read", *path)(error);
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

/// What stands around the answers of an array.
const JSON_BEGIN: &[u8] = b"[\n";
const JSON_END: &[u8] = b"\n]\n";
