//! A job that can be killed at any point. All its work is in a folder beside its output, and the
//! next run continues from there.
//!
//! | in `OUTPUT.job/` | what it is |
//! |---|---|
//! | `lock` | held by the process at work |
//! | `job.json` | the manifest: what the output depends on |
//! | `journal` | how far the answers are, and the scores of the block in work |
//! | `answers` | the output so far; it becomes the output |
//! | `columns` | the output as Parquet, made of the answers at the end |
//!
//! Data looked up from the inputs is in files without a name. [`folder`](super::folder) explains
//! who owns the folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cleanup::{ANSWERS, COLUMNS, JOURNAL, MANIFEST};
use super::folder::JobFolder;
use super::manifest::JobManifest;
use super::slice::Slice;
use super::totals::Totals;
use crate::answer::{Format, write_columns};
use crate::io::{CheckedFile, FileMark, Journal, publish_file};
use crate::{Error, JobError, Result};

/// A record of a journal: first the progress of the answers, then the slices of the block in work.
#[derive(Debug, Deserialize)]
enum JobRecord {
    Progress(Box<JobProgress>),
    Slice(Slice),
}

/// A [`JobRecord`] to be written.
#[derive(Debug, Serialize)]
enum NewRecord<'a> {
    Progress(&'a JobProgress),
    Slice(&'a Slice),
}

/// The progress of a job: the blocks that are answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JobProgress {
    pub blocks: usize,
    /// The mark of `answers`. The next run checks them by it.
    pub answers: FileMark,
    pub totals: Totals,
    /// True if only the rename of `answers` is left to do.
    pub is_finished: bool,
}

/// The progress of a job on disk.
pub struct Checkpoint {
    folder: JobFolder,
    format: Format,
    journal: Journal,
    progress: JobProgress,
    /// Slices of the block in work that an earlier run scored.
    slices: Vec<Slice>,
}

impl Checkpoint {
    /// Begins the job of the manifest, or continues it.
    pub fn begin(folder: JobFolder, manifest: &JobManifest, format: Format) -> Result<Self> {
        let path = folder.file(MANIFEST);
        if path.exists() {
            let of_job =
                JobManifest::read(&path).map_err(|error| JobError::NoManifest { file: path.clone(), why: error })?;
            if let Some(difference) = of_job.difference(manifest) {
                return Err(JobError::Differs { folder: folder.path().to_owned(), difference }.into());
            }
        } else {
            // Files of a job that was being removed would be taken for this job's.
            folder.forget_work()?;
            manifest.write(&path)?;
        }
        let (mut progress, mut slices) = (JobProgress::default(), Vec::new());
        let journal = Journal::open(folder.file(JOURNAL), |record| {
            match record {
                JobRecord::Progress(found) => progress = *found,
                JobRecord::Slice(slice) => slices.push(slice),
            }
            Ok(())
        });
        let journal = journal.map_err(or_restart)?;
        Ok(Self { folder, format, journal, progress, slices })
    }

    /// Returns the progress of the answers.
    pub fn progress(&self) -> &JobProgress {
        &self.progress
    }

    /// True if an earlier run did some of the work.
    pub fn is_resumed(&self) -> bool {
        self.progress.blocks > 0 || !self.slices.is_empty()
    }

    /// Returns the slices of the block in work that an earlier run scored. A second call returns
    /// none.
    pub fn take_slices(&mut self) -> Vec<Slice> {
        std::mem::take(&mut self.slices)
    }

    /// Records a scored slice.
    pub fn keep(&mut self, slice: &Slice) -> Result<()> {
        // This comes first: an interruption between the two steps must not discard the work.
        self.folder.keep(true);
        self.journal.append(&NewRecord::Slice(slice))
    }

    /// Records that another block is answered. Its answers are already on the disk.
    pub fn advance(&mut self, answers: FileMark, totals: &Totals) -> Result<()> {
        let blocks = self.progress.blocks + 1;
        self.record(JobProgress { blocks, answers, totals: totals.clone(), is_finished: false })
    }

    /// Records that the answers are complete.
    pub fn finish(&mut self, answers: FileMark) -> Result<()> {
        self.record(JobProgress { answers, is_finished: true, ..self.progress.clone() })
    }

    fn record(&mut self, progress: JobProgress) -> Result<()> {
        self.folder.keep(true);
        self.journal.replace(&NewRecord::Progress(&progress))?;
        self.progress = progress;
        Ok(())
    }

    /// Opens the answers behind the last whole block, after checking them.
    pub fn answers(&self) -> Result<CheckedFile> {
        if self.is_published() {
            CheckedFile::verify(self.output(), &self.progress.answers).map_err(or_restart)?;
            // Nothing will be written.
            return CheckedFile::unnamed(self.folder.path());
        }
        CheckedFile::resume(self.folder.file(ANSWERS), &self.progress.answers).map_err(or_restart)
    }

    /// Returns the path of the output.
    pub fn output(&self) -> &Path {
        self.folder.output()
    }

    /// True if an earlier run renamed the answers to the output and ended right after that. Parquet
    /// output is written to a file of its own, so the answers still exist then.
    fn is_published(&self) -> bool {
        let may_be = self.progress.is_finished && self.format != Format::Parquet;
        may_be && !self.folder.file(ANSWERS).exists() && self.output().exists()
    }

    /// Renames the finished answers to the output, unless an earlier run did.
    pub fn publish(&self, with_text: bool) -> Result<()> {
        if self.is_published() {
            return Ok(());
        }
        let answers = self.folder.file(ANSWERS);
        let whole = match self.format {
            Format::Parquet => {
                // The file is in the job's folder: if the process is killed, it is removed with the
                // folder.
                let columns = self.folder.file(COLUMNS);
                write_columns(&answers, &columns, with_text)?;
                columns
            }
            _ => answers,
        };
        publish_file(whole, self.output())
    }

    /// Ends the job. The output is on the disk, so the folder is no longer needed.
    pub fn end(self) {
        self.folder.keep(false);
    }
}

/// Converts an error after which a job cannot continue. The new one's remedy is a restart.
fn or_restart(error: Error) -> Error {
    JobError::CannotGoOn { why: error.to_string() }.into()
}
