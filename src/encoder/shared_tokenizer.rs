//! A model's tokenizer, shared by all readers of its texts. The vocabulary is read once per model.

use std::ops::Range;

use tokenizers::{Encoding, PostProcessor, Tokenizer};

use super::cuts::Cuts;
use super::token::Token;
use super::tokenized::unknown_id;
use super::tokenizer_file;
use super::word_ids::WordIds;
use crate::{Error, Result};

/// The first guess of the bytes of text per token. It is generous, so that a second try is rare.
pub(super) const BYTES_PER_TOKEN: usize = 32;

/// Number of bytes of a text that are tokenized at once to count tokens.
const COUNTED_AT_ONCE: usize = 256 << 10;

/// Byte ranges of tokens in a text.
type Offsets = [(usize, usize)];

/// A tokenizer that is set up as the model's files say. It is immutable.
pub(super) struct SharedTokenizer {
    tokenizer: Tokenizer,
    cuts: Cuts,
    /// True if texts are lower-cased before they reach the tokenizer.
    lower_case: bool,
    unknown_id: Option<u32>,
    /// Ids word by word, for static models whose tokenizer allows it.
    words: Option<WordIds>,
    /// Number of bytes that were tokenized.
    #[cfg(test)]
    pub work: std::sync::atomic::AtomicUsize,
}

impl SharedTokenizer {
    pub fn new(tokenizer: Tokenizer, lower_case: bool) -> Self {
        Self {
            unknown_id: unknown_id(&tokenizer),
            cuts: Cuts::new(&tokenizer, lower_case),
            tokenizer,
            lower_case,
            words: None,
            #[cfg(test)]
            work: Default::default(),
        }
    }

    /// Creates the tokenizer of a static model, which takes less time for a text than tokenizing it
    /// by the tokenizers library.
    pub fn of_static_model(tokenizer: Tokenizer) -> Self {
        let words = WordIds::new(&tokenizer);
        Self { words, ..Self::new(tokenizer, false) }
    }

    /// Returns the ids of a text's first `most` tokens, without special tokens, and true if there
    /// are more. Returns `None` if [`SharedTokenizer::encode`] is needed.
    pub fn ids(&self, text: &str, most: usize) -> Result<Option<(Vec<u32>, bool)>> {
        let Some(words) = &self.words else { return Ok(None) };
        let ids = words.of(&self.tokenizer, text, most)?;
        Ok(ids.map(|mut ids| {
            let has_more = ids.len() > most;
            ids.truncate(most);
            (ids, has_more)
        }))
    }

