//! Shows how far a comparison or a diagnosis is, and says what it tells.

use nearsort::job::{Notice, Observer};

use crate::args::Talk;
use crate::hints::{Warning, warn, warn_of_skipped};
use crate::progress::Counter;

/// Watches work of the library that leaves nothing behind.
pub struct Watch<'a> {
    pub counter: Option<&'a Counter>,
    pub talk: Talk,
}

impl Watch<'_> {
    /// Where there is nothing to count.
    pub fn silent(talk: Talk) -> Self {
        Self { counter: None, talk }
    }
}

impl Observer for Watch<'_> {
    fn expect(&self, texts: usize, last: bool) {
        self.counter.iter().for_each(|counter| counter.expect(texts, last));
    }

    fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Skipped { rows, file, reasons } => warn_of_skipped(self.talk, *rows, file, reasons),
            Notice::LeftOut { message } => warn(self.talk, &Warning::LeftOut { message: (*message).to_owned() }),
            _ => {}
        }
    }
}
