//! Tokens for those who look at them.

use std::ops::Range;

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Token {
    /// Its number in the vocabulary.
    pub id: u32,
    /// What stands in the text there; of a special token its name, such as `[CLS]`.
    pub text: String,
    /// Whether it is a special token that the tokenizer puts around texts, and stands nowhere in the text.
    pub is_special: bool,
    /// Where it stands in the text, in bytes, at the edges of characters. Tokens of bytes may share a character. Empty for a special token.
    pub bytes: Range<usize>,
    /// The same in code points.
    pub chars: Range<usize>,
}
