//! A text as token ids.

use std::ops::Range;

use tokenizers::{ModelWrapper, Tokenizer};

/// Token ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedText {
    /// The ids, special tokens included, at most the model's limit.
    pub ids: Vec<u32>,
    /// The positions in `ids` of the text's own tokens, without special tokens and prompt. For a
    /// late-interaction model these are all positions.
    pub content: Range<usize>,
    /// Positions of tokens in `content` whose vectors do not count, ascending.
    pub skipped: Vec<usize>,
    /// Number of tokens, from the first, that are attended to.
    pub attended: usize,
    /// Number of the text's tokens that stand for words outside the vocabulary.
    pub unknown: u32,
    /// Number of the text's tokens that are not in `ids`, because the model leaves them out.
    pub left_out: usize,
    /// True if the text had more tokens.
    pub truncated: bool,
}

impl TokenizedText {
    /// Returns the number of the text's own tokens, with those that the model leaves out.
    pub fn own(&self) -> usize {
        self.content.len() + self.left_out
    }
}

/// Returns the id of the unknown token, if there is one.
pub(super) fn unknown_id(tokenizer: &Tokenizer) -> Option<u32> {
    let token = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => Some(model.unk_token.as_str()),
        ModelWrapper::WordLevel(model) => Some(model.unk_token.as_str()),
        ModelWrapper::BPE(model) => model.unk_token.as_deref(),
        // The model does not expose its name, but every vocabulary in use has this one.
        ModelWrapper::Unigram(_) => Some("<unk>"),
    };
    tokenizer.token_to_id(token?)
}
