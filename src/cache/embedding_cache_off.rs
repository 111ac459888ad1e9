//! The embedding cache, in a build that has none.

use std::convert::Infallible;
use std::path::Path;

use super::{CacheInfo, CacheKey, CacheOptions, CachedModel, CachedVector, Prune};
use crate::{Error, Result};

const OFF: Error = Error::FeatureOff { feature: "cache" };

/// Stand-in for the embedding cache. This build lacks the feature `cache`, so it cannot be opened.
#[derive(Clone)]
pub struct EmbeddingCache(Infallible);

impl EmbeddingCache {
    /// Always fails with [`Error::FeatureOff`].
    pub fn open(_: &CacheOptions) -> Result<Self> {
        Err(OFF)
    }

    /// True if a folder has a file of a cache.
    pub fn exists(folder: &Path) -> bool {
        folder.join("data.mdb").exists()
    }

    /// Always fails with [`Error::FeatureOff`].
    pub fn clear(_: &Path) -> Result<u64> {
        Err(OFF)
    }

    /// Never called.
    pub fn get_many(&self, _: &[CacheKey]) -> Result<Vec<Option<CachedVector>>> {
        match self.0 {}
    }

    /// Never called.
    pub fn get_answer(&self, _: &CacheKey) -> Result<Option<Vec<u8>>> {
        match self.0 {}
    }

    /// Never called.
    pub fn put_many(&self, _: &CachedModel, _: &[(CacheKey, CachedVector)]) -> Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub fn put_answer(&self, _: &CachedModel, _: &CacheKey, _: &[u8]) -> Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub fn info(&self) -> Result<CacheInfo> {
        match self.0 {}
    }

    /// Never called.
    pub fn prune(&self, _: Prune) -> Result<u64> {
        match self.0 {}
    }
}
