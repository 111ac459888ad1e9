//! Building of a segment: encode, append, record, and resume after a kill.
//!
//! All files are written to `building/` in the index's folder and moved when they are complete.
//! Then the manifest is replaced; only that step changes the index.
//!
//! Rows come in chunks of a fixed size. An encoded chunk is synced to the disk, then recorded in
//! the journal. After a crash the same command reads the corpus again, compares the existing chunks
//! with the journal's hashes, cuts off what was not recorded, and continues. A text's vector
//! depends only on the text. So the finished files equal those of an uninterrupted build, byte for
//! byte.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::deletion::mark_deleted;
use super::folder::{
    BUILDING, JOURNAL, SEGMENT, refuse_foreign_parts, refuse_other_files, remove_building, remove_segment, tidy,
};
use super::journal::{BuildJournal, SavedRows, SegmentPlan, hash_texts};
use super::lock::WriterLock;
use super::manifest::{Dtype, IndexManifest, IndexModel, SegmentEntry, segment_name};
use super::segment::{NewRow, Segment, SegmentWriter};
use super::vectors::RowVector;
use super::{Index, tokens};
use crate::call::Call;
use crate::encoder::{EncodedLengths, Encoder, Role};
use crate::error::Remedy;
use crate::io::durable::{create_folder, rename, sync_folder};
use crate::text::is_blank;
use crate::{Error, Result};

/// Number of rows that are encoded, written and recorded together.
const CHUNK_ROWS: usize = 4096;
/// The same with token vectors, which are kept in memory: 24 KiB for a text of 128 tokens of 384
/// components.
const TOKEN_CHUNK_ROWS: usize = 1024;

/// Options of [`IndexBuilder::build`].
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions {
    /// The storage type of vectors.
    pub dtype: Dtype,
    /// True if token vectors are stored too.
    pub tokens: bool,
    /// True if an existing index is replaced when the new one is complete. Otherwise it is an
    /// error.
    pub replace: bool,
    /// True if an unfinished build is discarded instead of continued.
    pub restart: bool,
}

/// A vector, and the number and bytes of the token vectors of a [`NewRow`].
type EncodedRow = (RowVector, (usize, Vec<u8>));

/// Builds an index, or adds to one. If it is dropped before [`IndexBuilder::finish`], it leaves an
/// unfinished build that the same calls continue.
pub struct IndexBuilder {
    folder: PathBuf,
    lock: WriterLock,
    plan: SegmentPlan,
    /// The manifest of the current index.
    base: Option<IndexManifest>,
    /// The current index, to find ids that it already has; `None` for a whole new index.
    old: Option<Index>,
    /// The records of the unfinished build, in order. The rows of those before `checked` have been
    /// compared.
    records: Vec<SavedRows>,
    checked: usize,
    rows: u64,
    /// The open segment. `None`: the interrupted process had written and moved everything, and only
    /// the clean-up is left.
    out: Option<(SegmentWriter, BuildJournal)>,
}

impl IndexBuilder {
    /// Begins an index in a folder, which is created if it does not exist, or continues an
    /// unfinished build.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an existing index without `replace`, for a folder with other
    /// files, if another process writes, and for an unfinished build with other options;
    /// [`Error::Io`].
    pub fn build(folder: impl AsRef<Path>, model: &IndexModel, options: BuildOptions) -> Result<Self> {
        let folder = folder.as_ref();
        let base = if folder.is_dir() { IndexManifest::find(folder)? } else { None };
        if base.is_none() {
            refuse_other_files(folder)?;
        }
        create_folder(folder)?;
        let lock = WriterLock::take(folder)?;
        let base = IndexManifest::find(folder)?;
        let plan = SegmentPlan {
            segment: base.as_ref().map_or(segment_name(1), IndexManifest::next_segment),
            whole: true,
            replace: options.replace,
            model: model.clone(),
            dtype: options.dtype,
            tokens: options.tokens,
        };
        let begun = Self::begin(folder, lock, plan, base, options.restart)?;
        if begun.base.is_some() && !options.replace && begun.out.is_some() {
            return Err(Error::InvalidArgument(format!("there is an index in {} already", folder.display()))
                .advised(Remedy::AddToOrReplaceIndex));
        }
        Ok(begun)
    }

    /// Begins or continues to add a segment to an index. With `replace`, old rows with the same ids
    /// are deleted; otherwise such an id is an error.
    ///
    /// # Errors
    /// As [`IndexBuilder::build`]; [`Error::InvalidArgument`] for another model than the index's.
    pub fn add(folder: impl AsRef<Path>, model: &IndexModel, replace: bool, restart: bool) -> Result<Self> {
        let folder = folder.as_ref();
        IndexManifest::read(folder)?;
        let lock = WriterLock::take(folder)?;
        let base = IndexManifest::read(folder)?;
        super::refuse_other_model(&base.model, &model.fingerprint)?;
        let (dtype, tokens) = (base.dtype, base.tokens);
        let plan = SegmentPlan {
            segment: base.next_segment(),
            whole: false,
            replace,
            model: base.model.clone(),
            dtype,
            tokens,
        };
        Self::begin(folder, lock, plan, Some(base), restart)
    }

