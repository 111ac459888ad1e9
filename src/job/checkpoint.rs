//! A job that can be killed at any point: everything that it has done lies in a folder beside its
//! output, and goes on from there.
//!
//! | in `OUTPUT.job/` | what it is |
//! |---|---|
//! | `lock` | held by the process at work |
//! | `job.json` | the manifest: what the output depends on |
//! | `journal` | how far the answers are, and the scores of the block in work |
//! | `answers` | the output so far; it becomes the output |
//! | `columns` | the output as Parquet, made of the answers at the end |
//!
//! What is looked up of the inputs lies in files without a name. [`folder`](super::folder) says
//! whose folder it is.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cleanup::{ANSWERS, COLUMNS, JOURNAL, MANIFEST};
use super::folder::JobFolder;
use super::manifest::Manifest;
use super::slice::Slice;
use super::totals::Totals;
use crate::answer::{Format, write_columns};
use crate::io::{CheckedFile, FileMark, Journal, publish_file};
use crate::{Error, JobError, Result};

/// What a journal holds: at first how far the answers are, then the slices of the block in work.
#[derive(Debug, Deserialize)]
enum Record {
    Progress(Box<Progress>),
    Slice(Slice),
}

/// A [`Record`] on its way to the disk.
#[derive(Debug, Serialize)]
enum NewRecord<'a> {
    Progress(&'a Progress),
    Slice(&'a Slice),
}

/// Whole blocks that are answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    pub blocks: usize,
    /// Of `answers`: a run that goes on checks them.
    pub answers: FileMark,
    pub totals: Totals,
    /// Nothing is left to do but to give `answers` its name.
    pub is_finished: bool,
}

/// How far a job is, on the disk.
pub struct Checkpoint {
    folder: JobFolder,
    format: Format,
    journal: Journal,
    progress: Progress,
    /// Slices of the block in work that were scored before.
    slices: Vec<Slice>,
}

impl Checkpoint {
    /// Begins the job of the manifest, or goes on with it.
    pub fn begin(folder: JobFolder, manifest: &Manifest, format: Format) -> Result<Self> {
        let path = folder.file(MANIFEST);
        if path.exists() {
            let of_job =
                Manifest::read(&path).map_err(|error| JobError::NoManifest { file: path.clone(), why: error })?;
            if let Some(difference) = of_job.difference(manifest) {
                return Err(JobError::Differs { folder: folder.path().to_owned(), difference }.into());
            }
        } else {
            // Of a job that was being removed; its records would be taken for this one's.
            folder.forget_work()?;
            manifest.write(&path)?;
        }
        let (mut progress, mut slices) = (Progress::default(), Vec::new());
        let journal = Journal::open(folder.file(JOURNAL), |record| {
            match record {
                Record::Progress(found) => progress = *found,
                Record::Slice(slice) => slices.push(slice),
            }
            Ok(())
        });
        let journal = journal.map_err(or_restart)?;
        Ok(Self { folder, format, journal, progress, slices })
    }

    /// How far the answers are.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether a run before this one did something.
    pub fn is_resumed(&self) -> bool {
        self.progress.blocks > 0 || !self.slices.is_empty()
    }

    /// Slices of the block in work that were scored before; given once.
    pub fn take_slices(&mut self) -> Vec<Slice> {
        std::mem::take(&mut self.slices)
    }

    /// Keeps a scored slice.
    pub fn keep(&mut self, slice: &Slice) -> Result<()> {
        // Before it is kept: an interruption between the two must not throw it away.
        self.folder.keep(true);
        self.journal.append(&NewRecord::Slice(slice))
    }

    /// Keeps that another block is answered; its answers are on the disk already.
    pub fn advance(&mut self, answers: FileMark, totals: &Totals) -> Result<()> {
        let blocks = self.progress.blocks + 1;
        self.record(Progress { blocks, answers, totals: totals.clone(), is_finished: false })
    }

    /// Keeps that the answers are whole.
    pub fn finish(&mut self, answers: FileMark) -> Result<()> {
        self.record(Progress { answers, is_finished: true, ..self.progress.clone() })
    }

    fn record(&mut self, progress: Progress) -> Result<()> {
        self.folder.keep(true);
        self.journal.replace(&NewRecord::Progress(&progress))?;
        self.progress = progress;
        Ok(())
    }

    /// The answers so far, open behind the last whole block, and checked.
    pub fn answers(&self) -> Result<CheckedFile> {
        if self.is_published() {
            CheckedFile::verify(self.output(), &self.progress.answers).map_err(or_restart)?;
            // Nothing will be written.
            return CheckedFile::unnamed(self.folder.path());
        }
        CheckedFile::resume(self.folder.file(ANSWERS), &self.progress.answers).map_err(or_restart)
    }

    /// What the answers will be.
    pub fn output(&self) -> &Path {
        self.folder.output()
    }

    /// Whether a run before this one gave the answers their name, and only then was ended. Columns
    /// are another file than the answers, which are then still there.
    fn is_published(&self) -> bool {
        let may_be = self.progress.is_finished && self.format != Format::Parquet;
        may_be && !self.folder.file(ANSWERS).exists() && self.output().exists()
    }

    /// Gives the finished answers their name, unless a run before this one got as far as that.
    pub fn publish(&self, with_text: bool) -> Result<()> {
        if self.is_published() {
            return Ok(());
        }
        let answers = self.folder.file(ANSWERS);
        let whole = match self.format {
            Format::Parquet => {
                // In the job's folder: what a killed process leaves of it goes with the folder.
                let columns = self.folder.file(COLUMNS);
                write_columns(&answers, &columns, with_text)?;
                columns
            }
            _ => answers,
        };
        publish_file(whole, self.output())
    }

    /// The output is there, and the disk has it: nothing of the job is needed any more.
    pub fn end(self) {
        self.folder.keep(false);
    }
}

/// What cannot be continued can be begun anew.
fn or_restart(error: Error) -> Error {
    JobError::CannotGoOn { why: error.to_string() }.into()
}
