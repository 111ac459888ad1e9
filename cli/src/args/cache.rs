//! The options of the embedding cache, and the verb that looks after it.

use clap::{Args, Subcommand};

use crate::size;

/// The use of the embedding cache.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Cache")]
pub struct CacheArgs {
    /// Take embeddings from the cache, and keep new ones in it
    ///
    /// With rerank it needs --scoring cosine.
    #[arg(long)]
    pub cache: bool,
    /// Do not use the cache, which is on by default for models of services
    #[arg(long, conflicts_with = "cache", hide_short_help = true)]
    pub no_cache: bool,
    /// Limit of the cache, such as 4GB or 500MiB; stays until it is changed [default: 4GiB]
    #[arg(long, value_name = "SIZE", requires = "cache", value_parser = size::parse, hide_short_help = true)]
    pub cache_size: Option<u64>,
}

#[derive(Args, Debug)]
pub struct CacheVerbArgs {
    #[command(subcommand)]
    pub verb: CacheVerb,
}

#[derive(Subcommand, Debug)]
pub enum CacheVerb {
    /// Print folder, size, limit and models of the cache
    Info {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove the cache, whatever its state
    Clear,
    /// Remove embeddings that were not used for long; new ones reuse the space in the file
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["max_size", "older_than"])))]
    Prune {
        /// Remove the least recently used embeddings until the rest takes at most SIZE, such as 1GB
        #[arg(long, value_name = "SIZE", value_parser = size::parse)]
        max_size: Option<u64>,
        /// Remove embeddings that were not used for DAYS days
        #[arg(long, value_name = "DAYS")]
        older_than: Option<u32>,
    },
}
