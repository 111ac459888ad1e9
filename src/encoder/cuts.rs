//! Finds places where a long text may be cut, so that the tokens of its beginning are the first
//! tokens of the whole.
//!
//! A tokenizer takes added tokens out of a text, normalises the rest and splits it into pieces.
//! Each piece becomes tokens by itself. Therefore a text may be cut where a piece begins, if
//! everything before the cut comes out the same without the text behind it. Both conditions are
//! tried around a place with the tokenizer's own steps, whatever these are.
//!
//! This relies on one assumption: no step looks further than [`CONTEXT`] bytes. The exceptions are
//! digits (patterns that group them from the right) and white space (patterns that look for a line
//! end). No place inside a run of these is taken. Tokenizers that split by position have no places.
//!
//! A piece can be as long as the text, such as Chinese with a tokenizer that splits at spaces. A
//! piece may be cut between two characters that are side by side in no token of the vocabulary. BPE
//! merges nothing across such a place, and every path of Unigram passes through it.
//!
//! Unigram takes the best path through a text. On a path across a position, the last token before
//! that position ends at most the longest token's length before it. Where the best paths to all
//! these ends agree, the best paths of all longer texts agree as well, whatever follows.
//!
//! A piece without such places must be tokenized whole, because its first token can depend on its
//! length. An example is a run of one letter, where a token is two of that letter.

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

use tokenizers::models::unigram::Unigram;
use tokenizers::tokenizer::{OffsetReferential, OffsetType};
use tokenizers::{Model, ModelWrapper, PreTokenizer, Tokenizer};

/// Number of bytes before and behind a place that are tokenized to test it.
const CONTEXT: usize = 128;

/// Number of bytes behind the wanted length that are searched for a place. The second is used if
/// the first has no place.
const REACHES: [usize; 2] = [256, 2048];

/// Maximum number of places to try within a reach.
const TRIES: usize = 8;

/// Maximum length of the longest token, in characters, for comparing paths. Each length up to the
/// longest token is one path.
const LONGEST_TOKEN: usize = 64;

/// The places where texts may be cut for one tokenizer.
pub(super) struct Cuts {
    /// True if texts are lower-cased before they reach the tokenizer.
    lower_case: bool,
    /// True if texts have places at all.
    is_local: bool,
    /// True if a space between two ASCII words is always a place.
    splits_at_spaces: bool,
    /// True if a piece can be cut between two characters that no token joins.
    splits_in_pieces: bool,
    /// The neighbouring characters of all tokens; computed on first use.
    joined: OnceLock<HashSet<(char, char)>>,
    /// The length of the longest token in characters; computed on first use.
    longest: OnceLock<usize>,
}

/// A part of a text that becomes tokens by itself.
#[derive(Debug, PartialEq, Eq)]
struct TextPiece {
    text: String,
    /// The byte position in the text where the piece begins.
    start: usize,
    /// True if the piece is an added token.
    is_added: bool,
}

impl Cuts {
    /// Finds out where this tokenizer, as it is set up now, allows cuts.
    pub fn new(tokenizer: &Tokenizer, lower_case: bool) -> Self {
        let steps = serde_json::to_string(&tokenizer.get_pre_tokenizer()).unwrap_or_default();
        let undecorated = match tokenizer.get_model() {
            ModelWrapper::BPE(model) => model.continuing_subword_prefix.is_none() && model.end_of_word_suffix.is_none(),
            ModelWrapper::Unigram(_) => true,
            ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => false,
        };
        let mut cuts = Self {
            lower_case,
            is_local: !steps.contains("FixedLength"),
            splits_at_spaces: false,
            // A byte-level vocabulary has one character per byte, and any two of them are
            // neighbours.
            splits_in_pieces: undecorated && !steps.contains("ByteLevel"),
            joined: OnceLock::new(),
            longest: OnceLock::new(),
        };
        let probes = ["over the moon", "Paris. The", "x, 12 b", "3 4 5", "I'd 'tis", "a-b_c d", "end\" q"];
        // An added token may contain spaces.
        let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let is_whole = added.values().all(|token| !token.content.contains(' '));
        cuts.splits_at_spaces =
            is_whole && cuts.is_local && probes.iter().all(|probe| cuts.splits_at_each_space(tokenizer, probe));
        cuts
    }

