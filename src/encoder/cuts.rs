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
struct Piece {
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
        (low, all): (usize, &[Piece]),
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
        before: &[Piece],
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
    fn pieces(&self, tokenizer: &Tokenizer, text: &str) -> Option<Vec<Piece>> {
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
        let piece = |(text, (start, _), tokens): (&str, (usize, usize), &Option<Vec<_>>)| Piece {
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

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    /// One folder of `models/` for every kind of tokenizer.
    pub const TOKENIZERS: [&str; 5] =
        ["tiny-bert", "tiny-bert-cls", "tiny-roberta", "tiny-modernbert", "tiny-xlm-roberta"];

    /// Texts for the tests: scripts with and without spaces, and long runs without a break.
    pub const TEXTS: [&str; 22] = [
        "The quick brown fox jumps over the lazy dog. ",
        "Съешь же ещё этих мягких французских булок, да выпей чаю. ",
        "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ",
        "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
        "我能吞下玻璃而不伤身体いろはにほへとちりぬるを다람쥐헌쳇바퀴에타고파",
        "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。",
        "SGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0Lg+/aXMgYSB0ZXN0IG9mIGxvbmc",
        "{\"id\":12,\"name\":\"ab\",\"v\":[1,2.5,null]},",
        "a",
        "a.",
        "\u{301}",
        "a\u{301}\u{323}\u{302}",
        " ",
        "\n",
        "😀👩‍👩‍👧🇩🇪",
        "\u{1100}\u{1161}\u{11a8}",
        "हिन्दी में लिखा हुआ",
        "1234567890",
        "[MASK]<mask></s>",
        "\u{200b}",
        "▁",
        "_-",
    ];

    pub fn repeated(text: &str, bytes: usize) -> String {
        text.repeat(bytes / text.len())
    }

    /// Fragments that are put side by side at random: some join, some split, some look around.
    const FRAGMENTS: [&str; 40] = [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t ",
        "\u{a0}",
        "\u{3000}",
        "word",
        "Word's",
        "n't",
        "'ll",
        "don",
        "ΣΑΣ",
        "Σ",
        "İi",
        "straße",
        "слово",
        "мир",
        "كلمة",
        "ความ",
        "漢",
        "字漢",
        "かな",
        "한글",
        "\u{1161}\u{11a8}",
        "\u{301}",
        "e\u{323}\u{301}",
        "😀",
        "👩\u{200d}👧",
        "🇩",
        "7",
        "1234",
        "½",
        ".",
        ",",
        "--",
        "[MASK]",
        "<mask>",
        "\u{200b}",
        "\u{600}",
    ];

    /// A random generator with a fixed seed (xorshift64), so that a failure can be repeated.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        /// Makes a text mostly of a few fragments, so that runs get long.
        fn text(&mut self) -> String {
            let few: Vec<&str> = (0..1 + self.below(5)).map(|_| FRAGMENTS[self.below(40)]).collect();
            let mut text = String::new();
            for _ in 0..self.below(400) {
                let any = self.below(8) == 0;
                text += if any { FRAGMENTS[self.below(40)] } else { few[self.below(few.len())] };
            }
            text
        }
    }

    fn file(model: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model).join("tokenizer.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn tokenizer(file: &Value) -> Tokenizer {
        let mut tokenizer = Tokenizer::from_bytes(serde_json::to_vec(file).unwrap()).unwrap();
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        tokenizer
    }

    fn split(pattern: &str) -> Value {
        let split =
            json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
        json!({ "type": "Sequence", "pretokenizers": [split, bytes] })
    }

    /// Returns the tokenizers of `models/`, and their models behind the other normalizers and
    /// pre-tokenizers that are in use.
    fn kinds() -> Vec<(String, Tokenizer)> {
        let mut all: Vec<(String, Value)> = TOKENIZERS.map(|model| (model.to_owned(), file(model))).into();
        // Qwen2 and Llama 3, o200k, and a pattern that groups digits from the right.
        let patterns = [
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))|[^\r\n\p{L}\p{N}]?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+",
        ];
        for (number, pattern) in patterns.into_iter().enumerate() {
            let mut changed = file("tiny-modernbert");
            changed["pre_tokenizer"] = split(pattern);
            all.push((format!("pattern {number}"), changed));
        }
        let metaspace = |split: bool, scheme: &str| json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split });
        let changes = [
            (
                "tiny-bert",
                "normalizer",
                json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": false, "strip_accents": false, "lowercase": false }),
            ),
            ("tiny-bert", "pre_tokenizer", json!({ "type": "Whitespace" })),
            ("tiny-bert", "pre_tokenizer", json!({ "type": "FixedLength", "length": 7 })),
            ("tiny-roberta", "normalizer", json!({ "type": "NFKD" })),
            (
                "tiny-roberta",
                "pre_tokenizer",
                json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true }),
            ),
            ("tiny-xlm-roberta", "pre_tokenizer", metaspace(true, "always")),
            ("tiny-xlm-roberta", "pre_tokenizer", metaspace(false, "first")),
            (
                "tiny-xlm-roberta",
                "pre_tokenizer",
                json!({ "type": "Sequence", "pretokenizers": [{ "type": "UnicodeScripts" }, { "type": "Digits", "individual_digits": false }, { "type": "Punctuation", "behavior": "Contiguous" }] }),
            ),
            (
                "tiny-xlm-roberta",
                "normalizer",
                json!({ "type": "Sequence", "normalizers": [{ "type": "Strip", "strip_left": true, "strip_right": true }, { "type": "NFC" }, { "type": "Lowercase" }, { "type": "Replace", "pattern": { "String": "``" }, "content": "\"" }] }),
            ),
        ];
        for (model, step, value) in changes {
            let mut changed = file(model);
            all.push((format!("{model} with {value}"), {
                changed[step] = value;
                changed
            }));
        }
        all.into_iter().map(|(name, file)| (name, tokenizer(&file))).collect()
    }

    fn ids(tokenizer: &Tokenizer, lower_case: bool, text: &str) -> Vec<u32> {
        let text = if lower_case { text.to_lowercase() } else { text.to_owned() };
        tokenizer.encode_fast(text, false).unwrap().get_ids().to_vec()
    }

    #[test]
    fn the_tokens_of_a_beginning_are_the_first_of_the_whole() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for (name, tokenizer) in kinds() {
            let mut found = 0;
            for lower_case in [false, true] {
                let cuts = Cuts::new(&tokenizer, lower_case);
                for _ in 0..30 {
                    let text = random.text();
                    let all = ids(&tokenizer, lower_case, &text);
                    for bytes in [0, 1, 30, 200, 700] {
                        let short = cuts.beginning(&tokenizer, &text, bytes);
                        let beginning = short.unwrap_or_else(|| cuts.long_beginning(&tokenizer, &text, bytes));
                        found += usize::from(short.is_some_and(|short| short.len() < text.len()));
                        assert!(text.starts_with(beginning) && beginning.len() >= bytes.min(text.len()));
                        let first = ids(&tokenizer, lower_case, beginning);
                        // Unknown characters in a row can be one token: the last one may go on.
                        assert!(all.starts_with(&first), "{name}, {lower_case}: {beginning:?} of {text:?}");
                    }
                }
            }
            assert!(found > 30 || name.contains("FixedLength"), "{name}: {found} places");
        }
    }

    #[test]
    fn unigram_has_places_where_all_paths_meet() {
        let tokenizer = tokenizer(&file("tiny-xlm-roberta"));
        let cuts = Cuts::new(&tokenizer, false);
        // These texts have no spaces, and a token holds every pair of neighbours.
        for text in ["a.", "SGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0Lg", "word", "thequickbrownfoxjumpsoverthelazydog"] {
            let long = repeated(text, 6_000_000);
            let found = cuts.long_beginning(&tokenizer, &long, 4_000);
            assert!(found.len() < 4_700, "{} bytes of {text}", found.len());
            let all = ids(&tokenizer, false, &long[..40_000]);
            assert!(all.starts_with(&ids(&tokenizer, false, found)), "{text}");
        }
    }

    #[test]
    fn scripts_have_places_near_the_length_that_is_wanted() {
        for model in TOKENIZERS {
            let tokenizer = tokenizer(&file(model));
            let cuts = Cuts::new(&tokenizer, false);
            let is_unigram = model == "tiny-xlm-roberta";
            for text in TEXTS {
                let long = repeated(text, 100_000);
                let found = cuts.beginning(&tokenizer, &long, 4_000).map(str::len);
                let is_one_piece =
                    !text.contains([' ', '.', ',', '，']) || (is_unigram && !text.contains(' ')) || text == " ";
                assert!(is_one_piece || found.is_some_and(|len| len < 6_500), "{model}: {found:?} of {text}");
            }
        }
    }
}
