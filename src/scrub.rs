//! Removal of secrets from texts: whole, in part, and in the encodings in which servers echo them.
//!
//! Servers quote the key that they refuse: truncated, escaped for JSON, HTML or a URL, or in
//! base64. A text is searched as it is and with its escapes undone. [`WINDOW`] consecutive
//! characters of a secret are hidden, from there to the end of the word.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde_json::Value;

/// The replacement of a secret.
const HIDDEN: &str = "[key]";
/// Number of consecutive characters of a secret that reveal it.
const WINDOW: usize = 8;
/// The same for parts of an answer that must stay readable (a field's name, a vector in base64).
const LONG_RUN: usize = 16;
/// Minimum length of a secret. Shorter ones, such as the "x" that some local servers ask for, are
/// not secret.
const SHORTEST: usize = 4;
/// Maximum number of nested levels of escapes that are undone.
const LEVELS: usize = 3;

/// The properties of a piece of a secret.
#[derive(Debug, Clone, Copy, Default)]
struct SecretPiece {
    /// False for a mere word: `required` in the key `none-required` reveals nothing.
    tells: bool,
    /// True if it ends a secret.
    is_last: bool,
}

/// Hides secrets in texts.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    pieces: HashMap<[u8; WINDOW], SecretPiece>,
    /// For each two bytes, true if a piece begins with them; empty without pieces. It makes the
    /// search fast for answers of 100 MB.
    beginnings: Vec<bool>,
    /// Lower-case secrets without a revealing piece.
    short: Vec<Vec<u8>>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubber(hidden)")
    }
}

impl Scrubber {
    /// Creates a scrubber of these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scrubber = Self::default();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SHORTEST) {
            for form in forms(secret.as_bytes()) {
                scrubber.add(&form);
            }
            let has_telling_piece = secret.as_bytes().windows(WINDOW).any(tells);
            if !has_telling_piece {
                scrubber.short.push(secret.to_ascii_lowercase().into_bytes());
            }
        }
        scrubber
    }

    fn add(&mut self, form: &[u8]) {
        let last = form.len().saturating_sub(WINDOW);
        for (at, window) in form.windows(WINDOW).enumerate() {
            let lower = window.to_ascii_lowercase();
            let Ok(key) = <[u8; WINDOW]>::try_from(lower.as_slice()) else { continue };
            let piece = self.pieces.entry(key).or_default();
            self.beginnings.resize(1 << 16, false);
            self.beginnings[beginning(&key)] = true;
            piece.tells |= tells(window);
            piece.is_last |= at == last;
        }
    }

    /// Returns a text without secrets.
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.scrub_runs(text, WINDOW, true)
    }

    /// Removes secrets from an answer's strings and field names. Vectors keep matches that may be
    /// chance.
    pub fn scrub_value(&self, value: &mut Value) {
        if !self.pieces.is_empty() {
            self.scrub_named("", value);
        }
    }

    fn scrub_named(&self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                let run = if name == "embedding" { LONG_RUN } else { WINDOW };
                if let Cow::Owned(clean) = self.scrub_runs(text, run, false) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_named(name, item)),
            Value::Object(fields) => {
                let is_named = fields.keys().any(|name| self.hides(name));
                for (name, value) in fields.iter_mut() {
                    self.scrub_named(name, value);
                }
                if is_named {
                    let all = std::mem::take(fields);
                    *fields =
                        all.into_iter().map(|(k, v)| (self.scrub_runs(&k, LONG_RUN, false).into_owned(), v)).collect();
                }
            }
            _ => {}
        }
    }

    fn hides(&self, name: &str) -> bool {
        matches!(self.scrub_runs(name, LONG_RUN, false), Cow::Owned(_))
    }

    fn scrub_runs<'a>(&self, text: &'a str, run: usize, with_short: bool) -> Cow<'a, str> {
        let mut hidden = Vec::new();
        let mut view = View::of(text);
        for _ in 0..LEVELS {
            self.find(&view, run, with_short, &mut hidden);
            let Some(decoded) = view.decoded() else { break };
            view = decoded;
        }
        if hidden.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(without(text, hidden)) }
    }

    /// Adds the ranges of secrets in a view, as ranges of the text, with true for a whole secret.
    fn find(&self, view: &View, run: usize, with_short: bool, hidden: &mut Vec<(Range<usize>, bool)>) {
        let bytes = view.bytes.as_slice();
        let mut at = 0;
        while at + WINDOW <= bytes.len() {
            let Some((end, piece)) = self.run_from(bytes, at) else {
                at += 1;
                continue;
            };
            if piece.tells && end - at >= run {
                hidden.push((view.place(at..end), piece.is_last));
            }
            at = end;
        }
        let short = self.short.iter().filter(|_| with_short);
        for secret in short {
            let found = bytes.windows(secret.len()).enumerate().filter(|(_, window)| window == secret);
            hidden.extend(found.map(|(at, window)| (view.place(at..at + window.len()), true)));
        }
    }

    /// Returns the end of a run of pieces, whether any of them reveals a secret, and whether the
    /// last one ends a secret.
    fn run_from(&self, bytes: &[u8], start: usize) -> Option<(usize, SecretPiece)> {
        let piece = |at: usize| {
            let window: &[u8; WINDOW] = bytes.get(at..at + WINDOW)?.try_into().ok()?;
            self.beginnings.get(beginning(window)).filter(|is_one| **is_one)?;
            self.pieces.get(window)
        };
        let mut run = *piece(start)?;
        let mut end = start + WINDOW;
        while let Some(next) = piece(end + 1 - WINDOW) {
            run = SecretPiece { tells: run.tells || next.tells, is_last: next.is_last };
            end += 1;
        }
        Some((end, run))
    }
}

