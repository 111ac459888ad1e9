//! The parsers, and what valid input looks like.

mod answers;
mod index;
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

/// All parsers.
pub const TARGETS: &[Target] = &[
    Target { name: "rows", run: rows::bytes, seeds: rows::byte_seeds, words: ROW_WORDS },
    Target { name: "columns", run: rows::columns, seeds: rows::column_seeds, words: &[] },
    Target { name: "lists", run: rows::lists, seeds: rows::list_seeds, words: ROW_WORDS },
    Target { name: "runs", run: measured::run, seeds: measured::run_seeds, words: RUN_WORDS },
    Target { name: "qrels", run: measured::qrels, seeds: measured::qrels_seeds, words: RUN_WORDS },
    Target { name: "model", run: model::run, seeds: model::seeds, words: MODEL_WORDS },
    Target { name: "index", run: index::run, seeds: index::seeds, words: JSON_WORDS },
    Target { name: "journal", run: index::journal, seeds: index::journal_seeds, words: &[] },
    Target { name: "answers", run: answers::run, seeds: answers::seeds, words: JSON_WORDS },
];
