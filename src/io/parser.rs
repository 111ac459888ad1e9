//! Parser from the bytes of one row to a [`Row`].
//!
//! The same parser is used for streamed rows and for rows that are read again later by their
//! address.

use std::borrow::Cow;

use super::broken::{BYTE_ORDER_MARK, REMOVE_MARKS, broken_message, too_many_fields};
use super::format::{InputFormat, UTF8_BOM};
use super::header::HeaderColumns;
use super::json::MAX_FIELDS;
use super::json_syntax::Broken;
use super::names::FieldNames;
use super::options::{BadRows, ReadOptions};
use super::record::RawRow;
use super::row::{JsonRow, Row};
use super::{encoding, json_file};
use crate::Error;

/// The reason why there is no row.
pub(super) enum Fault {
    /// This row is bad, the next may be good.
    Row(u64, String),
    /// Nothing more can be read.
    Fatal(Error),
}

/// The format and the field names of one input.
#[derive(Debug, Clone)]
pub(super) struct RowParser {
    /// The input's name for messages.
    pub name: String,
    pub format: InputFormat,
    pub names: FieldNames,
    pub max_row_bytes: usize,
    /// True if bad rows are skipped.
    pub skips: bool,
    /// The columns of CSV and TSV, once the header has been read.
    pub columns: Option<HeaderColumns>,
    /// True if TSV of two columns without a header is read as id and text.
    pub headerless: bool,
    /// The separator of CSV columns.
    pub delimiter: Option<u8>,
}

impl RowParser {
    /// Creates a parser that does not know the input's name and format yet.
    pub fn new(options: &ReadOptions) -> Self {
        Self {
            name: String::new(),
            format: InputFormat::Text,
            names: FieldNames::of(options),
            max_row_bytes: options.max_row_bytes,
            skips: !matches!(options.bad_rows, BadRows::Fail),
            columns: None,
            headerless: false,
            delimiter: options.delimiter,
        }
    }

    /// Returns the same parser for a file with another name, format and header.
    pub fn for_another_file(&self) -> Self {
        Self { columns: None, ..self.clone() }
    }

    /// From now on a score that is not a finite number is an error.
    pub fn need_scores(&mut self) {
        self.names.needs_score = true;
        self.columns.iter_mut().for_each(HeaderColumns::need_scores);
    }