fn beginning(window: &[u8; WINDOW]) -> usize {
    usize::from(window[0]) << 8 | usize::from(window[1])
}

/// Returns a secret as it is and in the encodings without escapes: base64 at each of its three
/// offsets, and hexadecimal digits.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_vec(), hex.into_bytes()];
    for letters in [STANDARD, URL] {
        forms.extend((0..3).map(|before| base64_within(secret, before, letters)));
    }
    forms
}

/// Returns the base64 digits that depend on the secret alone, if `before` other bytes precede it.
fn base64_within(secret: &[u8], before: usize, letters: &[u8; 64]) -> Vec<u8> {
    let bits = |at: usize| {
        let byte = secret[at / 8];
        byte >> (7 - at % 8) & 1
    };
    let first = (6 - before * 8 % 6) % 6;
    let starts = (first..).step_by(6).take_while(|start| start + 6 <= secret.len() * 8);
    starts.map(|start| letters[(start..start + 6).fold(0, |digit, at| digit << 1 | usize::from(bits(at)))]).collect()
}

/// True if a piece looks like a part of a key and not like a word.
fn tells(piece: &[u8]) -> bool {
    let mut distinct = piece.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let any = |is: fn(&u8) -> bool| piece.iter().any(is);
    let is_mixed = any(u8::is_ascii_digit) || (any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase));
    distinct.len() >= SHORTEST && is_mixed
}

/// A text in lower case with some escapes undone, and the origin of each of its bytes.
struct View {
    bytes: Vec<u8>,
    /// The start of each byte in the text, and the text's end; empty if nothing was undone.
    starts: Vec<usize>,
}

impl View {
    fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_ascii_lowercase(), starts: Vec::new() }
    }

    fn start(&self, at: usize) -> usize {
        self.starts.get(at).copied().unwrap_or(at)
    }

    fn place(&self, range: Range<usize>) -> Range<usize> {
        self.start(range.start)..self.start(range.end)
    }

    /// Returns the view with one more level of escapes undone; `None` if it has no escapes.
    fn decoded(&self) -> Option<Self> {
        if !self.bytes.iter().any(|byte| b"%\\&".contains(byte)) {
            return None;
        }
        let (mut bytes, mut starts, mut at) = (Vec::with_capacity(self.bytes.len()), Vec::new(), 0);
        while at < self.bytes.len() {
            let (byte, length) = unescaped(&self.bytes[at..]).unwrap_or((self.bytes[at], 1));
            bytes.push(byte.to_ascii_lowercase());
            starts.push(self.start(at));
            at += length;
        }
        starts.push(self.start(self.bytes.len()));
        (bytes.len() < self.bytes.len()).then_some(Self { bytes, starts })
    }
}

/// Returns the byte of an escape at the start, and the escape's length: `%2d`, `\u002d`, `\x2d`,
/// `\/`, `&#45;`, `&#x2d;`.
fn unescaped(bytes: &[u8]) -> Option<(u8, usize)> {
    let digits = |range: Range<usize>, radix| {
        let text = std::str::from_utf8(bytes.get(range)?).ok()?;
        u8::from_str_radix(text.trim_start_matches('+'), radix).ok()
    };
    match bytes {
        [b'%', _, _, ..] => Some((digits(1..3, 16)?, 3)),
        [b'\\', b'u', b'0', b'0', _, _, ..] => Some((digits(4..6, 16)?, 6)),
        [b'\\', b'x', _, _, ..] => Some((digits(2..4, 16)?, 4)),
        [b'\\', sign @ (b'/' | b'\\' | b'"'), ..] => Some((*sign, 2)),
        [b'&', b'#', ..] => {
            let end = bytes.iter().take(12).position(|&byte| byte == b';')?;
            let byte = if bytes[2] == b'x' { digits(3..end, 16) } else { digits(2..end, 10) };
            Some((byte?, end + 1))
        }
        _ => None,
    }
}

