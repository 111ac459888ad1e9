//! The rows of Parquet and Arrow, one batch of rows at a time.
//!
//! A row of columns becomes the row that the same fields would be in JSON, and is then read as such: one set of names, rules and
//! complaints for both. Only the columns that a row can use are read.

use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use serde_json::{Number, Value};

use super::arrow_stream::ArrowStream;
use super::format::{ColumnMagic, InputFormat};
use super::parser::{Fault, RowParser, too_long};
use super::row::{JsonRow, Row, no_text};
use super::source::Source;
use crate::{Error, Result};

/// Rows of Parquet that are unpacked together. Arrow's batches are as long as their writer made them.
const BATCH_ROWS: usize = 1024;

/// Reads batches and takes rows off them.
pub(super) struct ColumnRows {
    parser: RowParser,
    batches: Batches,
    batch: Option<RecordBatch>,
    /// Of the batch.
    next: usize,
    /// Rows of the file so far.
    line: u64,
}

enum Batches {
    Parquet(Box<ParquetRecordBatchReader>),
    Arrow(Box<ArrowStream>),
}

impl ColumnRows {
    /// `parser` has the format, Parquet or Arrow; `path` is the file's if there is one that can be read from its end.
    pub fn open(source: Source, path: Option<&Path>, parser: RowParser) -> Result<Self> {
        let magic = ColumnMagic::of(&source.head);
        let batches = match (parser.format, magic) {
            (InputFormat::Parquet, Some(ColumnMagic::Parquet)) => {
                Batches::Parquet(open_parquet(&source, path, &parser)?)
            }
            (InputFormat::Arrow, Some(ColumnMagic::ArrowFile | ColumnMagic::ArrowStream)) => {
                let is_file = magic == Some(ColumnMagic::ArrowFile);
                let stream = ArrowStream::open(source.into_bytes(), is_file, &parser.name)?;
                used_columns(stream.schema(), &parser)?;
                Batches::Arrow(Box::new(stream))
            }
            (format, _) => {
                let message = format!("this is no {} file: it does not begin as one", format.title());
                return Err(Error::BadInput { file: parser.name, message });
            }
        };
        Ok(Self { parser, batches, batch: None, next: 0, line: 0 })
    }

    pub fn parser(&self) -> &RowParser {
        &self.parser
    }

    /// Whether the file is read from its end, and not as a stream of bytes.
    pub fn seeks(&self) -> bool {
        matches!(self.batches, Batches::Parquet(_))
    }

    /// The next row, `None` at the end. `number` counts rows begun.
    pub fn next(&mut self, number: &mut u64) -> Result<Option<Row>, Fault> {
        while self.batch.as_ref().is_none_or(|batch| self.next == batch.num_rows()) {
            self.next = 0;
            self.batch = self.batches.next(&self.parser.name).map_err(Fault::Fatal)?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let at = self.next;
        self.next += 1;
        self.line += 1;
        *number += 1;
        row(batch, at, &self.parser, self.line, *number).map(Some).map_err(|message| Fault::Row(self.line, message))
    }
}

impl Batches {
    fn next(&mut self, name: &str) -> Result<Option<RecordBatch>> {
        match self {
            Self::Parquet(reader) => guarded(name, || reader.next().transpose()),
            Self::Arrow(stream) => stream.next(),
        }
    }
}

fn open_parquet(source: &Source, path: Option<&Path>, parser: &RowParser) -> Result<Box<ParquetRecordBatchReader>> {
    let name = &parser.name;
    let needs_end = || {
        let why = match source.compression {
            Some(packed) => format!("which {packed} does not allow; unpack it first"),
            None => "which a stream does not have; save it to a file and read that".to_owned(),
        };
        Error::BadInput { file: name.clone(), message: format!("a Parquet file is read from its end, {why}") }
    };
    let path = path.filter(|_| source.compression.is_none()).ok_or_else(needs_end)?;
    let file = File::open(path).map_err(Error::io("open", path))?;
    let builder = guarded(name, || ParquetRecordBatchReaderBuilder::try_new(file))?;
    let columns = used_columns(builder.schema(), parser)?;
    check_places(name, builder.metadata())?;
    let columns = ProjectionMask::roots(builder.parquet_schema(), columns);
    guarded(name, || builder.with_projection(columns).with_batch_size(BATCH_ROWS).build()).map(Box::new)
}

/// Makes sure of what the reader asserts about the directory.
fn check_places(name: &str, metadata: &ParquetMetaData) -> Result<()> {
    let mut columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let is_sane = |column: &ColumnChunkMetaData| {
        column.data_page_offset() >= 0
            && column.dictionary_page_offset().is_none_or(|offset| offset >= 0)
            && column.compressed_size() >= 0
    };
    match columns.all(is_sane) && metadata.row_groups().iter().all(|group| group.num_rows() >= 0) {
        true => Ok(()),
        false => Err(damaged_parquet(name, &"a column has a negative place or length")),
    }
}

/// Asks the reader for something. Pages that contradict the directory make it panic in places that no check before can know; that is a damaged
/// file as well, and the reader is not asked again.
fn guarded<T, E: std::fmt::Display>(name: &str, ask: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.map_err(|error| damaged_parquet(name, &error)),
        Err(_) => Err(damaged_parquet(name, &"its pages contradict its directory")),
    }
}

