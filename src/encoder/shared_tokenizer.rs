//! A model's tokenizer, with what all who read texts by it share. The vocabulary is read once per model.

use std::ops::Range;

use tokenizers::{Encoding, PostProcessor, Tokenizer};

use super::cuts::Cuts;
use super::token::Token;
use super::tokenized::unknown_id;
use super::tokenizer_file;
use crate::{Error, Result};

/// First guess of how much text fills one token, in bytes; generous, so that a second try is rare.
pub(super) const BYTES_PER_TOKEN: usize = 32;

/// Bytes of a text that are tokenized at once where only the number of tokens is asked for.
const COUNTED_AT_ONCE: usize = 256 << 10;

/// Byte ranges of tokens in a text.
type Offsets = [(usize, usize)];

/// A tokenizer that is set up as the model's files want it. Nothing in it changes.
pub(super) struct SharedTokenizer {
    tokenizer: Tokenizer,
    cuts: Cuts,
    /// Whether texts are lower-cased before they reach the tokenizer.
    lower_case: bool,
    unknown_id: Option<u32>,
    /// Bytes that were tokenized.
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
            #[cfg(test)]
            work: Default::default(),
        }
    }

    /// The tokenizers library's own.
    pub fn inner(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Where a text may be cut.
    pub fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// Whether texts are lower-cased first.
    pub fn lower_case(&self) -> bool {
        self.lower_case
    }

    /// Special tokens that are put around a text, or around two.
    pub fn special(&self, pairs: bool) -> usize {
        self.tokenizer.get_post_processor().map_or(0, |template| template.added_tokens(pairs))
    }

    /// All tokens of a text, without special ones.
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

    /// With the special tokens.
    pub fn complete(&self, encoding: Encoding) -> Result<Encoding> {
        tokenizer_file::encoded(|| self.tokenizer.post_process(encoding, None, true))
    }

    /// Encodes `before` and the text behind it, or so much of the text that there are more than `enough` tokens: the rest of a huge text would be
    /// tokenized to be dropped.
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

    /// Tokens among these that stand for what the vocabulary lacks.
    pub fn count_unknown(&self, ids: &[u32]) -> u32 {
        ids.iter().filter(|id| self.unknown_id == Some(**id)).count() as u32
    }

    /// Tokens of a whole text, without special ones. A text of more than 256 KiB is counted in pieces, each as if it stood alone; memory does
    /// not depend on its length.
    pub fn count(&self, text: &str) -> Result<usize> {
        let (mut rest, mut tokens) = (text, 0);
        while !rest.is_empty() {
            let piece = self.cuts.long_beginning(&self.tokenizer, rest, COUNTED_AT_ONCE);
            tokens += self.encode(piece, false)?.len();
            rest = &rest[piece.len()..];
        }
        Ok(tokens)
    }

    /// The tokens of a whole text, with special ones around it or without.
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

    /// The bytes of the first tokens of a text, at most `most` of them, or of the last; all of it if it has no more.
    pub fn part(&self, text: &str, most: usize, of_end: bool) -> Result<Range<usize>> {
        // A byte of ASCII is no more than a token, and there may be one for the beginning of a text.
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
            // A part that begins or ends inside a word can have more tokens than the same bytes had in the whole.
            let more = self.encode(&text[part.clone()], false)?.len().saturating_sub(most);
            if more == 0 || kept == 0 {
                return Ok(part);
            }
            kept = kept.saturating_sub(more);
        }
    }
}

/// Counts the code points before places of a text that hardly ever go back.
struct CharPlaces<'a> {
    text: &'a str,
    bytes: usize,
    chars: usize,
}

impl<'a> CharPlaces<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, bytes: 0, chars: 0 }
    }

    /// Code points before the character at this byte.
    fn place(&mut self, at: usize) -> usize {
        match at >= self.bytes {
            true => self.chars += self.text[self.bytes..at].chars().count(),
            false => self.chars -= self.text[at..self.bytes].chars().count(),
        }
        self.bytes = at;
        self.chars
    }
}

/// Where the first `most` tokens end, at the end of a character: tokens of bytes can share one.
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

/// Where the last `most` tokens begin, at the beginning of a character.
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

/// An option `max_tokens` that leaves no token for a text beside the special ones.
pub(super) fn no_room(max_tokens: usize, special: usize) -> Error {
    let why = format!("{max_tokens}: {special} special tokens stand around a text, which needs one at least");
    Error::InvalidOption { option: "max_tokens", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_and_begin_where_no_character_is_shared() {
        // Three tokens of one character, between two of their own.
        let offsets = [(0, 1), (1, 4), (1, 4), (1, 4), (4, 5)];
        let ends: Vec<usize> = (0..5).map(|most| end_of_first(&offsets, most)).collect();
        assert_eq!(ends, [0, 1, 1, 1, 4]);
        let starts: Vec<usize> = (0..5).map(|most| start_of_last(&offsets, most)).collect();
        assert_eq!(starts, [5, 4, 4, 4, 1]);
    }
}