    /// Returns the text field that the user named, `None` for the default names.
    pub fn asked_text_name(&self) -> Option<&str> {
        match self.names.text.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// True if the bytes are not a row. A TSV line of tabs is a row of empty fields.
    pub fn is_blank(&self, raw: &RawRow) -> bool {
        match self.format {
            InputFormat::Jsonl => raw.bytes.trim_ascii().is_empty(),
            InputFormat::Tsv => raw.bytes.is_empty(),
            _ => false,
        }
    }

    /// True if rows come below a header.
    pub fn has_header(&self) -> bool {
        matches!(self.format, InputFormat::Csv | InputFormat::Tsv)
    }

    /// Parses the bytes of a row. `number` is the row's id if it has none of its own.
    pub fn row(&self, raw: &RawRow, number: u64) -> Result<Row, Fault> {
        let line = raw.line;
        let bad = |message| Fault::Row(line, message);
        if let Some(columns) = &self.columns {
            let fields = self.fields(raw)?;
            check_mark(raw)?;
            return columns.row(&fields, line, number).map_err(bad);
        }
        let text = self.text(raw)?;
        if self.format == InputFormat::Text {
            return Ok(Row::plain(line, number.to_string(), text.to_owned()));
        }
        let row = JsonRow::parse(text).map_err(|broken| self.broken_json(raw, text, broken))?;
        row.into_row(&self.names, line, number).map_err(bad)
    }

    /// Parses the bytes as the header of CSV or TSV. Returns false if they are the first row of a
    /// file without a header.
    pub fn read_header(&mut self, raw: &RawRow) -> Result<bool, Fault> {
        let header = self.fields(raw).map_err(|fault| match fault {
            Fault::Row(line, message) => Fault::Fatal(self.bad_row(line, message)),
            fatal => fatal,
        })?;
        let (columns, is_header) = match HeaderColumns::from_header(&header, &self.names, self.delimiter()) {
            Ok(columns) => (columns, true),
            Err(_) if self.headerless && self.format == InputFormat::Tsv && header.len() == 2 => {
                (HeaderColumns::id_and_text(), false)
            }
            Err(message) => return Err(Fault::Fatal(Error::BadInput { file: self.name.clone(), message })),
        };
        self.columns = Some(columns);
        Ok(is_header)
    }

    /// Returns the separator of columns.
    pub fn delimiter(&self) -> u8 {
        match self.format {
            InputFormat::Tsv => b'\t',
            _ => self.delimiter.unwrap_or(b','),
        }
    }

    pub fn bad_row(&self, line: u64, message: String) -> Error {
        Error::BadRow { file: self.name.clone(), line, message }
    }

    fn text<'a>(&self, raw: &'a RawRow) -> Result<&'a str, Fault> {
        self.check_length(raw)?;
        std::str::from_utf8(&raw.bytes).map_err(|error| bad_utf8(raw, &raw.bytes, error))
    }

    /// Splits the bytes into fields of CSV or TSV.
    fn fields<'a>(&self, raw: &'a RawRow) -> Result<Vec<Cow<'a, str>>, Fault> {
        let too_many = || Err(Fault::Row(raw.line, too_many_fields()));
        if self.format == InputFormat::Tsv {
            let text = self.text(raw)?;
            return match memchr::memchr_iter(b'\t', text.as_bytes()).nth(MAX_FIELDS - 1) {
                Some(_) => too_many(),
                None => Ok(text.split('\t').map(without_quotes).collect()),
            };
        }
        self.check_length(raw)?;
        if raw.too_many {
            return too_many();
        }
        if raw.unclosed_quote {
            return Err(Fault::Row(raw.line, "a quote opened in this row is never closed".to_owned()));
        }
        let mut start = 0;
        let field = |&end: &usize| {
            let bytes = &raw.bytes[start..end];
            let text = std::str::from_utf8(bytes).map_err(|error| bad_utf8(raw, bytes, error))?;
            start = end;
            Ok(Cow::Borrowed(text))
        };
        raw.ends.iter().map(field).collect()
    }

    fn check_length(&self, raw: &RawRow) -> Result<(), Fault> {
        if raw.too_long { Err(Fault::Row(raw.line, too_long(self.max_row_bytes))) } else { Ok(()) }
    }

    /// In JSONL the next line may be fine. In an array, the start of the next element is unknown.
    fn broken_json(&self, raw: &RawRow, text: &str, broken: Broken) -> Fault {
        let (line, mut message) = broken_message(text, broken);
        let line = raw.line + line;
        if self.format == InputFormat::Jsonl {
            message.push_str(json_file::advice_for_line(text).unwrap_or_default());
        }
        if self.format == InputFormat::Json && self.skips {
            let message = format!("{message}; broken syntax inside an array cannot be skipped, in JSONL it can");
            return Fault::Fatal(self.bad_row(line, message));
        }
        Fault::Row(line, message)
    }
}

/// Refuses a byte-order mark before a row of CSV or TSV, because it would become a part of the
/// first field.
fn check_mark(raw: &RawRow) -> Result<(), Fault> {
    match raw.bytes.starts_with(UTF8_BOM) {
        true => {
            let message = format!("{BYTE_ORDER_MARK}; {REMOVE_MARKS}, and headers below the first");
            Err(Fault::Row(raw.line, message))
        }
        false => Ok(()),
    }
}

/// Returns the message about a row over the maximum length.
pub(super) fn too_long(max_row_bytes: usize) -> String {
    format!("this row is longer than {max_row_bytes} bytes; split it, or look for a missing line end")
}

/// Returns the error for a row that is not UTF-8. `text`: the part of the row with the error.
fn bad_utf8(raw: &RawRow, text: &[u8], error: std::str::Utf8Error) -> Fault {
    let start = text.as_ptr() as usize - raw.bytes.as_ptr() as usize;
    let at = start + error.valid_up_to();
    let byte = raw.bytes.get(at).copied().unwrap_or_default();
    let advice = encoding::advice(&raw.bytes, at);
    Fault::Row(raw.line, format!("not UTF-8: byte 0x{byte:02X} at byte {} of the row; {advice}", at + 1))
}

/// Removes the quotes from a TSV field that is quoted as a whole, as some programs write it.
///
/// Any other quote is part of the text. Most TSV is written without quoting. There a field may
/// begin with a quote, which must not swallow the rows below.
fn without_quotes(field: &str) -> Cow<'_, str> {
    let inner = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('"') => Cow::Borrowed(inner),
        Some(inner) if !inner.replace("\"\"", "").contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
        _ => Cow::Borrowed(field),
    }
}
