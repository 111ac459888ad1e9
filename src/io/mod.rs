//! Corpora, queries, embeddings, runs and judgements: everything that is read from or written for the user.
//!
//! Reading streams: [`Rows`] holds one row at a time, whatever the file's size, and a row longer than
//! [`MAX_ROW_BYTES`] is an error instead of an exhausted memory. Every complaint carries the file and the line.
//! Writing is atomic: [`EmbeddingWriter`] writes a temporary file beside its target and renames it when it is whole.
//!
//! | format | extension | a row is | ids when none is given |
//! |---|---|---|---|
//! | text | `.txt` | a line; an empty one is an empty candidate | the line number |
//! | JSONL | `.jsonl`, `.ndjson` | a string or an object per line; blank lines do not count | the row number |
//! | JSON | `.json` | an element of one array: a string or an object | the row number |
//! | CSV | `.csv` | a record below a header; quoted fields may span lines | the row number |
//! | TSV | `.tsv` | a line below a header; quotes never span lines | the row number |
//!
//! What is measured is read otherwise, because it is large and regular: [`Qrels`] in one piece, a [`RunFile`] in parts on
//! every core.
//!
//! Line feeds may be preceded by carriage returns, and a UTF-8 byte-order mark is dropped, in every format. Everything
//! must be UTF-8; UTF-16 and compressed files are recognised by their first bytes and refused by name.
//!
//! No model, no printing and no environment is used here.

mod candidates;
mod digest;
mod embeddings;
mod format;
mod journal;
mod qrels;
mod queries;
mod record;
mod row;
mod rows;
mod run;
mod run_file;
mod run_line;
mod trec;
mod whole;

pub use candidates::{CandidateRow, CandidateRows};
pub use digest::file_sha256;
pub use embeddings::EmbeddingWriter;
pub use format::InputFormat;
pub use journal::Journal;
pub use qrels::{Grades, Qrels};
pub use queries::{Query, read_queries};
pub use row::Row;
pub use rows::{BadRows, MAX_ROW_BYTES, ReadOptions, Rows};
pub use run::{QueryResults, Run, ScoredDocument};
pub use run_file::RunFile;
pub use run_line::RunFormat;
pub use trec::{RunLine, read_run, write_run_line};
pub use whole::{WholeFile, write_whole};
