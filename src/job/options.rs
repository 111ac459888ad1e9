//! The options of a job.

use std::path::{Path, PathBuf};

use super::observer::Observer;
use super::shard::Shard;
use crate::answer::{AnswerShape, AnswerWriter, Format, Renderer};
use crate::io::{BadRows, ReadOptions};
use crate::{Error, Result};

/// The input of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobInput {
    /// A run, with its queries and the corpus of its documents.
    Run {
        /// A query file.
        queries: PathBuf,
        /// The run.
        run: PathBuf,
        /// Document files, or patterns such as `parts/*.parquet`.
        corpus: Vec<PathBuf>,
    },
    /// A file of lists, each with its query: JSON lines of `{"query_id", "query", "candidates"}`.
    Lists(PathBuf),
}

/// The input, ranking and output of a job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobOptions {
    /// The input.
    pub input: JobInput,
    /// Options for reading it.
    pub reading: ReadOptions,
    /// The output file; `None`: answers go to the writer of
    /// [`Job::run_into`](super::Job::run_into).
    pub output: Option<PathBuf>,
    /// The output format.
    pub format: Format,
    /// The parts of answers that are written.
    pub shape: AnswerShape,
    /// The renderer, if [`JobOptions::format`] is a table.
    pub table: Option<Renderer>,
    /// Number of candidates of each list to rerank, best first by the first stage; `None`: all.
    pub depth: Option<usize>,
    /// Maximum number of results of each list; `None`: all.
    pub top_k: Option<usize>,
    /// Minimum model score of results.
    pub min_score: Option<f32>,
    /// If true, a candidate with its query's id is left out, as BEIR does for ArguAna and Quora.
    pub ignore_identical_ids: bool,
    /// If true, each result has an explanation of its score.
    pub explain: bool,
    /// If true, a list without first-stage scores is an error if the reranker blends.
    pub needs_first_stage: bool,
    /// If true, the work of an interrupted job is discarded.
    pub restart: bool,
    /// The part of the job to do, of several.
    pub shard: Option<Shard>,
}

impl JobOptions {
    /// Creates the options for all results of all lists, as a TREC run.
    pub fn new(input: JobInput) -> Self {
        Self {
            input,
            reading: ReadOptions::default(),
            output: None,
            format: Format::Trec,
            shape: AnswerShape { with_text: true, with_query: true, with_model_score: false },
            table: None,
            depth: None,
            top_k: None,
            min_score: None,
            ignore_identical_ids: false,
            explain: false,
            needs_first_stage: false,
            restart: false,
            shard: None,
        }
    }

    /// Creates the output file of a job that cannot resume.
    pub(super) fn create_output(&self, observer: &dyn Observer) -> Result<AnswerWriter> {
        let Some(path) = &self.output else {
            return Err(Error::InvalidOption { option: "output", why: "names no file for the answers".into() });
        };
        let writer = AnswerWriter::create(path, self.format, self.shape)?;
        if let Some(unfinished) = writer.temporary_path() {
            observer.writing(unfinished);
        }
        Ok(writer)
    }

    /// True if bad rows are skipped, and queries and documents that a run names but its inputs
    /// lack.
    pub(super) fn leaves_out(&self) -> bool {
        !matches!(self.reading.bad_rows, BadRows::Fail)
    }

    /// True if an input is standard input, which can be read only once.
    pub(super) fn reads_stdin(&self) -> bool {
        let is_stdin = |path: &PathBuf| path.as_path() == Path::new("-");
        match &self.input {
            JobInput::Run { queries, run, corpus } => is_stdin(queries) || is_stdin(run) || corpus.iter().any(is_stdin),
            JobInput::Lists(lists) => is_stdin(lists),
        }
    }
}
