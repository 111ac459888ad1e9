//! README.md and the chapters under docs/: their examples run, their links lead somewhere, their
//! generated pages are those of the program.
//!
//! docs/contributing.md says what each kind of fenced block is checked for.

mod blocks;
mod figures;
mod links;
mod reference;
pub mod transcript;

use std::fs;
use std::path::{Path, PathBuf};

use blocks::{Block, Kind};
use transcript::Shell;

use crate::support::root;

/// A front page fits a few screens.
const README_LINES: usize = 200;

/// A page, by its path from the repository's root.
struct Page {
    name: String,
    text: String,
}

impl Page {
    fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), text }
    }

    fn blocks(&self) -> Vec<Block> {
        blocks::of(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// README.md and everything in Markdown below docs/.
fn pages() -> Vec<Page> {
    let mut names = vec!["README.md".to_owned()];
    collect(Path::new("docs"), &mut names);
    names.iter().map(|name| Page::read(name)).collect()
}

fn collect(folder: &Path, names: &mut Vec<String>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(root().join(folder)).unwrap().map(|entry| folder.join(entry.unwrap().file_name())).collect();
    entries.sort();
    for entry in entries {
        if root().join(&entry).is_dir() {
            collect(&entry, names);
        } else if entry.extension().is_some_and(|extension| extension == "md") {
            names.push(entry.to_str().unwrap().to_owned());
        }
    }
}

/// Panics with all complaints, if there are some.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
}

#[test]
fn the_readme_is_a_front_page() {
    let lines = Page::read("README.md").text.lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines; expected: at most {README_LINES}");
}

#[test]
fn every_example_runs_and_prints_what_the_page_shows() {
    let mut complaints = Vec::new();
    for page in pages() {
        let blocks = page.blocks();
        if !blocks.iter().any(|block| block.kind.is_run()) {
            continue;
        }
        let shell = Shell::new();
        for block in blocks {
            let result = match block.kind {
                Kind::Transcript { loose } => shell.follow(&block.lines, loose),
                Kind::Script => shell.run_all(&block.lines),
                _ => Ok(()),
            };
            if let Err(complaint) = result {
                complaints.push(format!("{}:{}: {complaint}", page.name, block.line));
            }
        }
    }
    none(complaints);
}

#[test]
fn examples_that_cannot_run_here_have_options_that_the_program_knows() {
    let mut complaints = Vec::new();
    let shell = Shell::new();
    for page in pages() {
        for block in page.blocks() {
            if let Kind::Shown = block.kind {
                let found = shell.unknown_options(&block.lines);
                complaints.extend(found.into_iter().map(|found| format!("{}:{}: {found}", page.name, block.line)));
            }
        }
    }
    none(complaints);
}

#[test]
fn json_is_json_and_rust_is_an_example() {
    let examples: Vec<String> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut complaints = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            let text = block.lines.join("\n");
            let sound = match block.kind {
                Kind::Json => is_json(&block.lines),
                Kind::Rust => examples.iter().any(|example| example.contains(&text)),
                _ => true,
            };
            if !sound {
                complaints.push(format!(
                    "{}:{}: no JSON, or not the text of a program in examples/:\n{text}",
                    page.name, block.line
                ));
            }
        }
    }
    none(complaints);
}

/// Whether lines are one JSON value, or a value each.
fn is_json(lines: &[String]) -> bool {
    let parses = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    parses(&lines.join("\n")) || lines.iter().all(|line| parses(line))
}

#[test]
fn every_link_leads_somewhere() {
    none(links::broken(&pages()));
}

#[test]
fn every_figure_of_a_measurement_stands_in_a_record() {
    none(pages().iter().flat_map(figures::without_source).collect());
}

#[test]
fn the_book_has_every_chapter() {
    none(links::missing_in_summary(&pages()));
}

#[test]
fn the_command_reference_is_the_help_of_the_program() {
    reference::check("docs/reference/command.md", &reference::command());
}

#[test]
fn the_list_of_models_is_the_registry() {
    reference::check("docs/reference/models.md", &reference::models());
}
