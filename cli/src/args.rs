//! What can be typed. What it means is built by the verbs.

mod compare;
mod index;
mod judge;
mod service;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use compare::COMPARE_EXAMPLES;
pub use compare::{CompareArgs, CompareFormat};
pub use index::{AddArgs, BuildArgs, DeleteArgs, IndexArgs, IndexVerb, SearchArgs};
use index::{INDEX_EXAMPLES, SEARCH_EXAMPLES};
pub use judge::{JudgeArgs, ServiceKind};
use nearsort::eval::{Measure, Test};
use nearsort::io::{InputFormat, Rejects};
use nearsort::service::Provider;
use nearsort::{
    Device, Engine, LocalEncoderOptions, LongText, Normalize, Pooling, Precision, Role, Scoring, StageSpec,
};
use serde::{Deserialize, Serialize};
pub use service::ServiceArgs;

use crate::batch::Shard;
use crate::size;

/// Put the best candidates first: a local reranker.
#[derive(Parser, Debug)]
#[command(name = "nearsort", version, disable_version_flag = true)]
#[command(after_help = "Exit codes: 0 done, 1 nothing above the threshold, 2 error.")]
pub struct Cli {
    /// Print the version; with --verbose also features, instruction sets and devices
    #[arg(short = 'V', long)]
    pub version: bool,
    /// Say more on stderr
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// How much is said on stderr.
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
    /// Join the outputs of a job's shards
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Measure runs by relevance judgements, and compare them
    #[command(after_help = EVAL_EXAMPLES)]
    Eval(Box<EvalArgs>),
    /// Compare systems: quality, agreement, ties, time and money
    #[command(after_help = COMPARE_EXAMPLES, mut_arg("name", |model| model.hide(true)))]
    Compare(Box<CompareArgs>),
    /// Keep embeddings on disk: build, add, delete, info, verify
    #[command(after_help = INDEX_EXAMPLES)]
    Index(IndexArgs),
    /// Find the best texts of an index, exactly
    #[command(after_help = SEARCH_EXAMPLES)]
    Search(Box<SearchArgs>),
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
    /// The model of a verb that scores or encodes.
    pub fn model(&self) -> Option<&ModelArgs> {
        match self {
            Verb::Rerank(args) => Some(&args.model),
            Verb::Embed(args) => Some(&args.model),
            Verb::Search(args) => Some(&args.model),
            Verb::Compare(args) => Some(&args.model),
            Verb::Diagnose(args) => Some(&args.model),
            Verb::Index(IndexArgs { verb: IndexVerb::Build(args) }) => Some(&args.model),
            Verb::Index(IndexArgs { verb: IndexVerb::Add(args) }) => Some(&args.model),
            _ => None,
        }
    }

    /// Whether a service is asked, by the model or beside it.
    pub fn uses_service(&self) -> bool {
        let beside = match self {
            Verb::Rerank(args) => args.has_service_stage(),
            Verb::Compare(args) => args.models.iter().any(|model| Provider::of_name(model).is_some()),
            _ => false,
        };
        beside || self.model().is_some_and(|model| model.service_name().is_some())
    }
}

impl RerankArgs {
    /// Whether a stage is a service's.
    pub fn has_service_stage(&self) -> bool {
        self.stages.iter().any(|stage| stage.service().is_some())
    }

    /// Whether the model is asked to judge, or where there are stages one of them.
    pub fn asks_judge(&self) -> bool {
        match self.stages.as_slice() {
            [] => self.judge.is_asked(&self.model),
            stages => stages.iter().filter_map(StageSpec::service).any(|service| self.judge.is_asked_of_stage(service)),
        }
    }
}

const RERANK_EXAMPLES: &str = "\
Examples:
  nearsort rerank --query \"Where is the Eiffel Tower?\" landmarks.txt
  search-tool \"eiffel tower\" | nearsort rerank --query \"eiffel tower\" --top-k 5 -
  nearsort rerank --query-file queries.tsv passages.jsonl --format trec > run.trec
  nearsort rerank --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --output reranked.trec
  nearsort rerank --candidates lists.jsonl --output reranked.jsonl
  nearsort rerank --model cross-encoder/ms-marco-MiniLM-L6-v2 --query \"eiffel tower\" landmarks.txt
  nearsort rerank --stages hybrid:200,cross-encoder/ms-marco-MiniLM-L6-v2:50 --candidates lists.jsonl --output reranked.jsonl
  nearsort rerank --index corpus.index --queries queries.jsonl --run bm25.trec --output reranked.trec";

