//! The place on disk for a job's files.

use std::path::Path;

use super::cleanup::Cleanup;
use super::folder::JobFolder;
use super::observer::Observer;
use super::options::JobOptions;
use crate::io::WholeFile;
use crate::{Error, JobError, Result};

/// A folder for the files of a job.
pub(super) enum Workplace {
    Job(JobFolder),
    /// The job cannot resume: the output is not a file, or an input can be read only once.
    Temporary(tempfile::TempDir),
}

impl Workplace {
    pub fn open(options: &JobOptions, observer: &dyn Observer) -> Result<Self> {
        match &options.output {
            Some(output) if !options.reads_stdin() => {
                WholeFile::check_target(output)?;
                let folder = JobFolder::open(output, options.restart)?;
                observer.working_in(folder.cleanup());
                Ok(Self::Job(folder))
            }
            _ if options.restart => Err(JobError::NotResumable.into()),
            _ => {
                let folder = tempfile::tempdir();
                let folder = folder.map_err(Error::io("create a temporary folder in", std::env::temp_dir()))?;
                observer.working_in(Cleanup::of_temporary(folder.path().to_owned()));
                Ok(Self::Temporary(folder))
            }
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Job(folder) => folder.path(),
            Self::Temporary(folder) => folder.path(),
        }
    }
}
