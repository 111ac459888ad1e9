//! A job that can be killed at any point: everything that it has done lies in a folder beside its output, and goes on from there.
//!
//! | in `OUTPUT.job/` | what it is |
//! |---|---|
//! | `lock` | held by the process at work |
//! | `job.json` | the manifest: what the output depends on |
//! | `journal` | how far the answers are, and the scores of the block in work |
//! | `answers` | the output so far; it becomes the output |
//! | `columns` | the output as Parquet, made of the answers at the end |
//! | `lists`, `corpus...` | made anew by every run |

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nearsort::io::Journal;
use serde::{Deserialize, Serialize};

use super::block::Slice;
use super::manifest::Manifest;
use super::totals::Totals;
use crate::args::OutputFormat;
use crate::hints::say;
use crate::interrupt::on_interrupt;
use crate::{Failure, output};

/// What a journal holds: at first how far the answers are, then the slices of the block in work.
#[derive(Debug, Deserialize)]
enum Record {
    Progress(Progress),
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
    /// Of `answers`.
    pub bytes: u64,
    pub totals: Totals,
    /// Nothing is left to do but to give `answers` its name.
    pub is_finished: bool,
}

/// The folder of a job, locked.
pub struct JobFolder {
    path: PathBuf,
    output: PathBuf,
    _lock: File,
    /// Whether there is anything in it that a later run would miss.
    is_worth_keeping: Arc<AtomicBool>,
}

impl JobFolder {
    /// Creates or opens `OUTPUT.job`, and makes sure that nobody else is at work on it.
    pub fn open(output: &Path, restart: bool) -> Result<Self, Failure> {
        let mut name = output.as_os_str().to_owned();
        name.push(".job");
        let path = PathBuf::from(name);
        let failed =
            |what: &str, error: io::Error| Failure::Error(format!("cannot {what} {}: {error}", path.display()));
        fs::create_dir_all(&path).map_err(|error| failed("create", error))?;
        let lock = File::create(path.join("lock")).map_err(|error| failed("write in", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let output = output.display();
                return Err(Failure::Error(format!(
                    "another process is at work on {output}; wait for it, or give another --output"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
        }
        if restart {
            for name in ["journal", "job.json", "answers"] {
                match fs::remove_file(path.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("clear", error)),
                    _ => {}
                }
            }
        }
        let is_worth_keeping = Arc::new(AtomicBool::new(path.join("job.json").exists()));
        let (folder, keep) = (path.clone(), Arc::clone(&is_worth_keeping));
        on_interrupt(move || match keep.load(Ordering::Relaxed) {
            true => {
                say(format_args!("interrupted; the job lies in {}, the same command goes on with it", folder.display()))
            }
            // Nothing can be done about a folder that cannot be removed while leaving.
            false => drop(fs::remove_dir_all(folder)),
        });
        Ok(Self { path, output: output.to_owned(), _lock: lock, is_worth_keeping })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        if !self.is_worth_keeping.load(Ordering::Relaxed) {
            // What is left is a folder without a job, which the next run takes for its own.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// A job under way.
pub struct Job {
    folder: JobFolder,
    journal: Journal,
    progress: Progress,
    /// Slices of the block in work that were scored before.
    slices: Vec<Slice>,
}

impl Job {
    /// Begins the job of the manifest, or goes on with it.
    pub fn begin(folder: JobFolder, manifest: &Manifest) -> Result<Self, Failure> {
        let path = folder.file("job.json");
        if path.exists() {
            let shown = folder.path.display();
            let hint = "give everything as it was to go on with it, or --restart to begin anew";
            let of_job = Manifest::read(&path).map_err(|error| {
                Failure::Error(format!("{}: not the manifest of a job: {error}; {hint}", path.display()))
            })?;
            if let Some(difference) = of_job.difference(manifest) {
                return Err(Failure::Error(format!("{shown} holds an unfinished job, but {difference}; {hint}")));
            }
        } else {
            manifest.write(&path)?;
        }
        let (mut progress, mut slices) = (Progress::default(), Vec::new());
        let journal = Journal::open(folder.file("journal"), |record| {
            match record {
                Record::Progress(found) => progress = found,
                Record::Slice(slice) => slices.push(slice),
            }
            Ok(())
        })?;
        Ok(Self { folder, journal, progress, slices })
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
    pub fn keep(&mut self, slice: &Slice) -> Result<(), Failure> {
        // Before it is kept: an interruption between the two must not throw it away.
        self.folder.is_worth_keeping.store(true, Ordering::Relaxed);
        self.journal.append(&NewRecord::Slice(slice))?;
        Ok(())
    }

    /// Keeps that another block is answered; its answers are on the disk already.
    pub fn advance(&mut self, bytes: u64, totals: &Totals) -> Result<(), Failure> {
        let blocks = self.progress.blocks + 1;
        self.record(Progress { blocks, bytes, totals: totals.clone(), is_finished: false })
    }

    /// Keeps that the answers are whole.
    pub fn finish(&mut self, bytes: u64) -> Result<(), Failure> {
        self.record(Progress { bytes, is_finished: true, ..self.progress.clone() })
    }

    fn record(&mut self, progress: Progress) -> Result<(), Failure> {
        self.folder.is_worth_keeping.store(true, Ordering::Relaxed);
        self.journal.replace(&NewRecord::Progress(&progress))?;
        self.progress = progress;
        Ok(())
    }

    /// The answers so far, open behind the last whole block.
    pub fn answers(&self) -> Result<File, Failure> {
        let path = self.folder.file("answers");
        if self.progress.is_finished && !path.exists() && self.output().exists() {
            // They have their name already; nothing will be written.
            return File::open(self.output()).map_err(|error| Failure::Error(error.to_string()));
        }
        let open = || {
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            let bytes = file.metadata()?.len();
            if bytes < self.progress.bytes {
                let missing = format!("it has {bytes} bytes of the {} that the journal knows", self.progress.bytes);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing));
            }
            file.set_len(self.progress.bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        open().map_err(|error| {
            Failure::Error(format!("cannot go on with {}: {error}; begin anew with --restart", path.display()))
        })
    }

    /// What the answers will be.
    pub fn output(&self) -> &Path {
        &self.folder.output
    }

    /// Gives the finished answers their name, unless a run before this one got as far as that.
    pub fn publish(&self, format: OutputFormat, with_text: bool) -> Result<(), Failure> {
        let answers = self.folder.file("answers");
        if !answers.exists() && self.output().exists() {
            return Ok(());
        }
        let whole = match format {
            OutputFormat::Parquet => {
                // In the job's folder: what a killed process leaves of it goes with the folder.
                let columns = self.folder.file("columns");
                output::parquet::write(&answers, &columns, with_text)?;
                columns
            }
            _ => answers,
        };
        let output = self.output();
        fs::rename(whole, output).map_err(|error| Failure::Error(format!("cannot write {}: {error}", output.display())))
    }

    /// The output is there: nothing of the job is needed any more.
    pub fn end(self) {
        self.folder.is_worth_keeping.store(false, Ordering::Relaxed);
    }
}
