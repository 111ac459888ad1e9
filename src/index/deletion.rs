//! Deletion of rows: marks beside a segment, which the manifest names.

use std::path::Path;

use super::Index;
use super::folder::tidy;
use super::lock::WriterLock;
use super::manifest::IndexManifest;
use super::segment::write_deletions;
use crate::{Error, Result};

/// Deletes rows by their ids and returns their number. It writes a file of marks beside each
/// affected segment, then the manifest. Building the index again frees the space.
///
/// # Errors
/// [`Error::InvalidArgument`] for an id that the index does not have or no longer has, and if
/// another process writes; [`Error::Io`]. The index is then unchanged.
pub fn delete(folder: impl AsRef<Path>, ids: &[impl AsRef<str>]) -> Result<u64> {
    let folder = folder.as_ref();
    IndexManifest::read(folder)?;
    let _lock = WriterLock::take(folder)?;
    let index = Index::open(folder)?;
    let find = |id: &str| {
        if let Some(row) = index.find(id)? {
            return Ok(row);
        }
        let before = if index.was_deleted(id)? { "; its row was deleted before" } else { "" };
        let shown = folder.display();
        Err(Error::InvalidArgument(format!("the index {shown} has no id '{id}'; nothing was deleted{before}")))
    };
    let mut rows: Vec<u64> = ids.iter().map(|id| find(id.as_ref())).collect::<Result<_>>()?;
    rows.sort_unstable();
    rows.dedup();
    if rows.is_empty() {
        return Ok(0);
    }
    let mut manifest = index.manifest.clone();
    manifest.generation += 1;
    mark_deleted(folder, &mut manifest, &index, &rows)?;
    manifest.write(folder)?;
    tidy(folder, &manifest);
    Ok(rows.len() as u64)
}

/// Writes the marks of these rows and of those already deleted to new files, and names them in the
/// manifest.
pub(super) fn mark_deleted(folder: &Path, manifest: &mut IndexManifest, index: &Index, rows: &[u64]) -> Result<()> {
    let mut bits: Vec<Option<Vec<u8>>> = index.segments.iter().map(|_| None).collect();
    for &row in rows {
        let (segment, row) = index.place(row)?;
        let bits = bits[segment].get_or_insert_with(|| index.segments[segment].deleted_bits());
        bits[row as usize / 8] |= 1 << (row % 8);
    }
    let generation = manifest.generation;
    for (entry, bits) in manifest.segments.iter_mut().zip(bits) {
        if let Some(bits) = bits {
            entry.deletions = Some(write_deletions(&folder.join(&entry.name), generation, &bits)?);
        }
    }
    Ok(())
}