const MERGE_EXAMPLES: &str = "\
Examples:
  nearsort rerank --queries q.jsonl --corpus c.jsonl --run bm25.trec --shard 1/2 --output part1.trec   # on one machine
  nearsort rerank --queries q.jsonl --corpus c.jsonl --run bm25.trec --shard 2/2 --output part2.trec   # on another
  nearsort merge part1.trec part2.trec --output reranked.trec";

const EMBED_EXAMPLES: &str = "\
Examples:
  nearsort embed passages.jsonl --output passages.npy
  nearsort embed queries.txt --role query --output queries.safetensors --stats stats.json";

const DIAGNOSE_EXAMPLES: &str = "\
Without --qrels the report says what it can, and what it cannot. What is diagnosed is what `nearsort rerank` would do with the same options.

Examples:
  nearsort diagnose --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv
  nearsort diagnose --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv --scoring cosine \\
    --html report.html --save-profile reranker.toml
  nearsort rerank --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --profile reranker.toml";

const EVAL_EXAMPLES: &str = "\
Measures, named as ir_measures names them; k is a cutoff, [@k] one that may be left out:
  nDCG[@k]  nDCG(dcg='exp-log2')@k  RR[@k]  AP[@k]  P@k  R@k  Success@k  Judged[@k]  Rprec  Bpref  ERR@k
  NumQ  NumRet  NumRel  NumRelRet
  with parameters: P(rel=2)@5, AP(rel=2,judged_only=True)

Examples:
  nearsort eval --qrels qrels.tsv bm25.trec reranked.trec
  nearsort eval --qrels qrels.trec --measures \"nDCG@10,RR(rel=2)@10\" a.run b.run c.run --format markdown
  nearsort eval --qrels qrels.tsv bm25.trec reranked.trec --plot differences.svg";

