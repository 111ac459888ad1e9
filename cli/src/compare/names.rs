//! The names of systems.

use std::collections::HashSet;
use std::path::Path;

use crate::Failure;
use crate::eval::file_name;

/// The source of a system's name, a file or a model.
pub enum Source<'a> {
    File(&'a Path),
    Model(&'a str),
}

/// Returns distinct names: a file's name, or its path if another file has the same name.
pub fn names(sources: &[Source<'_>]) -> Result<Vec<String>, Failure> {
    let short = |source: &Source<'_>| match source {
        Source::File(path) => file_name(path),
        Source::Model(model) => (*model).to_owned(),
    };
    let shorts: Vec<String> = sources.iter().map(short).collect();
    let is_unique = |name: &String| shorts.iter().filter(|other| *other == name).count() == 1;
    let name = |(source, short): (&Source<'_>, &String)| match source {
        Source::File(path) if !is_unique(short) => path.display().to_string(),
        _ => short.clone(),
    };
    let names: Vec<String> = sources.iter().zip(&shorts).map(name).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(Failure::Error(format!(
            "the system '{twice}' is given twice; name each system once (the first stage of --run is one too)"
        ))),
        None => Ok(names),
    }
}

/// Returns a system's name for use in a path and as a run's tag.
pub fn file_stem(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}
