//! The observer of a job.

use std::path::Path;

use super::cleanup::Cleanup;
use crate::Error;

/// A message of a job at work, other than an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// Bad rows of a file were skipped.
    Skipped {
        /// The number of rows.
        rows: u64,
        /// The file.
        file: &'a str,
        /// The reasons for the first of them.
        reasons: &'a [Error],
    },
    /// Queries or documents that a run names but its inputs lack are left out.
    LeftOut {
        /// The message, with the names and the file that lacks them.
        message: &'a str,
    },
    /// An interrupted job resumes.
    Resumed {
        /// The number of lists that are already answered.
        lists: usize,
        /// The number of all lists, if known.
        of: Option<usize>,
    },
}

/// Watches a job. Every method has a default that does nothing. The call's progress counts the
/// texts ([`Call::progress`](crate::Call::progress)).
pub trait Observer {
    /// Reports further texts to come. `last`: true if no more will follow.
    fn expect(&self, _texts: usize, _last: bool) {}
    /// Reports the number of lists to answer, if known.
    fn expect_lists(&self, _lists: Option<usize>) {}
    /// Reports texts that an earlier run has already encoded.
    fn skip(&self, _texts: usize) {}
    /// Reports newly encoded tokens, and the number of embeddings taken from a cache so far.
    fn encoded(&self, _tokens: u64, _cache_hits: u64) {}
    /// Reports the number of lists that were answered.
    fn answered(&self, _lists: usize) {}
    /// Reports a message.
    fn notice(&self, _notice: &Notice<'_>) {}
    /// Reports an unfinished file, to be removed if a signal ends the process.
    fn writing(&self, _unfinished: &Path) {}
    /// Reports a folder, to be removed or named if a signal ends the process.
    fn working_in(&self, _cleanup: Cleanup) {}
}

/// The observer that does nothing.
impl Observer for () {}
