//! Tokenizers of every kind with texts made of fragments at random; texts for other tests too.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// One folder of `models/` for every kind of tokenizer.
pub const TOKENIZERS: [&str; 5] = ["tiny-bert", "tiny-bert-cls", "tiny-roberta", "tiny-modernbert", "tiny-xlm-roberta"];

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
    let split = json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
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
