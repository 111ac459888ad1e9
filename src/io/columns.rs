//! Rows of Parquet and Arrow, one batch at a time.
//!
//! A row of columns is converted to the JSON row with the same fields and then read like JSON. So
//! both have the same field names, rules and messages. Only the columns that a row can use are
//! read.

use std::borrow::Cow;
use std::path::Path;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::arrow_stream::ArrowStream;
use super::column_json::{JsonWriter, TooLarge, is_uuid, text};
use super::format::{ColumnMagic, InputFormat};
use super::given::Given;
use super::names::{FieldNames, PANDAS_INDEX, no_text, path, position, refuse_twice};
use super::parquet_file::ParquetFile;
use super::parser::{Fault, RowParser, too_long};
use super::row::{JsonRow, Row};
use super::source::PeekedInput;
use crate::{Error, Result};

/// Reads batches and returns their rows one by one.
pub(super) struct ColumnRows {
    parser: RowParser,
    batches: Batches,
    /// The columns of a batch that are used, ascending. Arrow batches hold all columns of the file,
    /// Parquet batches only these.
    columns: Vec<usize>,
    batch: Option<RecordBatch>,
    /// The next row's position in the batch.
    next: usize,
    /// Number of rows of the file read so far.
    line: u64,
}

enum Batches {
    Parquet(Box<ParquetFile>),
    Arrow(Box<ArrowStream>),
}

impl ColumnRows {
    /// Opens a file. `parser` has the format, Parquet or Arrow. `path` is given if the input is a
    /// file that can be read from its end.
    pub fn open(source: PeekedInput, path: Option<&Path>, parser: RowParser) -> Result<Self> {
        let magic = ColumnMagic::of(&source.head);
        let mut columns = Vec::new();
        let batches = match (parser.format, magic) {
            (InputFormat::Parquet, Some(ColumnMagic::Parquet)) => {
                let path = seekable(&source, path, &parser)?;
                let file = ParquetFile::open(path, &parser.name, |schema| used_columns(schema, &parser))?;
                columns = (0..file.num_columns()).collect();
                Batches::Parquet(Box::new(file))
            }
            (InputFormat::Arrow, Some(ColumnMagic::ArrowFile | ColumnMagic::ArrowStream)) => {
                let is_file = magic == Some(ColumnMagic::ArrowFile);
                let is_packed = source.compression.is_some();
                let stream = ArrowStream::open(source.into_bytes(), is_file, is_packed, &parser.name)?;
                columns.extend(used_columns(stream.schema(), &parser)?);
                Batches::Arrow(Box::new(stream))
            }
            (format, _) => {
                let message = format!("this is not a {} file: its first bytes differ", format.title());
                return Err(Error::BadInput { file: parser.name, message });
            }
        };
        Ok(Self { parser, batches, columns, batch: None, next: 0, line: 0 })
    }

    /// From now on a score that is not a finite number is an error.
    pub fn need_scores(&mut self) {
        self.parser.need_scores();
    }

    pub fn parser(&self) -> &RowParser {
        &self.parser
    }

    /// True if the file is read from its end, and not as a stream of bytes.
    pub fn seeks(&self) -> bool {
        matches!(self.batches, Batches::Parquet(_))
    }

    /// Reads the next row, `None` at the end. `number` counts the rows begun.
    pub fn next(&mut self, number: &mut u64) -> Result<Option<Row>, Fault> {
        while self.batch.as_ref().is_none_or(|batch| self.next == batch.num_rows()) {
            self.next = 0;
            self.batch = self.batches.next().map_err(Fault::Fatal)?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let at = self.next;
        self.next += 1;
        self.line += 1;
        *number += 1;
        row(batch, &self.columns, at, &self.parser, self.line, *number)
            .map(Some)
            .map_err(|message| Fault::Row(self.line, message))
    }
}

impl Batches {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Parquet(file) => file.next(),
            Self::Arrow(stream) => stream.next(),
        }
    }
}

/// Returns the path if the file can be read from its end, else an error with advice.
fn seekable<'p>(source: &PeekedInput, path: Option<&'p Path>, parser: &RowParser) -> Result<&'p Path> {
    path.filter(|_| source.compression.is_none()).ok_or_else(|| {
        let why = match source.compression {
            Some(packed) => format!("which {packed} does not allow; unpack it first"),
            None => "which a stream does not have; save it to a file and read that".to_owned(),
        };
        let message = format!("a Parquet file is read from its end, {why}");
        Error::BadInput { file: parser.name.clone(), message }
    })
}

