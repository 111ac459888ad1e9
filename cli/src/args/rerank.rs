//! The options of `rerank` and `merge`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nearsort::answer::Format;
use nearsort::job::Shard;
use nearsort::service::ServiceKind;
use nearsort::{Feedback, LongText, Normalize, Scoring, StageSpec};

use super::cache::CacheArgs;
use super::judge::JudgeArgs;
use super::model::ModelArgs;
use super::output;
use super::reading::ReadingArgs;

pub const RERANK_EXAMPLES: &str = "\
Examples:
  nearsort rerank --query \"Where is the Eiffel Tower?\" landmarks.txt
  search-tool \"eiffel tower\" | nearsort rerank --query \"eiffel tower\" --top-k 5 -
  nearsort rerank --queries queries.tsv passages.jsonl --format trec > run.trec
  nearsort rerank --queries queries.jsonl --corpus corpus.jsonl --run bm25.trec -o best.trec
  nearsort rerank --index corpus.index --queries queries.jsonl --run bm25.trec -o best.trec
  nearsort rerank --candidates lists.jsonl --stages hybrid:200,MODEL:50 -o best.jsonl";

pub const MERGE_EXAMPLES: &str = "\
Examples:
  nearsort rerank --queries q.jsonl --corpus c.jsonl --run bm25.trec --shard 1/2 --output part1.trec   # on one machine
  nearsort rerank --queries q.jsonl --corpus c.jsonl --run bm25.trec --shard 2/2 --output part2.trec   # on another
  nearsort merge part1.trec part2.trec --output reranked.trec";

/// All options of `rerank`, in groups.
#[derive(Args, Debug, Clone)]
pub struct RerankArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Write to a file; its extension sets the format
    ///
    /// The file appears when it is complete. [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub job: JobArgs,
    #[command(flatten)]
    pub shown: ShownArgs,
    #[command(flatten)]
    pub ranker: RankerArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

/// The queries, and the source of their candidates.
#[derive(Args, Debug, Clone)]
pub struct SourceArgs {
    /// Candidates: text lines, JSONL, JSON, CSV, TSV, Parquet or Arrow; `-` is standard input
    ///
    /// Files may be compressed (.gz, .zst).
    #[arg(value_name = "FILE", default_value = "-", conflicts_with_all = ["run", "candidates"])]
    pub input: PathBuf,
    /// The query
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["query_file", "candidates", "print_prompt"])]
    #[arg(conflicts_with_all = ["query_file", "candidates", "run"])]
    pub query: Option<String>,
    /// A file of queries: text lines, JSONL, or TSV of id and text
    ///
    /// All queries rank the same candidates; with --run, each query ranks its own.
    #[arg(long, visible_alias = "queries", value_name = "FILE", conflicts_with = "candidates")]
    pub query_file: Option<PathBuf>,
    /// The first stage's run, in a format that `nearsort eval` reads
    ///
    /// In TREC's format, for example. Each query ranks the documents of its own list, and their
    /// first-stage scores count (--blend).
    #[arg(long, value_name = "FILE", requires = "texts", requires = "query_file", conflicts_with = "candidates")]
    pub run: Option<PathBuf>,
    /// The texts of the documents that --run names: files, or a pattern such as 'parts/*.parquet'
    #[arg(long, value_name = "FILE", requires = "run", num_args = 1.., group = "texts")]
    pub corpus: Vec<PathBuf>,
    /// Take the candidates' vectors from an index
    ///
    /// Only the queries are encoded. `nearsort index build` makes an index. Candidates are ids: those
    /// of --run, or one per line of the input.
    #[arg(long, value_name = "DIR", group = "texts", conflicts_with_all = ["candidates", "explain", "long"])]
    pub index: Option<PathBuf>,
    /// Queries with their candidates: JSONL, one list per line
    ///
    /// {"query_id", "query", "candidates": [{"id", "text", "score"}]}
    #[arg(long, value_name = "FILE")]
    pub candidates: Option<PathBuf>,
    /// Rerank only the first stage's best N of each list [default: all]
    ///
    /// Needs --run or --candidates. The other candidates are left out of the output.
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Ignore candidates with the id of their query, as BEIR does for ArguAna and Quora
    #[arg(long, conflicts_with = "query", hide_short_help = true)]
    pub ignore_identical_ids: bool,
}

