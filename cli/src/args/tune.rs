//! The options of `tune`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nearsort::eval::Measure;

use super::observed::ObservedArgs;

pub const TUNE_EXAMPLES: &str = "\
Scoring, the first stage's share and the weight of the feedback are chosen by cross-validation. Another setting is recommended only if it is better on
queries and documents that had no part in the choice. It is compared with the setting that the scoring options give, or else with the default.

Examples:
  nearsort tune --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv
  nearsort tune --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --judgements grades.tsv --save-profile reranker.toml
  nearsort rerank --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --profile reranker.toml";

#[derive(Args, Debug, Clone)]
#[command(next_display_order = 100, group = clap::ArgGroup::new("judged").required(true))]
pub struct TuneArgs {
    /// Judgements by people: TREC's four columns or BEIR's three, with or without a header
    #[arg(long, value_name = "QRELS", group = "judged")]
    pub qrels: Option<PathBuf>,
    /// Judgements by a model in place of --qrels; every output says so
    ///
    /// Grades as for qrels, or a run (.trec, .run, .jsonl) whose scores are whole numbers.
    #[arg(long, value_name = "GRADES|RUN", group = "judged")]
    pub judgements: Option<PathBuf>,
    /// Measure of quality; `nearsort eval --help` lists them
    #[arg(long, value_name = "MEASURE", default_value = "nDCG@10", value_parser = Measure::from_str)]
    pub measure: Measure,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TuneFormat,
    /// Write the recommended setting to a file for `nearsort rerank --profile`
    ///
    /// No file is written if the present setting is recommended.
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
