//! Embeddings on disk: built once, searched exactly, and used instead of encoding the candidates of
//! a rerank.
//!
//! # Layout
//! An index is a folder with `manifest.json` and segments. The manifest is replaced as a whole and
//! names all other files. Segments are never changed once the manifest names them.
//! [`IndexBuilder::build`] makes an index of one segment, [`IndexBuilder::add`] adds one,
//! [`delete`] marks rows.
//!
//! So every change happens at one moment. A reader that has an index open keeps its old state. A
//! killed process leaves the old state and, in `building/`, the work that the same command
//! continues. Each file has checksums of its blocks ([`Index::damages`]).
//!
//! The parts: `manifest`, `segment` (files and their content), `vectors` (the storage of a vector),
//! `tokens` (token vectors), `builder`, `journal` and `lock` (crash safety), `deletion`, `search`,
//! `scorer`.
//!
//! # Rows
//! A row is a text of the corpus. Rows are numbered through all segments in the order in which they
//! were added, and keep their numbers until the index is built again. Each row has one vector of
//! the text's start, as much as the model takes: an index has no windows of long texts. A blank
//! text is kept as a row that scores lowest and that no search finds.
//!
//! # Models
//! An index belongs to the model that made it, including the arithmetic. The manifest has the
//! encoder's fingerprint. Another encoder is refused with a message that names both.

mod blocks;
mod builder;
mod deletion;
mod folder;
mod journal;
mod lock;
mod manifest;
mod names;
mod scorer;
mod search;
mod segment;
mod tokens;
mod vectors;

use std::path::{Path, PathBuf};

pub use blocks::{Damage, FileDigest};
pub use builder::{BuildOptions, IndexBuilder};
pub use deletion::delete;
pub use manifest::{Dtype, IndexModel};
pub use scorer::{IndexQuery, IndexScorer};

use rayon::prelude::*;

use crate::encoder::Encoder;
use crate::threads::on_shared;
use crate::{Error, Result};
use manifest::IndexManifest;
use segment::Segment;

/// Minimum number of ids that a thread looks up at a time: some 5 us each.
const IDS_PER_TASK: usize = 16;

/// An index that is open for reading. It does not see later changes.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    manifest: IndexManifest,
    segments: Vec<Segment>,
    /// The number of each segment's first row.
    starts: Vec<u64>,
}

