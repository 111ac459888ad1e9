//! The command line: verbs and options. The verbs interpret them.

mod cache;
mod compare;
mod free_text;
mod index;
mod judge;
#[cfg(feature = "serve")]
mod mcp;
mod model;
mod observed;
mod output;
mod reading;
mod rerank;
#[cfg(feature = "serve")]
mod serve;
mod service;
mod tune;

use std::path::PathBuf;
use std::str::FromStr;

pub use cache::{CacheArgs, CacheVerb, CacheVerbArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use compare::COMPARE_EXAMPLES;
pub use compare::{CompareArgs, CompareFormat};
pub use free_text::parse;
pub use index::{AddArgs, BuildArgs, DeleteArgs, IndexArgs, IndexVerb, SearchArgs};
use index::{INDEX_EXAMPLES, SEARCH_EXAMPLES};
pub use judge::JudgeArgs;
#[cfg(feature = "serve")]
use mcp::MCP_EXAMPLES;
#[cfg(feature = "serve")]
pub use mcp::McpArgs;
pub use model::{ModelArgs, ModelsArgs, ModelsVerb, StoreArgs, default_batch_tokens};
use nearsort::Role;
use nearsort::eval::{Measure, Test};
use nearsort::service::Provider;
pub use observed::ObservedArgs;
pub use reading::{BadRowsArg, ReadingArgs};
pub use rerank::{
    BlendMethod, JobArgs, MergeArgs, ProgressMode, RankerArgs, RerankArgs, ScoringArgs, ShownArgs, SourceArgs,
};
use rerank::{MERGE_EXAMPLES, RERANK_EXAMPLES};
#[cfg(feature = "serve")]
use serve::SERVE_EXAMPLES;
#[cfg(feature = "serve")]
pub use serve::ServeArgs;
pub use service::ServiceArgs;
use tune::TUNE_EXAMPLES;
pub use tune::{TuneArgs, TuneFormat};

/// Put the best candidates first: a local reranker.
#[derive(Parser, Debug)]
#[command(name = "nearsort", version, disable_version_flag = true)]
#[command(after_help = "Exit codes: 0 done, 1 no results, 2 error.")]
pub struct Cli {
    /// Print the version; with --verbose also features, instruction sets and devices
    #[arg(short = 'V', long)]
    pub version: bool,
    /// Print more messages on stderr
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Print only errors on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The amount of messages on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    Quiet,
    Normal,
    Verbose,
}

impl Cli {
    pub fn talk(&self) -> Talk {
        match (self.quiet, self.verbose) {
            (true, _) => Talk::Quiet,
            (_, true) => Talk::Verbose,
            _ => Talk::Normal,
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Rank candidates by how well they answer a query
    #[command(after_help = RERANK_EXAMPLES)]
    Rerank(Box<RerankArgs>),
    /// Turn texts into vectors, one row per input row
    #[command(after_help = EMBED_EXAMPLES)]
    Embed(Box<EmbedArgs>),
    /// Say whether reranking helps, why not, and what to change
    #[command(after_help = DIAGNOSE_EXAMPLES)]
    Diagnose(Box<DiagnoseArgs>),
    /// Choose scoring, blend and feedback by judged queries, guarded against chance
    #[command(after_help = TUNE_EXAMPLES)]
    Tune(Box<TuneArgs>),
    /// Join the outputs of a job's shards
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Measure runs by relevance judgements, and test their differences
    #[command(after_help = EVAL_EXAMPLES)]
    Eval(Box<EvalArgs>),
    /// Compare systems: quality, agreement, ties, time and money
    #[command(after_help = COMPARE_EXAMPLES, mut_arg("name", |model| model.hide(true)))]
    Compare(Box<CompareArgs>),
    /// Keep embeddings on disk: build, add, delete, info, verify
    #[command(after_help = INDEX_EXAMPLES)]
    Index(IndexArgs),
    /// Find the best texts of an index by exact search
    #[command(after_help = SEARCH_EXAMPLES)]
    Search(Box<SearchArgs>),
    /// Serve rerank and embedding clients over HTTP
    #[cfg(feature = "serve")]
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// Serve the tools rerank, search and models over MCP, on stdin and stdout
    #[cfg(feature = "serve")]
    #[command(after_help = MCP_EXAMPLES)]
    Mcp(Box<McpArgs>),
    /// List, fetch, locate and check models
    Models(ModelsArgs),
    /// Show, shrink or remove the cache of embeddings
    Cache(CacheVerbArgs),
    /// Print a completion script for a shell
    Completions { shell: Shell },
    /// Print the man page of nearsort, or of one verb
    Man { verb: Option<String> },
}

impl Verb {
    /// Returns the model of a verb that scores or encodes.
    pub fn model(&self) -> Option<&ModelArgs> {
        match self {
            Verb::Rerank(args) => Some(&args.model),
            Verb::Embed(args) => Some(&args.model),
            Verb::Search(args) => Some(&args.model),
            Verb::Compare(args) => Some(&args.model),
            Verb::Diagnose(args) => Some(&args.observed.model),
            Verb::Tune(args) => Some(&args.observed.model),
            Verb::Index(IndexArgs { verb: IndexVerb::Build(args) }) => Some(&args.model),
            Verb::Index(IndexArgs { verb: IndexVerb::Add(args) }) => Some(&args.model),
            _ => None,
        }
    }

    /// Returns true if the verb, when interrupted, finishes its work and ends by itself.
    pub fn drains(&self) -> bool {
        #[cfg(feature = "serve")]
        return matches!(self, Verb::Serve(_));
        #[cfg(not(feature = "serve"))]
        return false;
    }

    /// Returns true if the verb sends requests to a service.
    pub fn uses_service(&self) -> bool {
        let beside = match self {
            Verb::Rerank(args) => args.ranker.uses_service(&args.model),
            Verb::Compare(args) => args.models.iter().any(|model| Provider::of_name(model).is_some()),
            _ => false,
        };
        beside || self.model().is_some_and(|model| model.service_name().is_some())
    }
}

const EMBED_EXAMPLES: &str = "\
Examples:
  nearsort embed passages.jsonl --output passages.npy
  nearsort embed queries.txt --role query --output queries.safetensors --stats stats.json";

const DIAGNOSE_EXAMPLES: &str = "\
Without --qrels the report has only the findings that need no judgements, and lists what is missing. The ranking that is diagnosed is the one that
`nearsort rerank` makes with the same options.

Examples:
  nearsort diagnose --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv
  nearsort diagnose --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv --scoring cosine \\
    --html report.html --save-profile reranker.toml
  nearsort rerank --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --profile reranker.toml";

const EVAL_EXAMPLES: &str = "\
Measures, with the names of ir_measures; k is a cutoff, [@k] an optional one:
  nDCG[@k]  nDCG(dcg='exp-log2')@k  RR[@k]  AP[@k]  P@k  R@k  Success@k  Judged[@k]  Rprec  Bpref  ERR@k
  NumQ  NumRet  NumRel  NumRelRet
  with parameters: P(rel=2)@5, AP(rel=2,judged_only=True)
Names of other programs are accepted too: ndcg_cut_10, P.5, recip_rank, map, mrr@10, recall@100, hit_rate@5, ndcg_at_10; in upper or lower case.

Examples:
  nearsort eval --qrels qrels.tsv bm25.trec reranked.trec
  nearsort eval --qrels qrels.trec --measures \"nDCG@10,RR(rel=2)@10\" a.run b.run c.run --format markdown
  nearsort eval --qrels qrels.tsv bm25.trec reranked.trec --plot differences.svg";

#[derive(Args, Debug)]
pub struct EmbedArgs {
    /// Texts: lines, JSONL, a JSON array, CSV, TSV, Parquet or Arrow; `-` is standard input
    ///
    /// Files may be compressed (.gz, .zst).
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: PathBuf,
    /// File for the vectors: .npy, .safetensors or .jsonl
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Role of the texts, which decides the prompt before them
    #[arg(long, default_value = "document", value_name = "query|document", value_parser = Role::from_str)]
    pub role: Role,
    /// Write statistics as JSON: documents, tokens, seconds, precision, isa, device, peak memory
    #[arg(long, value_name = "STATS.json")]
    pub stats: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Args, Debug, Clone)]
#[command(next_display_order = 100)]
pub struct DiagnoseArgs {
    /// Judgements: TREC's four columns, or three as BEIR has them, with or without a header
    #[arg(long, value_name = "QRELS")]
    pub qrels: Option<PathBuf>,
    /// Measure of quality; `nearsort eval --help` lists them
    #[arg(long, value_name = "MEASURE", default_value = "nDCG@10", value_parser = Measure::from_str)]
    pub measure: Measure,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: DiagnoseFormat,
    /// Write the report as one HTML page with charts, which needs no network
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "OUT.json")]
    pub json: Option<PathBuf>,
    /// Write the recommended options to a file for `nearsort rerank --profile`
    #[arg(long, value_name = "OUT.toml", requires = "qrels")]
    pub save_profile: Option<PathBuf>,
    // Last, because its headings would hold for what follows; first in the help.
    #[command(flatten, next_display_order = 0)]
    pub observed: ObservedArgs,
}

