//! Files that appear only when they are complete.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::durable::{folder_of, remove_file, rename_only, sync_file, sync_folder};
use crate::hex::hex;
use crate::{Error, Result};

/// Buffer before a file. One write of a megabyte costs no more than one of 8 KiB.
const BUFFER_BYTES: usize = 1 << 20;
/// Maximum number of links in a chain: as many as Linux follows.
const MAX_LINKS: usize = 40;
/// Maximum number of processes that write one target at the same time.
const SLOTS: usize = 1000;

/// A file that is written under a temporary name beside its target and renamed to the target when
/// it is complete.
///
/// If the target is a link, the file that the link leads to is written. An existing target keeps
/// its mode. Dropping it before [`WholeFile::finish`] removes the unfinished file. If the process
/// is killed, the unfinished file stays, as `.nearsort-*.tmp`, until the next process writes the
/// same target.
#[derive(Debug)]
pub struct WholeFile {
    out: BufWriter<Unfinished>,
    /// The path as it was given, for messages.
    path: PathBuf,
    /// The path at the end of its links.
    target: PathBuf,
}

impl WholeFile {
    /// Opens the temporary file. An existing file at `path` stays until the end.
    ///
    /// # Errors
    /// [`Error::Io`] when no file can be created in the folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let target = behind_links(path).map_err(Error::io("write", path))?;
        Self::at(path, target)
    }

    /// Like [`WholeFile::create`], for a file in a folder of nearsort's own: a link in its place is
    /// replaced, not followed.
    pub(crate) fn create_own(path: &Path) -> Result<Self> {
        Self::at(path, path.to_owned())
    }

    fn at(path: &Path, target: PathBuf) -> Result<Self> {
        let file = Unfinished::beside(&target).map_err(Error::io("write", path))?;
        Ok(Self { out: BufWriter::with_capacity(BUFFER_BYTES, file), path: path.to_owned(), target })
    }

    /// Returns a file whose writes all fail as on a full disk.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn on_a_full_disk(path: &Path) -> Self {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = BufWriter::with_capacity(BUFFER_BYTES, Unfinished { file, path: path.with_extension("none.tmp") });
        Self { out, path: path.to_owned(), target: path.to_owned() }
    }

    /// Checks that a file can be written under this name. A device or a pipe is refused, because
    /// the rename would replace it.
    ///
    /// # Errors
    /// [`Error::Io`] when something other than a regular file is there.
    pub fn check_target(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        refuse_what_is_no_file(path).map_err(Error::io("write", path))
    }

    /// Returns the name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the unfinished file, for a program that removes it when a signal ends
    /// it.
    pub fn temporary_path(&self) -> &Path {
        &self.out.get_ref().path
    }

    /// Renames the file to its target, and waits until the file and its name are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; an earlier file is then unchanged, unless only its folder could not be
    /// synced.
    pub fn finish(self) -> Result<()> {
        let Self { out, path, target } = self;
        let file = out.into_inner().map_err(|error| Error::io("write", &path)(error.into_error()))?;
        // The content is synced before the rename: no crash may leave a final name on half a file.
        sync_file(&file.file, &file.path).map_err(Error::io("write", &path))?;
        rename_only(&file.path, &target).map_err(Error::io("rename to", &path))?;
        sync_folder(folder_of(&target))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.out.seek(to)
    }
}

/// Writes a whole file under a temporary name and renames it, so that no reader sees a part of it.
///
/// # Errors
/// [`Error::Io`]; the target is then unchanged.
pub fn write_whole(path: impl AsRef<Path>, content: &[u8]) -> Result<()> {
    let path = path.as_ref();
    write_into(WholeFile::create(path)?, path, content)
}

/// Like [`write_whole`], for a file in a folder of nearsort's own: a link in its place is replaced,
/// not followed.
pub(crate) fn write_own(path: &Path, content: &[u8]) -> Result<()> {
    write_into(WholeFile::create_own(path)?, path, content)
}

fn write_into(mut file: WholeFile, path: &Path, content: &[u8]) -> Result<()> {
    file.write_all(content).map_err(Error::io("write", path))?;
    file.finish()
}

