//! The formats of results.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use nearsort::answer::Format;

/// Reads the name of a format of answers.
pub fn format() -> impl TypedValueParser<Value = Format> {
    let value = |format: Format| PossibleValue::new(format.name()).help(help(format));
    let names = PossibleValuesParser::new(Format::ALL.into_iter().map(value));
    names.try_map(|name| name.parse::<Format>())
}

fn help(format: Format) -> &'static str {
    match format {
        Format::Table => "Aligned columns, cut to the terminal's width",
        Format::Tsv => "rank, score, id, text",
        Format::Json => "One object with everything",
        Format::Jsonl => "One object per candidate",
        Format::Trec => "A TREC run",
        Format::Parquet => "Columns query_id, rank, id, score, text, to a file",
    }
}