    /// Returns the tokenizer of the tokenizers library.
    pub fn inner(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Returns the places where a text may be cut.
    pub fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// Returns true if texts are lower-cased first.
    pub fn lower_case(&self) -> bool {
        self.lower_case
    }

    /// Returns the number of special tokens around a text, or around two texts if `pairs`.
    pub fn special(&self, pairs: bool) -> usize {
        self.tokenizer.get_post_processor().map_or(0, |template| template.added_tokens(pairs))
    }

    /// Encodes all tokens of a text, without special tokens.
    pub fn encode(&self, text: &str, with_offsets: bool) -> Result<Encoding> {
        #[cfg(test)]
        self.work.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
        let lowered;
        let text = match self.lower_case {
            true => {
                lowered = text.to_lowercase();
                lowered.as_str()
            }
            false => text,
        };
        tokenizer_file::encoded(|| match with_offsets {
            true => self.tokenizer.encode(text, false),
            false => self.tokenizer.encode_fast(text, false),
        })
    }

    /// Adds the special tokens.
    pub fn complete(&self, encoding: Encoding) -> Result<Encoding> {
        tokenizer_file::encoded(|| self.tokenizer.post_process(encoding, None, true))
    }

    /// Encodes `before` and the text behind it. Of a huge text it encodes only a beginning with
    /// more than `enough` tokens, because the rest would be dropped.
    pub fn encode_beginning(&self, before: &str, text: &str, enough: usize, with_offsets: bool) -> Result<Encoding> {
        let mut bytes = enough.saturating_mul(BYTES_PER_TOKEN).max(1);
        loop {
            let prefix = self.cuts.long_beginning(&self.tokenizer, text, bytes);
            let encoding = match before.is_empty() {
                true => self.encode(prefix, with_offsets)?,
                false => self.encode(&format!("{before}{prefix}"), with_offsets)?,
            };
            if encoding.len() > enough || prefix.len() == text.len() {
                return Ok(encoding);
            }
            bytes = bytes.max(prefix.len()).saturating_mul(4);
        }
    }

    /// Counts the unknown tokens, those that stand for words outside the vocabulary.
    pub fn count_unknown(&self, ids: &[u32]) -> u32 {
        ids.iter().filter(|id| self.unknown_id == Some(**id)).count() as u32
    }

    /// Counts the tokens of a whole text, without special tokens. A text of more than 256 KiB is
    /// counted in pieces, each as if it stood alone, so memory does not depend on its length.
    pub fn count(&self, text: &str) -> Result<usize> {
        let (mut rest, mut tokens) = (text, 0);
        while !rest.is_empty() {
            let piece = self.cuts.long_beginning(&self.tokenizer, rest, COUNTED_AT_ONCE);
            tokens += self.encode(piece, false)?.len();
            rest = &rest[piece.len()..];
        }
        Ok(tokens)
    }

    /// Returns the tokens of a whole text, with or without the special tokens around it.
    pub fn tokens(&self, text: &str, with_special: bool) -> Result<Vec<Token>> {
        let mut encoding = self.encode(text, true)?;
        if with_special {
            encoding = self.complete(encoding)?;
        }
        let mut chars = CharPlaces::of(text);
        let token = |at: usize| {
            let id = encoding.get_ids()[at];
            if encoding.get_special_tokens_mask()[at] == 1 {
                let text = encoding.get_tokens()[at].clone();
                return Token { id, text, is_special: true, bytes: 0..0, chars: 0..0 };
            }
            let (from, to) = encoding.get_offsets()[at];
            // Lower-casing can move a character by a byte or two.
            let from = text.floor_char_boundary(from.min(text.len()));
            let to = text.ceil_char_boundary(to.min(text.len()));
            let chars = chars.place(from)..chars.place(to);
            Token { id, text: text[from..to].to_owned(), is_special: false, bytes: from..to, chars }
        };
        Ok((0..encoding.len()).map(token).collect())
    }

    /// Returns the byte range of the first `most` tokens of a text, or of the last `most` if
    /// `of_end`. Returns the whole text if it has no more tokens, or for `None`.
    pub fn part(&self, text: &str, most: Option<usize>, of_end: bool) -> Result<Range<usize>> {
        let Some(most) = most else { return Ok(0..text.len()) };
        // An ASCII byte is at most one token, and one more token may stand for the beginning of a
        // text.
        if text.len() < most && text.is_ascii() {
            return Ok(0..text.len());
        }
        let encoding = match of_end {
            true => self.encode(text, true)?,
            false => self.encode_beginning("", text, most, true)?,
        };
        let offsets = encoding.get_offsets();
        if offsets.len() <= most {
            return Ok(0..text.len());
        }
        // Lower-casing can move a character by a byte or two.
        let place = |at: usize| text.floor_char_boundary(at.min(text.len()));
        let mut kept = most;
        loop {
            let part = match of_end {
                true => place(start_of_last(offsets, kept))..text.len(),
                false => 0..place(end_of_first(offsets, kept)),
            };
            // A part that begins or ends inside a word can have more tokens than its bytes had in
            // the whole text.
            let more = self.encode(&text[part.clone()], false)?.len().saturating_sub(most);
            if more == 0 || kept == 0 {
                return Ok(part);
            }
            kept = kept.saturating_sub(more);
        }
    }
}

/// Counts the code points before positions of a text. Positions should rarely go back.
struct CharPlaces<'a> {
    text: &'a str,
    bytes: usize,
    chars: usize,
}

impl<'a> CharPlaces<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, bytes: 0, chars: 0 }
    }

    /// Returns the number of code points before the character at this byte.
    fn place(&mut self, at: usize) -> usize {
        match at >= self.bytes {
            true => self.chars += self.text[self.bytes..at].chars().count(),
            false => self.chars -= self.text[at..self.bytes].chars().count(),
        }
        self.bytes = at;
        self.chars
    }
}

/// Returns the end of the first `most` tokens, at the end of a character. Byte tokens can share a
/// character.
fn end_of_first(offsets: &Offsets, most: usize) -> usize {
    let mut next = offsets[most].0;
    for &(from, to) in offsets[..most].iter().rev() {
        if to <= next {
            return to;
        }
        next = from;
    }
    0
}

/// Returns the start of the last `most` tokens, at the beginning of a character.
fn start_of_last(offsets: &Offsets, most: usize) -> usize {
    let (before, last) = offsets.split_at(offsets.len() - most);
    let mut end = before.last().map_or(0, |offsets| offsets.1);
    for &(from, to) in last {
        if from >= end {
            return from;
        }
        end = to;
    }
    end
}

/// Returns the error for an option `max_tokens` that leaves no room for the text beside the special
/// tokens.
pub(super) fn no_room(max_tokens: usize, special: usize) -> Error {
    let why = format!("{max_tokens}: {special} special tokens stand around a text, which needs one at least");
    Error::InvalidOption { option: "max_tokens", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_and_begin_where_no_character_is_shared() {
        // Three tokens share one character, between two characters of one token each.
        let offsets = [(0, 1), (1, 4), (1, 4), (1, 4), (4, 5)];
        let ends: Vec<usize> = (0..5).map(|most| end_of_first(&offsets, most)).collect();
        assert_eq!(ends, [0, 1, 1, 1, 4]);
        let starts: Vec<usize> = (0..5).map(|most| start_of_last(&offsets, most)).collect();
        assert_eq!(starts, [5, 4, 4, 4, 1]);
    }
}
