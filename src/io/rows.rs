//! The stream of rows of any input.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::byte_rows::ByteRows;
use super::file_rows::FileRows;
use super::format::InputFormat;
use super::names::FieldNames;
use super::options::{BadRows, CHUNK_BYTES, ReadOptions};
use super::parser::{Fault, RowParser};
use super::row::Row;
use super::source::{Bytes, open_input};
use crate::{Error, Result};

/// Maximum number of skipped rows whose reason is kept.
const KEPT_REASONS: usize = 5;

/// The rows of an input, read one at a time. Memory: a few hundred KiB plus one row. (Parquet and
/// Arrow: one batch of rows.)
///
/// After an error there are no more rows. If bad rows are skipped, these are still errors: a failed
/// read, a header without a text column, and a JSON array with broken syntax, because the start of
/// its next element is unknown. ([`BadRows::Fail`] makes every bad row an error.)
///
/// ```
/// use nearsort::io::{ReadOptions, Rows};
/// let input = std::io::Cursor::new("Paris\nBerlin\n");
/// let rows: Vec<_> = Rows::new(input, "cities.txt", &ReadOptions::default())?.collect::<Result<_, _>>()?;
/// assert_eq!((rows[1].id.as_str(), rows[1].text.as_str()), ("2", "Berlin"));
/// # Ok::<(), nearsort::Error>(())
/// ```
pub struct Rows {
    format: Option<InputFormat>,
    bad_rows: BadRows,
    current: FileRows,
    /// The files after this one.
    pending: std::vec::IntoIter<PathBuf>,
    /// Number of rows begun so far, including bad ones and those of earlier files. So skipping a
    /// row changes no id.
    number: u64,
    skipped: u64,
    reasons: Vec<Error>,
    done: bool,
}

