//! Shards: the parts of a job for several machines.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The part `index` of `of`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1.
    pub index: u64,
    /// The number of parts.
    pub of: u64,
}

impl Shard {
    /// Returns the shard's share of `count` lists. It is contiguous, so concatenating the shards'
    /// outputs in order gives the whole output.
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
            _ => Err(Error::InvalidArgument(format!(
                "'{text}' is not a shard; expected i/n with i from 1 to n, such as 2/4"
            ))),
        }
    }
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
