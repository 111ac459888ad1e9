//! Ranked results as Parquet.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, StringBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::whole::WholeFile;
use crate::{Error, Result};

/// Number of rows of a row group: some megabytes of texts, which are kept in memory.
const GROUP_ROWS: usize = 1 << 16;
/// Number of rows that are passed to the writer together.
const BATCH_ROWS: usize = 1 << 10;

/// Writes ranked results to a Parquet file.
///
/// Its columns are `query_id` (string), `rank` (uint32, from 1), `id` (string), `score` (float)
/// and, if requested, `text` (string). None of them has nulls. Row groups have 65,536 rows and are
/// compressed with zstd. The same results give the same bytes. Memory holds one compressed row
/// group. The file appears in [`ParquetResults::finish`], when it is complete.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("results.parquet");
/// use nearsort::io::ParquetResults;
/// let mut results = ParquetResults::create(&path, false)?;
/// results.push("q1", 1, "d7", 0.5, "")?;
/// assert_eq!(results.finish()?, 1);
/// # Ok::<(), nearsort::Error>(())
/// ```
pub struct ParquetResults {
    path: PathBuf,
    temporary_path: PathBuf,
    writer: ArrowWriter<WholeFile>,
    columns: ResultColumns,
    num_rows: u64,
}

/// A batch that is being filled.
struct ResultColumns {
    schema: Arc<Schema>,
    query_ids: StringBuilder,
    ranks: UInt32Builder,
    ids: StringBuilder,
    scores: Float32Builder,
    texts: Option<StringBuilder>,
}

impl ParquetResults {
    /// Opens the file. `with_text`: true for a file with a column `text`.
    ///
    /// # Errors
    /// [`Error::Io`] when no file can be created in the folder; [`Error::FeatureOff`] in a build
    /// without the feature `parquet`.
    pub fn create(path: impl AsRef<Path>, with_text: bool) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = WholeFile::create(&path)?;
        let temporary_path = file.temporary_path().to_owned();
        let columns = ResultColumns::new(with_text);
        let properties = WriterProperties::builder()
            // The crate's version is left out: the same results give the same bytes.
            .set_created_by("nearsort".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties);
        let writer = ArrowWriter::try_new_with_options(file, Arc::clone(&columns.schema), options);
        let writer = writer.map_err(|error| failed(&path, error))?;
        Ok(Self { path, temporary_path, writer, columns, num_rows: 0 })
    }

    /// Adds a result. `text` is ignored unless the file has that column.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written; [`Error::InvalidArgument`] for a score that is not
    /// finite.
    pub fn push(&mut self, query_id: &str, rank: u32, id: &str, score: f32, text: &str) -> Result<()> {
        if !score.is_finite() {
            let message = format!("the score of '{id}' for the query '{query_id}' is {score}, not a finite number");
            return Err(Error::InvalidArgument(message));
        }
        self.columns.push(query_id, rank, id, score, text);
        self.num_rows += 1;
        if self.columns.len() == BATCH_ROWS { self.write_batch() } else { Ok(()) }
    }

    /// Returns the name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the unfinished file, for a program that removes it when a signal ends
    /// it.
    pub fn temporary_path(&self) -> &Path {
        &self.temporary_path
    }

    /// Renames the file to its final name and returns the number of its rows.
    ///
    /// # Errors
    /// [`Error::Io`]; an earlier file is then unchanged.
    pub fn finish(mut self) -> Result<u64> {
        self.write_batch()?;
        let Self { path, writer, num_rows, .. } = self;
        let mut file = writer.into_inner().map_err(|error| failed(&path, error))?;
        file.flush().map_err(Error::io("write", &path))?;
        file.finish()?;
        Ok(num_rows)
    }

    fn write_batch(&mut self) -> Result<()> {
        let written = self.columns.take_batch().and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: ParquetError) -> Error {
    let source = match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => *source,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    };
    Error::io("write", path)(source)
}

impl ResultColumns {
    fn new(with_text: bool) -> Self {
        let field = |name, data_type| Field::new(name, data_type, false);
        let mut fields = vec![
            field("query_id", DataType::Utf8),
            field("rank", DataType::UInt32),
            field("id", DataType::Utf8),
            field("score", DataType::Float32),
        ];
        fields.extend(with_text.then(|| field("text", DataType::Utf8)));
        Self {
            schema: Arc::new(Schema::new(fields)),
            query_ids: StringBuilder::new(),
            ranks: UInt32Builder::new(),
            ids: StringBuilder::new(),
            scores: Float32Builder::new(),
            texts: with_text.then(StringBuilder::new),
        }
    }

    fn push(&mut self, query_id: &str, rank: u32, id: &str, score: f32, text: &str) {
        self.query_ids.append_value(query_id);
        self.ranks.append_value(rank);
        self.ids.append_value(id);
        self.scores.append_value(score);
        if let Some(texts) = &mut self.texts {
            texts.append_value(text);
        }
    }

    fn len(&self) -> usize {
        self.ranks.values_slice().len()
    }

    /// Returns the rows that were pushed since the last batch.
    fn take_batch(&mut self) -> Result<RecordBatch, ParquetError> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.query_ids.finish()),
            Arc::new(self.ranks.finish()),
            Arc::new(self.ids.finish()),
            Arc::new(self.scores.finish()),
        ];
        columns.extend(self.texts.as_mut().map(|texts| Arc::new(texts.finish()) as ArrayRef));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
