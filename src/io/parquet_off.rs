//! Ranked results as Parquet, in a build that cannot write it.

use std::convert::Infallible;
use std::path::Path;

use crate::{Error, Result};

/// Stand-in for the writer of Parquet files. This build lacks the feature `parquet`, so it cannot
/// be created.
#[derive(Debug)]
pub struct ParquetResults(Infallible);

impl ParquetResults {
    /// Always fails with [`Error::FeatureOff`].
    pub fn create(_: impl AsRef<Path>, _: bool) -> Result<Self> {
        Err(Error::FeatureOff { feature: "parquet" })
    }

    /// Never called.
    pub fn push(&mut self, _: &str, _: u32, _: &str, _: f32, _: &str) -> Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    /// Never called.
    pub fn temporary_path(&self) -> &Path {
        match self.0 {}
    }

    /// Never called.
    pub fn finish(self) -> Result<u64> {
        match self.0 {}
    }
}
