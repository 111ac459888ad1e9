//! The files in an index's folder: which of them nearsort may overwrite or remove.
//!
//! Only regular files with known names are ever removed or overwritten, and folders only when they
//! are empty. A foreign file or folder with one of these names is refused by name before anything
//! is changed.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::IndexManifest;
use super::names::{ID_TABLE, MANIFEST, is_file_name, is_numbered, is_segment_name, is_temporary};
use crate::io::durable::remove_file;
use crate::io::{IdTable, Journal};
use crate::{Error, Result};

/// The folder of an unfinished build, in the index's.
pub(super) const BUILDING: &str = "building";
/// The files of a build: the journal, and the segment's folder.
pub(super) const JOURNAL: &str = "journal";
pub(super) const SEGMENT: &str = "segment";
/// The lock file of a process that changes the index.
pub(super) const LOCK: &str = "lock";

/// Refuses a folder with other content than an index or the start of one.
pub(super) fn refuse_other_files(folder: &Path) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::InvalidArgument(format!("{} is a file; give the name of a folder", folder.display())));
    }
    let foreign = |entry: &&DirEntry| {
        let name = name(entry);
        ![BUILDING, LOCK, MANIFEST].contains(&&*name) && !is_segment_name(&name) && !is_temporary(&name)
    };
    match entries(folder)?.iter().find(foreign) {
        Some(other) => Err(Error::InvalidArgument(format!(
            "{} holds other files, such as {}; give an empty folder, or a new one",
            folder.display(),
            other.path().display()
        ))),
        None => Ok(()),
    }
}

/// Refuses an unfinished build or segments that are not nearsort's. Segments that the manifest
/// names are accepted. `restart`: the build is discarded, whatever its journal contains.
pub(super) fn refuse_foreign_parts(folder: &Path, base: Option<&IndexManifest>, restart: bool) -> Result<()> {
    for entry in entries(folder)? {
        let (name, path) = (name(&entry), entry.path());
        let is_named = base.is_some_and(|base| base.segments.iter().any(|segment| segment.name == name));
        if name == BUILDING {
            check_building(&path, restart)?;
        } else if is_segment_name(&name) && !is_named {
            check_segment(&path)?;
        }
    }
    Ok(())
}

fn check_building(building: &Path, restart: bool) -> Result<()> {
    let mut is_begun = false;
    for entry in folder_entries(building)? {
        let (name, path) = (name(&entry), entry.path());
        match &*name {
            SEGMENT => {
                let files = folder_entries(&path)?;
                files.iter().try_for_each(|file| refuse_unless(file, is_segment_file(file)))?;
                is_begun = true;
            }
            JOURNAL => refuse_unless(&entry, is_file(&entry))?,
            name => refuse_unless(&entry, is_file(&entry) && is_temporary(name))?,
        }
    }
    let journal = building.join(JOURNAL);
    if (is_begun || journal.exists()) && !restart && !Journal::is_one(&journal)? {
        return Err(Error::InvalidArgument(format!(
            "{} holds no build of this version of nearsort that could be continued; if it is one, throw it away with `restart=`, else move it away",
            building.display()
        )));
    }
    match is_begun && !journal.exists() {
        true => Err(foreign(building, "it has no journal")),
        false => Ok(()),
    }
}

/// Checks a segment that no manifest names. A discarded build had already moved it.
fn check_segment(segment: &Path) -> Result<()> {
    let files = folder_entries(segment)?;
    files.iter().try_for_each(|file| refuse_unless(file, is_segment_file(file)))?;
    match files.is_empty() || IdTable::is_one(&segment.join(ID_TABLE)) {
        true => Ok(()),
        false => Err(foreign(segment, "it has no table of ids")),
    }
}

fn refuse_unless(entry: &DirEntry, is_ours: bool) -> Result<()> {
    if is_ours { Ok(()) } else { Err(foreign(&entry.path(), "nearsort did not make it")) }
}