impl Index {
    /// Opens an index. It maps the files and checks their lengths, their tables of checksums, and
    /// the blank and deleted rows. All other data is checked when it is first used, so no answer
    /// comes from damaged bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a folder without an index; [`Error::Corrupted`] for files
    /// that do not match the manifest; [`Error::Io`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if cfg!(target_endian = "big") {
            return Err(Error::InvalidArgument("an index cannot be read here: its numbers are little-endian".into()));
        }
        let mut manifest = IndexManifest::read(folder)?;
        loop {
            let failed = match Self::over(folder, manifest.clone()) {
                Ok(index) => return Ok(index),
                Err(error) => error,
            };
            // A writer may have replaced the index and removed this one's files in between.
            let current = IndexManifest::read(folder)?;
            if current == manifest {
                return Err(failed);
            }
            manifest = current;
        }
    }

    fn over(folder: &Path, manifest: IndexManifest) -> Result<Self> {
        let open = |entry| Segment::open(folder, &manifest, entry);
        let segments = manifest.segments.iter().map(open).collect::<Result<Vec<_>>>()?;
        let first = |next: &mut u64, segment: &Segment| {
            let first = *next;
            *next += segment.rows();
            Some(first)
        };
        let starts = segments.iter().scan(0, first).collect();
        Ok(Self { folder: folder.to_owned(), manifest, segments, starts })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the model that made the vectors.
    pub fn model(&self) -> &IndexModel {
        &self.manifest.model
    }

    /// Returns the storage type of vectors.
    pub fn dtype(&self) -> Dtype {
        self.manifest.dtype
    }

    /// True if token vectors are stored, which MaxSim needs.
    pub fn has_tokens(&self) -> bool {
        self.manifest.tokens
    }

    /// Returns the number of token vectors, including those of deleted rows.
    pub fn tokens(&self) -> u64 {
        self.manifest.segments.iter().map(|segment| segment.tokens).sum()
    }

    /// Returns the number of segments.
    pub fn num_segments(&self) -> usize {
        self.segments.len()
    }

    /// Returns the number of rows, including deleted ones. Row numbers are smaller.
    pub fn rows(&self) -> u64 {
        self.manifest.rows()
    }

    /// Returns the number of rows that are not deleted.
    pub fn len(&self) -> u64 {
        self.rows() - self.manifest.deleted()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of all files except the manifest and the tables of ids.
    pub fn bytes(&self) -> u64 {
        let of = |segment: &manifest::SegmentEntry| segment.files.values().map(|file| file.bytes).sum::<u64>();
        self.manifest.segments.iter().map(of).sum()
    }

    /// Returns the id of a row, deleted or not.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a row that does not exist; [`Error::Corrupted`].
    pub fn id(&self, row: u64) -> Result<&str> {
        let (segment, row) = self.place(row)?;
        self.segments[segment].id(row)
    }

    /// Returns the row with this id, `None` if there is none or it was deleted.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Corrupted`] when the table of ids cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<u64>> {
        for (segment, start) in self.segments.iter().zip(&self.starts) {
            if let Some(row) = segment.find(id)?.filter(|row| !segment.is_deleted(*row)) {
                return Ok(Some(start + row));
            }
        }
        Ok(None)
    }

    /// True if a row with this id was deleted.
    pub(super) fn was_deleted(&self, id: &str) -> Result<bool> {
        for segment in &self.segments {
            if segment.find(id)?.is_some_and(|row| segment.is_deleted(row)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds many ids in parallel, each as [`Index::find`] does.
    ///
    /// # Errors
    /// As [`Index::find`].
    pub fn find_all(&self, ids: &[impl AsRef<str> + Sync]) -> Result<Vec<Option<u64>>> {
        on_shared(|| ids.par_iter().with_min_len(IDS_PER_TASK).map(|id| self.find(id.as_ref())).collect())
    }

    /// True if a row's text is blank: it scores lowest, and no search finds it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a row that does not exist.
    pub fn is_blank(&self, row: u64) -> Result<bool> {
        let (segment, row) = self.place(row)?;
        Ok(self.segments[segment].is_empty_text(row))
    }

    /// Returns the rows with blank text that are not deleted, ascending. No search finds them.
    pub fn blank_rows(&self) -> impl Iterator<Item = u64> {
        let segments = self.segments.iter().zip(&self.starts);
        segments.flat_map(|(segment, start)| segment.empty_rows().map(move |row| *start + row))
    }

    /// Checks that vectors of this encoder can be compared with the index's.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], naming both fingerprints, when they cannot.
    pub fn check_model(&self, encoder: &dyn Encoder) -> Result<()> {
        refuse_other_model(&self.manifest.model, &encoder.fingerprint()?)
    }

    /// Reads everything and returns the damaged parts; none for a sound index. Damage that opening
    /// detects is an error of [`Index::open`].
    pub fn damages(&self) -> Vec<Damage> {
        self.segments.iter().flat_map(Segment::damages).collect()
    }

    /// Returns the segment of a row, and the row's number in it.
    fn place(&self, row: u64) -> Result<(usize, u64)> {
        if row >= self.rows() {
            return Err(Error::InvalidArgument(format!("there is no row {row}; the index has {} rows", self.rows())));
        }
        let segment = self.starts.partition_point(|start| *start <= row) - 1;
        Ok((segment, row - self.starts[segment]))
    }
}

fn refuse_other_model(model: &IndexModel, fingerprint: &str) -> Result<()> {
    if model.fingerprint == fingerprint {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "the index was made with another model: its fingerprint is {} ({}, {}, {}), that of the model in use is {fingerprint}; use the same model, options and \
         kind of machine, or build the index again",
        model.fingerprint, model.name, model.engine, model.precision
    )))
}
