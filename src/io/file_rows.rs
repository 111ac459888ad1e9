//! Rows of one file, read as bytes or as columns.

use std::path::Path;

use super::byte_rows::ByteRows;
#[cfg(feature = "parquet")]
use super::columns::ColumnRows;
use super::encoding::refusal;
use super::format::{ColumnMagic, InputFormat, UTF8_BOM};
use super::parser::{Fault, RowParser};
use super::row::Row;
use super::source::{Bytes, PeekedInput};
use crate::{Error, Result};

pub(super) enum FileRows {
    Bytes(Box<ByteRows>),
    #[cfg(feature = "parquet")]
    Columns(Box<ColumnRows>),
}

impl FileRows {
    /// Opens `input` in the format that `asked` gives. Otherwise the first bytes decide if they are
    /// those of Parquet or Arrow, then the file's extension, then the look of the first bytes.
    /// `path` is given if `input` is a file that can be read at any place. `parser` already has the
    /// name.
    pub fn open(input: Bytes, path: Option<&Path>, asked: Option<InputFormat>, mut parser: RowParser) -> Result<Self> {
        let source = PeekedInput::new(input).map_err(Error::io("read", &parser.name))?;
        let by_magic = || ColumnMagic::of(&source.head).map(ColumnMagic::format);
        let by_name = || InputFormat::from_extension(Path::new(&parser.name));
        let by_text = || {
            let text = source.head.strip_prefix(UTF8_BOM).unwrap_or(&source.head);
            InputFormat::sniff(text, parser.asked_text_name())
        };
        parser.format = asked.or_else(by_magic).or_else(by_name).unwrap_or_else(by_text);
        if let Some(delimiter) = parser.delimiter {
            parser.format = with_delimiter(parser.format, asked, delimiter)?;
        }
        if parser.format.has_columns() {
            return Self::open_columns(source, path, parser);
        }
        match refusal(&source.head, source.compression) {
            Some(message) => Err(Error::BadInput { file: parser.name, message }),
            None => Ok(Self::Bytes(Box::new(ByteRows::new(source, parser)))),
        }
    }

    #[cfg(feature = "parquet")]
    fn open_columns(source: PeekedInput, path: Option<&Path>, parser: RowParser) -> Result<Self> {
        Ok(Self::Columns(Box::new(ColumnRows::open(source, path, parser)?)))
    }

    #[cfg(not(feature = "parquet"))]
    fn open_columns(_: PeekedInput, _: Option<&Path>, _: RowParser) -> Result<Self> {
        Err(Error::FeatureOff { feature: "parquet" })
    }

    pub fn parser(&self) -> &RowParser {
        match self {
            Self::Bytes(rows) => rows.parser(),
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.parser(),
        }
    }

    /// From now on a score that is not a finite number is an error.
    pub fn need_scores(&mut self) {
        match self {
            Self::Bytes(rows) => rows.need_scores(),
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.need_scores(),
        }
    }

    /// Reads the next row, `None` at the end. `number` counts the rows begun.
    pub fn next(&mut self, number: &mut u64) -> Result<Option<Row>, Fault> {
        match self {
            Self::Bytes(rows) => rows.next(number),
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.next(number),
        }
    }

    /// Returns the reader if rows can be read again from their position in the file.
    pub fn addressed(&self) -> Option<&ByteRows> {
        match self {
            Self::Bytes(rows) if rows.has_addresses() => Some(rows),
            _ => None,
        }
    }

    /// True if the file is read from its end, and not as a stream of bytes.
    pub fn seeks(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.seeks(),
        }
    }
}

/// Returns the format of an input with columns separated by `delimiter`. `format` is the one found
/// without the delimiter.
fn with_delimiter(format: InputFormat, asked: Option<InputFormat>, delimiter: u8) -> Result<InputFormat> {
    match (format, asked) {
        (InputFormat::Tsv, Some(_)) if delimiter == b'\t' => Ok(InputFormat::Tsv),
        (InputFormat::Csv, _) | (InputFormat::Text | InputFormat::Tsv, None) => Ok(InputFormat::Csv),
        (format, Some(_)) => Err(Error::InvalidArgument(format!(
            "a delimiter is for CSV, and the input format is {format}; leave one of them out"
        ))),
        (format, None) => Ok(format),
    }
}