fn foreign(path: &Path, why: &str) -> Error {
    Error::InvalidArgument(format!(
        "{} is in the way of the index, and is not nearsort's: {why}; nothing was changed, move it away or give another folder",
        path.display()
    ))
}

/// Returns the entries of a folder. A link to a folder is refused.
fn folder_entries(folder: &Path) -> Result<Vec<DirEntry>> {
    match fs::symlink_metadata(folder) {
        Ok(found) if !found.is_dir() => Err(foreign(folder, "it is not a folder")),
        _ => entries(folder),
    }
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect).map_err(Error::io("read", folder)),
    }
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

fn is_file(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|found| found.is_file())
}

fn is_segment_file(entry: &DirEntry) -> bool {
    let name = name(entry);
    is_file(entry) && (is_file_name(&name) || is_numbered(&name, "deleted-") || is_temporary(&name))
}

/// Removes the files of a segment, the table of ids last, because it marks the folder as a segment.
/// Then removes the folder if it is empty.
pub(super) fn remove_segment(segment: &Path) -> Result<()> {
    if segment.is_symlink() {
        return Ok(());
    }
    let files: Vec<PathBuf> =
        entries(segment)?.iter().filter(|file| is_segment_file(file)).map(DirEntry::path).collect();
    let (table, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.ends_with(ID_TABLE));
    others.iter().chain(&table).try_for_each(|file| remove(file))?;
    remove_if_empty(segment)
}

/// Removes an unfinished build, its journal last.
pub(super) fn remove_building(building: &Path) -> Result<()> {
    remove_segment(&building.join(SEGMENT))?;
    let ours = |entry: &&DirEntry| is_file(entry) && is_temporary(&name(entry));
    entries(building)?.iter().filter(ours).try_for_each(|entry| remove(&entry.path()))?;
    remove(&building.join(JOURNAL))?;
    remove_if_empty(building)
}

fn remove(file: &Path) -> Result<()> {
    remove_file(file).map_err(Error::io("remove", file))
}

fn remove_if_empty(folder: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        removed => removed.map_err(Error::io("remove", folder)),
    }
}

/// Removes files that no manifest names any more. A reader that has mapped one keeps it. A file
/// that cannot be removed only costs space.
pub(super) fn tidy(folder: &Path, manifest: &IndexManifest) {
    for entry in entries(folder).unwrap_or_default() {
        let (name, path) = (name(&entry), entry.path());
        let known = manifest.segments.iter().find(|segment| segment.name == name);
        match known {
            None if is_segment_name(&name) && check_segment(&path).is_ok() => drop(remove_segment(&path)),
            // A manifest whose process was killed while writing it.
            None if is_temporary(&name) && is_file(&entry) => drop(remove(&path)),
            None => {}
            Some(segment) => {
                let current = segment.deletions.as_ref().map(|deletions| deletions.name.as_str());
                let stale = |file: &&DirEntry| {
                    let name = self::name(file);
                    is_file(file) && is_numbered(&name, "deleted-") && Some(&*name) != current
                };
                let files = if path.is_symlink() { Vec::new() } else { entries(&path).unwrap_or_default() };
                files.iter().filter(stale).for_each(|file| drop(remove(&file.path())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours_are_numbers_and_nothing_else() {
        for name in ["segment-000001", "segment-1000000", "segment-999999999999999999"] {
            assert!(is_segment_name(name), "{name}");
        }
        for name in [
            "segment-",
            "segment-1",
            "segment-old",
            "segment-00000x",
            "../segment-000001",
            "segment-9999999999999999999",
        ] {
            assert!(!is_segment_name(name), "{name}");
        }
        assert!(is_temporary(".nearsort-0123456789abcdef-0.tmp") && is_temporary(".tmpAbC123"));
        assert!(!is_temporary(".nearsort-notes.txt") && !is_temporary(".tmp-of-mine"));
    }
}
