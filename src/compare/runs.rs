//! Runs in files.

use std::path::Path;

use crate::io::{Run, RunFile};
use crate::{Error, Result};

/// Reads a run, and checks it line by line.
pub(super) fn read_run(path: &Path, ignore_identical_ids: bool) -> Result<Run> {
    let mut run = Run::default();
    RunFile::open(path)?.ignore_identical_ids(ignore_identical_ids).for_each_query(|results| {
        results.documents().iter().for_each(|document| run.push(results.query_id(), document.id, document.score));
        Ok(())
    })?;
    match run.num_queries() {
        0 => Err(Error::BadInput { file: path.display().to_string(), message: "the run is empty".into() }),
        _ => Ok(run),
    }
}