/// Returns the text with these ranges hidden. A range that is not a whole secret is extended to the
/// end of its word.
fn without(text: &str, mut hidden: Vec<(Range<usize>, bool)>) -> String {
    hidden.sort_by_key(|(place, _)| place.start);
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for (place, is_whole) in hidden {
        // A secret's bytes may be parts of other characters.
        let place = text.floor_char_boundary(place.start)..text.ceil_char_boundary(place.end);
        if place.end <= done {
            continue;
        }
        let rest = &text[place.end..];
        let end = rest.find(|c: char| !c.is_ascii_graphic() || "\"',;<>()[]{}".contains(c)).unwrap_or(rest.len());
        if place.start >= done {
            clean += &text[done..place.start];
            clean += HIDDEN;
        }
        done = if is_whole { place.end } else { place.end + end };
    }
    clean + &text[done..]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "sk-test-0123456789abcdefGHIJ/+x";

    fn scrubbed(text: &str) -> String {
        Scrubber::new([KEY]).scrub(text).into_owned()
    }

    #[test]
    fn a_key_is_hidden_whole_in_part_and_in_every_encoding() {
        for (echo, expected) in [
            ("key sk-test-0123456789abcdefGHIJ/+x.", "key [key]."),
            ("KEY SK-TEST-0123456789ABCDEFGHIJ/+X!", "KEY [key]!"),
            ("cut sk-test-0123****, or so", "cut [key], or so"),
            ("the end 89abcdefGHIJ/+x", "the end [key]"),
            ("the middle 56789abcd", "the middle [key]"),
            (r"json sk\u002dtest\u002D0123456789abcdefGHIJ\/+x", "json [key]"),
            (r#"twice {\"k\": \"sk\\u002dtest\\u002d0123456789abcdefGHIJ\"}"#, r#"twice {\"k\": \"[key]"}"#),
            ("address ?k=sk%2Dtest%2d0123456789abcdefGHIJ%2F%2Bx&n=1", "address ?k=[key]&n=1"),
            ("whole %73%6b%2d%74%65%73%74%2d%30%31%32%33%34%35%36%37 end", "whole [key] end"),
            ("twice sk%252Dtest%252D0123456789abcdefGHIJ", "twice [key]"),
            ("html sk&#45;test&#x2d;0123456789abcdefGHIJ/+x", "html [key]"),
            ("html sk&#0000045;test&#x0000002d;0123456789abcdefGHIJ/+x", "html [key]"),
            ("hex 736b2d746573742d30313233", "hex [key]"),
        ] {
            assert_eq!(scrubbed(echo), expected, "{echo}");
        }
    }

    /// A proxy's password may have any characters; a text with some of its bytes need not have its
    /// characters.
    #[test]
    fn secrets_of_other_characters_than_ascii_are_hidden_and_cut_none() {
        let scrubber = Scrubber::new(["äpassw0rd1ä"]);
        assert_eq!(scrubber.scrub("it is äpassw0rd1ä."), "it is [key].");
        // These begin and end with halves of the characters of the secret.
        for text in ["Ĥpassw0rd1ã", "passw0rd1ã ä", "ĤpassW0rd1ä"] {
            let clean = scrubber.scrub(text);
            assert!(clean.contains("[key]") && !clean.contains("w0rd"), "{clean}");
        }
    }

    #[test]
    fn a_key_in_base64_is_hidden_wherever_it_begins() {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for before in ["", "x", "me", "me:"] {
            // Whole digits only: the remaining bits of a secret of this length are not searched
            // for.
            let all = [before.as_bytes(), KEY.as_bytes()].concat();
            let text = String::from_utf8(base64_within(&all, 0, letters)).unwrap();
            let clean = scrubbed(&format!("Basic {text}"));
            assert!(clean.contains("[key]") && clean.len() < "Basic [key]".len() + 6, "{before}: {clean}");
        }
    }

    #[test]
    fn words_stay_and_dummies_are_no_secrets() {
        let text = "a required field of the embedding-model is missing; 100%, AT&T, C:\\users";
        for key in [KEY, "x", "none-required", "embedding-key-1", "EMPTY", "AAAAAAAAAAAA"] {
            assert_eq!(Scrubber::new([key]).scrub(text), text, "{key}");
        }
        assert_eq!(Scrubber::new(["EMPTY"]).scrub("key EMPTY refused"), "key [key] refused");
        assert_eq!(Scrubber::new(["none-required"]).scrub("key none-required"), "key [key]");
    }

    #[test]
    fn answers_lose_keys_in_strings_and_names_and_keep_their_form() {
        let mut answer = json!({"data": [{"embedding": "sk-test-0AAA", "object": "embedding"}], KEY: [1, {"echo": format!("it is {KEY}")}]});
        Scrubber::new([KEY, "embedding-key-1"]).scrub_value(&mut answer);
        let expected = json!({"data": [{"embedding": "sk-test-0AAA", "object": "embedding"}], "[key]": [1, {"echo": "it is [key]"}]});
        assert_eq!(answer, expected);
    }
}