/// Returns the columns to read. It is an error if a column for text, id or title has a type that
/// cannot be one.
fn used_columns(schema: &Schema, parser: &RowParser) -> Result<Vec<usize>> {
    let bad = |message: String| Error::BadInput { file: parser.name.clone(), message };
    let names = &parser.names;
    let all = || schema.fields().iter().map(|field| field.name().as_str());
    let mut used = find(schema, &names.text).map_err(bad)?;
    if used.is_empty() {
        return Err(bad(no_text(names, "file has the column", all())));
    }
    if names.keeps_extra {
        refuse_twice(all(), "this file has the column").map_err(bad)?;
    }
    let roles = [
        ("text", &names.text, "text", "`text_field=`"),
        ("id", &names.id, "text or a whole number", "`id_field=`"),
        ("title", &names.title, "text", "`title_field=`"),
    ];
    for (role, wanted, kind, option) in roles {
        let found = find(schema, wanted).map_err(bad)?;
        let best = found.first().map(|&column| schema.field(column));
        // Fields inside of a column are checked row by row.
        let best = best.filter(|field| wanted.iter().any(|name| name.eq_ignore_ascii_case(field.name())));
        if let Some(field) = best.filter(|field| !fits(field, role == "id")) {
            let (name, found) = (field.name(), field.data_type());
            return Err(bad(format!(
                "the {role} '{name}' has the type {found}, not {kind}; name another column with {option}"
            )));
        }
        used.extend(found);
    }
    used.extend(find(schema, &names.score).unwrap_or_default());
    used.sort_unstable();
    used.dedup();
    Ok(if names.keeps_extra { (0..schema.fields().len()).collect() } else { used })
}

/// Returns the columns of these names, and the columns that dotted names lead into.
fn find(schema: &Schema, names: &[String]) -> Result<Vec<usize>, String> {
    let all = || schema.fields().iter().map(|field| field.name().as_str());
    let mut found = Vec::new();
    for name in names {
        let place = match position(all(), name, "this file has the column")? {
            None => {
                path(name).and_then(|path| all().position(|column| Some(column) == path.first().map(String::as_str)))
            }
            place => place,
        };
        found.extend(place);
    }
    Ok(found)
}

/// True if a column's values can be texts, or ids. Columns of only nulls pass, and so does pandas'
/// index, which the user did not choose.
fn fits(field: &Field, is_id: bool) -> bool {
    let data_type = field.data_type();
    let is_scalar = !data_type.is_nested() && !matches!(data_type, DataType::Interval(_));
    let is_exact = !data_type.is_floating() && *data_type != DataType::Boolean;
    is_scalar && (!is_id || is_exact) || field.name() == PANDAS_INDEX
}

/// True if a column of this name is the text, the id or the title of a row.
fn has_role(name: &str, names: &FieldNames) -> bool {
    let all = names.text.iter().chain(&names.id).chain(&names.title);
    all.into_iter().any(|role| role.eq_ignore_ascii_case(name))
}

fn row(
    batch: &RecordBatch,
    columns: &[usize],
    at: usize,
    parser: &RowParser,
    line: u64,
    number: u64,
) -> Result<Row, String> {
    let schema = batch.schema_ref();
    let mut left = parser.max_row_bytes;
    let mut fields = Vec::with_capacity(columns.len());
    for &number in columns {
        let (field, column) = (schema.field(number), batch.column(number).as_ref());
        // A pandas index of a type that ids cannot have is not used as the id.
        if field.name() == PANDAS_INDEX && (field.data_type().is_nested() || *field.data_type() == DataType::Boolean) {
            continue;
        }
        let given = given(field, column, at, left, &parser.names).map_err(|fault| match fault {
            NoValue::TooLarge => too_long(parser.max_row_bytes),
            NoValue::NotUtf8 => format!("the bytes of '{}' are not UTF-8, so they are no text", field.name()),
        })?;
        left = left.checked_sub(given.num_bytes()).ok_or_else(|| too_long(parser.max_row_bytes))?;
        fields.push((Cow::Borrowed(field.name().as_str()), given));
    }
    JsonRow::Object(fields).into_row(&parser.names, line, number)
}

enum NoValue {
    TooLarge,
    NotUtf8,
}

/// Returns the value at `at`, which may take at most `max_bytes`.
fn given<'a>(
    field: &Field,
    column: &'a dyn Array,
    at: usize,
    max_bytes: usize,
    names: &FieldNames,
) -> Result<Given<'a>, NoValue> {
    let text = if column.is_null(at) || is_uuid(field) { None } else { text(column, at) };
    if let Some(text) = text {
        return Ok(Given::Text(text.into()));
    }
    let is_binary = matches!(field.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    if is_binary && !column.is_null(at) && has_role(field.name(), names) {
        return Err(NoValue::NotUtf8);
    }
    let mut json = JsonWriter::new(max_bytes);
    json.write(field, column, at).map_err(|TooLarge| NoValue::TooLarge)?;
    Ok(Given::Json(json.out.into()))
}
