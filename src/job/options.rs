//! What a job is to do.

use std::path::{Path, PathBuf};

use super::observer::Observer;
use super::shard::Shard;
use crate::answer::{AnswerWriter, Format, Renderer, Shape};
use crate::io::{BadRows, ReadOptions};
use crate::{Error, Result};

/// What a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobInput {
    /// A first stage's run, the queries that it answers, and the corpus that it names documents of.
    Run {
        /// A file of queries.
        queries: PathBuf,
        /// The run.
        run: PathBuf,
        /// Files of documents, or patterns such as `parts/*.parquet`.
        corpus: Vec<PathBuf>,
    },
    /// A file of lists, each with its query: JSON lines of `{"query_id", "query", "candidates"}`.
    Lists(PathBuf),
}

/// What a job reads, how it ranks and what it writes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobOptions {
    /// What is read.
    pub input: JobInput,
    /// How it is read.
    pub reading: ReadOptions,
    /// The file that answers go to; `None`: they go where [`Job::run_into`](super::Job::run_into)
    /// is told.
    pub output: Option<PathBuf>,
    /// How they are written.
    pub format: Format,
    /// What is written of them.
    pub shape: Shape,
    /// Draws them, where [`JobOptions::format`] is a table.
    pub table: Option<Renderer>,
    /// Only the first stage's best so many of each list; `None`: all.
    pub depth: Option<usize>,
    /// At most so many results of each list; `None`: all.
    pub top_k: Option<usize>,
    /// Only results that the model scores at least this much.
    pub min_score: Option<f32>,
    /// Leaves a candidate out whose id is its query's, as BEIR does for ArguAna and Quora.
    pub ignore_identical_ids: bool,
    /// Says why each result has its score.
    pub explain: bool,
    /// A list whose candidates have no first-stage scores is an error, where the reranker blends.
    pub needs_first_stage: bool,
    /// Throws away what an interrupted job has done.
    pub restart: bool,
    /// Does one of several parts.
    pub shard: Option<Shard>,
}

impl JobOptions {
    /// All results of all lists, as a TREC run.
    pub fn new(input: JobInput) -> Self {
        Self {
            input,
            reading: ReadOptions::default(),
            output: None,
            format: Format::Trec,
            shape: Shape { with_text: true, with_query: true, with_model_score: false },
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

    /// The file that answers go to where no later run goes on with it.
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

    /// Whether unusable rows, and what a run names and nobody has, are left out.
    pub(super) fn leaves_out(&self) -> bool {
        !matches!(self.reading.bad_rows, BadRows::Fail)
    }

    /// Whether an input is standard input, which can be read only once.
    pub(super) fn reads_stdin(&self) -> bool {
        let is_stdin = |path: &PathBuf| path.as_path() == Path::new("-");
        match &self.input {
            JobInput::Run { queries, run, corpus } => is_stdin(queries) || is_stdin(run) || corpus.iter().any(is_stdin),
            JobInput::Lists(lists) => is_stdin(lists),
        }
    }
}
