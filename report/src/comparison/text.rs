//! The report for a terminal, and as Markdown.

use console::measure_text_width;
use nearsort::compare::{ComparisonReport, DisputedQuery, TopDocument};

use super::tables;
use crate::page::markdown;
use crate::page::table::Table;
use crate::page::terminal::{MIN_WIDTH, Page, clipped, cut_in_the_middle, padded};
use crate::text::in_cell;

/// Maximum width; longer lines are hard to read.
const MAX_WIDTH: usize = 180;
/// Maximum columns of a query's text.
const QUERY_WIDTH: usize = 240;
/// Maximum columns of a system's name and of a document's id among the disputed queries.
const NAME_WIDTH: usize = 24;
const ID_WIDTH: usize = 12;
/// Maximum characters of a document's text in Markdown.
const EXCERPT_WIDTH: usize = 80;

pub fn report(report: &ComparisonReport, width: usize) -> String {
    let page = Page { width: width.clamp(MIN_WIDTH, MAX_WIDTH) };
    let mut parts =
        vec![tables::heading(report).iter().map(|line| page.wrapped(line, 0)).collect::<Vec<_>>().join("\n")];
    if !report.notes.is_empty() {
        parts.push(report.notes.iter().map(|note| page.bullet(&in_cell(note))).collect::<Vec<_>>().join("\n"));
    }
    let overview = tables::overview(report);
    let wide = if natural_width(&overview) <= page.width { vec![overview] } else { tables::narrow(report) };
    parts.extend(wide.iter().chain(&tables::others(report)).map(|table| page.table(table)));
    if !report.disputed.is_empty() {
        parts.push(page.heading("Most disputed queries"));
        parts.extend(report.disputed.iter().map(|query| disputed(&page, report, query)));
    }
    parts.join("\n\n") + "\n"
}

/// Returns the width of a table in which nothing is cut.
fn natural_width(table: &Table) -> usize {
    let rows = || std::iter::once(&table.header).chain(table.rows.iter().map(|row| &row.cells));
    let widest = |column: usize| rows().map(|cells| measure_text_width(&cells[column])).max().unwrap_or(0);
    (0..table.header.len()).map(|column| widest(column) + 2).sum()
}

fn disputed(page: &Page, report: &ComparisonReport, query: &DisputedQuery) -> String {
    let text = query.text.as_ref().map_or(String::new(), |text| format!(": {}", clipped(text, QUERY_WIDTH)));
    let head = format!("{}{text} (disagreement {:.2})", in_cell(&query.id), query.disagreement);
    let widest = report.systems.iter().map(|system| measure_text_width(&system.system.name)).max().unwrap_or(0);
    let name_width = (widest + 3).min(NAME_WIDTH);
    let mut lines = vec![page.wrapped(&head, 2)];
    for (at, (system, tops)) in report.systems.iter().zip(&query.tops).enumerate() {
        let name = cut_in_the_middle(&format!("{} {}", at + 1, in_cell(&system.system.name)), name_width);
        let name = padded(&name, name_width, true);
        let Some(tops) = tops else {
            lines.push(format!("  {name}  does not have the query"));
            continue;
        };
        for (place, top) in tops.iter().enumerate() {
            let name = if place == 0 { name.clone() } else { " ".repeat(name_width) };
            lines.push(clipped(&format!("  {name}  {}", shown(report, top)), page.width).trim_end().to_owned());
        }
    }
    lines.join("\n")
}

/// Returns id, grade and text of a document.
fn shown(report: &ComparisonReport, top: &TopDocument) -> String {
    let id = padded(&in_cell(&top.id), ID_WIDTH, true);
    let grade = report.judgements.as_ref().map_or(String::new(), |_| format!("  {}", grade(top)));
    format!("{id}{grade}  {}", top.text.as_deref().map_or(String::new(), in_cell))
}

fn grade(top: &TopDocument) -> String {
    format!("{:>2}", top.grade.map_or("?".to_owned(), |grade| grade.to_string()))
}

pub fn markdown(report: &ComparisonReport) -> String {
    let mut parts = vec![tables::heading(report).join(" ")];
    if !report.notes.is_empty() {
        parts.push(report.notes.iter().map(|note| format!("- {}", in_cell(note))).collect::<Vec<_>>().join("\n"));
    }
    let overview = tables::overview(report);
    parts.extend(std::iter::once(&overview).chain(&tables::others(report)).map(markdown::table));
    parts.extend(report.disputed.iter().map(|query| markdown::table(&disputed_table(report, query))));
    parts.join("\n\n") + "\n"
}

/// Returns a table with a row per system, with its first documents.
pub fn disputed_table(report: &ComparisonReport, query: &DisputedQuery) -> Table {
    let text = query.text.as_ref().map_or(String::new(), |text| format!(": {}", clipped(text, QUERY_WIDTH)));
    let cell = |top: &TopDocument| {
        let grade = report.judgements.as_ref().map_or(String::new(), |_| format!(" ({})", grade(top).trim()));
        let text = top.text.as_ref().map_or(String::new(), |text| format!(" {}", clipped(text, EXCERPT_WIDTH)));
        format!("{}{grade}{text}", in_cell(&top.id))
    };
    let row = |(at, tops): (usize, &Option<Vec<TopDocument>>)| {
        let name = format!("{} {}", at + 1, report.systems[at].system.name);
        let cells = tops.iter().flatten().map(cell);
        let mut cells: Vec<String> = std::iter::once(name).chain(cells).collect();
        cells.resize(4, "-".to_owned());
        crate::page::table::Row::plain(cells)
    };
    Table {
        title: "Most disputed",
        note: format!("{}{text} (disagreement {:.2})", in_cell(&query.id), query.disagreement),
        header: ["system", "first", "second", "third"].map(str::to_owned).to_vec(),
        rows: query.tops.iter().enumerate().map(row).collect(),
        names: 4,
    }
}