impl Rows {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// As [`Rows::new`], and [`Error::Io`] for a file that cannot be opened.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        Self::open_all(&[path], options)
    }

    /// Opens several files as one input, each in its own format. A file is opened after the one
    /// before it has been read.
    ///
    /// Rows without an id of their own are numbered through all files, so that their ids differ.
    /// [`Row::line`] is the line in the row's own file, [`Rows::name`] is the file that is being
    /// read.
    ///
    /// # Errors
    /// As [`Rows::open`] for the first file; [`Error::InvalidArgument`] without a file. The
    /// iterator returns the other files' errors.
    pub fn open_all(paths: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Self> {
        let [first, others @ ..] = paths else {
            return Err(Error::InvalidArgument("no file to read".to_owned()));
        };
        let others: Vec<PathBuf> = others.iter().map(|path| path.as_ref().to_owned()).collect();
        Ok(Self { pending: others.into_iter(), ..Self::open_wrapped(first.as_ref(), options, 0, |input| input)? })
    }

    /// Opens one file whose rows are numbered after `number`. `wrap` may wrap its bytes.
    pub(super) fn open_wrapped(
        path: &Path,
        options: &ReadOptions,
        number: u64,
        wrap: impl FnOnce(Bytes) -> Bytes,
    ) -> Result<Self> {
        let current = open_file(path, options.format, RowParser::new(options), wrap)?;
        Ok(Self { number, ..Self::of(current, options) })
    }

    /// Opens a query file: it has other field names, and TSV of two columns may lack a header.
    pub(super) fn open_queries(path: &Path, names: FieldNames, delimiter: Option<u8>) -> Result<Self> {
        let options = ReadOptions { delimiter, ..ReadOptions::default() };
        let parser = RowParser { names, headerless: true, ..RowParser::new(&options) };
        Ok(Self::of(open_file(path, None, parser, |input| input)?, &options))
    }

    /// Reads from `input`. `name` is used in messages, and its extension gives the format. Parquet
    /// is read from its end, which needs [`Rows::open`].
    ///
    /// # Errors
    /// [`Error::Io`] when the first bytes cannot be read; [`Error::BadInput`] for UTF-16 and other
    /// formats that are refused, and for Parquet or Arrow that is damaged or has no text column;
    /// [`Error::FeatureOff`] for these two in a build without the feature `parquet`.
    pub fn new(input: impl Read + Send + 'static, name: &str, options: &ReadOptions) -> Result<Self> {
        let parser = RowParser { name: name.to_owned(), ..RowParser::new(options) };
        Ok(Self::of(FileRows::open(Box::new(input), None, options.format, parser)?, options))
    }

    fn of(current: FileRows, options: &ReadOptions) -> Self {
        Self {
            format: options.format,
            bad_rows: options.bad_rows.clone(),
            current,
            pending: Vec::new().into_iter(),
            number: 0,
            skipped: 0,
            reasons: Vec::new(),
            done: false,
        }
    }

    /// Reads the next rows: at most `max_rows`, fewer if they have more than
    /// [`CHUNK_BYTES`](super::CHUNK_BYTES), none at the end. A `max_rows` of `usize::MAX` reads all
    /// rows.
    ///
    /// # Errors
    /// As the iterator's.
    pub fn next_chunk(&mut self, max_rows: usize) -> Result<Vec<Row>> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while chunk.len() < max_rows && (bytes < CHUNK_BYTES || max_rows == usize::MAX) {
            let Some(row) = self.next().transpose()? else { break };
            bytes += row.num_bytes();
            chunk.push(row);
        }
        Ok(chunk)
    }

    /// From now on a row whose score is not a finite number is bad. For callers that learn late
    /// that they need scores.
    pub fn need_scores(&mut self) {
        self.current.need_scores();
    }

    /// Returns the format that is being read.
    pub fn format(&self) -> InputFormat {
        self.current.parser().format
    }

    /// Returns the name, for messages, of the file that is being read.
    pub fn name(&self) -> &str {
        &self.current.parser().name
    }

    /// Returns the number of bad rows skipped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the reasons for the first few skipped rows, each an [`Error::BadRow`].
    pub fn skip_reasons(&self) -> &[Error] {
        &self.reasons
    }

    pub(super) fn into_skip_reasons(self) -> Vec<Error> {
        self.reasons
    }

    /// Returns the number of rows begun so far, including bad ones.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the reader of this file if rows can be read again from their position in it.
    pub(super) fn addressed(&self) -> Option<&ByteRows> {
        self.current.addressed()
    }

    /// True if the file is read from its end, and not as a stream of bytes.
    pub(super) fn seeks(&self) -> bool {
        self.current.seeks()
    }

    fn next_row(&mut self) -> Result<Option<Row>, Fault> {
        loop {
            if let Some(row) = self.current.next(&mut self.number)? {
                return Ok(Some(row));
            }
            let Some(path) = self.pending.next() else { return Ok(None) };
            let parser = self.current.parser().for_another_file();
            self.current = open_file(&path, self.format, parser, |input| input).map_err(Fault::Fatal)?;
        }
    }

    /// Counts a bad row if bad rows are skipped; else returns its error.
    pub(super) fn leave_out(&mut self, line: u64, message: String) -> Result<()> {
        match &self.bad_rows {
            BadRows::Fail => return Err(self.current.parser().bad_row(line, message)),
            BadRows::Skip => {}
            BadRows::Report(rejects) => rejects.push(self.name(), line, &message)?,
        }
        self.skipped += 1;
        if self.reasons.len() < KEPT_REASONS {
            self.reasons.push(self.current.parser().bad_row(line, message));
        }
        Ok(())
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let failed = match self.next_row() {
                Ok(Some(row)) => return Some(Ok(row)),
                Ok(None) => None,
                Err(Fault::Fatal(error)) => Some(error),
                Err(Fault::Row(line, message)) => match self.leave_out(line, message) {
                    Ok(()) => continue,
                    Err(error) => Some(error),
                },
            };
            self.done = true;
            return failed.map(Err);
        }
        None
    }
}

/// Opens a file, or standard input for `-`, whose rows `parser` parses. `wrap` may wrap its bytes.
fn open_file(
    path: &Path,
    format: Option<InputFormat>,
    parser: RowParser,
    wrap: impl FnOnce(Bytes) -> Bytes,
) -> Result<FileRows> {
    let (input, name) = open_input(path)?;
    let is_file = name != "-" && path.metadata().is_ok_and(|metadata| metadata.is_file());
    FileRows::open(wrap(input), is_file.then_some(path), format, RowParser { name, ..parser })
}
