//! The options of `index` and `search`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use nearsort::answer::Format;
use nearsort::index::Dtype;

use super::cache::CacheArgs;
use super::model::ModelArgs;
use super::output;
use super::reading::{DelimiterArgs, ReadingArgs};

pub const INDEX_EXAMPLES: &str = "\
After an interruption, rerun the same command to resume a build or an addition.

Examples:
  nearsort index build corpus.jsonl --output corpus.index --dtype f16 --tokens
  nearsort index add more.jsonl --index corpus.index
  nearsort index delete --index corpus.index d17 d18
  nearsort index verify corpus.index";

pub const SEARCH_EXAMPLES: &str = "\
Every row is compared with every query. The queries are encoded by the index's own model; any other --model is an error.

Examples:
  nearsort search --index corpus.index --query \"Where is the Eiffel Tower?\"
  nearsort search --index corpus.index --queries queries.jsonl --top-k 100 --output dense.trec";

#[derive(Args, Debug)]
pub struct IndexArgs {
    #[command(subcommand)]
    pub verb: IndexVerb,
}

#[derive(Subcommand, Debug)]
pub enum IndexVerb {
    /// Encode a corpus into a new index
    Build(Box<BuildArgs>),
    /// Encode more texts into an index
    Add(Box<AddArgs>),
    /// Delete texts from an index by their ids
    ///
    /// If one id is not in the index, or was deleted before, nothing is deleted and the command
    /// fails.
    Delete(DeleteArgs),
    /// Print an index's rows, vectors, size and model
    Info {
        /// The index
        #[arg(value_name = "DIR")]
        index: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a whole index and check every checksum
    Verify {
        /// The index
        #[arg(value_name = "DIR")]
        index: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct BuildArgs {
    /// Texts with ids: JSONL, JSON, CSV, TSV, Parquet, Arrow or lines; `-` is standard input
    ///
    /// One or several files, or a pattern such as 'parts/*.parquet'. Files may be compressed (.gz,
    /// .zst).
    #[arg(value_name = "CORPUS", required = true)]
    pub corpus: Vec<PathBuf>,
    /// The index: a folder, new or empty
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Number format of the stored vectors
    ///
    /// f32 is exact. f16 takes half the space and changes scores by about 1e-5, i8 a quarter of the
    /// space and 1e-3.
    #[arg(long, default_value = "f16", value_name = "f32|f16|i8", value_parser = Dtype::from_str)]
    pub dtype: Dtype,
    /// Store token vectors too (4 bits per component), for maxsim and hybrid in `rerank --index`
    #[arg(long)]
    pub tokens: bool,
    /// Replace an existing index; it stays until the new one is complete
    #[arg(long)]
    pub replace: bool,
    /// Discard an unfinished build instead of resuming it
    #[arg(long)]
    pub restart: bool,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Args, Debug)]
pub struct AddArgs {
    /// Texts with ids: JSONL, JSON, CSV, TSV, Parquet, Arrow or lines; `-` is standard input
    ///
    /// One or several files, or a pattern such as 'parts/*.parquet'. Files may be compressed (.gz,
    /// .zst).
    #[arg(value_name = "CORPUS", required = true)]
    pub corpus: Vec<PathBuf>,
    /// The index
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
    /// Replace texts whose ids are in the index already, instead of failing
    #[arg(long)]
    pub replace: bool,
    /// Discard an unfinished addition instead of resuming it
    #[arg(long)]
    pub restart: bool,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// Ids of the texts
    #[arg(value_name = "ID", required_unless_present = "ids")]
    pub id: Vec<String>,
    /// A file of ids, one per line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// The index
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
}

#[derive(Args, Debug)]
pub struct SearchArgs {
    /// The index
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
    /// The query
    #[arg(long, value_name = "TEXT", required_unless_present = "query_file", conflicts_with = "query_file")]
    pub query: Option<String>,
    /// A file of queries: text lines, JSONL, or TSV of id and text
    #[arg(long, visible_alias = "queries", value_name = "FILE")]
    pub query_file: Option<PathBuf>,
    /// Ignore texts with the id of their query, as BEIR does for ArguAna and Quora
    #[arg(long, conflicts_with = "query")]
    pub ignore_identical_ids: bool,
    /// Number of texts per query
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: u32,
    /// Write to a file; its extension sets the format [default: standard output]
    ///
    /// The file appears when it is complete.
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Output format [default: table on a terminal, else tsv; with --queries trec]
    #[arg(long, value_name = "FORMAT", value_parser = output::format())]
    pub format: Option<Format>,
    #[command(flatten)]
    pub table: DelimiterArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}
