//! Download of one file of a repository into the hub's cache: `blobs/<etag>`, with a link in
//! `snapshots/<commit>/`.
//!
//! Bytes go to `blobs/<etag>.part`. After a break, the next attempt or the next run requests the
//! rest. The part's name has the checksum that the hub states, so a file that changed on the hub
//! begins a new part. A whole part is compared (size, sha256), synced, renamed and then linked. No
//! unverified file ever has a final name.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::http::{Client, HttpAnswer, NetworkTrouble, header};
use crate::hex::hex;
use crate::store::names::is_hex;
use crate::store::options::{FetchStep, UNSTATED};
use crate::store::small_file::MAX_FILE_BYTES;
use crate::store::verify::CHUNK;
use crate::store::{cache::FetchTarget, failure::Failure};
use crate::{Error, Result};

/// Maximum bytes of a weights file. Hubs split larger models into several files.
const MAX_WEIGHTS_BYTES: u64 = 1 << 40;

/// A repository at one revision, and its folder in the cache.
pub(super) struct Repository<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) target: &'a FetchTarget,
    /// The repository's folder in the hub's cache.
    pub(super) dir: PathBuf,
    /// The commit, once it is known. Before that, the requested revision is used.
    pub(super) commit: Option<String>,
}

/// The expected size and checksum of a file, as far as they are known.
struct Expected {
    size: Option<u64>,
    sha256: Option<String>,
    /// Maximum bytes if no size is stated: the file might have no end.
    most: u64,
}

impl Expected {
    /// Checks that this many bytes can be the file, or a part of it.
    fn check_received(&self, done: u64) -> Result<(), NetworkTrouble> {
        match self.size {
            Some(size) if done > size => {
                Err(NetworkTrouble::failed(format!("the server sent more than the {size} bytes of the file")))
            }
            None if done > self.most => Err(NetworkTrouble::failed(format!(
                "the server states no length of the file, and sent more than {} bytes; set {UNSTATED} to accept more",
                self.most
            ))),
            _ => Ok(()),
        }
    }
}

impl Repository<'_> {
    /// Returns the file in the snapshot, and fetches it if it is not there. `None` if the hub has
    /// no such file.
    pub(super) fn file(&mut self, file: &str) -> Result<Option<PathBuf>, Failure> {
        if let Some(path) = self.snapshot(file).filter(|path| path.is_file()) {
            return Ok(Some(path));
        }
        let revision = self.commit.as_deref().unwrap_or(&self.target.revision).replace('/', "%2F");
        let url = format!("{}/{}/resolve/{revision}/{file}", self.client.options.endpoint, self.target.repo);
        let fetched = self.client.retrying(file, || self.attempt(&url, file))?;
        let Some((blob, commit)) = fetched else { return Ok(None) };
        let commit = self.commit.get_or_insert(commit).clone();
        let path = self.dir.join("snapshots").join(commit).join(file);
        link(&blob, &path)?;
        Ok(Some(path))
    }

    fn snapshot(&self, file: &str) -> Option<PathBuf> {
        Some(self.dir.join("snapshots").join(self.commit.as_ref()?).join(file))
    }

    /// Makes one attempt. Returns the blob and the commit that it belongs to.
    fn attempt(&self, url: &str, file: &str) -> Result<(PathBuf, String), NetworkTrouble> {
        let answer = self.client.get(url, 0)?;
        let stated = answer.commit.clone().or_else(|| self.commit.clone()).filter(|commit| is_hex(commit, 40));
        let own = Some(&self.target.revision).filter(|revision| is_hex(revision, 40)).cloned();
        let commit = own
            .or(stated)
            .ok_or_else(|| NetworkTrouble::failed("the hub's answer does not name the commit of a file"))?;
        let expected = self.expected(&answer, file);
        check_size(file, expected.size)?;
        // Without a usable etag the URL identifies the content: this is right for a commit, the
        // only kind of URL here.
        let name = answer.etag.clone().unwrap_or_else(|| hex(Sha256::digest(url)));
        let blob = self.dir.join("blobs").join(&name);
        if blob.is_file() && matches(&blob, &expected)? {
            return Ok((blob, commit));
        }
        let part = blob.with_file_name(name + ".part");
        self.receive(url, file, answer, &part, &expected)?;
        finish(&part, &blob)?;
        Ok((blob, commit))
    }

    fn expected(&self, answer: &HttpAnswer, file: &str) -> Expected {
        let known = self.target.known(file);
        let length = || header(answer.response.headers(), "content-length")?.parse().ok();
        let etag = answer.etag.clone().filter(|etag| is_hex(etag, 64));
        Expected {
            size: known.and_then(|known| known.size).or(answer.size).or_else(length),
            sha256: known.and_then(|known| known.sha256.clone()).or(etag),
            most: self.client.options.limits.unstated_bytes.min(most_bytes(file)),
        }
    }

    /// Fills the part: from its end if the server can do that, else from the beginning.
    fn receive(
        &self,
        url: &str,
        file: &str,
        whole: HttpAnswer,
        part: &Path,
        expected: &Expected,
    ) -> Result<(), NetworkTrouble> {
        let folder = part.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let have = part.metadata().map_or(0, |metadata| metadata.len());
        let usable = have > 0 && expected.size.is_some_and(|size| have < size);
        let answer = if usable { self.client.get(url, have)? } else { whole };
        let resumed = usable && continues_at(&answer, have);
        if usable && answer.response.status() == 416 {
            remove(part)?;
            return Err(NetworkTrouble::again("the server refuses to continue a broken download"));
        }
        let mut sink = Sink::open(part, if resumed { have } else { 0 })?;
        let total = expected.size;
        let mut tick =
            |done| self.client.options.report(FetchStep::Downloading, &self.client.options.endpoint, file, done, total);
        let body = answer.response.into_body().into_reader();
        let outcome = sink.fill(body, expected, &mut tick).and_then(|()| sink.check(expected));
        match outcome {
            // A wrong start left by an earlier run must not make every later run fail: begin again,
            // once.
            Err(NetworkTrouble::Failed(Failure::Source(reason))) if resumed => {
                remove(part)?;
                Err(NetworkTrouble::again(reason))
            }
            Err(NetworkTrouble::Failed(failure)) => {
                let _ = std::fs::remove_file(part);
                Err(NetworkTrouble::Failed(failure))
            }
            other => other,
        }
    }
}