    /// Returns the shortest beginning of at least `bytes` bytes whose tokens are the first tokens
    /// of the text. `None` if the text has no place near that length.
    pub fn beginning<'a>(&self, tokenizer: &Tokenizer, text: &'a str, bytes: usize) -> Option<&'a str> {
        if text.len() <= bytes.saturating_add(2 * CONTEXT) {
            return Some(text);
        }
        if self.splits_at_spaces
            && let Some(at) = between_ascii_words(text, bytes)
        {
            return Some(&text[..at]);
        }
        let find = |reach| self.find(tokenizer, text, bytes, reach);
        REACHES.into_iter().filter(|_| self.is_local).find_map(find).map(|at| &text[..at])
    }

    /// Returns [`Cuts::beginning`], but searches more thoroughly and further on. Returns the whole
    /// text if it has no place.
    pub fn long_beginning<'a>(&self, tokenizer: &Tokenizer, text: &'a str, bytes: usize) -> &'a str {
        if let Some(found) = self.beginning(tokenizer, text, bytes) {
            return found;
        }
        if let Some(at) = self.find_on_all_paths(tokenizer, text, bytes) {
            return &text[..at];
        }
        let longer = std::iter::successors(Some(bytes.max(1).saturating_mul(2)), |bytes| Some(bytes.saturating_mul(2)));
        let mut found = longer.filter_map(|bytes| self.beginning(tokenizer, text, bytes));
        found.next().unwrap_or(text)
    }

    /// Finds a place at most `reach` bytes behind `bytes`.
    fn find(&self, tokenizer: &Tokenizer, text: &str, bytes: usize, reach: usize) -> Option<usize> {
        let low = text.floor_char_boundary(bytes.saturating_sub(CONTEXT));
        let high = text.ceil_char_boundary((bytes + reach + CONTEXT).min(text.len()));
        let all = self.pieces(tokenizer, &text[low..high])?;
        let wanted = |at: usize| (bytes..=bytes + reach).contains(&(low + at)) && may_be_cut(text, low + at);
        let begins = (1..all.len()).filter(|&number| wanted(all[number].start)).take(TRIES);
        let mut found = begins.filter_map(|number| {
            let at = low + all[number].start;
            (self.pieces(tokenizer, &text[low..at])? == all[..number]).then_some(at)
        });
        found.next().or_else(|| self.find_in_piece(tokenizer, text, (low, &all), (bytes, reach)))
    }

    /// Finds a place inside a piece, between characters that no token joins.
    fn find_in_piece(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        (low, all): (usize, &[TextPiece]),
        (bytes, reach): (usize, usize),
    ) -> Option<usize> {
        if !self.splits_in_pieces {
            return None;
        }
        let joined = self.joined.get_or_init(|| neighbours(tokenizer));
        let before = text[..text.ceil_char_boundary(bytes)].chars().next_back()?;
        let from = text.ceil_char_boundary(bytes);
        let to = text.floor_char_boundary(from + reach);
        let pairs = text[from..to]
            .char_indices()
            .scan(before, |before, (at, c)| Some((from + at, (std::mem::replace(before, c), c))));
        let unjoined = pairs.filter(|(at, pair)| !joined.contains(pair) && may_be_cut(text, *at)).take(TRIES);
        let mut found = unjoined.filter_map(|(at, _)| {
            let head = self.pieces(tokenizer, &text[low..at])?;
            let (last, whole) = (head.last()?, all.get(head.len() - 1)?);
            let rest = whole.text.strip_prefix(last.text.as_str())?;
            // The pair comes from the pieces, because the tokenizer may change the two characters.
            let pair = (last.text.chars().next_back()?, rest.chars().next()?);
            let same = head[..head.len() - 1] == all[..head.len() - 1] && last.start == whole.start;
            (same && !whole.is_added && !joined.contains(&pair)).then_some(at)
        });
        found.next()
    }

    /// Finds a place inside a piece that the best Unigram paths of all longer texts pass through.
    /// Tokenizes the piece's beginning once for every length of a token.
    fn find_on_all_paths(&self, tokenizer: &Tokenizer, text: &str, bytes: usize) -> Option<usize> {
        let ModelWrapper::Unigram(model) = tokenizer.get_model() else { return None };
        if !self.is_local {
            return None;
        }
        let longest = *self.longest.get_or_init(|| longest_token(tokenizer));
        let reach = text.ceil_char_boundary((bytes + REACHES[0] + 2 * CONTEXT).min(text.len()));
        let all = self.pieces(tokenizer, &text[..reach])?;
        let (piece, before) = all.split_last()?;
        // The text behind a piece can change the piece's end.
        let sure = &piece.text[..piece.text.floor_char_boundary(piece.text.len().checked_sub(CONTEXT)?)];
        if longest > LONGEST_TOKEN || piece.is_added || piece.start > bytes {
            return None;
        }
        let common = common_ends(model, sure, longest)?;
        let tries = common.into_iter().rev().take(TRIES);
        let is_place = |&at: &usize| (bytes..reach).contains(&at) && may_be_cut(text, at);
        tries.filter_map(|end| self.place_of(tokenizer, (text, reach), before, &sure[..end])).find(is_place)
    }

    /// Finds the end of a text whose last piece is `last`, behind the pieces `before`.
    fn place_of(
        &self,
        tokenizer: &Tokenizer,
        (text, reach): (&str, usize),
        before: &[TextPiece],
        last: &str,
    ) -> Option<usize> {
        let (mut low, mut high) = (0, reach);
        while low < high {
            let middle = text.floor_char_boundary(low + (high - low) / 2);
            let head = self.pieces(tokenizer, &text[..middle])?;
            let len = head.get(before.len()).map_or(0, |piece| piece.text.len());
            if len == last.len() {
                let same = head[..before.len()] == *before && head.len() == before.len() + 1;
                return (same && head[before.len()].text == last).then_some(middle);
            }
            (low, high) = if len < last.len() { (text.ceil_char_boundary(middle + 1), high) } else { (low, middle) };
        }
        None
    }

    /// Returns true if the text splits into pieces before each of its spaces.
    fn splits_at_each_space(&self, tokenizer: &Tokenizer, text: &str) -> bool {
        let Some(all) = self.pieces(tokenizer, text) else { return false };
        text.match_indices(' ').all(|(at, _)| {
            let head = self.pieces(tokenizer, &text[..at]).unwrap_or_default();
            let next = all.get(head.len());
            !head.is_empty() && head == all[..head.len()] && next.is_some_and(|next| next.start >= at)
        })
    }

    /// Returns the pieces of a text; `None` if lower-casing moves its characters.
    fn pieces(&self, tokenizer: &Tokenizer, text: &str) -> Option<Vec<TextPiece>> {
        let lowered = self.lower_case.then(|| text.to_lowercase());
        let input = lowered.as_deref().unwrap_or(text);
        let lengths = |text: &str| text.chars().map(char::len_utf8).collect::<Vec<_>>();
        if lowered.is_some() && lengths(input) != lengths(text) {
            return None;
        }
        let vocabulary = tokenizer.get_added_vocabulary();
        let mut pieces = vocabulary.extract_and_normalize(tokenizer.get_normalizer(), input);
        if let Some(step) = tokenizer.get_pre_tokenizer() {
            step.pre_tokenize(&mut pieces).ok()?;
        }
        let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte).into_iter();
        let piece = |(text, (start, _), tokens): (&str, (usize, usize), &Option<Vec<_>>)| TextPiece {
            text: text.to_owned(),
            start,
            is_added: tokens.is_some(),
        };
        Some(splits.map(piece).collect())
    }
}

