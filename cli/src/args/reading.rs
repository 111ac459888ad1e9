//! The options of reading input.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nearsort::io::InputFormat;

/// The format and the fields of the input.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Input")]
pub struct ReadingArgs {
    /// Format of the input [default: by extension, else by the first bytes]
    #[arg(long, value_name = "text|jsonl|json|csv|tsv|parquet|arrow", value_parser = InputFormat::from_str)]
    pub input_format: Option<InputFormat>,
    /// Field with the text; nested: _source.text or /_source/text
    ///
    /// [default: the first that exists of text, content, body, document, page_content, contents and
    /// passage]
    #[arg(long, value_name = "NAME")]
    pub text_field: Option<String>,
    /// Field with the id [default: id, _id or pandas' __index_level_0__]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub id_field: Option<String>,
    /// Field with the title, put before the text with one space [default: title]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub title_field: Option<String>,
    /// Field with the first stage's score [default: score]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub score_field: Option<String>,
    #[command(flatten)]
    pub table: DelimiterArgs,
    /// Handling of unusable rows [default: fail]
    #[arg(long, value_name = "fail|skip|report", hide_short_help = true)]
    pub bad_rows: Option<BadRowsArg>,
    /// Skip unusable rows: the same as --bad-rows skip
    #[arg(long, conflicts_with = "bad_rows", hide_short_help = true)]
    pub skip_bad_rows: bool,
    /// File for --bad-rows report [default: rejects.jsonl, or OUT.rejects.jsonl beside --output]
    ///
    /// JSONL of {"file", "line", "message"}.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub rejects: Option<PathBuf>,
}

impl ReadingArgs {
    /// Returns true if unusable rows are left out.
    pub fn leaves_out(&self) -> bool {
        self.skip_bad_rows || !matches!(self.bad_rows, None | Some(BadRowsArg::Fail))
    }
}

/// The separator of CSV columns.
#[derive(Args, Debug, Clone, Default)]
pub struct DelimiterArgs {
    /// Separator of CSV columns, in all inputs: one character such as ';', or tab [default: ,]
    #[arg(long, value_name = "CHAR", value_parser = delimiter, help_heading = "Input", hide_short_help = true)]
    pub delimiter: Option<u8>,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte @ (b'\t' | b' '..=b'~')] if !matches!(byte, b'"') => Ok(*byte),
        _ => Err("expected one ASCII character other than a quote, such as ';', or the word tab".to_owned()),
    }
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRowsArg {
    /// Fail at the first one
    Fail,
    /// Leave them out and count them
    Skip,
    /// Leave them out, count them, and write them to a file
    Report,
}
