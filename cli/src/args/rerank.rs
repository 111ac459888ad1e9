//! What can be typed after `rerank` and `merge`.

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

/// Every group of what can be typed after `rerank`.
#[derive(Args, Debug, Clone)]
pub struct RerankArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Write to a file; its extension tells the format
    ///
    /// The file appears when it is whole.
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

/// What is asked, and where the candidates are.
#[derive(Args, Debug, Clone)]
pub struct SourceArgs {
    /// Candidates: text lines, JSONL, JSON, CSV, TSV, Parquet or Arrow; `-` is standard input
    ///
    /// Files may be compressed (.gz, .zst).
    #[arg(value_name = "FILE", default_value = "-", conflicts_with_all = ["run", "candidates"])]
    pub input: PathBuf,
    /// What the user asks
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["query_file", "candidates", "print_prompt"])]
    #[arg(conflicts_with_all = ["query_file", "candidates", "run"])]
    pub query: Option<String>,
    /// A file of queries: text lines, JSONL, or TSV of id and text
    ///
    /// Each query ranks the same candidates, or with --run its own.
    #[arg(long, visible_alias = "queries", value_name = "FILE", conflicts_with = "candidates")]
    pub query_file: Option<PathBuf>,
    /// The first stage's run, as `nearsort eval` reads runs
    ///
    /// In TREC's format, for example. Each query ranks the documents of its list, and their first-stage scores count (--blend).
    #[arg(long, value_name = "FILE", requires = "texts", requires = "query_file", conflicts_with = "candidates")]
    pub run: Option<PathBuf>,
    /// The texts of the documents that --run names: files, or a pattern such as 'parts/*.parquet'
    #[arg(long, value_name = "FILE", requires = "run", num_args = 1.., group = "texts")]
    pub corpus: Vec<PathBuf>,
    /// Use the vectors of an index, and encode only the queries
    ///
    /// `nearsort index build` makes the index. Candidates are ids, one per line or as --run names them.
    #[arg(long, value_name = "DIR", group = "texts", conflicts_with_all = ["candidates", "explain", "long"])]
    pub index: Option<PathBuf>,
    /// Lists with their queries: JSONL of {"query_id", "query", "candidates": [{"id", "text", "score"}]}
    #[arg(long, value_name = "FILE")]
    pub candidates: Option<PathBuf>,
    /// Rerank only the first stage's best N of each list [default: all]
    ///
    /// For --run and --candidates. The other candidates are left out.
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Leave a candidate out whose id is its query's, as BEIR does for ArguAna and Quora
    #[arg(long, conflicts_with = "query")]
    #[arg(hide_short_help = true)]
    pub ignore_identical_ids: bool,
}

/// How a job with many lists goes on, and shows how far it is.
#[derive(Args, Debug, Clone)]
pub struct JobArgs {
    /// Go on with an interrupted job of --run or --candidates, which the same command does by itself
    #[arg(long, conflicts_with = "restart")]
    #[arg(hide_short_help = true)]
    pub resume: bool,
    /// Throw away what an interrupted job has done
    #[arg(long)]
    #[arg(hide_short_help = true)]
    pub restart: bool,
    /// Do the i-th of n parts of a job; `nearsort merge` joins the outputs
    #[arg(long, value_name = "i/n", value_parser = Shard::from_str)]
    #[arg(hide_short_help = true)]
    pub shard: Option<Shard>,
    /// How a job with --run or --candidates shows its progress
    #[arg(long, value_name = "HOW", default_value = "auto")]
    #[arg(hide_short_help = true)]
    pub progress: ProgressMode,
}

/// Which candidates are printed, and how.
#[derive(Args, Debug, Clone)]
pub struct ShownArgs {
    /// Print at most so many per query [default: all]
    #[arg(long, value_name = "N")]
    pub top_k: Option<usize>,
    /// Print only candidates with at least this model score
    ///
    /// The model score is the score before the first stage's scores are blended in and before
    /// feedback: JSON's model_score, which TSV and table print beside the other score. Scores of
    /// embedding models lie in -1..1, probabilities in 0..1, a judge's grades in 0..10.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub min_score: Option<f32>,
    /// Output format [default: table on a terminal, else tsv; with --run and --candidates trec]
    #[arg(long, value_name = "FORMAT", value_parser = output::format())]
    pub format: Option<Format>,
    /// Print the candidates' texts (the default)
    #[arg(long, overrides_with = "no_text")]
    #[arg(hide_short_help = true)]
    pub with_text: bool,
    /// Leave the candidates' texts out
    #[arg(long)]
    #[arg(hide_short_help = true)]
    pub no_text: bool,
}

