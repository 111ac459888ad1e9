//! The layers of ARCHITECTURE.md, and that no files import each other in a circle, read off the
//! imports.

mod graph;
mod source;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use graph::{Circle, Graph};
use source::Source;

use crate::support::root;

/// Modules of the library, lowest layer first; a module may use lower layers only, and its own.
const LAYERS: [&[&str]; 11] = [
    &["error", "foreign", "hex", "kernels", "scrub", "text"],
    &["call", "threads"],
    &["engine", "similarity", "ranking", "blend", "store", "io", "provider"],
    &["candle_backend", "service"],
    &["encoder"],
    &["scorer", "cache"],
    &["remote", "answer"],
    &["model"],
    &["reranker", "eval", "index"],
    &["job"],
    &["compare", "diagnose"],
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(nested).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// `src/encoder/local.rs` -> `encoder`.
fn module_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The imports of a library. Every path in it must lead somewhere, and its root to every file but
/// those of tests and a program's.
fn graph_of(folder: &str, root_file: &str) -> Graph {
    let graph = Graph::of_folder(root(), &format!("{folder}/{root_file}"));
    assert_eq!(graph.unresolved, BTreeSet::new(), "paths that the reader of this test cannot follow");
    let program = root().join(folder).join("main.rs");
    for path in sources(&root().join(folder)).into_iter().filter(|path| *path != program) {
        let file = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let is_test = file.contains("/tests/") || file.ends_with("tests.rs");
        assert_ne!(
            graph.uses.contains_key(&file),
            is_test,
            "{file}: files of tests have `tests` in their names, no others"
        );
    }
    graph
}

fn all_ties(graph: &Graph, circles: &[&Circle]) -> String {
    circles.iter().map(|circle| format!("\n{} files import each other:{}", circle.len(), graph.ties(circle))).collect()
}

#[test]
fn modules_use_lower_layers_only() {
    let graph = graph_of("src", "lib.rs");
    let mut checked = 0;
    for (file, others) in graph.uses.iter().filter(|(file, _)| *file != "src/lib.rs") {
        let module = module_of(file);
        let in_no_layer = |module: &str| panic!("{module} is in no layer: add it to ARCHITECTURE.md and here");
        let own = layer_of(module).unwrap_or_else(|| in_no_layer(module));
        for (other, names) in others {
            let used = module_of(other);
            let layer = layer_of(used).unwrap_or_else(|| in_no_layer(used));
            let allowed = used == module || layer < own;
            assert!(allowed, "{file} (layer {own}) uses {names:?} of {other} (layer {layer})");
            checked += usize::from(used != module);
        }
    }
    assert!(checked > 300, "only {checked} uses were found: the reader of this test is broken");
}

/// Whoever asks for a diagnosis makes its observations as they like; `observe` is one way.
#[test]
fn what_is_made_of_observations_sees_no_model() {
    let graph = graph_of("src", "lib.rs");
    let is_analysis = |file: &str| file.starts_with("src/diagnose/") && !file.starts_with("src/diagnose/observe/");
    let of_models = ["candle_backend", "encoder", "engine", "job", "model", "remote", "reranker", "service"];
    let mut checked = 0;
    for (file, others) in graph.uses.iter().filter(|(file, _)| is_analysis(file) && *file != "src/diagnose/mod.rs") {
        for (other, names) in others {
            // The name of a pooling is a word of the report.
            let is_word = other == "src/encoder/pooling.rs";
            let sees = of_models.contains(&module_of(other)) || other.starts_with("src/diagnose/observe/");
            assert!(is_word || !sees, "{file} uses {names:?} of {other}");
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} uses were found: the reader of this test is broken");
}

/// Files that still import each other. These lists only become shorter.
const OPEN_IN_LIBRARY: &[&str] = &[];
const OPEN_IN_COMMAND: &[&str] = &[];

/// Refuses circles of files that are not all in `open`, and files in `open` that are in none.
fn check_circles(graph: &Graph, open: &[&str]) {
    let circles = graph.circles();
    let is_known = |file: &String| open.contains(&file.as_str());
    let new: Vec<&Circle> = circles.iter().filter(|circle| !circle.iter().all(is_known)).collect();
    assert!(new.is_empty(), "move what ties them to a file below:{}", all_ties(graph, &new));
    let found: BTreeSet<&str> = circles.iter().flatten().map(String::as_str).collect();
    let gone: Vec<_> = open.iter().filter(|file| !found.contains(*file)).collect();
    assert!(gone.is_empty(), "no longer in a circle; take them out of the list: {gone:?}");
}

#[test]
fn no_files_of_the_library_import_each_other_in_a_circle() {
    let graph = graph_of("src", "lib.rs");
    assert!(graph.arrows() > 900, "only {} arrows were found: the reader of this test is broken", graph.arrows());
    check_circles(&graph, OPEN_IN_LIBRARY);
}

#[test]
fn no_files_of_the_command_import_each_other_in_a_circle() {
    let graph = graph_of("cli/src", "lib.rs");
    assert!(graph.arrows() > 200, "only {} arrows were found: the reader of this test is broken", graph.arrows());
    check_circles(&graph, OPEN_IN_COMMAND);
}

#[test]
fn no_files_of_the_reports_import_each_other_in_a_circle() {
    let graph = graph_of("report/src", "lib.rs");
    assert!(graph.arrows() > 30, "only {} arrows were found: the reader of this test is broken", graph.arrows());
    check_circles(&graph, &[]);
}

#[test]
fn no_files_of_the_server_import_each_other_in_a_circle() {
    let graph = graph_of("server/src", "lib.rs");
    assert!(graph.arrows() > 100, "only {} arrows were found: the reader of this test is broken", graph.arrows());
    check_circles(&graph, &[]);
}

#[test]
fn the_kernels_use_only_the_standard_library_and_themselves() {
    for path in sources(&root().join("src/kernels")) {
        let source = Source::read(&std::fs::read_to_string(&path).unwrap(), &[]);
        let is_own = |name: &str| source.declared.iter().any(|module| module.name == name);
        for import in &source.uses {
            let first = import.path[0].as_str();
            let allowed = ["std", "core", "super"].contains(&first) || is_own(first);
            assert!(allowed, "{} uses {}", path.display(), import.path.join("::"));
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

/// The markers of an element's type, which every instruction set of the dot products has.
const OF_EACH_INSTRUCTION_SET: [&str; 4] = ["Bf16", "F16", "F32", "I8"];

/// Returns the name of the type that a line declares. Associated types, which are indented, are none.
fn declared_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = match code.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => code,
    };
    let (kind, rest) = code.strip_prefix("unsafe ").unwrap_or(code).split_once(' ')?;
    let is_type = ["struct", "enum", "trait", "union"].contains(&kind) || kind == "type" && !line.starts_with(' ');
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (is_type && name.starts_with(char::is_uppercase)).then_some(name)
}

#[test]
fn a_crate_has_one_type_of_a_name() {
    // A module that stands for one that was compiled out has the same types.
    let is_twin = |file: &str| file.ends_with("_off.rs") || file.ends_with("/stub.rs");
    let is_test = |file: &str| file.contains("/tests/") || file.ends_with("tests.rs");
    let mut names = 0;
    for folder in ["src", "cli/src", "server/src", "report/src", "bindings/python/src"] {
        let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in sources(&root().join(folder)) {
            let file = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            if is_twin(&file) || is_test(&file) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for name in code.lines().filter_map(declared_type).filter(|name| !OF_EACH_INSTRUCTION_SET.contains(name)) {
                files.entry(name.into()).or_default().insert(file.clone());
            }
        }
        names += files.len();
        let twice: Vec<_> = files.iter().filter(|(_, files)| files.len() > 1).collect();
        assert!(twice.is_empty(), "give each type a name of its own: {twice:#?}");
    }
    assert!(names > 900, "only {names} types were found: the reader of this test is broken");
}
