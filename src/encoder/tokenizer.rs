//! Text to token ids, as the model's contract wants them.

use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::{Contract, Role};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// First guess of how much text fills one token, in bytes; generous, so that a second try is rare.
const BYTES_PER_TOKEN: usize = 32;

/// Token ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedText {
    /// Special tokens included, at most the model's limit.
    pub ids: Vec<u32>,
    /// Whether the text had more.
    pub truncated: bool,
}

pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    max_tokens: usize,
    lower_case: bool,
    query_prompt: String,
    document_prompt: String,
}

impl TextTokenizer {
    pub(crate) fn load(files: &ModelFiles, contract: &Contract) -> Result<Self> {
        let path = files.dir.join("tokenizer.json");
        let unusable = |message: String| Error::ModelFile { path: path.clone(), message };
        let bytes = files.read("tokenizer.json")?.ok_or_else(|| unusable("the file is missing".into()))?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|e| unusable(e.to_string()))?;
        tokenizer.with_padding(None);
        let truncation = TruncationParams {
            max_length: contract.max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
            direction: TruncationDirection::Right,
        };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| unusable(e.to_string()))?;
        Ok(Self {
            tokenizer,
            max_tokens: contract.max_tokens,
            lower_case: contract.lower_case,
            query_prompt: contract.query_prompt.clone(),
            document_prompt: contract.document_prompt.clone(),
        })
    }

    pub(crate) fn tokenize(&self, text: &str, role: Role) -> Result<TokenizedText> {
        let prompt = match role {
            Role::Query => &self.query_prompt,
            Role::Document => &self.document_prompt,
        };
        // The prefix that surely fills the limit is enough: the rest of a huge text would be tokenized to be dropped.
        let mut bytes = self.max_tokens.saturating_mul(BYTES_PER_TOKEN);
        loop {
            let prefix = cut_between_words(text, bytes);
            let tokenized = self.tokenize_whole(prompt, prefix)?;
            if tokenized.truncated || prefix.len() == text.len() {
                return Ok(tokenized);
            }
            bytes = bytes.saturating_mul(4);
        }
    }

    fn tokenize_whole(&self, prompt: &str, text: &str) -> Result<TokenizedText> {
        let mut input = format!("{prompt}{text}");
        if self.lower_case {
            input = input.to_lowercase();
        }
        let encoding = self
            .tokenizer
            .encode_fast(input, true)
            .map_err(|e| Error::Compute { context: "tokenizing failed".into(), message: e.to_string() })?;
        Ok(TokenizedText { ids: encoding.get_ids().to_vec(), truncated: !encoding.get_overflowing().is_empty() })
    }
}

/// The longest prefix of at most `bytes` bytes, longer if need be, that ends before a space followed by an ASCII letter or
/// digit. No tokenizer merges across such a place, so the tokens of the prefix are the first tokens of the text.
fn cut_between_words(text: &str, bytes: usize) -> &str {
    let raw = text.as_bytes();
    let boundary = (bytes..raw.len().saturating_sub(1)).find(|&i| raw[i] == b' ' && raw[i + 1].is_ascii_alphanumeric());
    // A space is one byte of its own in UTF-8: cutting before it never splits a character.
    boundary.map_or(text, |at| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_only_between_words() {
        assert_eq!(cut_between_words("one two three", 2), "one");
        assert_eq!(cut_between_words("one two three", 3), "one");
        assert_eq!(cut_between_words("one two three", 4), "one two");
        assert_eq!(cut_between_words("one two three", 8), "one two three");
        assert_eq!(cut_between_words("one two three", 99), "one two three");
        assert_eq!(cut_between_words("", 0), "");
        assert_eq!(cut_between_words("長い文字列 \u{301}a x", 1), "長い文字列 \u{301}a");
    }
}
