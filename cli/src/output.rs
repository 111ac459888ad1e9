//! The output of results: format, and standard output or a file.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use nearsort::answer::{AnswerShape, AnswerWriter, Format, RankedQuery};
use nearsort_report::answer_table;

use crate::Failure;
use crate::args::{SearchArgs, ShownArgs, SourceArgs, Talk};
use crate::hints::{Warning, warn};
use crate::interrupt::remove_on_interrupt;

/// The destination and form of answers.
pub struct Target {
    /// `None`: standard output.
    pub path: Option<PathBuf>,
    pub format: Format,
    pub shape: AnswerShape,
}

impl Target {
    /// Returns the target of `rerank`. The shape depends on how the query was given, not on the
    /// number of queries.
    pub fn of_rerank(source: &SourceArgs, output: Option<&Path>, shown: &ShownArgs) -> Result<Self, Failure> {
        let shape = AnswerShape {
            with_text: !shown.no_text,
            with_query: source.query.is_none(),
            with_model_score: shown.min_score.is_some(),
        };
        let format = format(shown.format, output, source.has_lists())?;
        if (format, output) == (Format::Parquet, None) {
            return Err(no_file_for_columns());
        }
        Ok(Self { path: output.map(Path::to_owned), format, shape })
    }

    /// Returns the target of `search`.
    pub fn of_search(args: &SearchArgs) -> Result<Self, Failure> {
        let shape = AnswerShape { with_query: args.query_file.is_some(), ..AnswerShape::default() };
        let format = format(args.format, args.output.as_deref(), args.query_file.is_some())?;
        Ok(Self { path: args.output.clone(), format, shape })
    }

    /// Opens the file, or standard output.
    pub fn open(&self) -> Result<AnswerWriter, Failure> {
        self.open_as(self.shape)
    }

    /// Opens the target for answers of another shape.
    pub fn open_as(&self, shape: AnswerShape) -> Result<AnswerWriter, Failure> {
        let Some(path) = &self.path else { return stdout(self.format, shape) };
        let writer = AnswerWriter::create(path, self.format, shape)?;
        if let Some(path) = writer.temporary_path() {
            remove_on_interrupt(path);
        }
        Ok(writer.table(answer_table))
    }
}

/// Returns the requested format, by name or by the output's extension, or else the default for the
/// destination.
fn format(asked: Option<Format>, output: Option<&Path>, is_run: bool) -> Result<Format, Failure> {
    match (asked, output) {
        (Some(format), _) => Ok(format),
        (None, Some(path)) => Format::by_extension(path).ok_or_else(|| {
            Failure::Error(format!(
                "{}: unknown extension; use .trec, .tsv, .json, .jsonl, .parquet or .txt, or give --format",
                path.display()
            ))
        }),
        (None, None) if is_run => Ok(Format::Trec),
        (None, None) => Ok(if io::stdout().is_terminal() { Format::Table } else { Format::Tsv }),
    }
}

/// Opens standard output for answers.
pub fn stdout(format: Format, shape: AnswerShape) -> Result<AnswerWriter, Failure> {
    if format == Format::Parquet {
        return Err(no_file_for_columns());
    }
    Ok(AnswerWriter::stdout(format, shape)?.table(answer_table))
}

fn no_file_for_columns() -> Failure {
    Failure::Error("Parquet goes to a file: give --output FILE.parquet".into())
}

/// Warns that results are left out of a TREC run because of their ids.
pub fn warn_of_repeated(talk: Talk, format: Format, answers: &[RankedQuery<'_>]) {
    if format == Format::Trec {
        let repeated: Vec<&str> = answers.iter().flat_map(RankedQuery::repeated).map(|ranked| &*ranked.id).collect();
        let example = repeated.first().copied().unwrap_or_default().to_owned();
        warn(talk, &Warning::Repeated { number: repeated.len(), example });
    }
}
