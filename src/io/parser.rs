//! From the bytes of one row to a [`Row`].
//!
//! The same parser reads rows as they stream by and rows that are read again later by their address.

use std::borrow::Cow;

use super::format::InputFormat;
use super::record::RawRow;
use super::row::{Columns, FieldNames, JsonRow, Row};
use crate::Error;

/// Why there is no row.
pub(super) enum Fault {
    /// This row is bad, the next may be good.
    Row(u64, String),
    /// Nothing more can be read.
    Fatal(Error),
}

/// What the rows of one input mean.
#[derive(Debug, Clone)]
pub(super) struct RowParser {
    /// The input's name as messages give it.
    pub name: String,
    pub format: InputFormat,
    pub names: FieldNames,
    pub max_row_bytes: usize,
    /// Whether bad rows are left out.
    pub skips: bool,
    /// Of CSV and TSV, once the header has been read.
    pub columns: Option<Columns>,
    /// TSV of two columns without a header is taken as id and text.
    pub headerless: bool,
}

impl RowParser {
    /// Whether the bytes are no row at all. A TSV line of tabs is one: its fields are empty.
    pub fn is_blank(&self, raw: &RawRow) -> bool {
        match self.format {
            InputFormat::Jsonl => raw.bytes.trim_ascii().is_empty(),
            InputFormat::Tsv => raw.bytes.is_empty(),
            _ => false,
        }
    }

    /// Whether rows come below a header.
    pub fn has_header(&self) -> bool {
        matches!(self.format, InputFormat::Csv | InputFormat::Tsv)
    }

    /// What the bytes mean. `number` is the row's id if it has none of its own.
    pub fn row(&self, raw: &RawRow, number: u64) -> Result<Row, Fault> {
        let line = raw.line;
        let bad = |message| Fault::Row(line, message);
        if let Some(columns) = &self.columns {
            return columns.row(&self.fields(raw)?, line, number).map_err(bad);
        }
        let text = self.text(raw)?;
        if self.format == InputFormat::Text {
            return Ok(Row::plain(line, number.to_string(), text.to_owned()));
        }
        let row: JsonRow = serde_json::from_str(text).map_err(|error| self.broken_json(raw, &error))?;
        row.into_row(&self.names, line, number).map_err(bad)
    }

    /// Takes the bytes as the header of CSV or TSV. False where they are the first row of a file without one.
    pub fn read_header(&mut self, raw: &RawRow) -> Result<bool, Fault> {
        let header = self.fields(raw).map_err(|fault| match fault {
            Fault::Row(line, message) => Fault::Fatal(self.bad_row(line, message)),
            fatal => fatal,
        })?;
        let (columns, is_header) = match Columns::from_header(&header, &self.names) {
            Ok(columns) => (columns, true),
            Err(_) if self.headerless && self.format == InputFormat::Tsv && header.len() == 2 => {
                (Columns::id_and_text(), false)
            }
            Err(message) => return Err(Fault::Fatal(Error::BadInput { file: self.name.clone(), message })),
        };
        self.columns = Some(columns);
        Ok(is_header)
    }

    pub fn bad_row(&self, line: u64, message: String) -> Error {
        Error::BadRow { file: self.name.clone(), line, message }
    }

    fn text<'a>(&self, raw: &'a RawRow) -> Result<&'a str, Fault> {
        self.check_length(raw)?;
        std::str::from_utf8(&raw.bytes).map_err(|error| bad_utf8(raw, error.valid_up_to()))
    }

    /// The bytes as fields of CSV or TSV.
    fn fields<'a>(&self, raw: &'a RawRow) -> Result<Vec<Cow<'a, str>>, Fault> {
        if self.format == InputFormat::Tsv {
            return Ok(self.text(raw)?.split('\t').map(without_quotes).collect());
        }
        self.check_length(raw)?;
        if raw.unclosed_quote {
            return Err(Fault::Row(raw.line, "a quote opened in this row is never closed".to_owned()));
        }
        let mut start = 0;
        let field = |&end: &usize| {
            let bytes = &raw.bytes[start..end];
            let text = std::str::from_utf8(bytes).map_err(|error| bad_utf8(raw, start + error.valid_up_to()))?;
            start = end;
            Ok(Cow::Borrowed(text))
        };
        raw.ends.iter().map(field).collect()
    }

    fn check_length(&self, raw: &RawRow) -> Result<(), Fault> {
        if raw.too_long { Err(Fault::Row(raw.line, too_long(self.max_row_bytes))) } else { Ok(()) }
    }

    /// In JSONL the next line may be fine; in an array nothing says where the next element begins.
    fn broken_json(&self, raw: &RawRow, error: &serde_json::Error) -> Fault {
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        let message = format!("broken JSON: {message} (column {})", error.column());
        let line = raw.line + (error.line() as u64).saturating_sub(1);
        if self.format == InputFormat::Json && self.skips {
            let message = format!("{message}; broken syntax inside an array cannot be skipped, in JSONL it can");
            return Fault::Fatal(self.bad_row(line, message));
        }
        Fault::Row(line, message)
    }
}

/// The complaint about a row over the cap.
pub(super) fn too_long(max_row_bytes: usize) -> String {
    format!("this row is longer than {max_row_bytes} bytes; split it, or look for a missing line end")
}

fn bad_utf8(raw: &RawRow, at: usize) -> Fault {
    let byte = raw.bytes.get(at).copied().unwrap_or_default();
    let message = format!(
        "not UTF-8: byte 0x{byte:02X} at byte {} of the row; convert the file, e.g. iconv -f LATIN1 -t UTF-8",
        at + 1
    );
    Fault::Row(raw.line, message)
}

/// A TSV field that is quoted as a whole, as some programs write them, without its quotes.
///
/// Any other quote is part of the text: most TSV is written without quoting, and there a field may well begin with a
/// quote, which must not swallow the rows below.
fn without_quotes(field: &str) -> Cow<'_, str> {
    let inner = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('"') => Cow::Borrowed(inner),
        Some(inner) if !inner.replace("\"\"", "").contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
        _ => Cow::Borrowed(field),
    }
}
