//! Rows of one input that is read as bytes: text, JSONL, JSON, CSV, TSV.

use super::format::UTF8_BOM;
use super::parser::{Fault, RowParser};
use super::record::{ByteInput, Cutter, RawRow, Stop};
use super::row::Row;
use super::source::PeekedInput;
use crate::{Error, Result};

/// Cuts rows off an input and parses them.
pub(super) struct ByteRows {
    parser: RowParser,
    input: ByteInput,
    cutter: Cutter,
    raw: RawRow,
    /// True if `raw` was read as a header and turned out to be the first row.
    holds_row: bool,
    compressed: bool,
}

impl ByteRows {
    /// Creates the rows of `source`. `parser` has the format.
    pub fn new(source: PeekedInput, parser: RowParser) -> Self {
        let start = if source.head.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
        Self {
            input: ByteInput::new(source.head, start, source.rest, parser.max_row_bytes),
            cutter: Cutter::of(parser.format, parser.delimiter()),
            parser,
            raw: RawRow::default(),
            holds_row: false,
            compressed: source.compression.is_some(),
        }
    }

    pub fn parser(&self) -> &RowParser {
        &self.parser
    }

    /// From now on a score that is not a finite number is an error.
    pub fn need_scores(&mut self) {
        self.parser.need_scores();
    }

    /// Returns the bytes of the row that was read last.
    pub fn raw(&self) -> &RawRow {
        &self.raw
    }

    /// True if a row's bytes can be read in the file itself: rows are lines, and the file is not
    /// compressed.
    pub fn has_addresses(&self) -> bool {
        self.cutter.cuts_lines() && !self.compressed
    }

    /// Reads the next row, `None` at the end. `number` counts the rows begun.
    pub fn next(&mut self, number: &mut u64) -> Result<Option<Row>, Fault> {
        if self.parser.has_header() && self.parser.columns.is_none() && !self.read_header()? {
            return Ok(None);
        }
        loop {
            if !self.cut()? {
                return Ok(None);
            }
            if self.raw.too_long || !self.parser.is_blank(&self.raw) {
                break;
            }
        }
        *number += 1;
        self.parser.row(&self.raw, *number).map(Some)
    }

    /// Reads the header of CSV or TSV. Returns false when the input is empty.
    fn read_header(&mut self) -> Result<bool, Fault> {
        if !self.cut()? {
            return Ok(false);
        }
        self.holds_row = !self.parser.read_header(&self.raw)?;
        Ok(true)
    }

    /// Reads the next row's bytes into `self.raw`. Returns false at the end.
    fn cut(&mut self) -> Result<bool, Fault> {
        if std::mem::take(&mut self.holds_row) {
            return Ok(true);
        }
        self.cutter.next(&mut self.input, &mut self.raw).map_err(|stop| {
            Fault::Fatal(match stop {
                Stop::Io(source) => Error::io("read", &self.parser.name)(source),
                Stop::Syntax(line, message) => self.parser.bad_row(line, message),
            })
        })
    }
}
