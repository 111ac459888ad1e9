//! Figures of tables: each stands in a record of the measurement that its section links to.

use std::fs;

use super::{Page, blocks, links};
use crate::support::root;

const RECORDS: &str = "benches/record/";

/// Figures that no linked source has. Of README.md chapters are sources too; of a section without
/// sources nothing is checked.
pub fn without_source(page: &Page) -> Vec<String> {
    sections(&page.text).iter().flat_map(|section| faults(page, section)).collect()
}

fn faults(page: &Page, section: &Section) -> Vec<String> {
    let text: Vec<&str> = section.iter().map(|(_, line)| *line).collect();
    let is_source = |file: &String| {
        file.starts_with(RECORDS) && *file != RECORDS || page.name == "README.md" && file.starts_with("docs/")
    };
    let files: Vec<String> =
        links::targets(&text.join("\n")).iter().filter_map(|target| links::file(&page.name, target)).collect();
    let files: Vec<&String> = files.iter().filter(|file| is_source(file)).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let sources = files.iter().map(|file| fs::read_to_string(root().join(file)).unwrap_or_default());
    let known: Vec<f64> = sources.flat_map(|source| numbers(&source)).map(|(value, _)| value).collect();
    let mut faults = Vec::new();
    for (at, line) in section.iter().filter(|(_, line)| line.starts_with('|')) {
        for number in numbers(line) {
            if !known.iter().any(|known| is_rounded(*known, number)) {
                faults.push(format!("{}:{at}: {} is not in {files:?}", page.name, number.0));
            }
        }
    }
    faults
}

type Section<'a> = Vec<(usize, &'a str)>;

/// A page cut at its headings, examples left out.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections = vec![Vec::new()];
    for (at, line) in blocks::prose(text) {
        if line.starts_with('#') {
            sections.push(Vec::new());
        }
        sections.last_mut().unwrap().push((at, line));
    }
    sections
}

/// Numbers of a text, with their digits after the point.
fn numbers(text: &str) -> Vec<(f64, usize)> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    let pieces = text.split(|c| !is_part(c)).map(|piece| piece.trim_end_matches(['.', ',']).replace(',', ""));
    pieces
        .filter_map(|piece| Some((piece.parse().ok()?, piece.split_once('.').map_or(0, |(_, digits)| digits.len()))))
        .collect()
}

fn is_rounded(known: f64, (value, digits): (f64, usize)) -> bool {
    let half = 0.5 * 10f64.powi(-(digits as i32));
    (known - value).abs() <= half * (1.0 + 1e-9)
}

#[test]
fn a_figure_may_be_rounded_and_nothing_else() {
    assert_eq!(numbers("0.97946, .43 and 1,000,000 (v2.5.1)"), [(0.97946, 5), (0.43, 2), (1e6, 0)]);
    assert!(is_rounded(0.97946, (0.9795, 4)) && is_rounded(93.7, (94.0, 0)) && is_rounded(1.0, (1.0, 5)));
    assert!(!is_rounded(0.97946, (0.9794, 4)) && !is_rounded(93.7, (93.0, 0)) && !is_rounded(0.99999, (1.0, 5)));
}
