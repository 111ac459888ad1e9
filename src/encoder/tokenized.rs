//! A text as token ids.

use std::ops::Range;

use tokenizers::{ModelWrapper, Tokenizer};

/// Token ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedText {
    /// Special tokens included, at most the model's limit.
    pub ids: Vec<u32>,
    /// The positions in `ids` of the text's own tokens: without special tokens and prompt. Of a
    /// late-interaction model all.
    pub content: Range<usize>,
    /// Positions of tokens in `content` whose vectors do not count, ascending.
    pub skipped: Vec<usize>,
    /// How many tokens, from the first, are attended to.
    pub attended: usize,
    /// Tokens of the text that stand for what the vocabulary lacks.
    pub unknown: u32,
    /// Whether the text had more.
    pub truncated: bool,
}

/// The token for what the vocabulary lacks, if there is one.
pub(super) fn unknown_id(tokenizer: &Tokenizer) -> Option<u32> {
    let token = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => Some(model.unk_token.as_str()),
        ModelWrapper::WordLevel(model) => Some(model.unk_token.as_str()),
        ModelWrapper::BPE(model) => model.unk_token.as_deref(),
        // The model does not tell; every vocabulary in use names it so.
        ModelWrapper::Unigram(_) => Some("<unk>"),
    };
    tokenizer.token_to_id(token?)
}