/// Refuses a file that is larger than any valid one, before anything is written.
fn check_size(file: &str, size: Option<u64>) -> Result<(), NetworkTrouble> {
    let most = most_bytes(file);
    match size.filter(|size| *size > most) {
        Some(size) => Err(NetworkTrouble::failed(format!(
            "the server says that {file} has {size} bytes; it must have at most {most}"
        ))),
        None => Ok(()),
    }
}

/// Returns the maximum bytes of a file. Weights may be as large as a disk, and hubs state their
/// size. The largest other file is a vocabulary.
fn most_bytes(file: &str) -> u64 {
    if file.ends_with(".safetensors") { MAX_WEIGHTS_BYTES } else { MAX_FILE_BYTES }
}

/// True if the answer holds the bytes from `have` on, and not the whole file again.
fn continues_at(answer: &HttpAnswer, have: u64) -> bool {
    let range = header(answer.response.headers(), "content-range");
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    answer.response.status() == 206 && start == Some(have)
}

/// A part that is written and hashed at the same time.
struct Sink<'a> {
    path: &'a Path,
    file: File,
    hasher: Sha256,
    done: u64,
}

impl<'a> Sink<'a> {
    /// Opens the part and keeps its first `keep` bytes.
    fn open(path: &'a Path, keep: u64) -> Result<Self> {
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = open.map_err(Error::io("create", path))?;
        file.set_len(keep).map_err(Error::io("truncate", path))?;
        let mut hasher = Sha256::new();
        std::io::copy(&mut Read::by_ref(&mut file).take(keep), &mut HashWriter(&mut hasher))
            .map_err(Error::io("read", path))?;
        file.seek(SeekFrom::Start(keep)).map_err(Error::io("read", path))?;
        Ok(Self { path, file, hasher, done: keep })
    }

    fn fill(
        &mut self,
        mut body: impl Read,
        expected: &Expected,
        tick: &mut dyn FnMut(u64),
    ) -> Result<(), NetworkTrouble> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => return self.ended(expected.size),
                Ok(count) => count,
                Err(error) => {
                    return Err(NetworkTrouble::again(format!(
                        "the transfer broke after {} bytes: {error}",
                        self.done
                    )));
                }
            };
            self.done += count as u64;
            expected.check_received(self.done)?;
            self.file.write_all(&buffer[..count]).map_err(Error::io("write", self.path))?;
            self.hasher.update(&buffer[..count]);
            tick(self.done);
        }
    }

    fn ended(&self, total: Option<u64>) -> Result<(), NetworkTrouble> {
        match total.filter(|total| self.done < *total) {
            Some(total) => {
                Err(NetworkTrouble::again(format!("the transfer ended after {} of {total} bytes", self.done)))
            }
            None => Ok(()),
        }
    }

    fn check(&mut self, expected: &Expected) -> Result<(), NetworkTrouble> {
        let found = hex(self.hasher.finalize_reset());
        match &expected.sha256 {
            Some(sum) if *sum != found => {
                Err(NetworkTrouble::failed(format!("the server sent wrong content: sha256 {found} instead of {sum}")))
            }
            _ => Ok(self.file.sync_all().map_err(Error::io("write", self.path))?),
        }
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// True if an existing blob has the expected content.
fn matches(blob: &Path, expected: &Expected) -> Result<bool> {
    let size = blob.metadata().map_err(Error::io("read", blob))?.len();
    if expected.size.is_some_and(|expected| expected != size) {
        return Ok(false);
    }
    match &expected.sha256 {
        Some(sum) => Ok(*sum == crate::store::verify::sha256_of(blob, &mut |_| {})?),
        None => Ok(true),
    }
}

fn finish(part: &Path, blob: &Path) -> Result<()> {
    std::fs::rename(part, blob).map_err(Error::io("rename", part))
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::io("remove", path))
}

/// Puts the blob's name into the snapshot: as a relative link like Python's tools, else as a copy.
fn link(blob: &Path, path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    if path.is_symlink() {
        remove(path)?;
    }
    if symlink(blob, path).is_some() {
        return Ok(());
    }
    std::fs::copy(blob, path).map_err(Error::io("write", path))?;
    Ok(())
}

#[cfg(unix)]
fn symlink(blob: &Path, path: &Path) -> Option<()> {
    let repository = blob.parent()?.parent()?;
    let depth = path.strip_prefix(repository).ok()?.components().count() - 1;
    let to = PathBuf::from("../".repeat(depth)).join(blob.strip_prefix(repository).ok()?);
    std::os::unix::fs::symlink(to, path).ok()
}

/// On other systems, links need rights that users rarely have.
#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> Option<()> {
    None
}
