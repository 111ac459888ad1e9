//! Expansion of file name patterns.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Returns the files that names and patterns match, in the order given. Files of one pattern are
/// sorted by name.
///
/// A name with `*`, `?` or `[` is a pattern unless a file has exactly this name. `**` matches any
/// number of folders. Hidden files match only a pattern with the dot in it, and folders are left
/// out. `-` stays as it is. A file that is named twice is returned twice.
///
/// # Errors
/// [`Error::BadInput`] for an invalid pattern, or one that no file matches; [`Error::Io`] for a
/// folder that cannot be read on the way.
pub fn expand_paths(paths: &[impl AsRef<Path>]) -> Result<Vec<PathBuf>> {
    let mut expanded = Vec::with_capacity(paths.len());
    for path in paths {
        let path = path.as_ref();
        match path.to_str().filter(|name| name.contains(['*', '?', '[']) && !path.exists()) {
            Some(pattern) => expanded.extend(matches(pattern)?),
            None => expanded.push(path.to_owned()),
        }
    }
    Ok(expanded)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let bad = |message: String| Error::BadInput { file: pattern.to_owned(), message };
    let options =
        glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let found = glob::glob_with(pattern, options).map_err(|error| bad(format!("invalid pattern: {error}")))?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            Error::io("read", path)(error.into())
        })?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(bad("no file matches this pattern; give the name of one, or another pattern".to_owned()));
    }
    files.sort();
    Ok(files)
}
