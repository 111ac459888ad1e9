//! Embeddings on disk: built once, searched exactly, and used in the place of encoding when candidates are reranked.
//!
//! # Layout
//! An index is a folder: `manifest.json`, which is replaced as a whole and names everything else, and segments, which are never changed once the manifest names
//! them. [`IndexBuilder::build`] makes an index of one segment, [`IndexBuilder::add`] adds one, [`delete`] marks rows. So every change happens at one moment, a reader that
//! has an index open keeps it as it was, and a process that is killed leaves the old state and, in `building/`, what the same command continues. Each file
//! carries checksums of its blocks ([`Index::damages`]). The parts: `manifest`, `segment` (files and their content), `vectors` (how a vector is stored),
//! `tokens` (token vectors), `builder` and `journal` (crash safety), `search`, `scorer`.
//!
//! # Rows
//! A row is a text of the corpus; rows are numbered through all segments in the order in which they were added, and keep their numbers until the index is built
//! again. Each holds one vector of the text's beginning: as much as the model takes, for windows of long texts do not exist here. A text without anything in it is kept as a row
//! that scores lowest and that no search finds.
//!
//! # Models
//! An index belongs to the model that made it, down to the arithmetic: the manifest has the encoder's fingerprint, and another one is refused, naming both.

mod blocks;
mod builder;
mod folder;
mod journal;
mod manifest;
mod names;
mod scorer;
mod search;
mod segment;
mod tokens;
mod vectors;

use std::path::{Path, PathBuf};

pub use blocks::{Damage, FileEntry};
pub use builder::{BuildOptions, IndexBuilder, delete};
pub use manifest::{Dtype, IndexModel};
pub use scorer::{IndexQuery, IndexScorer};

use rayon::prelude::*;

use crate::encoder::Encoder;
use crate::threads::on_shared;
use crate::{Error, Result};
use manifest::Manifest;
use segment::Segment;

/// Ids that a thread looks up at a time, at least: some 5 us each.
const IDS_PER_TASK: usize = 16;

/// An index that is open for reading. What a writer does meanwhile is not seen.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    manifest: Manifest,
    segments: Vec<Segment>,
    /// The number of each segment's first row.
    starts: Vec<u64>,
}

impl Index {
    /// Opens an index: maps its files and checks their lengths and tables of checksums, the blank and the deleted rows. What else is in
    /// them is checked where it is first used: no answer is made of bytes that are not those that were written.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a folder without an index; [`Error::Corrupted`] for files that are not those that the manifest speaks of; [`Error::Io`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if cfg!(target_endian = "big") {
            return Err(Error::InvalidArgument("an index cannot be read here: its numbers are little-endian".into()));
        }
        let mut manifest = Manifest::read(folder)?;
        loop {
            let failed = match Self::over(folder, manifest.clone()) {
                Ok(index) => return Ok(index),
                Err(error) => error,
            };
            // A writer may have put another index there, and removed this one's files, in between.
            let current = Manifest::read(folder)?;
            if current == manifest {
                return Err(failed);
            }
            manifest = current;
        }
    }

    fn over(folder: &Path, manifest: Manifest) -> Result<Self> {
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

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model that made the vectors.
    pub fn model(&self) -> &IndexModel {
        &self.manifest.model
    }

    /// How vectors are stored.
    pub fn dtype(&self) -> Dtype {
        self.manifest.dtype
    }

    /// Whether token vectors are stored, which MaxSim needs.
    pub fn has_tokens(&self) -> bool {
        self.manifest.tokens
    }

    /// Token vectors in all, those of deleted rows included.
    pub fn tokens(&self) -> u64 {
        self.manifest.segments.iter().map(|segment| segment.tokens).sum()
    }

    /// Number of segments.
    pub fn num_segments(&self) -> usize {
        self.segments.len()
    }

    /// Rows, deleted ones included: row numbers are below.
    pub fn rows(&self) -> u64 {
        self.manifest.rows()
    }

    /// Rows that are not deleted.
    pub fn len(&self) -> u64 {
        self.rows() - self.manifest.deleted()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all files but the manifest and the tables of ids.
    pub fn bytes(&self) -> u64 {
        let of = |segment: &manifest::SegmentEntry| segment.files.values().map(|file| file.bytes).sum::<u64>();
        self.manifest.segments.iter().map(of).sum()
    }

    /// The id of a row, deleted or not.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a row that is not there; [`Error::Corrupted`].
    pub fn id(&self, row: u64) -> Result<&str> {
        let (segment, row) = self.place(row)?;
        self.segments[segment].id(row)
    }

    /// The row that has this id, `None` if no row has it or it was deleted.
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

    /// Whether a row of this id was deleted.
    pub(super) fn was_deleted(&self, id: &str) -> Result<bool> {
        for segment in &self.segments {
            if segment.find(id)?.is_some_and(|row| segment.is_deleted(row)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// [`Index::find`] for many ids, side by side.
    ///
    /// # Errors
    /// As [`Index::find`].
    pub fn find_all(&self, ids: &[impl AsRef<str> + Sync]) -> Result<Vec<Option<u64>>> {
        on_shared(|| ids.par_iter().with_min_len(IDS_PER_TASK).map(|id| self.find(id.as_ref())).collect())
    }

    /// Whether a row's text has nothing in it: it scores lowest, and no search finds it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a row that is not there.
    pub fn is_blank(&self, row: u64) -> Result<bool> {
        let (segment, row) = self.place(row)?;
        Ok(self.segments[segment].is_empty_text(row))
    }

    /// The rows whose text has nothing in it, ascending, deleted ones left out: no search finds them.
    pub fn blank_rows(&self) -> impl Iterator<Item = u64> {
        let segments = self.segments.iter().zip(&self.starts);
        segments.flat_map(|(segment, start)| segment.empty_rows().map(move |row| *start + row))
    }

    /// Whether vectors of this encoder can be compared with the index's.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], naming both fingerprints, when they cannot.
    pub fn check_model(&self, encoder: &dyn Encoder) -> Result<()> {
        refuse_other_model(&self.manifest.model, &encoder.fingerprint()?)
    }

    /// Reads everything and says what is not as it was written: nothing, in a sound index. What opening finds is an error of [`Index::open`] already.
    pub fn damages(&self) -> Vec<Damage> {
        self.segments.iter().flat_map(Segment::damages).collect()
    }

    /// The segment of a row, and its number there.
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
