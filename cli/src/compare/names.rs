//! What systems are called.

use std::collections::HashSet;
use std::path::Path;

use crate::Failure;
use crate::eval::file_name;

/// What a system is called by, a file or a model.
pub enum Source<'a> {
    File(&'a Path),
    Model(&'a str),
}

/// Names that are all different: a file's name, or its path where another has the same.
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
            "the system '{twice}' is given twice; name each once (the first stage of --run is a system, too)"
        ))),
        None => Ok(names),
    }
}

/// A system's name as a part of a path and as a run's tag.
pub fn file_stem(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}
