//! Whether embeddings are kept, and the verb that looks after them.

use clap::{Args, Subcommand};

use crate::size;

/// Whether embeddings are kept for the next time.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Cache")]
pub struct CacheArgs {
    /// Take embeddings from the cache, and keep new ones in it
    ///
    /// With rerank it needs --scoring cosine.
    #[arg(long)]
    pub cache: bool,
    /// Do without the cache, which models of services have by default
    #[arg(long, conflicts_with = "cache")]
    #[arg(hide_short_help = true)]
    pub no_cache: bool,
    /// How large the cache may become, such as 4GB or 500MiB; it remembers [default: 4GiB]
    #[arg(long, value_name = "SIZE", requires = "cache", value_parser = size::parse)]
    #[arg(hide_short_help = true)]
    pub cache_size: Option<u64>,
}

#[derive(Args, Debug)]
pub struct CacheVerbArgs {
    #[command(subcommand)]
    pub verb: CacheVerb,
}

#[derive(Subcommand, Debug)]
pub enum CacheVerb {
    /// Folder, size, limit and models of the cache
    Info {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove the cache, whatever its state
    Clear,
    /// Take out what was not used for long; the file keeps its size, its free pages are used again
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["max_size", "older_than"])))]
    Prune {
        /// The longest unused embeddings, until the rest takes at most SIZE, such as 1GB
        #[arg(long, value_name = "SIZE", value_parser = size::parse)]
        max_size: Option<u64>,
        /// Embeddings that were not used for DAYS days
        #[arg(long, value_name = "DAYS")]
        older_than: Option<u32>,
    },
}
