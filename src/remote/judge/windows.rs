//! Windows that slide over a list.

use std::ops::Range;

use crate::{Error, Result};

/// The size and step of windows that slide over a list, from its end to its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Number of candidates in a window, at least 2.
    pub size: usize,
    /// Distance to the next window towards the list's beginning, from 1 to `size`. The best `size -
    /// step` candidates of a window are in the next one too.
    pub step: usize,
}

impl Default for Windows {
    /// The values of RankGPT.
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

    /// Returns the windows over `count` candidates, in the order in which they are asked.
    pub(super) fn over(self, count: usize) -> Vec<Range<usize>> {
        let mut windows = Vec::new();
        let mut end = if count < 2 { 0 } else { count };
        while end > 0 {
            let start = end.saturating_sub(self.size);
            // A single candidate needs no order.
            windows.push(start..end.max(2));
            end = if start == 0 { 0 } else { end - self.step };
        }
        windows
    }
}
