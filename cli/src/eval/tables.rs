//! The report as tables, for people and for a README.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableStyle, presets};
use console::{Term, measure_text_width};
use nearsort::eval::{Interval, Test};

use super::measured::{Aggregate, Compared, Measured};
use super::report::Report;
use crate::words::{in_cell, p_value, visible};

/// Width of a table that does not go to a terminal.
const PLAIN_WIDTH: usize = 160;
/// Longer names of runs and queries are cut.
const MAX_NAME_WIDTH: usize = 40;

pub fn plain(report: &Report, per_query: bool) -> String {
    let width = Term::stdout().size_checked().map_or(PLAIN_WIDTH, |(_, columns)| usize::from(columns));
    let short = means(report, presets::NOTHING, " ");
    // A mean above its interval takes half the width.
    let fits = short.lines().all(|line| measure_text_width(line) <= width);
    let means = if fits { short } else { means(report, presets::NOTHING, "\n") };
    document(report, &means, presets::NOTHING, per_query)
}

pub fn markdown(report: &Report, per_query: bool) -> String {
    document(report, &means(report, presets::ASCII_MARKDOWN, " "), presets::ASCII_MARKDOWN, per_query)
}

fn document(report: &Report, means: &str, style: TableStyle, per_query: bool) -> String {
    let mut parts = vec![heading(report), means.to_owned()];
    if report.runs.iter().any(|run| run.measured.iter().any(|measured| measured.compared.is_some())) {
        parts.extend([comparison_heading(report), comparisons(report, style)]);
    }
    if per_query {
        parts.extend(["Every query:".to_owned(), queries(report, style)]);
    }
    visible(&(parts.iter().map(|part| trimmed(part)).collect::<Vec<_>>().join("\n\n") + "\n")).into_owned()
}

fn heading(report: &Report) -> String {
    let resamples = report.resampling.resamples;
    let (queries, qrels) = (report.query_ids.len(), &report.qrels);
    format!("{queries} judged queries of {qrels}; means with 95 % intervals ({resamples} bootstrap resamples).")
}

fn comparison_heading(report: &Report) -> String {
    let others = report.runs.len() - 1;
    let tested = match report.test {
        Test::Randomisation => "randomisation test",
        Test::T => "t-test",
        _ => "no test",
    };
    let corrected = if others > 1 { format!(", Holm-adjusted over {others} runs") } else { String::new() };
    format!("Differences to {} ({tested}{corrected}):", name(&report.runs[0].name))
}

fn table(style: TableStyle, header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

/// Numbers to the right, names to the left.
fn align(table: &mut Table, num_names: usize) -> String {
    if table.style() == presets::NOTHING {
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
    }
    for column in table.column_iter_mut().skip(num_names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A row per run: how many of the judged queries it has, and each measure.
fn means(report: &Report, style: TableStyle, between: &str) -> String {
    let names = report.measures.iter().map(ToString::to_string);
    let header = ["run".to_owned(), "queries".to_owned()].into_iter().chain(names).collect();
    let mut table = table(style, header);
    for run in &report.runs {
        let queries = (report.query_ids.len() - run.missing.len()).to_string();
        let measured = run.measured.iter().map(|measured| match measured.aggregate {
            Aggregate::Sum(sum) => sum.to_string(),
            Aggregate::Mean(Interval { mean, low, high }) => format!("{mean:.4}{between}[{low:.3}, {high:.3}]"),
        });
        table.add_row([name(&run.name), queries].into_iter().chain(measured));
    }
    align(&mut table, 1)
}

/// A row per further run and measure.
fn comparisons(report: &Report, style: TableStyle) -> String {
    let header = ["run", "measure", "difference", "95 % interval", "p", "wins", "ties", "losses"];
    let mut table = table(style, header.map(str::to_owned).to_vec());
    for run in &report.runs {
        for (measure, measured) in report.measures.iter().zip(&run.measured) {
            if let Some(compared) = &measured.compared {
                table.add_row([name(&run.name), measure.to_string()].into_iter().chain(comparison_cells(compared)));
            }
        }
    }
    align(&mut table, 2)
}

fn comparison_cells(Compared { comparison, p_adjusted }: &Compared) -> [String; 6] {
    let Interval { mean, low, high } = comparison.difference;
    let [wins, ties, losses] = [comparison.wins, comparison.ties, comparison.losses].map(|count| count.to_string());
    [format!("{mean:+.4}"), format!("[{low:+.3}, {high:+.3}]"), p_value(*p_adjusted), wins, ties, losses]
}

/// A row per query and run.
fn queries(report: &Report, style: TableStyle) -> String {
    let names = report.measures.iter().map(ToString::to_string);
    let header = ["query".to_owned(), "run".to_owned()].into_iter().chain(names).collect();
    let mut table = table(style, header);
    for (query, id) in report.query_ids.iter().enumerate() {
        for run in &report.runs {
            let values = run.measured.iter().map(|measured| query_cell(measured, query));
            table.add_row([name(id), name(&run.name)].map(Cell::new).into_iter().chain(values));
        }
    }
    align(&mut table, 2)
}

fn query_cell(measured: &Measured, query: usize) -> Cell {
    let value = measured.values[query];
    Cell::new(match measured.aggregate {
        Aggregate::Sum(_) => value.to_string(),
        Aggregate::Mean(_) => format!("{value:.4}"),
    })
}

/// A name that fits its column and leaves the table whole.
fn name(text: &str) -> String {
    console::truncate_str(&in_cell(text).replace('|', "\\|"), MAX_NAME_WIDTH, "…").into_owned()
}

/// Without the blanks that end a line of a table without borders.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
