//! Checksums, and a note of those already computed.
//!
//! Hashing 90 MB at each start would take longer than the first answer. So a file's checksum is
//! noted with the file's size and time of change, and trusted while both stay the same. This
//! detects damage and half-written files. It does not detect an attacker who can write to the cache
//! folder, who could replace the program too.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::small_file::{MAX_FILE_BYTES, read_small};
use crate::hex::hex;
use crate::{Error, Result};

/// Bytes of a read: so many that the system calls do not matter, and few enough for the processor's
/// cache.
pub(super) const CHUNK: usize = 256 * 1024;

/// The result of a full check of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCheck {
    /// The path relative to the model's folder.
    pub file: String,
    /// Length in bytes; 0 when the file is missing.
    pub size_bytes: u64,
    /// The checksum just computed; empty when the file is missing.
    pub sha256: String,
    /// The expected checksum, if known.
    pub expected: Option<String>,
    /// The comparison.
    pub verdict: FileVerdict,
}

/// The outcome of a [`FileCheck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileVerdict {
    /// The content is as expected.
    Matches,
    /// The content differs.
    Differs,
    /// No checksum is known.
    Unknown,
    /// The file is missing.
    Missing,
}

impl FileVerdict {
    /// Returns the name for output. Problems are in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Differs => "DIFFERS",
            Self::Unknown => "unverified",
            Self::Missing => "MISSING",
        }
    }
}

/// Returns the sha256 of a whole file, and reports the bytes done.
pub(super) fn sha256_of(path: &Path, tick: &mut dyn FnMut(u64)) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let (mut hasher, mut buffer, mut done) = (Sha256::new(), vec![0; CHUNK], 0);
    loop {
        let count = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if count == 0 {
            return Ok(hex(hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
        done += count as u64;
        tick(done);
    }
}

/// The noted checksums of one model's folder.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    dir: PathBuf,
    /// True if nearsort itself fetched every file of the source; another tool may have left some
    /// out.
    pub(super) complete: bool,
    files: BTreeMap<String, Stamp>,
    #[serde(skip)]
    path: PathBuf,
    #[serde(skip)]
    changed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified_ns: u64,
    sha256: String,
}

impl Ledger {
    /// Returns the path of the note about a model's folder.
    pub(super) fn path_for(cache_dir: &Path, dir: &Path) -> PathBuf {
        let name = hex(Sha256::digest(dir.as_os_str().as_encoded_bytes()));
        cache_dir.join("verified").join(format!("{}.json", &name[..16]))
    }

    /// Reads the note. A missing, unreadable or foreign one counts as empty, because everything in
    /// it can be computed again.
    pub(super) fn open(path: &Path, dir: &Path) -> Self {
        let noted = read_small(path, MAX_FILE_BYTES).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let ledger = noted.filter(|ledger| ledger.dir == dir).unwrap_or_default();
        Self { dir: dir.to_owned(), path: path.to_owned(), ..ledger }
    }

    /// Returns the checksum of a file in the folder, from the note if the file has not changed
    /// since.
    pub(super) fn sha256(&mut self, path: &Path) -> Result<String> {
        self.sha256_with(path, &mut |_| {})
    }

    pub(super) fn sha256_with(&mut self, path: &Path, tick: &mut dyn FnMut(u64)) -> Result<String> {
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        let (size, modified_ns) = (metadata.len(), modified_ns(&metadata));
        let key = path.strip_prefix(&self.dir).unwrap_or(path).to_string_lossy().into_owned();
        if let Some(stamp) = self.files.get(&key).filter(|stamp| stamp.size == size && stamp.modified_ns == modified_ns)
        {
            return Ok(stamp.sha256.clone());
        }
        let sha256 = sha256_of(path, tick)?;
        self.files.insert(key, Stamp { size, modified_ns, sha256: sha256.clone() });
        self.changed = true;
        Ok(sha256)
    }

    pub(super) fn set_complete(&mut self) {
        self.changed |= !self.complete;
        self.complete = true;
    }

    /// Writes the note if it changed. A failure is not an error: if the cache folder cannot be
    /// written (a read-only image), the only cost is the hashing at each start.
    pub(super) fn save(&mut self) {
        if std::mem::take(&mut self.changed) {
            let _ = self.write();
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, self)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

fn modified_ns(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_again_only_after_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, note) = (dir.path().join("f"), dir.path().join("note.json"));
        std::fs::write(&file, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hashed = |expected: bool| {
            let (mut ledger, mut ticks) = (Ledger::open(&note, dir.path()), 0);
            let sum = ledger.sha256_with(&file, &mut |_| ticks += 1).unwrap();
            ledger.save();
            assert_eq!(ticks > 0, expected);
            sum
        };
        assert_eq!(hashed(true), abc);
        assert_eq!(hashed(false), abc);
        std::fs::write(&file, "abd ").unwrap();
        assert_ne!(hashed(true), abc);
    }

    #[test]
    fn a_note_about_another_folder_or_broken_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("note.json");
        let mut ledger = Ledger::open(&note, Path::new("/one"));
        ledger.set_complete();
        ledger.save();
        assert!(Ledger::open(&note, Path::new("/one")).complete);
        assert!(!Ledger::open(&note, Path::new("/two")).complete);
        std::fs::write(&note, "{").unwrap();
        assert!(!Ledger::open(&note, Path::new("/one")).complete);
    }
}