fn damaged_parquet(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::BadInput { file: name.to_owned(), message: format!("this Parquet file is damaged: {error}") }
}

/// The columns that a row can use, and whether those with a meaning are of a type that can have it.
fn used_columns(schema: &Schema, parser: &RowParser) -> Result<Vec<usize>> {
    let bad = |message: String| Error::BadInput { file: parser.name.clone(), message };
    let fields = schema.fields();
    let find = |wanted: &[String]| wanted.iter().find_map(|name| fields.iter().rposition(|field| field.name() == name));
    let names = &parser.names;
    let Some(text) = find(&names.text) else {
        return Err(bad(no_text(names, "file has the column", fields.iter().map(|field| field.name().as_str()))));
    };
    type Fits = fn(&DataType) -> bool;
    let is_id: Fits = |data_type| is_text(data_type) || data_type.is_integer();
    let is_number: Fits = |data_type| data_type.is_integer() || data_type.is_floating();
    let roles: [(&str, &str, Option<usize>, Fits, &str); 4] = [
        ("text", "text", Some(text), is_text, "--text-field"),
        ("id", "text or a whole number", find(&names.id), is_id, "--id-field"),
        ("title", "text", find(&names.title), is_text, "--title-field"),
        ("score", "a number", find(&names.score), is_number, "--score-field"),
    ];
    for (role, wanted, column, fits, option) in roles {
        let Some(field) = column.map(|column| &fields[column]) else { continue };
        let found = field.data_type();
        // A column of nothing but nulls has no type to be told by.
        if !fits(found) && *found != DataType::Null {
            let name = field.name();
            return Err(bad(format!(
                "the {role} '{name}' has the type {found}, not {wanted}; name another column with {option}"
            )));
        }
    }
    Ok((0..fields.len()).filter(|&column| is_simple(fields[column].data_type())).collect())
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether [`value`] has a value for it.
fn is_simple(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_simple(values),
        DataType::Null | DataType::Boolean => true,
        other => is_text(other) || other.is_integer() || other.is_floating(),
    }
}

fn row(batch: &RecordBatch, at: usize, parser: &RowParser, line: u64, number: u64) -> Result<Row, String> {
    let schema = batch.schema_ref();
    let mut num_bytes = 0;
    let mut fields = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !is_simple(field.data_type()) {
            continue;
        }
        let value = value(column, at);
        if let Value::String(text) = &value {
            num_bytes += text.len();
            // Such a column holds numbers; as a text comes only what JSON has no number for.
            if parser.names.score.contains(field.name()) && !is_text(field.data_type()) {
                return Err(format!("the score '{text}' is not a number"));
            }
        }
        fields.push((Cow::Borrowed(field.name().as_str()), value));
    }
    if num_bytes > parser.max_row_bytes {
        return Err(too_long(parser.max_row_bytes));
    }
    JsonRow::Object(fields).into_row(&parser.names, line, number)
}

/// A value as JSON has it. Numbers that JSON has not (NaN, infinities) are texts.
fn value(column: &dyn Array, at: usize) -> Value {
    if column.is_null(at) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(at).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(at).into(),
        DataType::Utf8View => column.as_string_view().value(at).into(),
        DataType::Boolean => column.as_boolean().value(at).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(at).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(at).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(at).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(at).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(at).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(at).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(at).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(at).into(),
        DataType::Float16 => float(column.as_primitive::<Float16Type>().value(at).into()),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(at).into()),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(at)),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let key = value(dictionary.keys(), at).as_u64().and_then(|key| usize::try_from(key).ok());
            key.map_or(Value::Null, |key| value(dictionary.values().as_ref(), key))
        }
        _ => Value::Null,
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}
