//! Token ids of texts, word by word, for the tokenizers of BERT.
//!
//! BERT's normalizer and pre-tokenizer look at single characters, and WordPiece at single words. A
//! text's tokens are therefore those of its words, one after the other. Words repeat, so each is
//! tokenized once and kept. A text without Latin words gains little and gets the same tokens. White
//! space and punctuation are found here in ASCII only. A run between two ASCII spaces that has any
//! other character goes to the tokenizer as it is.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

use super::tokenizer_file;
use crate::Result;

/// Maximum number of words that a thread keeps.
const MOST_WORDS: usize = 1 << 16;
/// Maximum length of a word that is kept, in bytes.
const LONGEST_WORD: usize = 64;
/// Maximum number of added tokens that are looked for in a text.
const MOST_ADDED: usize = 64;

/// Texts that [`WordIds::new`] compares with the tokenizer itself.
const PROBES: [&str; 4] = [
    "Don't panic: it costs $3.50 (or 3,50 \u{20ac}) at the caf\u{e9}.",
    "tabs\tand\nlines, a \u{3b2}-blocker; \u{6570}\u{5b57}12 x_y <b>",
    " antidisestablishmentarianism~UPPER`lower^",
    "pneumonoultramicroscopicsilicovolcanoconiosis#pneumonoultramicroscopicsilicovolcanoconiosispneumonoultramicroscopicsilico",
];

/// Token ids by words, with a cache per thread at work.
pub(super) struct WordIds {
    /// The added tokens, in lower case.
    added: Vec<String>,
    /// True for a byte without which no text has an added token: each token has one of them.
    is_mark: [bool; 256],
    caches: Mutex<Vec<Cache>>,
    seed: u64,
}

/// The tokens of words.
struct Cache {
    /// The places of a word's tokens in `ids`.
    words: HashMap<Box<str>, (u32, u32), Seed>,
    ids: Vec<u32>,
}