/// What ranks, beside the model.
#[derive(Args, Debug, Clone)]
pub struct RankerArgs {
    /// Of a cross-encoder: print logits as scores instead of probabilities; =false prints probabilities [default: what the model's files want]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(conflicts_with = "index")]
    #[arg(hide_short_help = true)]
    pub raw_scores: Option<bool>,
    /// What a reranker that is asked a question (Qwen3-Reranker) is to look for [default: the one of its card]
    #[arg(long, value_name = "TEXT", conflicts_with = "index")]
    #[arg(hide_short_help = true)]
    pub instruction: Option<String>,
    /// Score in stages, each the best N of the order so far, as in hybrid:200,MODEL:50
    ///
    /// A stage is cosine, maxsim or hybrid by --model, or a model of its own:
    /// hybrid:200,cross-encoder/ms-marco-MiniLM-L6-v2:50.
    #[arg(long, value_name = "SCORING|MODEL:N,...", value_delimiter = ',', value_parser = StageSpec::from_str)]
    #[arg(conflicts_with_all = ["index", "scoring", "cache", "explain", "min_score"])]
    pub stages: Vec<StageSpec>,
    /// Show what each score is made of
    ///
    /// And which word of the query met which word of the candidate.
    #[arg(long)]
    pub explain: bool,
    /// Take options from a profile of `nearsort diagnose`
    ///
    /// Its option --save-profile writes one. A profile holds model, scoring, blend, feedback, depth and prompts. Options given here win.
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
    /// Whether every query has candidates of its own.
    pub fn has_lists(&self) -> bool {
        self.run.is_some() || self.candidates.is_some()
    }

    /// Every file that is read.
    pub fn inputs(&self) -> Vec<Option<&PathBuf>> {
        let named = [&self.query_file, &self.run, &self.candidates].map(Option::as_ref);
        named.into_iter().chain([Some(&self.input)]).chain(self.corpus.iter().map(Some)).collect()
    }
}

impl RankerArgs {
    /// Whether the model is a service's, or where there are stages one of them.
    pub fn uses_service(&self, model: &ModelArgs) -> bool {
        match self.stages.as_slice() {
            [] => model.service_name().is_some(),
            stages => stages.iter().any(|stage| stage.service().is_some()),
        }
    }

    /// Whether the model, or where there are stages one of them, is a service's of this kind.
    pub fn asks(&self, kind: ServiceKind, model: &ModelArgs) -> bool {
        match self.stages.as_slice() {
            [] => self.judge.kind_of(model) == Some(kind),
            stages => {
                stages.iter().filter_map(StageSpec::service).any(|service| self.judge.kind_of_stage(service) == kind)
            }
        }
    }
}

/// How a pair is scored.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Scoring")]
pub struct ScoringArgs {
    /// How an embedding model scores [default: hybrid; static models: cosine]
    ///
    /// cosine: of the embeddings; maxsim: over the token vectors; hybrid: a fixed mean of both.
    #[arg(long, value_name = "cosine|maxsim|hybrid", value_parser = Scoring::from_str)]
    pub scoring: Option<Scoring>,
    /// How the first stage's scores count, where candidates have them
    ///
    /// First-stage scores come from the field `score`, or from --run. [default: linear; none with
    /// --scoring cosine, cross-encoders, rerank services and --stages]
    #[arg(long, value_name = "none|linear|rrf")]
    pub blend: Option<BlendMethod>,
    /// Their share, from 0 to 1 [default: 0.06 for linear, 0.15 with zscore, 0.3 for rrf]
    #[arg(long, value_name = "W")]
    #[arg(hide_short_help = true)]
    pub blend_weight: Option<f32>,
    /// How linear makes the scores comparable: minmax (the first stage's, over the list), zscore (both), none [default: minmax]
    #[arg(long, value_name = "none|minmax|zscore", value_parser = Normalize::from_str)]
    #[arg(hide_short_help = true)]
    pub normalize: Option<Normalize>,
    /// Whether a list's best candidates change the order of the others [default: auto]
    ///
    /// By their embeddings. auto: with weight 0.5 where the first stage's scores count, and in stages
    /// that embed; off; or a weight from 0 to 10 for every list.
    #[arg(long, value_name = "auto|off|WEIGHT", value_parser = Feedback::from_str, allow_negative_numbers = true)]
    pub feedback: Option<Feedback>,
    /// How candidates are read that are longer than the model takes
    ///
    /// truncate: cut; window: in overlapping windows of which the best counts. [default: window;
    /// truncate with --scoring cosine]
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