    fn begin(
        folder: &Path,
        lock: WriterLock,
        plan: SegmentPlan,
        base: Option<IndexManifest>,
        restart: bool,
    ) -> Result<Self> {
        let journal = folder.join(BUILDING).join(JOURNAL);
        refuse_foreign_parts(folder, base.as_ref(), restart)?;
        let old = if plan.whole { None } else { Some(Index::open(folder)?) };
        let mut builder = Self {
            folder: folder.to_owned(),
            lock,
            plan,
            base,
            old,
            records: Vec::new(),
            checked: 0,
            rows: 0,
            out: None,
        };
        let found = if restart { None } else { BuildJournal::open(&journal)? };
        match found {
            Some((journal, plan, records)) => builder.resume(journal, plan, records)?,
            None => builder.start()?,
        }
        Ok(builder)
    }

    fn start(&mut self) -> Result<()> {
        let building = self.folder.join(BUILDING);
        create_folder(&building)?;
        // The journal comes first, because it marks the folder as a build's. Without records in it,
        // files of an earlier build are ignored.
        let journal = BuildJournal::create(&building.join(JOURNAL), &self.plan)?;
        // A segment that no manifest names is one that a discarded build had already moved.
        remove_segment(&self.folder.join(&self.plan.segment))?;
        let writer = self.new_segment()?;
        self.out = Some((writer, journal));
        Ok(())
    }

    fn new_segment(&self) -> Result<SegmentWriter> {
        let segment = self.folder.join(BUILDING).join(SEGMENT);
        remove_segment(&segment)?;
        create_folder(&segment)?;
        let writer = SegmentWriter::create(&segment, self.plan.dtype, self.plan.tokens)?;
        sync_folder(&segment)?;
        Ok(writer)
    }

    fn resume(&mut self, journal: BuildJournal, plan: SegmentPlan, records: Vec<SavedRows>) -> Result<()> {
        let building = self.folder.join(BUILDING);
        let is_moved = self.base.as_ref().is_some_and(|base| base.segments.iter().any(|s| s.name == plan.segment));
        if is_moved {
            // The manifest names it: the plan's number was based on the earlier index.
            self.plan.segment.clone_from(&plan.segment);
        }
        if plan != self.plan {
            let differences = self.plan.differences(&plan).join(", ");
            return Err(Error::InvalidArgument(format!(
                "the unfinished build in {} was begun with another {differences}; continue it with what it was begun with, or throw it away with `restart=`",
                building.display()
            )));
        }
        if is_moved {
            self.records = records;
            return Ok(());
        }
        let (segment, moved) = (building.join(SEGMENT), self.folder.join(&plan.segment));
        if moved.is_dir() {
            rename(&moved, &segment)?;
        }
        let writer = match records.last() {
            Some(record) => SegmentWriter::resume(&segment, &record.mark)?,
            None => self.new_segment()?,
        };
        self.records = records;
        self.out = Some((writer, journal));
        Ok(())
    }

    /// Returns the maximum number of rows of a chunk. Use fewer for large rows. An interrupted
    /// build continues only with the same chunks.
    pub fn chunk_rows(&self) -> usize {
        if self.plan.tokens { TOKEN_CHUNK_ROWS } else { CHUNK_ROWS }
    }

    /// Returns the number of rows that an interrupted build has already encoded.
    pub fn resumed_rows(&self) -> u64 {
        self.records.last().map_or(0, |record| record.mark.rows)
    }

