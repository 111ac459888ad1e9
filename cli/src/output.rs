//! Where results go: the format that was asked for, and standard output or a file.

mod table;

pub use table::table;

use std::io::{self, IsTerminal};
use std::path::Path;

use nearsort::answer::{AnswerWriter, Format, Shape};

use crate::Failure;
use crate::args::{RerankArgs, Talk};
use crate::hints::{Warning, warn};
use crate::interrupt::remove_on_interrupt;

/// The format that was asked for, by name or by the output's extension, or that fits where the answers go.
pub fn format(args: &RerankArgs) -> Result<Format, Failure> {
    let many = args.run.is_some() || args.candidates.is_some();
    match (args.format.map(Format::from), &args.output) {
        (Some(Format::Parquet), None) => Err(no_file_for_columns()),
        (Some(format), _) => Ok(format),
        (None, Some(path)) => by_extension(path),
        (None, None) if many => Ok(Format::Trec),
        (None, None) => Ok(fitting_stdout()),
    }
}

/// What is printed when nobody names a format.
pub fn fitting_stdout() -> Format {
    if io::stdout().is_terminal() { Format::Table } else { Format::Tsv }
}

fn no_file_for_columns() -> Failure {
    Failure::Error("Parquet goes to a file: give --output FILE.parquet".into())
}

pub fn by_extension(path: &Path) -> Result<Format, Failure> {
    Format::by_extension(path).ok_or_else(|| {
        Failure::Error(format!(
            "{}: the extension names no format; use .trec, .tsv, .json, .jsonl, .parquet or .txt, or say --format",
            path.display()
        ))
    })
}

/// Opens a file, or standard output for none.
pub fn open(output: Option<&Path>, format: Format, shape: Shape) -> Result<AnswerWriter, Failure> {
    let writer = match output {
        Some(path) => AnswerWriter::create(path, format, shape)?,
        None if format == Format::Parquet => return Err(no_file_for_columns()),
        None => AnswerWriter::stdout(format, shape)?,
    };
    if let Some(path) = writer.temporary_path() {
        remove_on_interrupt(path);
    }
    Ok(writer.table(table))
}

/// Opens the output of `rerank`.
pub fn open_for(args: &RerankArgs) -> Result<AnswerWriter, Failure> {
    open(args.output.as_deref(), format(args)?, shape(args))
}

/// The shape depends on how the query was given, not on how many there are.
pub fn shape(args: &RerankArgs) -> Shape {
    Shape { with_text: !args.no_text, with_query: args.query.is_none(), with_model_score: args.min_score.is_some() }
}

/// Says that results were left out of a TREC run because of their ids.
pub fn warn_of_repeated(talk: Talk, number: usize, example: Option<&str>) {
    warn(talk, &Warning::Repeated { number, example: example.unwrap_or_default().to_owned() });
}
