//! Tokens of a text, for inspection.

use std::ops::Range;

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Token {
    /// The token's id in the vocabulary.
    pub id: u32,
    /// The token's part of the text; for a special token its name, such as `[CLS]`.
    pub text: String,
    /// True for a special token that the tokenizer puts around texts, which has no place in the
    /// text.
    pub is_special: bool,
    /// The token's byte range in the text, at the edges of characters. Byte tokens may share a
    /// character. Empty for a special token.
    pub bytes: Range<usize>,
    /// The token's range in code points.
    pub chars: Range<usize>,
}
