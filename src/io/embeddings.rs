//! Embedding files: `.npy`, `.safetensors`, `.jsonl`.
//!
//! Rows arrive one at a time and their number is known only at the end. The two binary formats
//! begin with a header that holds it. So the writer first reserves room for the longest possible
//! header, and fills it in before the rename. Both formats allow the padding.

use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::whole::WholeFile;
use crate::{Error, Result};

/// Bytes reserved for the header of a `.npy` file: the longest one (two numbers of 20 digits),
/// rounded up to a multiple of 64.
const NPY_HEADER_BYTES: usize = 128;

/// Writes embeddings, one row of `dim` f32 per input row, in the format of the file's extension.
///
/// - `.npy`: format 1.0, little-endian float32, C order, shape (rows, dim).
/// - `.safetensors`: one float32 tensor `embeddings` of shape \[rows, dim\] and the given metadata.
/// - `.jsonl`: `{"id": ..., "embedding": [...]}` per row. Each number has the fewest digits that
///   yield the same f32 again.
///
/// Only `.jsonl` holds the ids; the others hold the rows in their order.
///
/// The writer fills a temporary file in the target's folder and renames it to the target in
/// [`EmbeddingWriter::finish`]. Without that call, no file is left.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("out.npy");
/// use nearsort::io::EmbeddingWriter;
/// let mut writer = EmbeddingWriter::create(&path, 2, &Default::default())?;
/// writer.push("doc 1", &[0.6, 0.8])?;
/// assert_eq!(writer.finish()?, 1);
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug)]
pub struct EmbeddingWriter {
    path: PathBuf,
    file: WholeFile,
    layout: EmbeddingLayout,
    dim: usize,
    num_rows: u64,
    /// Buffer for one row's bytes.
    row: Vec<u8>,
}

#[derive(Debug)]
enum EmbeddingLayout {
    Npy,
    Safetensors { metadata: BTreeMap<String, String>, header_bytes: usize },
    Jsonl,
}

#[derive(Serialize)]
struct JsonlRow<'a> {
    id: &'a str,
    embedding: &'a [f32],
}

#[derive(Serialize)]
struct SafetensorsHeader<'a> {
    #[serde(rename = "__metadata__", skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    embeddings: TensorInfo,
}

#[derive(Serialize)]
struct TensorInfo {
    dtype: &'static str,
    shape: [u64; 2],
    data_offsets: [u64; 2],
}

impl EmbeddingWriter {
    /// Checks that a file of this name can be written, so that a bad name is refused before the
    /// work.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown extension.
    pub fn check_name(path: impl AsRef<Path>) -> Result<()> {
        EmbeddingLayout::of(path.as_ref(), 1, &BTreeMap::new()).map(drop)
    }

    /// Begins a file. `metadata` (model, revision, role ...) goes into `.safetensors`; the other
    /// formats have no place for it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown extension and for `dim` 0; [`Error::Io`] when the
    /// target is a folder or its folder cannot be written to.
    pub fn create(path: impl AsRef<Path>, dim: usize, metadata: &BTreeMap<String, String>) -> Result<Self> {
        let path = path.as_ref();
        let layout = EmbeddingLayout::of(path, dim, metadata)?;
        if dim == 0 {
            return Err(Error::InvalidArgument("embeddings need at least one dimension".to_owned()));
        }
        if path.is_dir() {
            return Err(Error::io("write", path)(io::ErrorKind::IsADirectory.into()));
        }
        Self::begin(path, WholeFile::create(path)?, layout, dim)
    }

    fn begin(path: &Path, mut file: WholeFile, layout: EmbeddingLayout, dim: usize) -> Result<Self> {
        let header = vec![b' '; layout.header_bytes()];
        file.write_all(&header).map_err(Error::io("write", path))?;
        Ok(Self { path: path.to_owned(), file, layout, dim, num_rows: 0, row: Vec::new() })
    }

    /// Returns the path of the unfinished file, for a program that removes it when interrupted.
    pub fn temporary_path(&self) -> &Path {
        self.file.temporary_path()
    }

