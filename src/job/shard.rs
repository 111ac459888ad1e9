//! A job in parts for several machines: which part is whose, and what a part leaves for those who join them.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use crate::answer::Format;
use crate::io::{file_sha256, write_whole};
use crate::{Error, Result};

/// The part `index` of `of`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1.
    pub index: u64,
    /// How many parts there are.
    pub of: u64,
}

impl Shard {
    /// The shard's share of `count` lists: neighbours, so that the shards' outputs one after the other are the whole's.
    pub fn range(self, count: u64) -> Range<u64> {
        let start = |index: u64| (u128::from(count) * u128::from(index) / u128::from(self.of)) as u64;
        start(self.index - 1)..start(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => {
                Err(Error::InvalidArgument(format!("'{text}' is no shard; write i/n with i from 1 to n, such as 2/4")))
            }
        }
    }
}

/// What lies beside a shard's output, so that whoever joins them knows what it has.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShardNote {
    pub shard: Shard,
    pub format: Format,
    pub bytes: u64,
    /// Of the output, in hex.
    pub sha256: String,
    /// What the shards have in common.
    pub job: Manifest,
}

impl ShardNote {
    /// `OUTPUT.shard.json`.
    pub fn path(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".shard.json");
        name.into()
    }

    /// Notes what lies under the output's name.
    pub fn write(output: &Path, shard: Shard, format: Format, job: Manifest) -> Result<()> {
        let (bytes, sha256) = size_and_sha256(output)?;
        let note = Self { shard, format, bytes, sha256, job };
        let path = Self::path(output);
        let json = serde_json::to_string_pretty(&note).map_err(|error| Error::io("write", &path)(error.into()))?;
        write_whole(path, format!("{json}\n").as_bytes())
    }

    /// Reads the note of an output, and checks that the output is what it says.
    pub fn read(output: &Path) -> Result<Self> {
        let path = Self::path(output);
        let failed = |why: String| Error::BadInput { file: path.display().to_string(), message: why };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            failed(format!("cannot be read: {error}; a shard's job writes it beside its output, copy both"))
        })?;
        let note = Self::parse(&text).map_err(|why| failed(format!("this is no note of a shard: {why}")))?;
        let (bytes, sha256) = size_and_sha256(output)?;
        if (bytes, &sha256) != (note.bytes, &note.sha256) {
            let message = format!(
                "this is not what its shard wrote ({bytes} bytes, {} written); copy it again, or run shard {} again",
                note.bytes, note.shard,
            );
            return Err(Error::BadInput { file: output.display().to_string(), message });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_neighbours_that_share_all_lists_evenly() {
        for count in 0..40 {
            for of in 1..9 {
                let ranges: Vec<_> = (1..=of).map(|index| Shard { index, of }.range(count)).collect();
                assert_eq!((ranges[0].start, ranges[of as usize - 1].end), (0, count));
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                assert!(ranges.iter().all(|range| (range.end - range.start).abs_diff(count / of) <= 1));
            }
        }
        for wrong in ["", "1", "0/2", "3/2", "a/b", "1/0", "-1/2", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { index: 2, of: 3 });
    }
}
