//! Links between pages, and into the repository.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Page, blocks};
use crate::support::root;

/// What stands before a path of the repository where a page of the book leads out of the book.
const REPOSITORY: [&str; 2] =
    ["https://github.com/nearsort/nearsort/blob/main/", "https://github.com/nearsort/nearsort/tree/main/"];
const SUMMARY: &str = "docs/SUMMARY.md";

/// Links that lead nowhere.
pub fn broken(pages: &[Page]) -> Vec<String> {
    let mut complaints = Vec::new();
    for page in pages {
        for (line, target) in links(&page.text) {
            if let Some(reason) = fault(&page.name, &target) {
                complaints.push(format!("{}:{line}: {target}: {reason}", page.name));
            }
        }
    }
    complaints
}

/// Chapters that the table of contents lacks.
pub fn missing_in_summary(pages: &[Page]) -> Vec<String> {
    let summary = Page::read(SUMMARY);
    let listed: HashSet<String> =
        links(&summary.text).into_iter().map(|(_, target)| format!("docs/{target}")).collect();
    let chapters = pages.iter().map(|page| &page.name).filter(|name| name.starts_with("docs/") && *name != SUMMARY);
    chapters.filter(|name| !listed.contains(*name)).map(|name| format!("{SUMMARY} lacks {name}")).collect()
}

/// Targets of a text's links.
pub fn targets(text: &str) -> Vec<String> {
    links(text).into_iter().map(|(_, target)| target).collect()
}

/// The file of the repository that a link of a page leads to, if it does.
pub fn file(page: &str, target: &str) -> Option<String> {
    let path = target.split('#').next().unwrap_or_default();
    match REPOSITORY.iter().find_map(|prefix| path.strip_prefix(prefix)) {
        Some(inside) => Some(inside.to_owned()),
        None if path.contains("://") || path.starts_with("mailto:") => None,
        None if path.is_empty() => Some(page.to_owned()),
        None => Some(normal(&Path::new(page).parent().unwrap().join(path))),
    }
}

/// Line numbers and targets of a page's links.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in blocks::prose(text) {
        let line = without_code(line);
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.map(|target| (number, target.to_owned())));
    }
    found
}

/// A line without its `code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

fn fault(page: &str, target: &str) -> Option<String> {
    let anchor = target.split_once('#').map_or("", |(_, anchor)| anchor);
    let file = file(page, target)?;
    if !root().join(&file).exists() {
        return Some("there is no such file".into());
    }
    let text = || fs::read_to_string(root().join(&file)).unwrap_or_default();
    (!anchor.is_empty() && !anchors(&text()).contains(anchor)).then(|| "there is no such heading".into())
}

/// A relative path without `..`.
fn normal(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir => {}
            part => parts.push(part),
        }
    }
    parts.to_str().unwrap().to_owned()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> HashSet<String> {
    let headings = blocks::prose(text).into_iter().filter_map(|(_, line)| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len()).then(|| text.strip_prefix(' ')).flatten()
    });
    let slug = |heading: &str| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    headings.map(slug).collect()
}