    /// Appends one row. `id`: the input row's.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the row does not have `dim` numbers or one of them is not
    /// finite; [`Error::Io`] when it cannot be written.
    pub fn push(&mut self, id: &str, embedding: &[f32]) -> Result<()> {
        self.check(id, embedding)?;
        self.row.clear();
        match self.layout {
            EmbeddingLayout::Npy | EmbeddingLayout::Safetensors { .. } => {
                self.row.extend(embedding.iter().flat_map(|number| number.to_le_bytes()));
            }
            EmbeddingLayout::Jsonl => {
                let written = serde_json::to_writer(&mut self.row, &JsonlRow { id, embedding });
                written.map_err(|error| Error::io("write", &self.path)(error.into()))?;
                self.row.push(b'\n');
            }
        }
        self.file.write_all(&self.row).map_err(Error::io("write", &self.path))?;
        self.num_rows += 1;
        Ok(())
    }

    fn check(&self, id: &str, embedding: &[f32]) -> Result<()> {
        let row = self.num_rows + 1;
        if embedding.len() != self.dim {
            let (found, dim) = (embedding.len(), self.dim);
            return Err(Error::InvalidArgument(format!(
                "the embedding of row {row} ('{id}') has {found} numbers, not {dim}"
            )));
        }
        match embedding.iter().position(|number| !number.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let number = embedding[at];
                Err(Error::InvalidArgument(format!(
                    "the embedding of row {row} ('{id}') has {number} at {at}, not a finite number"
                )))
            }
        }
    }

    /// Completes the file and renames it to the target, replacing an existing file. Returns the
    /// number of rows.
    ///
    /// # Errors
    /// [`Error::Io`]; the target is then as it was.
    pub fn finish(mut self) -> Result<u64> {
        let header = self.layout.header(self.num_rows, self.dim);
        let begun = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&header));
        begun.map_err(Error::io("write", &self.path))?;
        self.file.finish()?;
        Ok(self.num_rows)
    }
}

impl EmbeddingLayout {
    fn of(path: &Path, dim: usize, metadata: &BTreeMap<String, String>) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "npy" => Ok(Self::Npy),
            "jsonl" => Ok(Self::Jsonl),
            "safetensors" => {
                let longest = safetensors_header(metadata, [u64::MAX, dim as u64], u64::MAX).len();
                Ok(Self::Safetensors { metadata: metadata.clone(), header_bytes: longest.next_multiple_of(8) })
            }
            _ => {
                let message = format!(
                    "cannot tell the format of '{}'; its name must end in .npy, .safetensors or .jsonl",
                    path.display()
                );
                Err(Error::InvalidArgument(message))
            }
        }
    }

    fn header_bytes(&self) -> usize {
        match self {
            Self::Npy => NPY_HEADER_BYTES,
            Self::Safetensors { header_bytes, .. } => size_of::<u64>() + header_bytes,
            Self::Jsonl => 0,
        }
    }

    /// Returns the header for this many rows, padded to [`Self::header_bytes`].
    fn header(&self, num_rows: u64, dim: usize) -> Vec<u8> {
        let mut header = match self {
            Self::Npy => npy_header(num_rows, dim),
            Self::Safetensors { metadata, header_bytes } => {
                let data_bytes = num_rows * dim as u64 * size_of::<f32>() as u64;
                let json = safetensors_header(metadata, [num_rows, dim as u64], data_bytes);
                [&(*header_bytes as u64).to_le_bytes(), json.as_bytes()].concat()
            }
            Self::Jsonl => Vec::new(),
        };
        header.resize(self.header_bytes(), b' ');
        if let (Self::Npy, Some(last)) = (self, header.last_mut()) {
            *last = b'\n'; // the format requires a line feed at the end
        }
        header
    }
}

fn npy_header(num_rows: u64, dim: usize) -> Vec<u8> {
    let length = (NPY_HEADER_BYTES - 10) as u16;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(length.to_le_bytes());
    header.extend(format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({num_rows}, {dim}), }}").bytes());
    header
}

fn safetensors_header(metadata: &BTreeMap<String, String>, shape: [u64; 2], data_bytes: u64) -> String {
    let embeddings = TensorInfo { dtype: "F32", shape, data_offsets: [0, data_bytes] };
    serde_json::json!(SafetensorsHeader { metadata, embeddings }).to_string()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// `/dev/full` fails every write like a full disk.
    #[test]
    fn a_full_disk_is_an_error_that_names_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.npy");
        let file = WholeFile::on_a_full_disk(&path);
        let mut writer = EmbeddingWriter::begin(&path, file, EmbeddingLayout::Npy, 2).unwrap();
        writer.push("1", &[0.0, 1.0]).unwrap();
        let error = writer.finish().unwrap_err();
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull), "{error}");
        assert!(error.to_string().starts_with(&format!("cannot write {}", path.display())), "{error}");
        assert!(!path.exists());
    }
}
