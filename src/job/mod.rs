//! Reranking many lists, each with its own query: a run with its corpus, or a file of lists.
//! [`rank_rows`] ranks one list, for one query or many; [`rank_ids`] and [`search_index`] rank rows
//! of an index; [`embed_rows`] and [`fill_index`] encode rows.
//!
//! Lists are scored block by block (`block.rs`), documents of a block slice by slice, each encoded
//! once. With an output file every slice is kept in a journal (`checkpoint.rs`), so that a job that
//! was killed goes on where it was; scores do not depend on how often that happens, nor on what is
//! scored together, so the output is the same. Memory: the queries, a block's pairs and token
//! vectors of its queries, a slice's texts. With feedback ([`Feedback`](crate::scorer::Feedback))
//! also the embeddings of a block's candidates: a block of a run has so few lists that they take at
//! most 256 MiB, and of a longer list the embeddings of those are kept that can be among its
//! [`MAX_FEEDBACK_CANDIDATES`](crate::scorer::MAX_FEEDBACK_CANDIDATES) best.
//!
//! ```no_run
//! use nearsort::{Call, Reranker};
//! use nearsort::job::{Job, JobInput, JobOptions};
//!
//! # fn main() -> nearsort::Result<()> {
//! let mut options = JobOptions::new(JobInput::Lists("lists.jsonl".into()));
//! options.output = Some("reranked.trec".into());
//! let job = Job::open(options, &())?; // what is wrong with the inputs is said before a model is loaded
//! let report = job.run(&Reranker::builder().build()?, &(), &Call::new())?;
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
pub use embed::{Embedded, embed_rows, fill_index};
pub use ids::{IdList, RankedIds, RunOfIds, Searched, Unknown, rank_ids, search_index};
pub use merge::merge;
pub use observer::{Notice, Observer};
pub use options::{JobInput, JobOptions};
pub use plan::missing_message;
pub use rows::{CHUNK_ROWS, FirstStage, RankedRows, RowsOptions, rank_rows};
pub use shard::Shard;
pub use totals::Totals;

use crate::Result;
use crate::answer::AnswerWriter;
use crate::call::Call;
use crate::io::Row;
use crate::reranker::Reranker;
use block::Scoring;
use source::Source;
use work::Work;
use workplace::Workplace;

/// Documents that are read at a time where nothing is scored.
const READ_AT_ONCE: usize = 1024;

/// A job whose inputs fit together.
pub struct Job {
    options: JobOptions,
    source: Source,
    workplace: Workplace,
}

/// What a job came to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobReport {
    /// Counts over all runs of the job.
    pub totals: Totals,
    /// The input that a user would look at when there is nothing to rank.
    pub input: String,
}

impl Job {
    /// Reads as much as it takes to know that the inputs fit together, and takes the job's folder.
    ///
    /// # Errors
    /// [`Error::Job`](crate::Error::Job) for a folder that is in use or somebody else's;
    /// [`Error::MissingTexts`](crate::Error::MissingTexts); what is wrong with an input.
    pub fn open(options: JobOptions, observer: &dyn Observer) -> Result<Self> {
        let workplace = Workplace::open(&options, observer)?;
        let source = Source::open(&options, workplace.path(), observer)?;
        Ok(Self { options, source, workplace })
    }

    /// Reranks all lists that no run before this one did, and writes the output, a file. `call` may
    /// end it between two pieces of work, and counts the texts that are read: what is done is kept
    /// as when the process ends, and the job goes on when it is opened again.
    ///
    /// # Errors
    /// [`Error::Job`](crate::Error::Job) where the folder holds another job;
    /// [`Error::At`](crate::Error::At) naming the pair whose score is not a number;
    /// [`Error::NoFirstStage`](crate::Error::NoFirstStage); what reading, scoring and writing fail
    /// with; [`Error::Cancelled`](crate::Error::Cancelled);
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
    pub fn run(self, reranker: &Reranker, observer: &dyn Observer, call: &Call<'_>) -> Result<JobReport> {
        let out = |options: &JobOptions| options.create_output(observer);
        self.run_with(reranker, (observer, call), out)
    }

    /// The same where [`JobOptions::output`] names no file: answers go into `out`, and nothing can
    /// go on after an interruption.
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
        let mut work = Work::begin(&options, (observer, call), workplace, &source, reranker, out)?;
        work.score_all(&mut source)?;
        let totals = work.finish()?;
        source.tell_skipped(observer);
        Ok(JobReport { totals, input: source.name().to_owned() })
    }

    /// Scores all lists by a reranker that only counts what it is asked; nothing is written.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub fn rehearse(mut self, reranker: &Reranker) -> Result<()> {
        while let Some(block) = self.source.next_block()? {
            let mut scoring = Scoring::new(block, reranker);
            while let Some(slice) = scoring.next_slice(reranker, &Call::new())? {
                scoring.push(slice)?;
            }
        }
        Ok(())
    }

    /// Hands on all that a job would encode, each text once for every block that it is in; nothing
    /// is scored.
    ///
    /// # Errors
    /// What reading fails with.
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
