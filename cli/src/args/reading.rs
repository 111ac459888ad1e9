//! How input is read.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nearsort::io::InputFormat;

/// How input is read.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Input")]
pub struct ReadingArgs {
    /// Format of the input [default: by extension, else by the first bytes]
    #[arg(long, value_name = "text|jsonl|json|csv|tsv|parquet|arrow", value_parser = InputFormat::from_str)]
    pub input_format: Option<InputFormat>,
    /// Field with the text; nested: _source.text or /_source/text
    ///
    /// [default: text, content, body, document, page_content, contents or passage, the first that is
    /// there]
    #[arg(long, value_name = "NAME")]
    pub text_field: Option<String>,
    /// Field with the id [default: id or _id]
    ///
    /// Also pandas' __index_level_0__.
    #[arg(long, value_name = "NAME")]
    #[arg(hide_short_help = true)]
    pub id_field: Option<String>,
    /// Field with the title, put before the text with one space [default: title]
    #[arg(long, value_name = "NAME")]
    #[arg(hide_short_help = true)]
    pub title_field: Option<String>,
    /// Field with the first stage's score [default: score]
    #[arg(long, value_name = "NAME")]
    #[arg(hide_short_help = true)]
    pub score_field: Option<String>,
    #[command(flatten)]
    pub table: DelimiterArgs,
    /// What becomes of unusable rows [default: fail]
    #[arg(long, value_name = "fail|skip|report")]
    #[arg(hide_short_help = true)]
    pub bad_rows: Option<BadRowsArg>,
    /// The same as --bad-rows skip
    #[arg(long, conflicts_with = "bad_rows")]
    #[arg(hide_short_help = true)]
    pub skip_bad_rows: bool,
    /// Where --bad-rows report writes: JSONL of {"file", "line", "message"} [default: rejects.jsonl, or OUT.rejects.jsonl beside --output]
    #[arg(long, value_name = "FILE")]
    #[arg(hide_short_help = true)]
    pub rejects: Option<PathBuf>,
}

impl ReadingArgs {
    /// Whether unusable rows are left out.
    pub fn leaves_out(&self) -> bool {
        self.skip_bad_rows || !matches!(self.bad_rows, None | Some(BadRowsArg::Fail))
    }
}

/// How CSV is cut into columns.
#[derive(Args, Debug, Clone, Default)]
pub struct DelimiterArgs {
    /// What separates the columns of CSV, in all inputs of the call: one character such as ';' or '|', or tab [default: ,]
    #[arg(long, value_name = "CHAR", value_parser = delimiter, help_heading = "Input")]
    #[arg(hide_short_help = true)]
    pub delimiter: Option<u8>,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte @ (b'\t' | b' '..=b'~')] if !matches!(byte, b'"') => Ok(*byte),
        _ => Err("a delimiter is one ASCII character that is no quote, such as ';', or tab".to_owned()),
    }
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRowsArg {
    /// The first one is an error
    Fail,
    /// They are left out and counted
    Skip,
    /// They are left out, counted and written to a file
    Report,
}