    /// Encodes and writes the next rows, given as ids and texts. Returns `None` if an interrupted
    /// build already had them; they are then only compared.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a chunk that is too large, for rows that differ from the
    /// interrupted build's, for an id that the index already has, and for a vector that is not
    /// finite; errors of the encoder; [`Error::Io`]. A call that ends early writes nothing of the
    /// chunk, which can be pushed again.
    pub fn push_chunk(
        &mut self,
        encoder: &dyn Encoder,
        rows: &[(&str, &str)],
        call: &Call<'_>,
    ) -> Result<Option<EncodedLengths>> {
        if rows.len() > self.chunk_rows() {
            let size = self.chunk_rows();
            return Err(Error::InvalidArgument(format!("a chunk has at most {size} rows")));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let texts = hash_texts(rows);
        let first = self.rows + 1;
        self.rows += rows.len() as u64;
        if let Some(record) = self.records.get(self.checked) {
            self.checked += 1;
            return if record.texts == texts {
                Ok(None)
            } else {
                Err(self.changed(&format!("rows {first} to {}", self.rows)))
            };
        }
        if self.out.is_none() {
            return Err(self.changed(&format!("rows from {first} on")));
        }
        self.refuse_known_ids(rows)?;
        let encoded = self.encode(encoder, rows, call);
        let (new, lengths) = encoded.inspect_err(|_| self.rows -= rows.len() as u64)?;
        let Some((writer, journal)) = &mut self.out else { return Ok(None) };
        new.iter().try_for_each(|row| writer.push(row))?;
        journal.append(SavedRows { mark: writer.sync()?, texts })?;
        Ok(Some(lengths))
    }

    fn changed(&self, which: &str) -> Error {
        Error::InvalidArgument(format!(
            "{which} of the corpus are not those of the unfinished build in {}; continue it with the corpus that it was begun with, or throw it away with `restart=`",
            self.folder.join(BUILDING).display()
        ))
    }

    fn refuse_known_ids(&self, rows: &[(&str, &str)]) -> Result<()> {
        let Some(old) = self.old.as_ref().filter(|_| !self.plan.replace) else { return Ok(()) };
        for (id, _) in rows {
            if old.find(id)?.is_some() {
                return Err(Error::InvalidArgument(format!(
                    "the id '{id}' is in the index {} already; to put new rows in the place of old ones say `replace=`",
                    self.folder.display()
                )));
            }
        }
        Ok(())
    }

    fn encode<'a>(
        &self,
        encoder: &dyn Encoder,
        rows: &[(&'a str, &'a str)],
        call: &Call<'_>,
    ) -> Result<(Vec<NewRow<'a>>, EncodedLengths)> {
        let texts: Vec<&str> = rows.iter().map(|(_, text)| *text).collect();
        let encoded: Vec<Mutex<Option<EncodedRow>>> = texts.iter().map(|_| Mutex::new(None)).collect();
        let keep = |index: usize, vector: &[f32], tokens: (usize, Vec<u8>)| {
            let row = RowVector::new(self.plan.dtype, vector).map(|row| (row, tokens));
            *encoded[index].lock().unwrap_or_else(PoisonError::into_inner) = row;
        };
        let lengths = match encoder.token_encoder() {
            Some(encoder) => encoder.encode_each(&texts, Role::Document, call, &|index, text| {
                let tokens = match self.plan.tokens {
                    true => (text.tokens.nrows(), tokens::encode(text.tokens)),
                    false => (0, Vec::new()),
                };
                keep(index, text.vector, tokens);
            })?,
            None if self.plan.tokens => {
                let message = "this encoder gives no token vectors; build the index without `tokens=`";
                return Err(Error::InvalidArgument(message.into()));
            }
            None => {
                let embeddings = encoder.encode_with(&texts, Role::Document, call)?;
                for (index, vector) in embeddings.vectors.rows().into_iter().enumerate() {
                    keep(index, &vector.to_vec(), (0, Vec::new()));
                }
                let unknown = vec![0; texts.len()];
                EncodedLengths { tokens: embeddings.tokens, own: Vec::new(), unknown, truncated: embeddings.truncated }
            }
        };
        let row = |(at, ((id, text), encoded)): (usize, (&(&'a str, &'a str), Mutex<Option<_>>))| {
            let found = encoded.into_inner().unwrap_or_else(PoisonError::into_inner);
            let (vector, tokens) = found.ok_or_else(|| {
                Error::InvalidArgument(format!("the vector of the row '{id}' is not finite"))
                    .advised(Remedy::VerifyModel)
            })?;
            Ok(NewRow { id, is_empty: is_blank(text) || lengths.is_nothing(at), vector, tokens })
        };
        let new = rows.iter().zip(encoded).enumerate().map(row).collect::<Result<_>>()?;
        Ok((new, lengths))
    }

    /// Completes the segment, adds it to the index, and returns the new index.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if two rows have the same id, or if an interrupted build had more
    /// rows; [`Error::Io`]. The index is then unchanged.
    pub fn finish(mut self) -> Result<Index> {
        if self.checked < self.records.len() {
            return Err(self.changed(&format!("rows after {}", self.rows)));
        }
        if let Some((writer, _)) = self.out.take() {
            let entry = writer.finish(&self.plan.segment)?;
            let (from, to) = (self.folder.join(BUILDING).join(SEGMENT), self.folder.join(&entry.name));
            rename(&from, &to)?;
            self.install(entry)?;
        }
        remove_building(&self.folder.join(BUILDING))?;
        tidy(&self.folder, &IndexManifest::read(&self.folder)?);
        drop(self.lock);
        Index::open(&self.folder)
    }

    fn install(&self, entry: SegmentEntry) -> Result<()> {
        let generation = self.base.as_ref().map_or(0, |base| base.generation) + 1;
        let SegmentPlan { model, dtype, tokens, .. } = self.plan.clone();
        let mut manifest = match self.base.clone().filter(|_| !self.plan.whole) {
            Some(base) => IndexManifest { generation, ..base },
            None => IndexManifest { generation, model, dtype, tokens, segments: Vec::new() },
        };
        if self.plan.replace && !self.plan.whole {
            let added = Segment::open(&self.folder, &manifest, &entry)?;
            self.delete_replaced(&mut manifest, &added)?;
        }
        manifest.segments.push(entry);
        manifest.write(&self.folder)
    }

    /// Marks the old rows whose ids are in the new segment as deleted.
    fn delete_replaced(&self, manifest: &mut IndexManifest, added: &Segment) -> Result<()> {
        let Some(old) = &self.old else { return Ok(()) };
        let ids = (0..added.rows()).map(|row| added.id(row));
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(old.find(id?)?);
        }
        mark_deleted(&self.folder, manifest, old, &rows)
    }
}
