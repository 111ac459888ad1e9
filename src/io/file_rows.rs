//! The rows of one file, read as bytes or as columns.

use std::path::Path;

use super::byte_rows::ByteRows;
#[cfg(feature = "parquet")]
use super::columns::ColumnRows;
use super::encoding::refusal;
use super::format::{ColumnMagic, InputFormat, UTF8_BOM};
use super::parser::{Fault, RowParser};
use super::row::Row;
use super::source::{Bytes, Source};
use crate::{Error, Result};

pub(super) enum FileRows {
    Bytes(Box<ByteRows>),
    #[cfg(feature = "parquet")]
    Columns(Box<ColumnRows>),
}

impl FileRows {
    /// Looks at the first bytes of `input` and opens it in the format that `asked` says, else these bytes if they are those of Parquet or
    /// Arrow, else its name, else its text. `path` is the file's, if `input` is one that can be read at any place. Of `parser`
    /// the name is known.
    pub fn open(input: Bytes, path: Option<&Path>, asked: Option<InputFormat>, mut parser: RowParser) -> Result<Self> {
        let source = Source::new(input).map_err(Error::io("read", &parser.name))?;
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
        if matches!(parser.format, InputFormat::Parquet | InputFormat::Arrow) {
            return Self::open_columns(source, path, parser);
        }
        match refusal(&source.head, source.compression) {
            Some(message) => Err(Error::BadInput { file: parser.name, message }),
            None => Ok(Self::Bytes(Box::new(ByteRows::new(source, parser)))),
        }
    }

    #[cfg(feature = "parquet")]
    fn open_columns(source: Source, path: Option<&Path>, parser: RowParser) -> Result<Self> {
        Ok(Self::Columns(Box::new(ColumnRows::open(source, path, parser)?)))
    }

    #[cfg(not(feature = "parquet"))]
    fn open_columns(_: Source, _: Option<&Path>, _: RowParser) -> Result<Self> {
        Err(Error::FeatureOff { feature: "parquet" })
    }

    pub fn parser(&self) -> &RowParser {
        match self {
            Self::Bytes(rows) => rows.parser(),
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.parser(),
        }
    }

    /// From now on a score that is none is an error.
    pub fn need_scores(&mut self) {
        match self {
            Self::Bytes(rows) => rows.need_scores(),
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.need_scores(),
        }
    }

    /// The next row, `None` at the end. `number` counts rows begun.
    pub fn next(&mut self, number: &mut u64) -> Result<Option<Row>, Fault> {
        match self {
            Self::Bytes(rows) => rows.next(number),
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.next(number),
        }
    }

    /// The reader, if the bytes of a row stand in the file as they are, so that they can be read again by their place.
    pub fn addressed(&self) -> Option<&ByteRows> {
        match self {
            Self::Bytes(rows) if rows.has_addresses() => Some(rows),
            _ => None,
        }
    }

    /// Whether the file is read from its end, and not as a stream of bytes.
    pub fn seeks(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            #[cfg(feature = "parquet")]
            Self::Columns(rows) => rows.seeks(),
        }
    }
}

/// The format of what has columns separated by `delimiter`, and would be `format` without that.
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
