//! Corpora, queries, embeddings, runs and judgements: everything that is read from or written for
//! the user.
//!
//! Reading streams: [`Rows`] holds one row at a time, whatever the file's size. A row longer than
//! [`MAX_ROW_BYTES`] is an error and does not exhaust the memory. Every message names the file and
//! the line. Writing is atomic: [`EmbeddingWriter`] writes a temporary file beside its target and
//! renames it when it is complete.
//!
//! | format | extension | a row is | ids when none is given |
//! |---|---|---|---|
//! | text | `.txt` | a line; an empty one is an empty candidate | the line number |
//! | JSONL | `.jsonl`, `.ndjson` | a string or an object per line; blank lines do not count | the row number |
//! | JSON | `.json` | an element of one array: a string or an object | the row number |
//! | CSV | `.csv` | a record below a header; quoted fields may span lines | the row number |
//! | TSV | `.tsv` | a line below a header; quotes never span lines | the row number |
//! | Parquet | `.parquet` | a row | the row number |
//! | Arrow | `.arrow`, `.feather`, `.arrows` | a row | the row number |
//!
//! Columns of Parquet and Arrow of every type are read; the table in `column_json.rs` gives their
//! form as JSON. A number that JSON does not have (NaN, infinity) is a text in [`Row::extra`].
//!
//! Reading takes at most this much memory, whatever a file claims:
//!
//! | reader | bound |
//! |---|---|
//! | a line, a JSON element, a record of CSV, a row of columns | [`MAX_ROW_BYTES`], or [`ReadOptions::max_row_bytes`] |
//! | gzip, zstd | the row that is being unpacked |
//! | a list of [`CandidateRows`] | a line, and 1,048,576 candidates |
//! | Parquet | 1,024 rows, some 16 MiB together; for pages that are unpacked together 256 MiB, or 64 times their size in the file |
//! | Arrow | a message, as long as in the file (1 GiB if the input is compressed as a whole); for compressed columns 256 MiB, or 64 times their size |
//!
//! Files compressed with gzip or zstd are read like any other, whatever their name;
//! `corpus.jsonl.gz` is JSONL.
//!
//! A [`Corpus`] returns documents by id from files of any size, an [`IdTable`] returns rows by id.
//! Both read from disk.
//!
//! Judgements and runs have their own readers, because they are large and regular: [`Qrels`] reads
//! line by line, a [`RunFile`] in parts on every core. Both read TREC's columns, tables with
//! headers and JSON objects.
//!
//! In every format, line feeds may be preceded by carriage returns, and a UTF-8 byte-order mark is
//! dropped. Everything must be UTF-8. UTF-16 and UTF-32 (also without a byte-order mark), xz, zip
//! and encrypted Parquet are recognised by their first bytes. They are refused with the command
//! that converts them.
//!
//! This module uses no model, prints nothing and reads no environment variables.

#[cfg(feature = "parquet")]
mod arrow_stream;
mod broken;
mod byte_rows;
#[cfg(feature = "parquet")]
mod calendar;
mod candidates;
mod checked;
#[cfg(feature = "parquet")]
mod column_json;
#[cfg(feature = "parquet")]
mod columns;
mod corpus;
mod digest;
pub(crate) mod durable;
mod embeddings;
mod encoding;
mod fields;
mod file_rows;
mod format;
mod given;
mod header;
mod id_table;
mod journal;
mod json;
mod json_file;
mod json_syntax;
mod layout;
mod lines;
mod merge;
mod names;
mod nested;
mod options;
#[cfg(feature = "parquet")]
mod parquet_file;
#[cfg(feature = "parquet")]
mod parquet_pages;
#[cfg_attr(not(feature = "parquet"), path = "parquet_off.rs")]
mod parquet_results;
mod parser;
mod paths;
mod plain;
mod positioned;
mod qrels;
mod queries;
mod record;
mod rejects;
mod row;
mod rows;
mod run;
mod run_file;
mod run_line;
mod run_parts;
mod source;
mod text_names;
mod trec;
mod whole;

pub use candidates::{CandidateRow, CandidateRows};
pub use checked::{CheckedFile, FileMark};
pub use corpus::Corpus;
pub use digest::file_sha256;
pub use embeddings::EmbeddingWriter;
pub use fields::Fields;
pub use format::InputFormat;
pub use id_table::{IdTable, IdTableBuilder};
pub use journal::Journal;
pub use options::{BadRows, CHUNK_BYTES, MAX_ROW_BYTES, ReadOptions};
pub use parquet_results::ParquetResults;
pub use paths::expand_paths;
#[cfg(feature = "cache")]
pub(crate) use positioned::PositionedFile;
pub use qrels::{Grades, Qrels};
pub use queries::{Query, read_delimited_queries, read_queries};
pub use rejects::Rejects;
pub use row::Row;
pub use rows::Rows;
pub use run::{QueryResults, Run, ScoredDocument};
pub use run_file::RunFile;
pub use run_line::RunFormat;
pub use trec::write_run_line;
pub(crate) use whole::write_own;
pub use whole::{WholeFile, publish_file, write_whole};
