//! The lengths of texts, as they arrive from many threads.

use std::sync::{Mutex, PoisonError};

use super::EncodedLengths;

/// The lengths of texts, collected from many threads.
pub(super) struct LengthCollector(Mutex<EncodedLengths>);

impl LengthCollector {
    pub(super) fn new(texts: usize) -> Self {
        let zeros = || vec![0; texts];
        let (tokens, own, unknown, truncated) = (zeros(), zeros(), zeros(), vec![false; texts]);
        Self(Mutex::new(EncodedLengths { tokens, own, unknown, truncated }))
    }

    /// Notes text `index`: `tokens` went into the model, `own` of them are the text's, and
    /// `unknown` of those are outside the vocabulary.
    pub(super) fn note(&self, index: usize, (tokens, own): (usize, usize), unknown: u32, truncated: bool) {
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lengths.tokens[index] = tokens as u32;
        lengths.own[index] = own as u32;
        lengths.unknown[index] = unknown;
        lengths.truncated[index] = truncated;
    }

    pub(super) fn into_inner(self) -> EncodedLengths {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
