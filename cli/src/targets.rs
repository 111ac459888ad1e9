//! Output files.

use std::path::{Path, PathBuf};

use crate::Failure;

/// Checks an output file before minutes of work: it must be writable, and not one of the inputs.
pub fn check_target(path: &Path, inputs: &[Option<&PathBuf>]) -> Result<(), Failure> {
    let wrong = |why: String| Err(Failure::Error(format!("cannot write {}: {why}", path.display())));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return wrong(format!("the folder {} does not exist; create it first", folder.display()));
    }
    if path.is_dir() {
        return wrong("it is a folder; give the name of a file".into());
    }
    let same = |input: &&PathBuf| matches!((path.canonicalize(), input.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match inputs.iter().copied().flatten().find(same) {
        Some(_) => wrong("it is the input; give another name".into()),
        None => Ok(()),
    }
}
