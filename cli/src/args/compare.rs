//! The options of `compare`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nearsort::eval::Test;

use super::model::ModelArgs;
use super::reading::ReadingArgs;
use super::rerank::ScoringArgs;

pub const COMPARE_EXAMPLES: &str = "\
Systems are, in this order: the first stage (--run), models that rerank it (--models), existing runs (--runs), and orders by grades (--grades). All are
compared with the first. Per-model settings follow a plus: cosine, maxsim or hybrid; none, linear or rrf (see --blend); truncate or window (see
--long); feedback or no-feedback (see --feedback).

Examples:
  nearsort compare --runs bm25.trec a.trec b.trec --qrels qrels.tsv --html comparison.html
  nearsort compare --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv \\
    --models all-MiniLM-L6-v2,all-MiniLM-L6-v2+cosine,all-MiniLM-L6-v2+maxsim+none --output-runs runs
  nearsort compare --run bm25.trec --runs judge.trec --grades grades.tsv --qrels qrels.tsv
  nearsort compare --runs bm25.trec a.trec --judge-as-qrels grades.tsv";

#[derive(Args, Debug, Clone)]
pub struct CompareArgs {
    /// The first stage's run: the first system, which --models rerank and --grades order
    #[arg(long, value_name = "FILE")]
    pub run: Option<PathBuf>,
    /// Models that rerank --run, separated by commas
    ///
    /// Per-model settings follow a plus, such as all-MiniLM-L6-v2+cosine+none.
    #[arg(long, value_name = "MODEL[+WORD]...", value_delimiter = ',', requires_all = ["run", "queries", "corpus"])]
    pub models: Vec<String>,
    /// Existing runs, in the formats that `nearsort eval` reads
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// Grades of the first stage's candidates, for example by an LLM; each file is a system
    ///
    /// Lines of query, document and grade, as for qrels. Equal grades keep the first stage's order;
    /// ungraded candidates come last.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "run")]
    pub grades: Vec<PathBuf>,
    /// Judgements by people: TREC's four columns or BEIR's three, with or without a header
    #[arg(long, value_name = "QRELS", conflicts_with = "judge_as_qrels")]
    pub qrels: Option<PathBuf>,
    /// Judgements by a model in place of --qrels; every output says so
    ///
    /// Grades as for qrels, or a run (.trec, .run, .jsonl) whose scores are whole numbers.
    #[arg(long, value_name = "GRADES|RUN")]
    pub judge_as_qrels: Option<PathBuf>,
    /// The queries, for --models and to show the texts of disputed queries
    #[arg(long, visible_alias = "query-file", value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// The documents' texts, for --models and to show those of disputed queries
    ///
    /// One or several files, or a pattern such as 'parts/*.parquet'.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub corpus: Vec<PathBuf>,
    /// Measures, separated by commas; `nearsort eval --help` lists them; charts show the first
    #[arg(long, value_name = "LIST", default_value = "nDCG@10,RR@10,AP,Judged@10")]
    pub measures: String,
    /// Ignore documents with the id of their query, as BEIR does for ArguAna and Quora
    #[arg(long)]
    pub ignore_identical_ids: bool,
    /// Compare on N queries, drawn at random from the judged ones if there are any [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Let models rerank only the first stage's best N of each list [default: all]
    ///
    /// The other candidates stay below, in the first stage's order.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,
    /// Show the N queries on which the systems disagree most
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub disputed: usize,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: CompareFormat,
    /// Write the comparison as an HTML page with charts, which loads nothing from the network
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Write the runs of --models and --grades to a folder, each as soon as it is complete
    #[arg(long, value_name = "DIR")]
    pub output_runs: Option<PathBuf>,
    /// Test of the difference between each system and the first
    #[arg(long, value_name = "randomisation|t|none", default_value = "randomisation", value_parser = Test::from_str)]
    pub test: Test,
    /// Number of resamples for intervals and the randomisation test
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub resamples: u32,
    /// Seed of the random numbers; the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub scoring: ScoringArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareFormat {
    /// Aligned columns
    Table,
    /// One object with everything
    Json,
    /// Tables for a README
    Markdown,
}
