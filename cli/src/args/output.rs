//! How results are printed.

use clap::ValueEnum;
use nearsort::answer::Format;

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Aligned columns, cut to the terminal's width
    Table,
    /// rank, score, id, text
    Tsv,
    /// One object with everything
    Json,
    /// One object per candidate
    Jsonl,
    /// A TREC run
    Trec,
    /// Columns query_id, rank, id, score, text, to a file
    Parquet,
}

impl From<OutputFormat> for Format {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Table => Self::Table,
            OutputFormat::Tsv => Self::Tsv,
            OutputFormat::Json => Self::Json,
            OutputFormat::Jsonl => Self::Jsonl,
            OutputFormat::Trec => Self::Trec,
            OutputFormat::Parquet => Self::Parquet,
        }
    }
}