impl WordIds {
    /// Returns `None` for a tokenizer whose tokens do not come word by word.
    pub fn new(tokenizer: &Tokenizer) -> Option<Self> {
        let step = |json: serde_json::Result<Value>| json.unwrap_or_default();
        let normalizer = step(serde_json::to_value(tokenizer.get_normalizer()));
        let splitter = step(serde_json::to_value(tokenizer.get_pre_tokenizer()));
        let is_bert = normalizer["type"] == "BertNormalizer" && splitter["type"] == "BertPreTokenizer";
        if !is_bert || !matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_)) {
            return None;
        }
        let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        // Such a token is looked for in the normalised text.
        if added.values().any(|token| token.normalized) {
            return None;
        }
        let added: Vec<String> = added.values().map(|token| token.content.to_lowercase()).collect();
        let mut is_mark = [false; 256];
        for token in &added {
            is_mark[usize::from(token.bytes().find(u8::is_ascii_punctuation)?)] = true;
        }
        let seed = RandomState::new().hash_one(0);
        let ids = Self { added, is_mark, caches: Mutex::default(), seed };
        let is_right = |probe: &str| {
            let expected = tokenizer_file::encoded(|| tokenizer.encode_fast(probe, false));
            let found = ids.of(tokenizer, probe, usize::MAX);
            matches!((expected, found), (Ok(expected), Ok(Some(found))) if expected.get_ids() == found)
        };
        PROBES.into_iter().all(is_right).then_some(ids)
    }

    /// Returns the ids of a text's tokens, or of its first ones if they are more than `enough`.
    /// Returns `None` for a text that may contain an added token.
    ///
    /// # Errors
    /// When tokenizing fails.
    pub fn of(&self, tokenizer: &Tokenizer, text: &str, enough: usize) -> Result<Option<Vec<u32>>> {
        if text.bytes().any(|byte| self.is_mark[usize::from(byte)]) && self.may_have_added(text) {
            return Ok(None);
        }
        let mut cache = self.caches().pop().unwrap_or_else(|| Cache::new(self.seed));
        let ids = cache.tokens(tokenizer, text, enough);
        self.caches().push(cache);
        ids.map(Some)
    }

    fn may_have_added(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.added.len() > MOST_ADDED || self.added.iter().any(|token| text.contains(token.as_str()))
    }

    fn caches(&self) -> std::sync::MutexGuard<'_, Vec<Cache>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn new(seed: u64) -> Self {
        Self { words: HashMap::with_hasher(Seed(seed)), ids: Vec::new() }
    }

    fn tokens(&mut self, tokenizer: &Tokenizer, text: &str, enough: usize) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 4);
        let bytes = text.as_bytes();
        let mut start = 0;
        while start < bytes.len() && ids.len() <= enough {
            if is_space(bytes[start]) {
                start += 1;
                continue;
            }
            let len = bytes[start..].iter().position(|&byte| is_space(byte)).unwrap_or(bytes.len() - start);
            let run = &text[start..start + len];
            start += len;
            match run.bytes().all(|byte| byte.is_ascii_graphic()) {
                true => self.push_ascii(tokenizer, run, &mut ids)?,
                false => self.push(tokenizer, run, &mut ids)?,
            }
        }
        Ok(ids)
    }

    /// Appends the tokens of letters, digits and punctuation. Each sign of punctuation is a word.
    fn push_ascii(&mut self, tokenizer: &Tokenizer, run: &str, ids: &mut Vec<u32>) -> Result<()> {
        let bytes = run.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let letters = bytes[start..].iter().position(u8::is_ascii_punctuation).unwrap_or(bytes.len() - start);
            let end = start + letters.max(1);
            self.push(tokenizer, &run[start..end], ids)?;
            start = end;
        }
        Ok(())
    }

    fn push(&mut self, tokenizer: &Tokenizer, word: &str, ids: &mut Vec<u32>) -> Result<()> {
        if let Some(&(start, end)) = self.words.get(word) {
            ids.extend_from_slice(&self.ids[start as usize..end as usize]);
            return Ok(());
        }
        let encoding = tokenizer_file::encoded(|| tokenizer.encode_fast(word, false))?;
        let own = encoding.get_ids();
        ids.extend_from_slice(own);
        if word.len() <= LONGEST_WORD && self.words.len() < MOST_WORDS {
            let start = self.ids.len() as u32;
            self.ids.extend_from_slice(own);
            self.words.insert(word.into(), (start, self.ids.len() as u32));
        }
        Ok(())
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A fast hash of short texts, from a seed that differs from process to process.
#[derive(Clone)]
struct Seed(u64);

struct Hash(u64);

impl BuildHasher for Seed {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(self.0)
    }
}

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        let (eights, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        for eight in eights.iter().chain([&last]) {
            let product = u128::from(self.0 ^ u64::from_le_bytes(*eight)) * 0x9e37_79b9_7f4a_7c15;
            self.0 = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::cuts::tests::{TEXTS, repeated};
    use super::*;

    fn tokenizer(model: &str) -> Tokenizer {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model);
        let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        tokenizer
    }

    #[test]
    fn the_ids_are_those_of_the_tokenizer() {
        let tokenizer = tokenizer("tiny-bert");
        let words = WordIds::new(&tokenizer).unwrap();
        let odd = [
            "",
            " ",
            "\t\r\n",
            "a\u{0}b c\u{7f}d e\u{b}f",
            "x\u{a0}y\u{2003}z",
            "e\u{301}a \u{301}b",
            "\u{130}stanbul",
            "[ x ] [CLS",
            "(a)[b]",
            "\u{fffd}k",
            "a\u{200b}b",
            "\u{1e9e}\u{df}",
            "x\u{ad}y",
            "0.5--1,000%",
        ];
        let long: Vec<String> = TEXTS.iter().map(|text| repeated(text, 3_000)).collect();
        for text in odd.into_iter().chain(TEXTS).chain(long.iter().map(String::as_str)) {
            if words.of(&tokenizer, text, 9).unwrap().is_none() {
                assert!(words.may_have_added(text), "{text:?}");
                continue;
            }
            let expected = tokenizer.encode_fast(text, false).unwrap();
            for _ in 0..2 {
                assert_eq!(words.of(&tokenizer, text, usize::MAX).unwrap().unwrap(), expected.get_ids(), "{text:?}");
            }
            let some = words.of(&tokenizer, text, 5).unwrap().unwrap();
            assert!(some.len() == expected.len() || some.len() > 5, "{text:?}");
            assert_eq!(some, expected.get_ids()[..some.len()], "{text:?}");
        }
    }

    #[test]
    fn added_tokens_and_other_tokenizers_are_left_to_the_library() {
        let tokenizer = tokenizer("tiny-bert");
        let words = WordIds::new(&tokenizer).unwrap();
        for text in ["a [SEP] b", "[MASK]", "x [cls]"] {
            assert_eq!(words.of(&tokenizer, text, 9).unwrap(), None, "{text}");
        }
        for model in ["tiny-roberta", "tiny-xlm-roberta", "tiny-modernbert", "tiny-qwen3"] {
            assert!(WordIds::new(&self::tokenizer(model)).is_none(), "{model}");
        }
    }
}
