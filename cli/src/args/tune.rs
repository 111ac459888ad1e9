//! What can be typed after `tune`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nearsort::eval::Measure;

use super::observed::ObservedArgs;

pub const TUNE_EXAMPLES: &str = "\
Scoring, the first stage's share and the weight of the feedback are chosen by cross-validation. Another setting is recommended only if it is better on
queries and documents that had no part in the choice. The options of scoring say what it is compared with; by default that is the default.

Examples:
  nearsort tune --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv
  nearsort tune --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --judgements grades.tsv --save-profile reranker.toml
  nearsort rerank --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --profile reranker.toml";

#[derive(Args, Debug, Clone)]
#[command(next_display_order = 100, group = clap::ArgGroup::new("judged").required(true))]
pub struct TuneArgs {
    /// Judgements by people: TREC's four columns, or three as BEIR has them, with or without a header
    #[arg(long, value_name = "QRELS", group = "judged")]
    pub qrels: Option<PathBuf>,
    /// Judgements by a model in their place, and said so: grades as qrels, or a run (.trec, .run, .jsonl) whose scores are whole numbers
    #[arg(long, value_name = "GRADES|RUN", group = "judged")]
    pub judgements: Option<PathBuf>,
    /// What quality is; see `nearsort eval --help`
    #[arg(long, value_name = "MEASURE", default_value = "nDCG@10", value_parser = Measure::from_str)]
    pub measure: Measure,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TuneFormat,
    /// Write the recommended setting to a file for `nearsort rerank --profile`, if another than the present one is recommended
    #[arg(long, value_name = "OUT.toml")]
    pub save_profile: Option<PathBuf>,
    // Last, because its headings would hold for what follows; first in the help.
    #[command(flatten, next_display_order = 0)]
    pub observed: ObservedArgs,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuneFormat {
    /// For people
    Text,
    /// One object with everything
    Json,
}
