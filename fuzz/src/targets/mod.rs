//! The parsers, and what valid input looks like.

mod answers;
mod index;
mod job;
mod measured;
mod model;
mod rows;

use crate::Target;

const ROW_WORDS: &[&str] = &[
    "{\"text\": \"a\", \"id\": \"1\"}\n",
    "\"title\":",
    "\"score\":",
    "\\ud800",
    "\u{feff}",
    "\r\n",
    "\"\"",
    "[",
    "]",
    "null",
    "\t",
    ",",
    ";",
    "\0",
    "\u{200b}",
    "\"text\"",
    "_source.text",
    "NaN",
    "-inf",
];
const RUN_WORDS: &[&str] =
    &["q1", " Q0 ", "\t", "\n", "\r\n", " 1 ", "nan", "-inf", "{", "}", "\"q1\":", ",", "\u{feff}", "#"];
const JSON_WORDS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "true",
    "\"\"",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "\"x\"",
    "[[]]",
    "{\"type\":\"\"}",
    ",",
    ":",
];
const MODEL_WORDS: &[&str] = &[
    "\"hidden_size\":",
    "\"num_hidden_layers\":",
    "\"num_attention_heads\":",
    "\"max_position_embeddings\":",
    "\"F64\"",
    "\"data_offsets\":[0,8]",
    "\"shape\":[0]",
    "\"type\":\"WordPiece\"",
    "null",
    "0",
    "-1",
    "1e999",
    "[UNK]",
    "\"vocab\":{}",
    "{}",
    "[]",
];

const TOKENIZER_WORDS: &[&str] = &[
    "\"type\":\"WordPiece\"",
    "\"type\":\"BPE\"",
    "\"type\":\"Unigram\"",
    "\"type\":\"WordLevel\"",
    "\"type\":\"Sequence\",\"pretokenizers\":[]",
    "\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true",
    "\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\",\"split\":true",
    "\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"",
    "\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|b)*\"},\"behavior\":\"Isolated\",\"invert\":false",
    "\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"aa\"",
    "\"type\":\"Lowercase\"",
    "\"type\":\"NFKC\"",
    "\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true",
    "\"type\":\"Prepend\",\"prepend\":\"x\"",
    "\"padding\":{\"strategy\":{\"Fixed\":1000},\"direction\":\"Left\",\"pad_to_multiple_of\":8,\"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"\"},",
    "\"truncation\":{\"max_length\":3,\"stride\":2,\"strategy\":\"LongestFirst\",\"direction\":\"Left\"},",
    "\"byte_fallback\":true,",
    "\"dropout\":0.5,",
    "\"fuse_unk\":true,",
    "\"ignore_merges\":true,",
    "\"unk_id\":null,",
    "\"continuing_subword_prefix\":\"##\",",
    "\"end_of_word_suffix\":\"</w>\",",
    "\"special_tokens\":{},",
    "{\"id\":0,\"content\":\"\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,\"normalized\":true,\"special\":false},",
    "\"model_max_length\":1,",
    "\"tokenizer_class\":\"BertTokenizer\",",
    "\"do_lower_case\":true,",
    "\"truncation_side\":\"left\",",
    "[UNK]",
    "[\"a\",0.0],",
    "\"a b\",",
    "\"\":0,",
    "null",
    "-1",
    "1e999",
];

/// All parsers.
pub const TARGETS: &[Target] = &[
    Target { name: "rows", run: rows::bytes, seeds: rows::byte_seeds, words: ROW_WORDS },
    Target { name: "columns", run: rows::columns, seeds: rows::column_seeds, words: &[] },
    Target { name: "lists", run: rows::lists, seeds: rows::list_seeds, words: ROW_WORDS },
    Target { name: "runs", run: measured::run, seeds: measured::run_seeds, words: RUN_WORDS },
    Target { name: "qrels", run: measured::qrels, seeds: measured::qrels_seeds, words: RUN_WORDS },
    Target { name: "model", run: model::run, seeds: model::seeds, words: MODEL_WORDS },
    Target { name: "tokenizer", run: model::run_tokenizer, seeds: model::tokenizer_seeds, words: TOKENIZER_WORDS },
    Target { name: "index", run: index::run, seeds: index::seeds, words: JSON_WORDS },
    Target { name: "journal", run: job::journal, seeds: job::journal_seeds, words: &[] },
    Target { name: "job", run: job::run, seeds: job::seeds, words: &[] },
    Target { name: "answers", run: answers::run, seeds: answers::seeds, words: JSON_WORDS },
];
