//! Text to token ids, as the model's contract wants them.

use std::ops::Range;

use tokenizers::{Encoding, ModelWrapper, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::{Contract, Role, tokenizer_file};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// First guess of how much text fills one token, in bytes; generous, so that a second try is rare.
pub(super) const BYTES_PER_TOKEN: usize = 32;

/// The part of a window that the next one repeats: a sentence or two, so that what an edge cuts is whole in one of the two.
const WINDOW_OVERLAP: usize = 4; // a quarter

/// Windows of one text at most: some 200 KB of English for MiniLM. What lies beyond counts as cut, so that one huge row does not take
/// minutes.
const MAX_WINDOWS: usize = 256;

/// Token ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedText {
    /// Special tokens included, at most the model's limit.
    pub ids: Vec<u32>,
    /// The positions in `ids` of the text's own tokens: without special tokens and prompt.
    pub content: Range<usize>,
    /// Tokens of the text that stand for what the vocabulary lacks.
    pub unknown: u32,
    /// Whether the text had more.
    pub truncated: bool,
}

/// Where the text's own tokens lie in the text, in bytes; at most as many as the model takes.
struct Located {
    ranges: Vec<Range<usize>>,
    truncated: bool,
}

pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    max_tokens: usize,
    lower_case: bool,
    unknown_id: Option<u32>,
    query_prompt: String,
    document_prompt: String,
}

impl TextTokenizer {
    pub(crate) fn load(files: &ModelFiles, contract: &Contract) -> Result<Self> {
        let unusable = |message: String| Error::ModelFile { path: files.dir.join("tokenizer.json"), message };
        let mut tokenizer = tokenizer_file::read(files, contract.max_tokens, false)?;
        let truncation = TruncationParams {
            max_length: contract.max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
            direction: TruncationDirection::Right,
        };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| unusable(e.to_string()))?;
        Ok(Self {
            unknown_id: unknown_id(&tokenizer),
            tokenizer,
            max_tokens: contract.max_tokens,
            lower_case: contract.lower_case,
            query_prompt: contract.query_prompt.clone(),
            document_prompt: contract.document_prompt.clone(),
        })
    }

    pub(crate) fn tokenize(&self, text: &str, role: Role) -> Result<TokenizedText> {
        let prompt = self.prompt(role);
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

    /// The byte ranges of the text's own tokens, as many as the model takes, in order.
    pub(crate) fn locate(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        self.locate_prefix(text, role, BYTES_PER_TOKEN).map(|located| located.ranges)
    }

    /// Byte ranges of pieces of the text that the model takes whole, each beginning at a word, each but the first repeating the last
    /// quarter of the one before, at most [`MAX_WINDOWS`]. One range, the whole text, if the model takes it whole.
    ///
    /// Tokenizes a little more than a window at a time, so that memory does not depend on the text's length.
    pub(crate) fn windows(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        let mut windows = Vec::new();
        let mut start = 0;
        // No token is shorter than a byte: most texts need no look.
        while text.len() - start >= self.max_tokens.saturating_sub(self.prompt(role).len()) {
            let located = self.locate_prefix(&text[start..], role, BYTES_PER_TOKEN / 4)?;
            let Some(last) = located.ranges.last().filter(|_| located.truncated) else { break };
            let end = start + last.end;
            windows.push(start..end);
            if windows.len() == MAX_WINDOWS {
                return Ok(windows);
            }
            let repeated = located.ranges.len() - located.ranges.len() / WINDOW_OVERLAP;
            let begins_word = |range: &&Range<usize>| text[..start + range.start].ends_with(char::is_whitespace);
            let next = located.ranges[repeated..].iter().find(begins_word).map_or(end, |range| start + range.start);
            // A prompt that fills the limit leaves no token of the text.
            if next <= start {
                break;
            }
            start = next;
        }
        windows.push(start..text.len());
        Ok(windows)
    }

    /// Locates as many tokens as the model takes; `bytes_per_token` is a guess that costs a second try when it is too low.
    fn locate_prefix(&self, text: &str, role: Role, bytes_per_token: usize) -> Result<Located> {
        let prompt = self.prompt(role);
        let mut bytes = self.max_tokens.saturating_mul(bytes_per_token);
        loop {
            let prefix = cut_between_words(text, bytes);
            let encoding = self.encode(prompt, prefix, true)?;
            let truncated = !encoding.get_overflowing().is_empty();
            if truncated || prefix.len() == text.len() {
                let content = self.content(&encoding, prompt);
                let ranges = encoding.get_offsets()[content].iter().map(|&offsets| self.in_text(text, prompt, offsets));
                return Ok(Located { ranges: ranges.collect(), truncated });
            }
            bytes = bytes.saturating_mul(4);
        }
    }

    fn prompt(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.query_prompt,
            Role::Document => &self.document_prompt,
        }
    }

    fn tokenize_whole(&self, prompt: &str, text: &str) -> Result<TokenizedText> {
        // Where tokens lie in the text matters only for telling the prompt's tokens from the text's, and costs time.
        let encoding = self.encode(prompt, text, !prompt.is_empty())?;
        let content = self.content(&encoding, prompt);
        let ids = encoding.get_ids();
        let unknown = ids[content.clone()].iter().filter(|id| self.unknown_id == Some(**id)).count() as u32;
        Ok(TokenizedText { content, unknown, ids: ids.to_vec(), truncated: !encoding.get_overflowing().is_empty() })
    }

    fn encode(&self, prompt: &str, text: &str, with_offsets: bool) -> Result<Encoding> {
        let mut input = format!("{prompt}{text}");
        if self.lower_case {
            input = input.to_lowercase();
        }
        tokenizer_file::encoded(|| match with_offsets {
            true => self.tokenizer.encode(input, true),
            false => self.tokenizer.encode_fast(input, true),
        })
    }

    /// The positions of the text's own tokens: what is left between the special tokens at both ends, after the prompt.
    fn content(&self, encoding: &Encoding, prompt: &str) -> Range<usize> {
        let special = encoding.get_special_tokens_mask();
        let end = special.iter().rposition(|&special| special == 0).map_or(0, |last| last + 1);
        let start = special.iter().position(|&special| special == 0).unwrap_or(end);
        if prompt.is_empty() {
            return start..end;
        }
        let prompt_bytes = self.prompt_bytes(prompt);
        let is_prompt = |&&(from, to): &&(usize, usize)| from < prompt_bytes && to <= prompt_bytes;
        start + encoding.get_offsets()[start..end].iter().take_while(is_prompt).count()..end
    }

    /// Length of the prompt as the tokenizer sees it.
    fn prompt_bytes(&self, prompt: &str) -> usize {
        if self.lower_case { prompt.to_lowercase().len() } else { prompt.len() }
    }

    /// From offsets in what was tokenized to a range of the text. Lower-casing can move a character by a byte or two; the range is
    /// moved back to whole characters.
    fn in_text(&self, text: &str, prompt: &str, (from, to): (usize, usize)) -> Range<usize> {
        let prompt_bytes = self.prompt_bytes(prompt);
        let place = |at: usize| text.floor_char_boundary(at.saturating_sub(prompt_bytes).min(text.len()));
        place(from)..place(to)
    }
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

/// The longest prefix of at most `bytes` bytes, longer if need be, that ends before a space followed by an ASCII letter or
/// digit. No tokenizer merges across such a place, so the tokens of the prefix are the first tokens of the text.
pub(super) fn cut_between_words(text: &str, bytes: usize) -> &str {
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
