//! Stands in for `tokens` in a build without the feature `remote`.

use super::Provider;

/// Counts bytes, for the vocabularies are not in this build: no byte-level vocabulary makes more tokens of a text.
#[derive(Clone)]
pub struct TokenCounter;

impl TokenCounter {
    /// The counter for a model of a provider.
    pub fn for_model(_: Provider, _: &str) -> Self {
        Self
    }

    /// Whether the counts are the service's own: they are not.
    pub fn is_exact(&self) -> bool {
        false
    }

    /// Tokens of a text, at most.
    pub fn count(&self, text: &str) -> usize {
        text.len()
    }

    /// The beginning of a text that surely has at most `limit` tokens, and their number at most.
    pub fn cut<'a>(&self, text: &'a str, limit: usize) -> (&'a str, usize) {
        let cut = &text[..text.floor_char_boundary(limit)];
        (cut, cut.len())
    }
}
