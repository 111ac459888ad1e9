//! The journal of an unfinished build: its plan, and the rows that are safely on disk.
//!
//! The first entry is the [`SegmentPlan`]. Each other entry is a [`SavedRows`], which is added after its data
//! is on disk.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::{Dtype, IndexModel};
use super::segment::Mark;
use crate::Result;
use crate::hex::hex;

/// Everything except the corpus that decides the bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentPlan {
    /// The name of the segment's folder.
    pub segment: String,
    /// True if it replaces all earlier segments.
    pub whole: bool,
    /// True if it replaces rows of earlier segments with the same ids.
    pub replace: bool,
    pub model: IndexModel,
    pub dtype: Dtype,
    pub tokens: bool,
}

impl SegmentPlan {
    /// Returns the names of the options in which two plans differ.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (a, b) = (&self.model, &other.model);
        let fields = [
            ("kind of change (build or add)", self.whole == other.whole),
            ("`replace=`", self.replace == other.replace),
            ("`dtype=`", self.dtype == other.dtype),
            ("`tokens=`", self.tokens == other.tokens),
            ("model", (&a.name, &a.revision) == (&b.name, &b.revision)),
            ("`precision=` or `engine=`", (&a.precision, &a.engine) == (&b.precision, &b.engine)),
            ("prompts", (&a.query_prompt, &a.document_prompt) == (&b.query_prompt, &b.document_prompt)),
            ("`max_tokens=`", a.max_tokens == b.max_tokens),
            ("`dim=`", a.dim == b.dim),
            ("`pooling=`", a.pooling == b.pooling),
        ];
        let differing: Vec<&str> = fields.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
        match differing.is_empty() && self != other {
            true => vec!["state of the index or fingerprint of the model"],
            false => differing,
        }
    }
}

/// Rows that are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRows {
    /// The size of the segment so far.
    pub mark: Mark,
    /// SHA-256 of the ids and texts that were added since the last record.
    pub texts: String,
}

/// Returns the hash of a chunk of rows, given as ids and texts.
pub(super) fn hash_texts(rows: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (id, text) in rows {
        for part in [id, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex(hash.finalize())
}

/// An entry of the journal: first the plan, then records.
#[derive(Serialize, Deserialize)]
enum JournalEntry {
    Plan(Box<SegmentPlan>),
    Record(SavedRows),
}

/// The journal, open for appending.
pub(super) struct BuildJournal(crate::io::Journal);

impl BuildJournal {
    pub fn create(path: &Path, plan: &SegmentPlan) -> Result<Self> {
        Ok(Self(crate::io::Journal::create(path, &JournalEntry::Plan(Box::new(plan.clone())))?))
    }

    /// Opens a journal to continue behind its last whole record. Returns `None` if there is not
    /// even a plan.
    pub fn open(path: &Path) -> Result<Option<(Self, SegmentPlan, Vec<SavedRows>)>> {
        if !path.exists() {
            return Ok(None);
        }
        let (mut plan, mut records) = (None, Vec::new());
        let journal = crate::io::Journal::open(path, |entry| {
            match entry {
                JournalEntry::Plan(found) => plan = Some(*found),
                JournalEntry::Record(record) => records.push(record),
            }
            Ok(())
        })?;
        Ok(plan.map(|plan| (Self(journal), plan, records)))
    }

    pub fn append(&mut self, record: SavedRows) -> Result<()> {
        self.0.append(&JournalEntry::Record(record))
    }
}
