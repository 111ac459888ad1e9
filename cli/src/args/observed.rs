//! The options of the run that `diagnose` and `tune` examine, and of the model that scores it.

use std::path::PathBuf;

use clap::Args;

use super::model::ModelArgs;
use super::reading::ReadingArgs;
use super::rerank::ScoringArgs;

#[derive(Args, Debug, Clone)]
pub struct ObservedArgs {
    /// The queries: text lines, JSONL, CSV or TSV
    #[arg(long, visible_alias = "query-file", value_name = "FILE")]
    pub queries: PathBuf,
    /// The texts of the documents that --run names: files, or a pattern such as 'parts/*.parquet'
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub corpus: Vec<PathBuf>,
    /// The first stage's run, in a format that `nearsort eval` reads
    #[arg(long, value_name = "FILE")]
    pub run: PathBuf,
    /// Ignore documents with the id of their query, as BEIR does for ArguAna and Quora
    #[arg(long)]
    pub ignore_identical_ids: bool,
    /// Use N queries, drawn at random from the judged ones if there are any [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Seed of the random numbers; the same seed gives the same report
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub scoring: ScoringArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}
