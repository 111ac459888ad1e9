//! Who watches a job.

use std::path::Path;

use super::cleanup::Cleanup;
use crate::Error;

/// What a job tells while it works, beside what goes wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// Unusable rows of a file were left out.
    Skipped {
        /// How many.
        rows: u64,
        /// The file.
        file: &'a str,
        /// Why the first of them.
        reasons: &'a [Error],
    },
    /// What a run names and nobody has is left out.
    LeftOut {
        /// What the run names, and who lacks it.
        message: &'a str,
    },
    /// An interrupted job goes on.
    Resumed {
        /// Lists that are answered.
        lists: usize,
        /// Of how many, where that is known.
        of: Option<usize>,
    },
}

/// Watches a job. Every method has a default that does nothing; texts are counted by the call's
/// progress ([`Call::progress`](crate::Call::progress)).
pub trait Observer {
    /// More texts are known to come. `last`: no more will be.
    fn expect(&self, _texts: usize, _last: bool) {}
    /// So many lists are to be answered, if that is known.
    fn expect_lists(&self, _lists: Option<usize>) {}
    /// So many texts need not be encoded, because a run before this one did.
    fn skip(&self, _texts: usize) {}
    /// So many tokens were encoded, and so many embeddings have come from a cache so far.
    fn encoded(&self, _tokens: u64, _cache_hits: u64) {}
    /// So many lists are answered.
    fn answered(&self, _lists: usize) {}
    /// Something is to be said.
    fn notice(&self, _notice: &Notice<'_>) {}
    /// There is an unfinished file that is to be removed when the process is told to leave.
    fn writing(&self, _unfinished: &Path) {}
    /// There is a folder that is to be removed, or named, when the process is told to leave.
    fn working_in(&self, _cleanup: Cleanup) {}
}

/// Watches nothing.
impl Observer for () {}