/// Resuming, splitting and progress of a job with many lists.
#[derive(Args, Debug, Clone)]
pub struct JobArgs {
    /// Resume an interrupted job, as the same command also does without --resume
    ///
    /// Jobs are calls with --run or --candidates. With --resume, a job that cannot be resumed is an
    /// error: one without --output, or one that reads standard input.
    #[arg(long, conflicts_with = "restart", hide_short_help = true)]
    pub resume: bool,
    /// Discard the work of an interrupted job, and begin anew
    #[arg(long, hide_short_help = true)]
    pub restart: bool,
    /// Do only the i-th of n parts of a job; `nearsort merge` joins the outputs
    #[arg(long, value_name = "i/n", value_parser = Shard::from_str, hide_short_help = true)]
    pub shard: Option<Shard>,
    /// Progress of a job with --run or --candidates, on stderr
    #[arg(long, value_name = "HOW", default_value = "auto", hide_short_help = true)]
    pub progress: ProgressMode,
}

/// The candidates that are printed, and their format.
#[derive(Args, Debug, Clone)]
pub struct ShownArgs {
    /// Print the best N candidates per query [default: all]
    #[arg(long, value_name = "N")]
    pub top_k: Option<usize>,
    /// Print only candidates with at least this model score
    ///
    /// The model score is the score before blend and feedback: model_score in JSON, a column of its
    /// own in TSV and table. Scores of embedding models lie in -1..1, probabilities in 0..1, a
    /// judge's grades in 0..10.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub min_score: Option<f32>,
    /// Output format [default: table on a terminal, else tsv; with --run and --candidates trec]
    #[arg(long, value_name = "FORMAT", value_parser = output::format())]
    pub format: Option<Format>,
    /// Print the candidates' texts, which is the default; undoes an earlier --no-text
    #[arg(long, overrides_with = "no_text", hide_short_help = true)]
    pub with_text: bool,
    /// Print no texts
    #[arg(long, hide_short_help = true)]
    pub no_text: bool,
}

/// The options of ranking, besides the model.
#[derive(Args, Debug, Clone)]
pub struct RankerArgs {
    /// Print a cross-encoder's logits instead of probabilities [default: by the model's files]
    ///
    /// --raw-scores=false prints probabilities.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(conflicts_with = "index", hide_short_help = true)]
    pub raw_scores: Option<bool>,
    /// Instruction for a reranker that takes one, such as Qwen3-Reranker
    ///
    /// [default: "Given a web search query, retrieve relevant passages that answer the query"]
    #[arg(long, value_name = "TEXT", conflicts_with = "index", hide_short_help = true)]
    pub instruction: Option<String>,
    /// Score in stages, such as hybrid:200,MODEL:50
    ///
    /// Each stage scores the best N of the order so far. A stage is a scoring of --model (cosine,
    /// maxsim or hybrid) or another model, as in hybrid:200,cross-encoder/ms-marco-MiniLM-L6-v2:50.
    #[arg(long, value_name = "SCORING|MODEL:N,...", value_delimiter = ',', value_parser = StageSpec::from_str)]
    #[arg(conflicts_with_all = ["index", "scoring", "cache", "explain", "min_score"])]
    pub stages: Vec<StageSpec>,
    /// Print the parts of each score
    ///
    /// With maxsim and hybrid also each query token's most similar token of the candidate.
    #[arg(long)]
    pub explain: bool,
    /// Read options from a profile of `nearsort diagnose` or `tune`
    ///
    /// Their option --save-profile writes it. A profile holds model, scoring, blend, feedback,
    /// depth and prompts. Options on the command line take precedence.
    #[arg(long, value_name = "FILE.toml")]
    pub profile: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub scoring: ScoringArgs,
    #[command(flatten)]
    pub judge: JudgeArgs,
}

