//! The record batches of a Parquet file, one row group after the other.

use std::any::Any;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::parquet_pages::{PageFault, batch_rows};
use crate::{Error, Result};

/// Reads batches of rows, each of at most 1,024 rows and of some 16 MiB.
pub(super) struct ParquetFile {
    name: String,
    file: File,
    metadata: ArrowReaderMetadata,
    /// True if strings are read as views.
    views: bool,
    /// The columns that are read, as roots. `leaves` are the same as leaf columns.
    columns: Vec<usize>,
    leaves: Vec<usize>,
    groups: Range<usize>,
    reader: Option<ParquetRecordBatchReader>,
}

impl ParquetFile {
    /// Opens a file. `columns` chooses the columns to read from the file's schema, in ascending
    /// order.
    pub fn open(path: &Path, name: &str, columns: impl FnOnce(&Schema) -> Result<Vec<usize>>) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = guarded(name, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))?;
        check_places(name, metadata.metadata())?;
        let columns = columns(metadata.schema())?;
        let with_views = guarded(name, || {
            let options = ArrowReaderOptions::new().with_schema(Arc::new(with_views(metadata.schema())));
            Ok::<_, ParquetError>(ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).ok())
        })?;
        let descriptor = metadata.parquet_schema();
        let leaves = (0..descriptor.num_columns())
            .filter(|&leaf| columns.binary_search(&descriptor.get_column_root_idx(leaf)).is_ok());
        let (leaves, groups) = (leaves.collect(), 0..metadata.metadata().num_row_groups());
        let views = with_views.is_some();
        let metadata = with_views.unwrap_or(metadata);
        Ok(Self { name: name.to_owned(), file, metadata, views, columns, leaves, groups, reader: None })
    }

    /// Returns the number of columns that are read.
    pub fn num_columns(&self) -> usize {
        self.columns.len()
    }

    /// Reads the next batch, `None` at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(reader) = &mut self.reader {
                let batch = guarded(&self.name, || reader.next().transpose())?;
                if batch.is_some() {
                    return Ok(batch);
                }
            }
            let Some(group) = self.groups.next() else { return Ok(None) };
            self.reader = Some(self.open_group(group)?);
        }
    }

    fn open_group(&self, group: usize) -> Result<ParquetRecordBatchReader> {
        let rows = batch_rows(&self.file, self.metadata.metadata().row_group(group), &self.leaves, self.views);
        let rows = rows.map_err(|fault| match fault {
            PageFault::Io(error) => Error::io("read", &self.name)(error),
            PageFault::Damaged(message) => damaged(&self.name, &message),
            PageFault::Refused(message) => Error::BadInput { file: self.name.clone(), message },
        })?;
        let file = self.file.try_clone().map_err(Error::io("read", &self.name))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let columns = ProjectionMask::roots(builder.parquet_schema(), self.columns.iter().copied());
        guarded(&self.name, || {
            builder.with_projection(columns).with_row_groups(vec![group]).with_batch_size(rows).build()
        })
    }
}

/// Returns the schema with strings and bytes as views. So a value that a page holds once is not
/// copied for every row.
fn with_views(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(view_field).collect::<Fields>()).with_metadata(schema.metadata().clone())
}

fn view_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            _ => return Arc::clone(field),
        },
        DataType::List(item) => DataType::List(view_field(item)),
        DataType::LargeList(item) => DataType::LargeList(view_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(view_field(item), *length),
        DataType::Map(entries, sorted) => DataType::Map(view_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(view_field).collect()),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// Checks facts about the directory that the reader asserts.
fn check_places(name: &str, metadata: &ParquetMetaData) -> Result<()> {
    let mut columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let is_sane = |column: &ColumnChunkMetaData| {
        column.data_page_offset() >= 0
            && column.dictionary_page_offset().is_none_or(|offset| offset >= 0)
            && column.compressed_size() >= 0
    };
    match columns.all(is_sane) && metadata.row_groups().iter().all(|group| group.num_rows() >= 0) {
        true => Ok(()),
        false => Err(damaged(name, "a column has a negative place or length")),
    }
}

/// Calls the reader. Pages that contradict the directory make it panic at places that no earlier
/// check covers. A panic becomes the error for a damaged file, and the reader is not used again.
fn guarded<T, E: std::error::Error + 'static>(name: &str, ask: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.map_err(|error| failure(name, &error)),
        Err(_) => Err(damaged(name, "its pages contradict its directory")),
    }
}

/// Turns a reader's error into ours: a read error of the disk, an unsupported feature, or a damaged
/// file.
fn failure<E: std::error::Error + 'static>(name: &str, error: &E) -> Error {
    let error: &dyn Any = error;
    let message = match (error.downcast_ref::<ParquetError>(), error.downcast_ref::<ArrowError>()) {
        (Some(ParquetError::External(cause)), _) => match cause.downcast_ref::<std::io::Error>() {
            Some(source) if source.raw_os_error().is_some() => {
                let code = source.raw_os_error().unwrap_or_default();
                return Error::io("read", name)(std::io::Error::from_raw_os_error(code));
            }
            _ => cause.to_string(),
        },
        (Some(error), _) => error.to_string(),
        (_, Some(error)) => error.to_string(),
        _ => "it cannot be read".to_owned(),
    };
    let cannot = ["NYI: ", "Not yet implemented", "not supported", "not implemented", "encrypted"];
    match cannot.iter().any(|word| message.contains(word)) {
        true => Error::BadInput {
            file: name.to_owned(),
            message: format!(
                "this Parquet file uses an unsupported feature ({message}); write it anew, e.g. with pyarrow's defaults"
            ),
        },
        false => damaged(name, &message),
    }
}

fn damaged(name: &str, message: &str) -> Error {
    Error::BadInput { file: name.to_owned(), message: format!("this Parquet file is damaged: {message}") }
}