/// Returns true if `at` is not inside a run of digits or white space.
fn may_be_cut(text: &str, at: usize) -> bool {
    if !text.is_char_boundary(at) {
        return false;
    }
    let (Some(before), Some(after)) = (text[..at].chars().next_back(), text[at..].chars().next()) else { return false };
    !(before.is_numeric() && after.is_numeric() || before.is_whitespace() && after.is_whitespace())
}

/// Returns the first space between two ASCII words, at `bytes` or a little behind it.
fn between_ascii_words(text: &str, bytes: usize) -> Option<usize> {
    let raw = text.as_bytes();
    let ends_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b',' | b'"' | b'\'');
    let is_place = |&at: &usize| raw[at] == b' ' && ends_word(raw[at - 1]) && raw[at + 1].is_ascii_alphanumeric();
    // A space is one byte of its own in UTF-8: cutting before it never splits a character.
    (bytes.max(1)..(bytes + REACHES[0]).min(raw.len() - 1)).find(is_place)
}

/// Returns the length of the longest token in characters.
fn longest_token(tokenizer: &Tokenizer) -> usize {
    tokenizer.get_vocab(false).keys().map(|token| token.chars().count()).max().unwrap_or(0)
}

/// Returns the token ends that all best paths to the last `longest` characters of a text have in
/// common. `None` for a shorter text, or if they have none in common.
fn common_ends(model: &Unigram, text: &str, longest: usize) -> Option<BTreeSet<usize>> {
    let mut common: Option<BTreeSet<usize>> = None;
    // A token that reaches across the text's end begins at one of these positions.
    let begins = text.char_indices().map(|(at, _)| at).skip(1).chain([text.len()]).collect::<Vec<_>>();
    for &begin in &begins[begins.len().checked_sub(longest)?..] {
        let tokens = model.tokenize(&text[..begin]).ok()?;
        let ends: BTreeSet<usize> = tokens.iter().map(|token| token.offsets.1).collect();
        common = Some(common.map_or(ends.clone(), |common| common.intersection(&ends).copied().collect()));
        if common.as_ref().is_some_and(BTreeSet::is_empty) {
            return None;
        }
    }
    common
}

/// Returns the pairs of characters that stand side by side in a token.
fn neighbours(tokenizer: &Tokenizer) -> HashSet<(char, char)> {
    let vocabulary = tokenizer.get_vocab(false);
    vocabulary.keys().flat_map(|token| token.chars().zip(token.chars().skip(1))).collect()
}