#[derive(Args, Debug, Clone)]
pub struct RerankArgs {
    /// Candidates: text lines, JSONL, a JSON array, CSV, TSV, Parquet or Arrow, also compressed (.gz, .zst); `-` is standard input
    #[arg(value_name = "FILE", default_value = "-", conflicts_with_all = ["run", "candidates"])]
    pub input: PathBuf,
    /// What the user asks
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["query_file", "candidates", "print_prompt"])]
    #[arg(conflicts_with_all = ["query_file", "candidates", "run"])]
    pub query: Option<String>,
    /// A file of queries (text lines, JSONL, TSV of id and text): each ranks the same candidates, or with --run its own
    #[arg(long, visible_alias = "queries", value_name = "FILE", conflicts_with = "candidates")]
    pub query_file: Option<PathBuf>,
    /// A first stage's run in TREC's format: each query ranks its documents, and their scores count (--blend)
    #[arg(long, value_name = "FILE", requires = "texts", requires = "query_file", conflicts_with = "candidates")]
    pub run: Option<PathBuf>,
    /// The texts of the documents that --run names: one or several files, or a pattern such as 'parts/*.parquet'
    #[arg(long, value_name = "FILE", requires = "run", num_args = 1.., group = "texts")]
    pub corpus: Vec<PathBuf>,
    /// Use the vectors of an index (`nearsort index build`) and encode only queries: candidates are ids, one per line or as --run names them
    #[arg(long, value_name = "DIR", group = "texts", conflicts_with_all = ["candidates", "explain", "long"])]
    pub index: Option<PathBuf>,
    /// Lists with their queries: JSONL of {"query_id", "query", "candidates": [{"id", "text", "score"}]}
    #[arg(long, value_name = "FILE")]
    pub candidates: Option<PathBuf>,
    /// Rerank only the first stage's best N of each list, with --run and --candidates; the others are left out [default: all]
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Write to a file, which appears when it is whole; the extension tells the format [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Go on with an interrupted job of --run or --candidates, which the same command does by itself
    #[arg(long, conflicts_with = "restart")]
    pub resume: bool,
    /// Throw away what an interrupted job has done
    #[arg(long)]
    pub restart: bool,
    /// Do the i-th of n parts of a job, for several machines; `nearsort merge` joins the outputs
    #[arg(long, value_name = "i/n", value_parser = Shard::from_str)]
    pub shard: Option<Shard>,
    /// How a job with --run or --candidates says how far it is: a bar, or JSON lines on stderr [default: a bar on a terminal, else JSON every half minute]
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub progress: ProgressMode,
    /// Print at most so many per query [default: all]
    #[arg(long, value_name = "N")]
    pub top_k: Option<usize>,
    /// Print only candidates that the model scores at least this much; scores of embedding models lie in -1..1, probabilities in 0..1, a judge's grades in 0..10
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub min_score: Option<f32>,
    /// How to print [default: table on a terminal, else tsv; with --run and --candidates trec]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<OutputFormat>,
    /// Print the candidates' texts (the default)
    #[arg(long, overrides_with = "no_text")]
    pub with_text: bool,
    /// Leave the candidates' texts out
    #[arg(long)]
    pub no_text: bool,
    /// Of a cross-encoder: print logits as scores instead of probabilities; =false prints probabilities [default: what the model's files want]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(conflicts_with = "index")]
    pub raw_scores: Option<bool>,
    /// What a reranker that is asked a question (Qwen3-Reranker) is to look for [default: the one of its card]
    #[arg(long, value_name = "TEXT", conflicts_with = "index")]
    pub instruction: Option<String>,
    /// Score in stages, each the best N of the order so far: cosine, maxsim or hybrid by --model, or a model of its own, as in hybrid:200,cross-encoder/ms-marco-MiniLM-L6-v2:50
    #[arg(long, value_name = "SCORING|MODEL:N,...", value_delimiter = ',', value_parser = StageSpec::from_str)]
    #[arg(conflicts_with_all = ["index", "scoring", "cache", "explain", "min_score"])]
    pub stages: Vec<StageSpec>,
    /// Show what each score is made of, and which word of the query met which word of the candidate
    #[arg(long)]
    pub explain: bool,
    /// Take model, scoring, blend, depth and prompts from a file that `nearsort diagnose --save-profile` wrote; options given here win
    #[arg(long, value_name = "FILE.toml")]
    pub profile: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub scoring: ScoringArgs,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

/// How a pair is scored.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Scoring")]
pub struct ScoringArgs {
    /// With an embedding model: cosine of the embeddings, maxsim over the token vectors, or hybrid: a fixed mean of both [default: hybrid]
    #[arg(long, value_name = "cosine|maxsim|hybrid", value_parser = Scoring::from_str)]
    pub scoring: Option<Scoring>,
    /// How the first stage's scores count, where candidates have them (field `score`, or --run) [default: linear; none with --scoring cosine, cross-encoders and --stages]
    #[arg(long, value_name = "none|linear|rrf")]
    pub blend: Option<BlendMethod>,
    /// Their share, from 0 to 1 [default: 0.06 for linear, 0.15 with zscore, 0.3 for rrf]
    #[arg(long, value_name = "W")]
    pub blend_weight: Option<f32>,
    /// How linear makes the scores comparable: minmax (the first stage's, over the list), zscore (both), none [default: minmax]
    #[arg(long, value_name = "none|minmax|zscore", value_parser = Normalize::from_str)]
    pub normalize: Option<Normalize>,
    /// What becomes of candidates longer than the model takes: cut, or read in overlapping windows of which the best counts [default: window; truncate with --scoring cosine]
    #[arg(long, value_name = "truncate|window", value_parser = LongText::from_str)]
    pub long: Option<LongText>,
}

/// How progress is shown.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    /// A bar on a terminal, else a JSON line every half minute
    Auto,
    /// A bar, if stderr is a terminal
    Bar,
    /// A JSON line every second
    Json,
    /// Nothing
    None,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlendMethod {
    /// The model's scores alone
    None,
    /// A weighted mean of normalised scores
    Linear,
    /// Reciprocal rank fusion
    Rrf,
}

#[derive(Args, Debug)]
pub struct MergeArgs {
    /// What `rerank --shard` wrote, every shard once, in any order; beside each lies its OUTPUT.shard.json
    #[arg(value_name = "SHARD", required = true)]
    pub shards: Vec<PathBuf>,
    /// What the job would have written in one piece
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
}

#[derive(Args, Debug)]
pub struct EmbedArgs {
    /// Texts: lines, JSONL, a JSON array, CSV, TSV, Parquet or Arrow, also compressed (.gz, .zst); `-` is standard input
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: PathBuf,
    /// Where the vectors go: .npy, .safetensors or .jsonl
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// What the texts are; decides the prompt
    #[arg(long, default_value = "document", value_name = "query|document", value_parser = Role::from_str)]
    pub role: Role,
    /// Write documents, tokens, seconds, precision, isa, device and peak memory as JSON
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
pub struct DiagnoseArgs {
    /// The queries: text lines, JSONL, CSV or TSV
    #[arg(long, visible_alias = "query-file", value_name = "FILE")]
    pub queries: PathBuf,
    /// The texts of the documents that --run names: one or several files, or a pattern such as 'parts/*.parquet'
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub corpus: Vec<PathBuf>,
    /// The first stage's run in TREC's format
    #[arg(long, value_name = "FILE")]
    pub run: PathBuf,
    /// Judgements: TREC's four columns, or three as BEIR has them, with or without a header
    #[arg(long, value_name = "QRELS")]
    pub qrels: Option<PathBuf>,
    /// What quality is; see `nearsort eval --help`
    #[arg(long, value_name = "MEASURE", default_value = "nDCG@10", value_parser = Measure::from_str)]
    pub measure: Measure,
    /// Look at N of the queries, drawn at random, judged ones where there are some [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: DiagnoseFormat,
    /// Write the report as one HTML page with charts, which needs no network
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "OUT.json")]
    pub json: Option<PathBuf>,
    /// Write what is recommended to a file for `nearsort rerank --profile`
    #[arg(long, value_name = "OUT.toml", requires = "qrels")]
    pub save_profile: Option<PathBuf>,
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

#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Runs: TREC's format or JSON lines; `-` is standard input. The others are compared with the first
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Judgements: TREC's four columns, or three as BEIR has them, with or without a header
    #[arg(long, value_name = "QRELS")]
    pub qrels: PathBuf,
    /// What to measure (see below)
    #[arg(long, value_name = "LIST", default_value = "nDCG@10,RR@10,AP,P@10,R@100,Judged@10")]
    pub measures: String,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: EvalFormat,
    /// Print every query's values too; in CSV instead of the means
    #[arg(long)]
    pub per_query: bool,
    /// How it is tested whether a run differs from the first
    #[arg(long, value_name = "randomisation|t|none", default_value = "randomisation", value_parser = Test::from_str)]
    pub test: Test,
    /// Resamples for intervals and for the randomisation test
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub resamples: u32,
    /// Where the random numbers begin; the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Draw the first measure as SVG: differences by query, and the measure by cutoff
    #[arg(long, value_name = "OUT.svg")]
    pub plot: Option<PathBuf>,
}

