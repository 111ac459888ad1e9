//! The report as one self-contained page.

use nearsort::compare::{ComparisonReport, DisputedQuery, TopDocument};

use super::view::ComparisonView;
use super::{charts, tables};
use crate::Result;
use crate::page::html::{self, bullets, chart, clipped, escaped, section, table};

/// Characters of a query's and of a document's text that are shown.
const QUERY_CHARS: usize = 1000;
const EXCERPT_CHARS: usize = 280;
/// Opacity of a heat map's cell for full agreement; with more, the numbers are hard to read.
const HEAT: f64 = 0.55;

pub fn page(view: &ComparisonView<'_>) -> Result<String> {
    let report = view.report;
    let charts: String = charts::all(report)?.iter().map(chart).collect();
    let all = std::iter::once(tables::overview(report)).chain(tables::others(report));
    let tables: String = all.map(|found| table(&found)).collect();
    let queries: String = report.disputed.iter().map(|query| disputed(report, query)).collect();
    let sections = [
        summary(report),
        section("Charts", &format!("<div class=\"charts\">{charts}{}</div>", heat_map(report))),
        section("Numbers", &tables),
        section("Most disputed queries", &queries),
        section("How this was made", &made(view)),
    ];
    Ok(html::document("nearsort comparison", &sections.concat()))
}

fn summary(report: &ComparisonReport) -> String {
    let by_model = report.judgements.as_ref().filter(|judgements| judgements.by_model);
    let warning = by_model.map_or(String::new(), |judgements| {
        format!(
            "<p class=\"verdict hurts\">The judgements are a model's, not people's: {}. Read the quality below as agreement with it.</p>\n",
            escaped(&judgements.source)
        )
    });
    let lines: String = tables::heading(report).iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
    format!("<h1>Comparison of systems</h1>\n{warning}{lines}{}", bullets(&report.notes))
}

/// Draws rank-biased overlaps as numbers on colours.
fn heat_map(report: &ComparisonReport) -> String {
    let systems = &report.systems;
    let header: String = (1..=systems.len()).map(|at| format!("<th>{at}</th>")).collect();
    let value = |row: usize, column: usize| match (row.max(column), row.min(column)) {
        (one, other) if one == other => Some(1.0),
        (later, earlier) => report.agreement[later][earlier].map(|mean| mean.rbo),
    };
    let cell = |row: usize, column: usize| match value(row, column) {
        None => "<td class=\"number\">-</td>".to_owned(),
        Some(value) => format!(
            "<td class=\"number\" style=\"background:color-mix(in srgb, var(--setting) {:.0}%, transparent)\">{}</td>",
            100.0 * HEAT * value,
            tables::hundredths(value)
        ),
    };
    let row = |at: usize| {
        let cells: String = (0..systems.len()).map(|column| cell(at, column)).collect();
        format!("<tr><td class=\"name\">{} {}</td>{cells}</tr>\n", at + 1, clipped(&systems[at].system.name, 60))
    };
    let rows: String = (0..systems.len()).map(row).collect();
    format!(
        "<figure class=\"wide\">\n<h3>Agreement</h3>\n<div class=\"scroll\"><table class=\"heat\">\n<thead><tr><th class=\"name\"></th>{header}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table></div>\n<figcaption>Mean rank-biased overlap (p = 0.9) of the orders of two systems: 1 the same, 0 nothing in common. The stronger the colour, the \
         more.</figcaption>\n</figure>\n"
    )
}

fn disputed(report: &ComparisonReport, query: &DisputedQuery) -> String {
    let column = |(at, tops): (usize, &Option<Vec<TopDocument>>)| {
        let items = match tops {
            None => "<p class=\"soft\">does not have the query</p>".to_owned(),
            Some(tops) => format!("<ol>\n{}</ol>\n", tops.iter().map(|found| top(report, found)).collect::<String>()),
        };
        format!("<div>\n<h4>{} {}</h4>\n{items}</div>\n", at + 1, clipped(&report.systems[at].system.name, 60))
    };
    let columns: String = query.tops.iter().enumerate().map(column).collect();
    format!(
        "<div class=\"query\">\n<h3>{}</h3>\n<p>{}</p>\n<p class=\"soft\">disagreement {:.2} (1 less the mean rank-biased overlap of all pairs)</p>\n\
         <div class=\"beside\">\n{columns}</div>\n</div>\n",
        clipped(&query.id, 120),
        query.text.as_ref().map_or(String::new(), |text| clipped(text, QUERY_CHARS)),
        query.disagreement,
    )
}

fn top(report: &ComparisonReport, top: &TopDocument) -> String {
    let grade = match (&report.judgements, top.grade) {
        (None, _) => String::new(),
        (Some(_), None) => ", not judged".to_owned(),
        (Some(judgements), Some(grade)) if judgements.by_model => format!(", model's grade {grade}"),
        (Some(_), Some(grade)) => format!(", grade {grade}"),
    };
    let text = top.text.as_ref().map_or(String::new(), |text| clipped(text, EXCERPT_CHARS));
    format!("<li><b>{}</b><span class=\"soft\">{grade}</span> {text}</li>\n", clipped(&top.id, 60))
}

fn made(view: &ComparisonView<'_>) -> String {
    let resampling = &view.report.options.resampling;
    format!(
        "<pre><code>{}</code></pre>\n<p>nearsort {}. Intervals from {} bootstrap resamples, seed {}.</p>\n",
        escaped(&view.command),
        env!("CARGO_PKG_VERSION"),
        resampling.resamples,
        resampling.seed,
    )
}
