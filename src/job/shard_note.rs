//! The note that a shard leaves for the merge.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::JobManifest;
use super::shard::Shard;
use crate::answer::Format;
use crate::io::{file_sha256, write_whole};
use crate::{Error, Result};

/// A file beside a shard's output that describes the output for the merge.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShardNote {
    pub shard: Shard,
    pub format: Format,
    pub bytes: u64,
    /// SHA-256 of the output, in hex.
    pub sha256: String,
    /// The manifest, which all shards share.
    pub job: JobManifest,
}

impl ShardNote {
    /// Returns the path `OUTPUT.shard.json`.
    pub fn path(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".shard.json");
        name.into()
    }

    /// Writes the note about the file at `output`.
    pub fn write(output: &Path, shard: Shard, format: Format, job: JobManifest) -> Result<()> {
        let (bytes, sha256) = size_and_sha256(output)?;
        let note = Self { shard, format, bytes, sha256, job };
        let path = Self::path(output);
        let json = serde_json::to_string_pretty(&note).map_err(|error| Error::io("write", &path)(error.into()))?;
        write_whole(path, format!("{json}\n").as_bytes())
    }

    /// Reads the note of an output, and checks that the output matches it.
    pub fn read(output: &Path) -> Result<Self> {
        let path = Self::path(output);
        let failed = |why: String| Error::BadInput { file: path.display().to_string(), message: why };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            failed(format!("cannot be read: {error}; a shard's job writes it beside its output, copy both"))
        })?;
        let note = Self::parse(&text).map_err(|why| failed(format!("not the note of a shard: {why}")))?;
        let (bytes, sha256) = size_and_sha256(output)?;
        if (bytes, &sha256) != (note.bytes, &note.sha256) {
            return Err(Error::InvalidArgument(format!(
                "{} is not what its shard wrote ({bytes} bytes, {} written); copy it again, or run shard {} again",
                output.display(),
                note.bytes,
                note.shard,
            )));
        }
        Ok(note)
    }
}

impl ShardNote {
    fn parse(text: &str) -> Result<Self, String> {
        let note: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !(1..=note.shard.of).contains(&note.shard.index) {
            return Err(format!("there is no shard {}; numbers go from 1/n to n/n", note.shard));
        }
        match note.job.has_format(note.format) {
            true => Ok(note),
            false => Err("it names two formats".to_owned()),
        }
    }
}

fn size_and_sha256(path: &Path) -> Result<(u64, String)> {
    let bytes = File::open(path).and_then(|file| file.metadata()).map_err(Error::io("read", path))?.len();
    Ok((bytes, file_sha256(path)?))
}