/// How input is read.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Input")]
pub struct ReadingArgs {
    /// Format of the input [default: by extension, else by a look at the first bytes]
    #[arg(long, value_name = "text|jsonl|json|csv|tsv|parquet|arrow", value_parser = InputFormat::from_str)]
    pub input_format: Option<InputFormat>,
    /// Field with the text [default: text, content, body or document]
    #[arg(long, value_name = "NAME")]
    pub text_field: Option<String>,
    /// Field with the id [default: id or _id]
    #[arg(long, value_name = "NAME")]
    pub id_field: Option<String>,
    /// Field with the title, put before the text with one space [default: title]
    #[arg(long, value_name = "NAME")]
    pub title_field: Option<String>,
    /// Field with the first stage's score [default: score]
    #[arg(long, value_name = "NAME")]
    pub score_field: Option<String>,
    /// What becomes of unusable rows: fail at the first, skip (leave them out and count them), or report (skip, and write them to a file) [default: fail]
    #[arg(long, value_name = "fail|skip|report")]
    pub bad_rows: Option<BadRowsArg>,
    /// The same as --bad-rows skip
    #[arg(long, conflicts_with = "bad_rows")]
    pub skip_bad_rows: bool,
    /// Where --bad-rows report writes: JSONL of {"file", "line", "message"} [default: rejects.jsonl, or OUT.rejects.jsonl beside --output]
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// The file of --bad-rows report, once a verb has opened it.
    #[arg(skip)]
    pub opened_rejects: Option<Arc<Rejects>>,
}