#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Runs; the others are compared with the first; `-` is standard input
    ///
    /// TREC's format, JSON lines, a table with a header, MS MARCO's query, document and rank, or a
    /// JSON object {"q1": {"d1": 3.5}}.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Judgements: TREC's four columns, or three as BEIR has them, with or without a header
    #[arg(long, value_name = "QRELS")]
    pub qrels: PathBuf,
    /// Measures, separated by commas (see below)
    #[arg(long, value_name = "LIST", default_value = "nDCG@10,RR@10,AP,P@10,R@100,Judged@10")]
    pub measures: String,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: EvalFormat,
    /// Print every query's values too; in CSV instead of the means
    #[arg(long)]
    pub per_query: bool,
    /// Ignore documents with the id of their query, as BEIR does for ArguAna and Quora
    #[arg(long)]
    pub ignore_identical_ids: bool,
    /// Test of the difference between each run and the first
    #[arg(long, value_name = "randomisation|t|none", default_value = "randomisation", value_parser = Test::from_str)]
    pub test: Test,
    /// Number of resamples for intervals and the randomisation test
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub resamples: u32,
    /// Seed of the random numbers; the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Draw the first measure as SVG: differences by query, and the measure by cutoff
    #[arg(long, value_name = "OUT.svg")]
    pub plot: Option<PathBuf>,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagnoseFormat {
    /// For people
    Table,
    /// One object with everything
    Json,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalFormat {
    /// Aligned columns
    Table,
    /// One object with everything
    Json,
    /// A line per run and measure; with --per-query a line per run and query
    Csv,
    /// Tables for a README
    Markdown,
}
