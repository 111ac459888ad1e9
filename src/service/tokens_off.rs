//! Replaces `tokens` in a build without the feature `remote`.

use super::Provider;

/// Counts bytes, because this build has no vocabularies. No byte-level vocabulary makes more tokens
/// of a text.
#[derive(Clone)]
pub struct TokenCounter;

impl TokenCounter {
    /// Returns the counter for a model of a provider.
    pub fn for_model(_: Provider, _: &str) -> Self {
        Self
    }

    /// Returns false: the counts are not the service's own.
    pub fn is_exact(&self) -> bool {
        false
    }

    /// Returns the maximum number of tokens of a text.
    pub fn count(&self, text: &str) -> usize {
        text.len()
    }

    /// Returns a prefix of a text that surely has at most `limit` tokens, and the maximum of their
    /// number.
    pub fn cut<'a>(&self, text: &'a str, limit: usize) -> (&'a str, usize) {
        let cut = &text[..text.floor_char_boundary(limit)];
        (cut, cut.len())
    }
}
