//! The layers of ARCHITECTURE.md, read off the `use crate::` lines.

use std::path::{Path, PathBuf};

use crate::support::root;

/// Modules of the library, lowest layer first; a module may use lower layers only, and its own.
const LAYERS: [&[&str]; 8] = [
    &["error", "foreign", "hex", "kernels", "scrub", "text"],
    &["engine", "similarity", "ranking", "blend", "store", "io"],
    &["candle_backend", "service"],
    &["encoder"],
    &["scorer", "cache"],
    &["remote"],
    &["reranker", "eval", "index"],
    &["diagnose"],
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(nested).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// `src/encoder/local.rs` -> `encoder`.
fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    relative.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Names after `crate::` on a line, braces included: `use crate::{Error, io::Rows}` -> `Error`, `io`.
fn used(line: &str) -> Vec<String> {
    let Some((_, after)) = line.split_once("crate::") else { return Vec::new() };
    // Of `crate::store::{Failure, cache::Target}` the first name alone is a module of the library.
    let names = match after.strip_prefix('{') {
        Some(list) => list.split(", ").collect(),
        None => vec![after],
    };
    names
        .into_iter()
        .map(|name| name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn modules_use_lower_layers_only() {
    let mut checked = 0;
    for path in sources(&root().join("src")) {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let own =
            layer_of(&module).unwrap_or_else(|| panic!("{module} is in no layer: add it to ARCHITECTURE.md and here"));
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in used(line) {
                // `Error` and `Result` are the error module's.
                let Some(layer) = layer_of(&used) else { continue };
                checked += 1;
                let allowed = used == module || layer < own;
                assert!(allowed, "{}: {module} (layer {own}) uses {used} (layer {layer})", path.display());
            }
        }
    }
    assert!(checked > 10, "only {checked} uses were found: the reader of this test is broken");
}

#[test]
fn the_kernels_use_only_the_standard_library_and_themselves() {
    for path in sources(&root().join("src/kernels")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("use ")) {
            // `use $drivers` is a name inside a macro.
            let allowed = ["use std::", "use core::", "use super::", "use $"];
            assert!(allowed.iter().any(|prefix| line.starts_with(prefix)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn only_options_read_the_environment_and_nobody_in_the_library_prints() {
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.display();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
            assert!(!line.contains("println!(") && !line.contains("print!("), "{shown}:{number} prints");
            let reads = line.contains("env::var");
            let options = path.ends_with("store/options.rs") || path.ends_with("service/options.rs");
            assert!(!reads || options, "{shown}:{number} reads the environment");
        }
    }
}