/// Renames a finished file, which is already on the disk, to the name of an output. If that is a
/// link, the link's target is replaced. The file gets the mode of an earlier file. The new name is
/// on the disk when this returns.
///
/// # Errors
/// [`Error::Io`]; an earlier file at `output` is then unchanged, unless only a folder could not be
/// synced.
pub fn publish_file(finished: impl AsRef<Path>, output: impl AsRef<Path>) -> Result<()> {
    let (finished, output) = (finished.as_ref(), output.as_ref());
    refuse_what_is_no_file(output).map_err(Error::io("write", output))?;
    let target = behind_links(output).map_err(Error::io("write", output))?;
    if let Ok(old) = target.metadata() {
        let file = File::open(finished).map_err(Error::io("open", finished))?;
        take_over(&file, &old).map_err(Error::io("write", finished))?;
    }
    match rename_only(finished, &target) {
        Ok(()) => {}
        // A link may lead to another file system.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let mut out = WholeFile::create(output)?;
            let mut file = File::open(finished).map_err(Error::io("open", finished))?;
            io::copy(&mut file, &mut out).map_err(Error::io("write", output))?;
            out.finish()?;
            return remove_file(finished).map_err(Error::io("remove", finished));
        }
        Err(error) => return Err(Error::io("write", output)(error)),
    }
    sync_folder(folder_of(&target))?;
    sync_folder(folder_of(finished))
}

/// Refuses a device or a pipe in the target's place, because the rename would replace it.
fn refuse_what_is_no_file(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|target| !target.is_file()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file; give the name of one"));
    }
    Ok(())
}

/// Returns the path at the end of the links, also if there is no file yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if !path.is_symlink() {
            return Ok(path);
        }
        let to = fs::read_link(&path)?;
        path = folder_of(&path).join(to);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "its links lead in a circle; give the name of a file"))
}

/// A file under a temporary name, locked while its process lives. Dropping it before the rename
/// removes it.
#[derive(Debug)]
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    /// Creates it in the target's folder, because a rename works only within one file system.
    ///
    /// The name depends only on the target. So the next writer of the same target finds the file of
    /// a killed process without reading the folder, by its lock that no process holds.
    fn beside(target: &Path) -> io::Result<Self> {
        refuse_what_is_no_file(target)?;
        let old = target.metadata().ok();
        let name = Sha256::digest(target.file_name().unwrap_or_default().as_encoded_bytes());
        for slot in 0..SLOTS {
            let path = folder_of(target).join(format!(".nearsort-{}-{slot}.tmp", hex(&name[..8])));
            if let Some(file) = claim(&path, old.as_ref())? {
                let unfinished = Self { file, path };
                old.as_ref().map_or(Ok(()), |old| take_over(&unfinished.file, old))?;
                return Ok(unfinished);
            }
        }
        Err(io::Error::new(ErrorKind::ResourceBusy, format!("{SLOTS} processes are writing it")))
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Unfinished {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename, only the file of another process can have this name.
        if is_at(&self.file, &self.path) {
            // If it cannot be removed, the next writer of the target removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates and locks a file; `None` if a living process has one of this name.
fn claim(path: &Path, old: Option<&Metadata>) -> io::Result<Option<File>> {
    remove_abandoned(path);
    let file = match create_new(path, old) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // Another process may have taken it for abandoned before it was locked. Without locks no
        // process does.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(is_at(&file, path).then_some(file)),
    }
}

/// Removes the unfinished file of a process that has ended. On file systems without locks it keeps
/// the file.
fn remove_abandoned(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return;
    }
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return };
    if file.try_lock().is_ok() && is_at(&file, path) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(unix)]
fn create_new(path: &Path, old: Option<&Metadata>) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    // From its first byte on, its mode is no wider than that of the file that it replaces.
    let mode = old.map_or(0o666, |old| old.mode() & 0o777);
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create_new(path: &Path, _: Option<&Metadata>) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Gives a new file the mode of the old one and, if allowed, its owner.
#[cfg(unix)]
fn take_over(new: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let found = new.metadata()?;
    if (found.uid(), found.gid()) != (old.uid(), old.gid()) {
        // Only root may do this, and for the group its members. Otherwise the file belongs to this
        // user, as usual.
        let _ = fchown(new, Some(old.uid()), Some(old.gid()));
    }
    if found.mode() == old.mode() { Ok(()) } else { new.set_permissions(old.permissions()) }
}