impl SourceArgs {
    /// Returns true if every query has candidates of its own.
    pub fn has_lists(&self) -> bool {
        self.run.is_some() || self.candidates.is_some()
    }

    /// Returns every file that is read.
    pub fn inputs(&self) -> Vec<Option<&PathBuf>> {
        let named = [&self.query_file, &self.run, &self.candidates].map(Option::as_ref);
        named.into_iter().chain([Some(&self.input)]).chain(self.corpus.iter().map(Some)).collect()
    }
}

impl RankerArgs {
    /// Returns true if the model or a stage is a service's.
    pub fn uses_service(&self, model: &ModelArgs) -> bool {
        match self.stages.as_slice() {
            [] => model.service_name().is_some(),
            stages => stages.iter().any(|stage| stage.service().is_some()),
        }
    }

    /// Returns true if the model or a stage is a service's of this kind.
    pub fn asks(&self, kind: ServiceKind, model: &ModelArgs) -> bool {
        match self.stages.as_slice() {
            [] => self.judge.kind_of(model) == Some(kind),
            stages => {
                stages.iter().filter_map(StageSpec::service).any(|service| self.judge.kind_of_stage(service) == kind)
            }
        }
    }
}

/// The scoring of query and candidate, the blend and the feedback.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Scoring")]
pub struct ScoringArgs {
    /// Scoring of an embedding model [default: hybrid; static models: cosine]
    ///
    /// cosine compares embeddings, maxsim token vectors; hybrid is 0.4 cosine + 0.6 maxsim.
    #[arg(long, value_name = "cosine|maxsim|hybrid", value_parser = Scoring::from_str)]
    pub scoring: Option<Scoring>,
    /// Blend of model scores and first-stage scores, if candidates have them
    ///
    /// First-stage scores come from --run, or from the field `score`. [default: linear; none with
    /// --scoring cosine, cross-encoders, rerank services and --stages]
    #[arg(long, value_name = "none|linear|rrf")]
    pub blend: Option<BlendMethod>,
    /// The first stage's share of the blend, 0 to 1 [default: linear 0.06, zscore 0.15, rrf 0.3]
    #[arg(long, value_name = "W", hide_short_help = true)]
    pub blend_weight: Option<f32>,
    /// Normalisation of scores for --blend linear [default: minmax]
    ///
    /// minmax scales the first stage's scores of each list to 0..1. zscore standardises both sides.
    /// none changes nothing.
    #[arg(long, value_name = "none|minmax|zscore", value_parser = Normalize::from_str, hide_short_help = true)]
    pub normalize: Option<Normalize>,
    /// Weight of a list's best candidates in ordering the others [default: auto]
    ///
    /// Feedback moves candidates whose embeddings are similar to those of the best. auto: weight
    /// 0.5 if first-stage scores count, and in stages that embed. off: none. WEIGHT: 0 to 10, for
    /// every list.
    #[arg(long, value_name = "auto|off|WEIGHT", value_parser = Feedback::from_str, allow_negative_numbers = true)]
    pub feedback: Option<Feedback>,
    /// Reading of candidates that are longer than the model's limit
    ///
    /// truncate cuts them. window reads them in overlapping windows; the best window counts.
    /// [default: window; truncate with --scoring cosine]
    #[arg(long, value_name = "truncate|window", value_parser = LongText::from_str)]
    pub long: Option<LongText>,
}

/// The display of progress.
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
    /// Outputs of `rerank --shard`: every shard once, in any order
    ///
    /// Each needs the file OUTPUT.shard.json that `rerank` wrote beside it.
    #[arg(value_name = "SHARD", required = true)]
    pub shards: Vec<PathBuf>,
    /// File for the joined output, with the same bytes as the job without shards
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
}