impl ReadingArgs {
    /// Whether unusable rows are left out.
    pub fn leaves_out(&self) -> bool {
        self.skip_bad_rows || !matches!(self.bad_rows, None | Some(BadRowsArg::Fail))
    }
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRowsArg {
    /// The first one is an error
    Fail,
    /// They are left out and counted
    Skip,
    /// They are left out, counted and written to a file
    Report,
}

/// Whether embeddings are kept for the next time.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Cache")]
pub struct CacheArgs {
    /// Take embeddings that were computed before from the cache, and keep new ones in it (rerank: with --scoring cosine)
    #[arg(long)]
    pub cache: bool,
    /// Do without the cache, which models of services have by default
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    /// How large the cache may become, such as 4GB or 500MiB; it remembers [default: 4GiB]
    #[arg(long, value_name = "SIZE", requires = "cache", value_parser = size::parse)]
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

/// A choice that can be left to the program: `auto` is `None`.
#[derive(Debug, Clone, Copy)]
pub struct OrAuto<T>(pub Option<T>);

fn or_auto<T: FromStr<Err = nearsort::Error>>(text: &str) -> Result<OrAuto<T>, String> {
    match text {
        "auto" => Ok(OrAuto(None)),
        chosen => chosen
            .parse()
            .map(|choice| OrAuto(Some(choice)))
            .map_err(|error: nearsort::Error| format!("{error}, and auto")),
    }
}

/// The library's.
pub fn default_batch_tokens() -> usize {
    LocalEncoderOptions::default().batch_tokens
}

/// Which model, and how it runs.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A name from `nearsort models list`, org/name[@revision] on the hub, a folder, or openai:MODEL and azure:DEPLOYMENT for embeddings of a service [default: all-MiniLM-L6-v2]
    #[arg(long = "model", value_name = "MODEL")]
    pub name: Option<String>,
    /// Where the model runs: cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "cpu", value_name = "DEVICE", value_parser = Device::from_str)]
    pub device: Device,
    /// What computes the model: nearsort's own engine (CPU), or candle (GPUs, more architectures)
    #[arg(long, default_value = "auto", value_name = "auto|native|candle", value_parser = or_auto::<Engine>)]
    pub engine: OrAuto<Engine>,
    /// Arithmetic of the forward pass; auto is the fastest that keeps a mean cosine of 0.999 to f32
    #[arg(long, default_value = "auto", value_name = "auto|f32|bf16|i8", value_parser = or_auto::<Precision>)]
    pub precision: OrAuto<Precision>,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Tokens per batch; bounds the memory of a forward pass
    #[arg(long, value_name = "N", default_value_t = default_batch_tokens())]
    pub batch_tokens: usize,
    /// Put before every query instead of the model's own prompt
    #[arg(long, value_name = "TEXT")]
    pub query_prompt: Option<String>,
    /// Put before every document instead of the model's own prompt
    #[arg(long, value_name = "TEXT")]
    pub document_prompt: Option<String>,
    /// How token vectors become one, whatever the model's own files say
    #[arg(long, value_name = "cls|mean|lasttoken", value_parser = Pooling::from_str)]
    pub pooling: Option<Pooling>,
    /// Cut texts after so many tokens instead of the model's own limit
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Keep the first N components of a vector (Matryoshka models)
    #[arg(long, value_name = "N")]
    pub dim: Option<usize>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub service: ServiceArgs,
}

impl ModelArgs {
    /// The model that is asked for.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(nearsort::DEFAULT_MODEL)
    }
}

/// Where models come from.
#[derive(Args, Debug, Clone)]
pub struct StoreArgs {
    /// Open no network connection: use only models that are on this machine [env: NEARSORT_OFFLINE=1]
    #[arg(long)]
    pub offline: bool,
}

#[derive(Args, Debug)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub verb: ModelsVerb,
}

#[derive(Subcommand, Debug)]
pub enum ModelsVerb {
    /// The registered models, and which of them are here
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model and verify its files
    Pull {
        name: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print the folder of a model that is here
    Path { name: String },
    /// Check a model: files, contract, padding, NaN, golden vectors
    Verify {
        #[arg(value_name = "NAME|DIR")]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Aligned columns, cut to the terminal's width
    Table,
    /// rank, score, id, text
    Tsv,
    /// One object with everything
    Json,
    /// One object per candidate
    Jsonl,
    /// A TREC run
    Trec,
    /// Columns query_id, rank, id, score, text, to a file
    Parquet,
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