#[cfg(not(unix))]
fn take_over(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// True if this file, and no other, has this name.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(named)) => place(file) == place(named),
        _ => false,
    }
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::super::durable::take_steps;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_on_the_disk_before_its_name_and_its_name_before_anything_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = WholeFile::create(folder.path().join("out")).unwrap();
        let temporary = file.temporary_path().file_name().unwrap().to_str().unwrap().to_owned();
        take_steps();
        file.finish().unwrap();
        let steps = take_steps();
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps[0].starts_with("sync ") && steps[0].ends_with(&temporary), "{steps:?}");
        assert!(steps[1].starts_with("rename ") && steps[1].ends_with("/out"), "{steps:?}");
        let of_folder = format!("/{}", folder.path().file_name().unwrap().to_str().unwrap());
        assert!(steps[2].starts_with("sync ") && steps[2].ends_with(&of_folder), "{steps:?}");
    }

    #[test]
    fn a_published_file_has_its_name_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("job/answers"), folder.path().join("out"));
        fs::create_dir(folder.path().join("job")).unwrap();
        fs::write(&from, "answers").unwrap();
        take_steps();
        publish_file(&from, &to).unwrap();
        let steps = take_steps();
        assert!(steps[0].starts_with("rename job/answers to "), "{steps:?}");
        assert!(
            steps[1].starts_with("sync ") && steps[2].starts_with("sync ") && steps[2].ends_with("/job"),
            "{steps:?}"
        );
        assert_eq!(fs::read(&to).unwrap(), b"answers");
    }

    #[test]
    fn what_a_killed_process_left_goes_when_the_target_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let killed = WholeFile::create(&path).unwrap();
        let left = killed.temporary_path().to_owned();
        // A kill releases the lock with the process; the file stays.
        let copy = folder.path().join("copy");
        fs::rename(&left, &copy).unwrap();
        drop(killed);
        fs::rename(&copy, &left).unwrap();
        fs::write(folder.path().join(".nearsort-of-others.tmp"), "not ours").unwrap();
        let alive = WholeFile::create(&path).unwrap();
        assert_eq!(alive.temporary_path(), left);
        let other = WholeFile::create(&path).unwrap();
        assert_ne!(other.temporary_path(), left, "a process that lives keeps its file");
        write_whole(&path, b"third").unwrap();
        drop(other);
        alive.finish().unwrap();
        assert_eq!(names(folder.path()), [".nearsort-of-others.tmp", "out"]);
        assert_eq!(fs::read(&path).unwrap(), b"", "the last to finish wins");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_written_where_it_leads_and_the_mode_stays() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/file"), "old").unwrap();
        fs::set_permissions(at("real/file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real/file", at("link")).unwrap();
        symlink("link", at("link to link")).unwrap();
        symlink("real/new", at("link to nothing")).unwrap();
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        write_whole(at("link to link"), b"new").unwrap();
        assert!(at("link").is_symlink() && at("link to link").is_symlink());
        assert_eq!((fs::read(at("real/file")).unwrap(), mode("real/file")), (b"new".to_vec(), 0o640));
        write_whole(at("link to nothing"), b"begun").unwrap();
        assert_eq!(fs::read(at("real/new")).unwrap(), b"begun");
        fs::write(at("finished"), "published").unwrap();
        publish_file(at("finished"), at("link")).unwrap();
        assert!(at("link").is_symlink());
        assert_eq!((fs::read(at("real/file")).unwrap(), mode("real/file")), (b"published".to_vec(), 0o640));
        // A private file is not readable by others while it is written.
        fs::set_permissions(at("real/file"), fs::Permissions::from_mode(0o600)).unwrap();
        let file = WholeFile::create(at("link")).unwrap();
        assert_eq!(fs::metadata(file.temporary_path()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert_eq!(names(&at("real")), ["file", "new"]);
        symlink("circle", at("circle")).unwrap();
        assert!(write_whole(at("circle"), b"").unwrap_err().to_string().contains("in a circle"));
        write_own(&at("link"), b"ours").unwrap();
        assert!(!at("link").is_symlink() && fs::read(at("real/file")).unwrap() == b"published");
    }
}
