//! The report as tables, for a terminal and for a README.

use console::measure_text_width;
use nearsort::eval::{Aggregate, Compared, EvalReport, Interval, Measured, Test};

use crate::page::grid::Grid;
use crate::page::table::words;
use crate::page::terminal::width;
use crate::text::{in_cell, p_value, visible};

/// Width of a table if the output is not a terminal.
const PLAIN_WIDTH: usize = 160;
/// Maximum width of names of runs and queries.
const MAX_NAME_WIDTH: usize = 40;

pub fn plain(report: &EvalReport, per_query: bool) -> String {
    let width = width(PLAIN_WIDTH);
    let short = means(report, Grid::Plain, " ");
    // A mean above its interval takes half the width. The last two columns of a terminal stay free.
    let fits = short.lines().all(|line| measure_text_width(line) + 2 <= width);
    let means = if fits { short } else { means(report, Grid::Plain, "\n") };
    document(report, means, Grid::Plain, per_query)
}

pub fn markdown(report: &EvalReport, per_query: bool) -> String {
    document(report, means(report, Grid::Markdown, " "), Grid::Markdown, per_query)
}

fn document(report: &EvalReport, means: String, grid: Grid, per_query: bool) -> String {
    let mut parts = vec![heading(report), means];
    if report.runs.iter().any(|run| run.measured.iter().any(|measured| measured.compared.is_some())) {
        parts.extend([comparison_heading(report), comparisons(report, grid)]);
    }
    if per_query {
        parts.extend(["Every query:".to_owned(), queries(report, grid)]);
    }
    visible(&(parts.join("\n\n") + "\n")).into_owned()
}

fn heading(report: &EvalReport) -> String {
    let resamples = report.options.resampling.resamples;
    let (queries, qrels) = (report.query_ids.len(), &report.qrels);
    format!("{queries} judged queries of {qrels}; means with 95 % intervals ({resamples} bootstrap resamples).")
}

fn comparison_heading(report: &EvalReport) -> String {
    let others = report.runs.len() - 1;
    let tested = match report.options.test {
        Test::Randomisation => "randomisation test",
        Test::T => "t-test",
        _ => "no test",
    };
    let corrected = if others > 1 { format!(", Holm-adjusted over {others} runs") } else { String::new() };
    format!("Differences to {} ({tested}{corrected}):", name(&report.runs[0].name))
}

/// Makes the table of runs: a row per run, with the number of its judged queries and each measure.
fn means(report: &EvalReport, grid: Grid, between: &str) -> String {
    let mut rows = vec![with_measures(report, ["run", "queries"])];
    for run in &report.runs {
        let queries = (report.query_ids.len() - run.missing.len()).to_string();
        let measured = run.measured.iter().map(|measured| match measured.aggregate {
            Aggregate::Sum(sum) => sum.to_string(),
            Aggregate::Mean(Interval { mean, low, high }) => format!("{mean:.4}{between}[{low:.3}, {high:.3}]"),
        });
        rows.push([name(&run.name), queries].into_iter().chain(measured).collect());
    }
    grid.draw(&rows, 1)
}

/// Returns a header of these columns and one per measure.
fn with_measures(report: &EvalReport, columns: [&str; 2]) -> Vec<String> {
    let measures = report.options.measures.iter().map(ToString::to_string);
    columns.into_iter().map(str::to_owned).chain(measures).collect()
}

/// Makes the table of comparisons: a row per further run and measure.
fn comparisons(report: &EvalReport, grid: Grid) -> String {
    let mut rows = vec![words(["run", "measure", "difference", "95 % interval", "p", "wins", "ties", "losses"])];
    for run in &report.runs {
        for (measure, measured) in report.options.measures.iter().zip(&run.measured) {
            if let Some(compared) = &measured.compared {
                let named = [name(&run.name), measure.to_string()];
                rows.push(named.into_iter().chain(comparison_cells(compared)).collect());
            }
        }
    }
    grid.draw(&rows, 2)
}

fn comparison_cells(Compared { comparison, p_adjusted, .. }: &Compared) -> [String; 6] {
    let Interval { mean, low, high } = comparison.difference;
    let [wins, ties, losses] = [comparison.wins, comparison.ties, comparison.losses].map(|count| count.to_string());
    [format!("{mean:+.4}"), format!("[{low:+.3}, {high:+.3}]"), p_value(*p_adjusted), wins, ties, losses]
}

/// Makes the table of queries: a row per query and run.
fn queries(report: &EvalReport, grid: Grid) -> String {
    let mut rows = vec![with_measures(report, ["query", "run"])];
    for (query, id) in report.query_ids.iter().enumerate() {
        for run in &report.runs {
            let values = run.measured.iter().map(|measured| query_cell(measured, query));
            rows.push([name(id), name(&run.name)].into_iter().chain(values).collect());
        }
    }
    grid.draw(&rows, 2)
}

fn query_cell(measured: &Measured, query: usize) -> String {
    let value = measured.values[query];
    match measured.aggregate {
        Aggregate::Sum(_) => value.to_string(),
        Aggregate::Mean(_) => format!("{value:.4}"),
    }
}

/// Shortens a name to its column, and escapes it for the table.
fn name(text: &str) -> String {
    console::truncate_str(&in_cell(text).replace('|', "\\|"), MAX_NAME_WIDTH, "…").into_owned()
}
