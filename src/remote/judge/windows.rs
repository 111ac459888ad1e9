//! Windows that slide over a list.

use std::ops::Range;

use crate::{Error, Result};

/// How windows slide over a list, from its end to its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Candidates of a window, at least 2.
    pub size: usize,
    /// How far the next window lies before it, from 1 to `size`: the best `size - step` of a window are in the next one too.
    pub step: usize,
}

impl Default for Windows {
    /// RankGPT's.
    fn default() -> Self {
        Self { size: 20, step: 10 }
    }
}

impl Windows {
    pub(super) fn check(self) -> Result<Self> {
        if self.size < 2 || self.step < 1 || self.step > self.size {
            return Err(Error::InvalidArgument(format!(
                "windows of {} candidates with steps of {}: a window needs at least 2 candidates, and a step 1 to the window's size",
                self.size, self.step
            )));
        }
        Ok(self)
    }

    /// The windows over `count` candidates, in the order in which they are asked about.
    pub(super) fn over(self, count: usize) -> Vec<Range<usize>> {
        let mut windows = Vec::new();
        let mut end = if count < 2 { 0 } else { count };
        while end > 0 {
            let start = end.saturating_sub(self.size);
            // One candidate alone is nothing to order.
            windows.push(start..end.max(2));
            end = if start == 0 { 0 } else { end - self.step };
        }
        windows
    }
}
