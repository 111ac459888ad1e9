//! Files below declared folders, the only files that a tool may read.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nearsort::io::{ReadOptions, Rows};

/// Maximum size of a file, in bytes on disk.
const MAX_BYTES: u64 = 256 << 20;

/// Folders below which tools may read, with every link resolved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots(Vec<PathBuf>);

/// A candidate of a call or of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileCandidate {
    /// The candidate's id in the file, or its number.
    pub id: Option<String>,
    pub text: String,
}

impl Roots {
    /// Resolves the folders, which must exist.
    ///
    /// # Errors
    /// A path that cannot be resolved, or that is not a folder.
    pub fn new(folders: &[PathBuf]) -> Result<Self, String> {
        let resolve = |folder: &PathBuf| {
            let real = fs::canonicalize(folder).map_err(|error| format!("root {}: {error}", folder.display()))?;
            if real.is_dir() { Ok(real) } else { Err(format!("root {}: not a folder", folder.display())) }
        };
        folders.iter().map(resolve).collect::<Result<_, _>>().map(Self)
    }

    /// Resolves `path`, which is absolute or below the first root that has it.
    ///
    /// A path outside of all roots gets the same refusal as a missing one, so that callers learn
    /// nothing about other files.
    ///
    /// # Errors
    /// No roots; no such file; a path or a link that leads outside of every root.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, String> {
        if self.0.is_empty() {
            return Err("this server reads no files; start `nearsort mcp` with --root DIR, or `nearsort serve` with --mcp-root DIR".into());
        }
        let inside = |root: &PathBuf| {
            let real = fs::canonicalize(root.join(path)).ok()?;
            self.0.iter().any(|root| real.starts_with(root)).then_some(real)
        };
        self.0.iter().find_map(inside).ok_or_else(|| format!("there is no '{path}' below {}", self.shown()))
    }

    /// Reads the candidates of a file, at most `limit`.
    ///
    /// # Errors
    /// As [`Roots::resolve`]; a folder or a device; a file that is too long, cannot be read as
    /// candidates, or has none.
    pub fn candidates(&self, path: &str, limit: usize) -> Result<Vec<FileCandidate>, String> {
        let real = self.resolve(path)?;
        check(&real).map_err(|reason| format!("'{path}' {reason}"))?;
        let options = ReadOptions { needs_score: false, extra: false, ..ReadOptions::default() };
        let without_place = |error: nearsort::Error| error.to_string().replace(&real.display().to_string(), path);
        let mut candidates = Vec::new();
        for row in Rows::open(&real, &options).map_err(without_place)? {
            let row = row.map_err(without_place)?;
            if candidates.len() == limit {
                return Err(format!("'{path}' has more than {limit} candidates, which is the limit of a request"));
            }
            candidates.push(FileCandidate { text: row.passage().into_owned(), id: Some(row.id) });
        }
        if candidates.is_empty() { Err(format!("'{path}' has no candidates")) } else { Ok(candidates) }
    }

    fn shown(&self) -> String {
        self.0.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// Checks that a path is a regular file. A pipe could block for ever, and a device may never end.
fn check(path: &Path) -> Result<(), String> {
    let facts = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "is gone".to_owned(),
        _ => format!("cannot be looked at: {error}"),
    })?;
    if !facts.is_file() {
        return Err("is not a file".into());
    }
    match facts.len() {
        bytes if bytes > MAX_BYTES => Err(format!("has {bytes} bytes; the limit is {MAX_BYTES}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with `in.txt` and a folder beside it with `out.txt`.
    fn folders() -> (tempfile::TempDir, Roots, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (root, beside) = (folder.path().join("root"), folder.path().join("root-beside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(root.join("in.txt"), "Paris\nBerlin\n").unwrap();
        fs::write(beside.join("out.txt"), "secret\n").unwrap();
        (folder, Roots::new(&[root]).unwrap(), beside)
    }

    #[test]
    fn a_file_below_a_root_is_read_by_a_relative_and_by_an_absolute_path() {
        let (folder, roots, _) = folders();
        let read = roots.candidates("in.txt", 10).unwrap();
        let texts: Vec<(&str, &str)> = read.iter().map(|c| (c.id.as_deref().unwrap(), c.text.as_str())).collect();
        assert_eq!(texts, [("1", "Paris"), ("2", "Berlin")]);
        let absolute = folder.path().join("root/in.txt");
        assert_eq!(roots.candidates(absolute.to_str().unwrap(), 10).unwrap(), read);
    }

    #[test]
    fn nothing_leads_out_of_a_root() {
        let (folder, roots, beside) = folders();
        let root = folder.path().join("root");
        std::os::unix::fs::symlink(beside.join("out.txt"), root.join("link.txt")).unwrap();
        std::os::unix::fs::symlink(&beside, root.join("linked")).unwrap();
        let absolute = beside.join("out.txt").display().to_string();
        for path in ["../root-beside/out.txt", "link.txt", "linked/out.txt", &absolute, "/etc/passwd", "missing.txt"] {
            let error = roots.candidates(path, 10).unwrap_err();
            assert!(error.starts_with(&format!("there is no '{path}' below ")), "{error}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_too_much_is_said() {
        let (folder, roots, _) = folders();
        let root = folder.path().join("root");
        fs::create_dir(root.join("folder")).unwrap();
        assert_eq!(roots.candidates("folder", 10).unwrap_err(), "'folder' is not a file");
        let pipe = std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap();
        assert!(pipe.success());
        assert_eq!(roots.candidates("pipe", 10).unwrap_err(), "'pipe' is not a file");
        let error = roots.candidates("in.txt", 1).unwrap_err();
        assert_eq!(error, "'in.txt' has more than 1 candidates, which is the limit of a request");
        fs::write(root.join("empty.txt"), "").unwrap();
        assert_eq!(roots.candidates("empty.txt", 1).unwrap_err(), "'empty.txt' has no candidates");
        fs::write(root.join("bad.jsonl"), "{\"text\": 1").unwrap();
        let error = roots.candidates("bad.jsonl", 1).unwrap_err();
        assert!(error.contains("bad.jsonl") && !error.contains(folder.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn without_roots_no_file_is_read_and_a_root_must_be_a_folder() {
        let (folder, ..) = folders();
        assert!(Roots::default().resolve("in.txt").unwrap_err().contains("with --mcp-root DIR"));
        assert!(Roots::new(&[folder.path().join("root/in.txt")]).unwrap_err().ends_with("not a folder"));
        assert!(Roots::new(&[folder.path().join("nowhere")]).unwrap_err().contains("nowhere"));
    }
}
