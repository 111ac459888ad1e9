//! The windows of a text that is longer than the model takes.

use std::ops::Range;

use super::super::Role;
use super::super::shared_tokenizer::BYTES_PER_TOKEN;
use super::{Beginning, Ends, TextTokenizer};
use crate::Result;

/// The part of a window that the next window repeats, a sentence or two. A passage that one
/// window's edge cuts is then whole in the other.
const WINDOW_OVERLAP: usize = 4; // a quarter

/// Maximum number of windows of one text: some 200 KB of English for MiniLM. The rest counts as
/// cut, so that one huge row does not take minutes.
const MAX_WINDOWS: usize = 256;

/// The byte ranges of the text's own tokens; at most as many as the model takes.
struct Located {
    ranges: Vec<Range<usize>>,
    /// The start of the first token that the model does not take.
    next: Option<usize>,
}

impl Located {
    /// Returns the end of the last whole token, if there are more tokens than the model takes. Byte
    /// tokens can share a character with the next token, and a text that ends with such a character
    /// has one token more.
    fn end(&self) -> Option<usize> {
        let mut next = self.next?;
        let mut last = self.ranges.last()?;
        for range in self.ranges.iter().rev() {
            last = range;
            if range.end <= next {
                break;
            }
            next = range.start;
        }
        Some(last.end)
    }
}

impl TextTokenizer {
    /// Returns the byte ranges of windows of the text, each short enough for the model and
    /// beginning at a word. Each window but the first repeats the last quarter of the one before.
    /// There are at most [`MAX_WINDOWS`]. A text that fits is one range.
    ///
    /// Tokenizes a little more than a window at a time, so that memory does not depend on the
    /// text's length.
    pub(crate) fn windows(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        let part = self.part(text, role)?;
        let mut windows = self.windows_of_part(&text[part.clone()], role)?;
        windows.iter_mut().for_each(|window| *window = window.start + part.start..window.end + part.start);
        Ok(windows)
    }

    fn windows_of_part(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        let mut windows = Vec::new();
        let mut start = 0;
        // No token is shorter than a byte, so most texts need no tokenizing here.
        while text.len() - start >= self.limit(role).saturating_sub(self.prompt(role).len()) {
            let piece = self.characters(&text[start..], role);
            let located = self.located(piece, role, BYTES_PER_TOKEN / 4, Ends::Anywhere)?;
            let is_cut = start + piece.len() < text.len();
            let Some(end) = located.end().or(is_cut.then_some(piece.len())) else { break };
            let end = start + end;
            windows.push(start..end);
            if windows.len() == MAX_WINDOWS {
                return Ok(windows);
            }
            let repeated = located.ranges.len() - located.ranges.len() / WINDOW_OVERLAP;
            let begins_word = |range: &&Range<usize>| text[..start + range.start].ends_with(char::is_whitespace);
            let next = located.ranges[repeated..].iter().find(begins_word).map_or(end, |range| start + range.start);
            // A prompt that fills the limit leaves no room for the text.
            if next <= start {
                break;
            }
            start = next;
        }
        windows.push(start..text.len());
        Ok(windows)
    }

    /// Locates as many tokens as the model takes.
    fn located(&self, text: &str, role: Role, bytes_per_token: usize, ends: Ends) -> Result<Located> {
        let prompt = self.prompt(role);
        let Beginning { encoding, next } = self.beginning((prompt, text), role, bytes_per_token, true, ends)?;
        let content = self.content(&encoding, prompt);
        let ranges = encoding.get_offsets()[content].iter().map(|&offsets| self.in_text(text, prompt, offsets));
        Ok(Located { ranges: ranges.collect(), next: next.map(|offsets| self.in_text(text, prompt, offsets).start) })
    }
}
