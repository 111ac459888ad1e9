//! Writing answers to an output, one after the other.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::columns;
use super::format::Format;
use super::shape::{AnswerShape, RenderError, Renderer};
use super::value::RankedQuery;
use crate::io::{CheckedFile, FileMark, ParquetResults, WholeFile};
use crate::{Error, Result};

/// The name of standard output in errors, as in "cannot write to standard output".
pub const STDOUT: &str = "to standard output";

/// A writer of answers in one format.
pub struct AnswerWriter {
    target: OutputTarget,
    format: Format,
    shape: AnswerShape,
    table: Option<Renderer>,
    written: usize,
}

enum OutputTarget {
    /// Any writer, with its name in errors.
    Any(Box<dyn Write + Send>, PathBuf),
    File(Box<WholeFile>),
    Parquet(Box<ParquetResults>),
    /// The answers of a job so far, with the path of the output that they will become.
    Part(Box<CheckedFile>, PathBuf),
}

impl AnswerWriter {
    /// Creates a writer into a file, which appears under its name when it is whole.
    ///
    /// # Errors
    /// The errors of [`WholeFile::create`] and [`ParquetResults::create`].
    pub fn create(path: &Path, format: Format, shape: AnswerShape) -> Result<Self> {
        let target = match format {
            Format::Parquet => OutputTarget::Parquet(Box::new(ParquetResults::create(path, shape.with_text)?)),
            _ => OutputTarget::File(Box::new(WholeFile::create(path)?)),
        };
        Ok(Self::new(target, format, shape, 0))
    }

    /// Creates a writer into any target. Errors call it `name`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for Parquet, which needs a file.
    pub fn to(out: impl Write + Send + 'static, name: &str, format: Format, shape: AnswerShape) -> Result<Self> {
        if format == Format::Parquet {
            return Err(Error::InvalidArgument("Parquet goes to a file: give the name of one".into()));
        }
        Ok(Self::new(OutputTarget::Any(Box::new(out), name.into()), format, shape, 0))
    }

    /// Creates a writer to standard output.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for Parquet, which needs a file.
    pub fn stdout(format: Format, shape: AnswerShape) -> Result<Self> {
        Self::to(BufWriter::new(io::stdout()), STDOUT, format, shape)
    }

    /// Creates a writer that continues after the first `written` answers of a job in `part`. Errors
    /// name the final `output`. Columns are lines of JSON there, for
    /// [`write_columns`](super::write_columns).
    pub fn resume(part: CheckedFile, output: &Path, format: Format, shape: AnswerShape, written: usize) -> Self {
        Self::new(OutputTarget::Part(Box::new(part), output.to_owned()), format, shape, written)
    }

    fn new(target: OutputTarget, format: Format, shape: AnswerShape, written: usize) -> Self {
        Self { target, format, shape, table: None, written }
    }

    /// Sets the renderer of tables.
    pub fn table(self, table: Renderer) -> Self {
        Self { table: Some(table), ..self }
    }

    /// Returns the temporary file that exists while answers are written, so that it can be removed
    /// when the process is interrupted.
    pub fn temporary_path(&self) -> Option<&Path> {
        match &self.target {
            OutputTarget::File(file) => Some(file.temporary_path()),
            OutputTarget::Parquet(results) => Some(results.temporary_path()),
            OutputTarget::Any(..) | OutputTarget::Part(..) => None,
        }
    }

    /// Writes the next answer.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] for an answer that does not fit the format.
    pub fn write(&mut self, answer: &RankedQuery<'_>) -> Result<()> {
        let (format, shape, table, written) = (self.format, self.shape, self.table, self.written);
        self.written += 1;
        if let OutputTarget::Parquet(results) = &mut self.target {
            return columns::push(results, answer, shape);
        }
        format.write(&mut self.target, answer, (shape, table), written).map_err(|error| match error {
            RenderError::Answer(error) => error,
            RenderError::Io(error) => self.target.failed(error),
        })
    }

    /// Waits until a job's answers so far are on disk, and returns the position reached.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<FileMark> {
        let OutputTarget::Part(file, output) = &mut self.target else { return Ok(FileMark::default()) };
        file.sync().map_err(|error| match error {
            Error::Io { source, .. } => Error::io("write", &*output)(source),
            error => error,
        })
    }

    /// Writes the end after the last answer.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn end(&mut self) -> Result<()> {
        let (format, shape, written) = (self.format, self.shape, self.written);
        format.end(&mut self.target, shape, written).map_err(|error| self.target.failed(error))
    }

    /// Ends the output. A file appears under its name; the answers of a job stay where they are.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<()> {
        self.end()?;
        match self.target {
            OutputTarget::File(file) => file.finish().map(drop),
            OutputTarget::Parquet(results) => results.finish().map(drop),
            mut target => target.flush().map_err(|error| target.failed(error)),
        }
    }
}

impl OutputTarget {
    fn failed(&self, error: io::Error) -> Error {
        let path = match self {
            OutputTarget::Any(_, name) => name,
            OutputTarget::File(file) => file.path(),
            OutputTarget::Parquet(results) => results.path(),
            OutputTarget::Part(_, output) => output,
        };
        Error::io("write", path)(error)
    }
}

impl Write for OutputTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            OutputTarget::Any(out, _) => out.write(bytes),
            OutputTarget::File(file) => file.write(bytes),
            OutputTarget::Part(file, _) => file.write(bytes),
            OutputTarget::Parquet(_) => Err(io::Error::other("columns are no bytes")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            OutputTarget::Any(out, _) => out.flush(),
            OutputTarget::File(file) => file.flush(),
            OutputTarget::Part(file, _) => file.flush(),
            OutputTarget::Parquet(_) => Ok(()),
        }
    }
}
