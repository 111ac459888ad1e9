//! What can be typed after `index` and `search`.

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
A build that was killed goes on where it stopped when the same command is given again.

Examples:
  nearsort index build corpus.jsonl --output corpus.index --dtype f16 --tokens
  nearsort index add more.jsonl --index corpus.index
  nearsort index delete --index corpus.index d17 d18
  nearsort index verify corpus.index";

pub const SEARCH_EXAMPLES: &str = "\
Every row is compared with every query. The model is the index's, unless another is named, which is then refused.

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
    /// Delete texts from an index by their ids: all of them, or none where one is not in the index (any more)
    Delete(DeleteArgs),
    /// Say what an index holds
    Info {
        #[arg(value_name = "DIR")]
        index: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Read everything and check every checksum
    Verify {
        #[arg(value_name = "DIR")]
        index: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct BuildArgs {
    /// Texts with ids: JSONL, a JSON array, CSV, TSV, Parquet, Arrow or lines, also compressed; several files, or a pattern; `-` is standard input
    #[arg(value_name = "CORPUS", required = true)]
    pub corpus: Vec<PathBuf>,
    /// The index: a folder, new or empty
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// How vectors are stored: f32 is exact, f16 takes half the space for scores that differ by 1e-5, i8 a quarter for 1e-3
    #[arg(long, default_value = "f16", value_name = "f32|f16|i8", value_parser = Dtype::from_str)]
    pub dtype: Dtype,
    /// Store token vectors too, in compact form, so that `rerank --index` can score by maxsim and hybrid
    #[arg(long)]
    pub tokens: bool,
    /// Replace the index that is there; it stays until the new one is whole
    #[arg(long)]
    pub replace: bool,
    /// Throw an unfinished build away instead of going on with it
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
    /// Texts with ids: JSONL, a JSON array, CSV, TSV, Parquet, Arrow or lines, also compressed; several files, or a pattern; `-` is standard input
    #[arg(value_name = "CORPUS", required = true)]
    pub corpus: Vec<PathBuf>,
    /// The index
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
    /// Let texts with ids that the index has take the place of the old ones, instead of failing
    #[arg(long)]
    pub replace: bool,
    /// Throw an unfinished addition away instead of going on with it
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
    /// What the user asks
    #[arg(long, value_name = "TEXT", required_unless_present = "query_file", conflicts_with = "query_file")]
    pub query: Option<String>,
    /// A file of queries (text lines, JSONL, TSV of id and text)
    #[arg(long, visible_alias = "queries", value_name = "FILE")]
    pub query_file: Option<PathBuf>,
    /// Leave a text out whose id is its query's, as BEIR does for ArguAna and Quora
    #[arg(long, conflicts_with = "query")]
    pub ignore_identical_ids: bool,
    /// How many texts per query
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: u32,
    /// Write to a file, which appears when it is whole; the extension tells the format [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// How to print [default: table on a terminal, else tsv; trec with --queries]
    #[arg(long, value_name = "FORMAT", value_parser = output::format())]
    pub format: Option<Format>,
    #[command(flatten)]
    pub table: DelimiterArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}
