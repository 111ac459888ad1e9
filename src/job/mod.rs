//! Reranks many lists, each with its own query: a run with its corpus, or a file of lists.
//!
//! [`rank_rows`] ranks one list, for one query or many. [`rank_ids`] and [`search_index`] rank rows
//! of an index. [`embed_rows`] and [`fill_index`] encode rows.
//!
//! Lists are scored block by block (`block.rs`), and the documents of a block slice by slice, each
//! encoded once. With an output file, every slice is recorded in a journal (`checkpoint.rs`), so
//! that a killed job can resume. Scores do not depend on interruptions, nor on which texts are
//! scored together, so the output is the same.
//!
//! Memory holds the queries, a block's pairs, the token vectors of its queries, and a slice's
//! texts. With feedback ([`Feedback`](crate::scorer::Feedback)) it also holds the embeddings of a
//! block's candidates. A block of a run then has so few lists that these take at most 256 MiB. Of a
//! longer list, only the embeddings of candidates that can be among its
//! [`MAX_FEEDBACK_CANDIDATES`](crate::scorer::MAX_FEEDBACK_CANDIDATES) best are kept.
//!
//! ```no_run
//! use nearsort::{Call, DEFAULT_MODEL, Model, ModelOptions, Reranker};
//! use nearsort::job::{Job, JobInput, JobOptions};
//!
//! # fn main() -> nearsort::Result<()> {
//! let mut options = JobOptions::new(JobInput::Lists("lists.jsonl".into()));
//! options.output = Some("reranked.trec".into());
//! let job = Job::open(options, &())?; // reports bad inputs before a model is loaded
//! let model = Model::load(DEFAULT_MODEL, ModelOptions::default())?;
//! let report = job.run(&Reranker::new(&model), &(), &Call::new())?;
//! println!("{} lists", report.totals.lists);
//! # Ok(())
//! # }
//! ```

mod block;
mod checkpoint;
mod cleanup;
mod embed;
mod folder;
mod ids;
mod manifest;
mod merge;
mod named;
mod observer;
mod options;
mod plan;
mod rows;
mod shard;
mod shard_note;
mod slice;
mod source;
mod totals;
mod work;
mod workplace;

pub use cleanup::Cleanup;
pub use embed::{EncodedRows, embed_rows, fill_index};
pub use ids::{IdList, RankedIds, RunOfIds, Searched, Unknown, rank_ids, search_index};
pub use merge::merge;
pub use observer::{Notice, Observer};
pub use options::{JobInput, JobOptions};
pub use plan::missing_message;
pub use rows::{CHUNK_ROWS, FirstStageUse, RankedRows, RowsOptions, rank_rows};
pub use shard::Shard;
pub use totals::Totals;

use crate::Result;
use crate::answer::AnswerWriter;
use crate::call::Call;
use crate::io::Row;
use crate::reranker::Reranker;
use block::BlockScoring;
use source::JobSource;
use work::JobWork;
use workplace::Workplace;

/// Number of documents that are read at a time if nothing is scored.
const READ_AT_ONCE: usize = 1024;

/// A job whose inputs have been checked.
pub struct Job {
    options: JobOptions,
    source: JobSource,
    workplace: Workplace,
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobReport {
    /// Counts over all runs of the job.
    pub totals: Totals,
    /// The name of the input to show when there is nothing to rank.
    pub input: String,
}

impl Job {
    /// Reads enough of the inputs to check them, and locks the job's folder.
    ///
    /// # Errors
    /// [`Error::Job`](crate::Error::Job) for a folder that is in use or not a job's;
    /// [`Error::MissingTexts`](crate::Error::MissingTexts); errors in an input.
    pub fn open(options: JobOptions, observer: &dyn Observer) -> Result<Self> {
        let workplace = Workplace::open(&options, observer)?;
        let source = JobSource::open(&options, workplace.path(), observer)?;
        Ok(Self { options, source, workplace })
    }

    /// Reranks all lists that no earlier run did, and writes the output file. `call` counts the
    /// texts that are read, and may end the job between two pieces of work. Finished work is then
    /// kept as when the process ends, and the job continues when it is opened again.
    ///
    /// # Errors
    /// [`Error::Job`](crate::Error::Job) if the folder holds another job;
    /// [`Error::At`](crate::Error::At) naming the pair whose score is not a number;
    /// [`Error::NoFirstStage`](crate::Error::NoFirstStage); errors of reading, scoring and writing;
    /// [`Error::Cancelled`](crate::Error::Cancelled);
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
    pub fn run(self, reranker: &Reranker, observer: &dyn Observer, call: &Call<'_>) -> Result<JobReport> {
        let out = |options: &JobOptions| options.create_output(observer);
        self.run_with(reranker, (observer, call), out)
    }

    /// Like [`Job::run`], for a job whose [`JobOptions::output`] names no file: answers go to
    /// `out`, and the job cannot resume.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub fn run_into(
        self,
        out: AnswerWriter,
        reranker: &Reranker,
        observer: &dyn Observer,
        call: &Call<'_>,
    ) -> Result<JobReport> {
        self.run_with(reranker, (observer, call), |_| Ok(out))
    }

    fn run_with(
        self,
        reranker: &Reranker,
        (observer, call): (&dyn Observer, &Call<'_>),
        out: impl FnOnce(&JobOptions) -> Result<AnswerWriter>,
    ) -> Result<JobReport> {
        let Self { options, mut source, workplace } = self;
        let mut work = JobWork::begin(&options, (observer, call), workplace, &source, reranker, out)?;
        work.score_all(&mut source)?;
        let totals = work.finish()?;
        source.tell_skipped(observer);
        Ok(JobReport { totals, input: source.name().to_owned() })
    }

    /// Scores all lists with a reranker that only counts its texts; writes nothing.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub fn rehearse(mut self, reranker: &Reranker) -> Result<()> {
        while let Some(block) = self.source.next_block()? {
            let mut scoring = BlockScoring::new(block, reranker);
            while let Some(slice) = scoring.next_slice(reranker, &Call::new())? {
                scoring.push(slice)?;
            }
        }
        Ok(())
    }

    /// Passes on all texts that a job would encode, each once for every block that it is in; scores
    /// nothing.
    ///
    /// # Errors
    /// Those of reading the inputs.
    pub fn read(mut self, mut queries: impl FnMut(&[&str]), mut documents: impl FnMut(&[Row])) -> Result<()> {
        while let Some(block) = self.source.next_block()? {
            queries(&block.lists.iter().map(|list| list.query.text.as_str()).collect::<Vec<_>>());
            for start in (0..block.documents.len()).step_by(READ_AT_ONCE) {
                let end = block.documents.len().min(start + READ_AT_ONCE);
                let rows = (start..end).map(|at| Ok(block.documents.row(at)?.into_owned()));
                documents(&rows.collect::<Result<Vec<_>>>()?);
            }
        }
        Ok(())
    }
}
