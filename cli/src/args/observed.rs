//! What can be typed for the run that `diagnose` and `tune` look at, and for the model that scores it.

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
    /// The texts of the documents that --run names: one or several files, or a pattern such as 'parts/*.parquet'
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub corpus: Vec<PathBuf>,
    /// The first stage's run: TREC's format, JSON lines, a table or a JSON object, as `nearsort eval` reads them
    #[arg(long, value_name = "FILE")]
    pub run: PathBuf,
    /// Leave a document out whose id is its query's, as BEIR does for ArguAna and Quora
    #[arg(long)]
    pub ignore_identical_ids: bool,
    /// Look at N of the queries, drawn at random, judged ones where there are some [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Where the random numbers begin; the same seed gives the same report
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub scoring: ScoringArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}
