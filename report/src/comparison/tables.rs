//! The report's numbers as rows of text, the same for every format.

use nearsort::compare::{ComparisonReport, Cost, SystemReport};
use nearsort::eval::{Interval, MeanAgreement, Measured, Test, percentile};

use crate::page::table::{Row, Table, counts, percent, words};
use crate::text::p_value;

/// Cell for systems that are not measured, and for unknown values.
const NOTHING: &str = "-";

/// A column, with one cell per system.
type Column = (String, Vec<String>);

/// Returns sentences that describe the comparison.
pub fn heading(report: &ComparisonReport) -> Vec<String> {
    let mut heading = vec![format!("{} systems, {} queries.", report.systems.len(), report.num_queries)];
    if let Some(judgements) = &report.judgements {
        let queries = judgements.qrels.num_queries();
        heading.push(format!("Quality over {queries} queries {}.", judgements.label()));
    }
    heading.extend(best(report));
    heading.extend(self_judged(report));
    heading
}

/// Returns the best system by the first measure, and the significance of its difference to the
/// first system.
fn best(report: &ComparisonReport) -> Option<String> {
    let measure = report.options.measures.first()?;
    let all = report.systems.iter().filter_map(|system| Some((system, system.measured.first()?.mean()?)));
    let (best, Interval { mean, low, high }) = all.reduce(|a, b| if b.1.mean > a.1.mean { b } else { a })?;
    let first = &report.systems[0].system.name;
    let than = match best.measured.first()?.compared.as_ref() {
        None => "no other is better than the first".to_owned(),
        Some(compared) => {
            let Interval { mean, low, high } = compared.comparison.difference;
            let p = compared.p_adjusted.map_or(String::new(), |p| format!(", p {}", p_value(Some(p))));
            format!("{mean:+.4} [{low:+.3}, {high:+.3}] to {first}{p}")
        }
    };
    Some(format!("Highest {measure}: {}, {mean:.4} [{low:.3}, {high:.3}]; {than}.", best.system.name))
}

/// Warns if a judge is also a system, or if its grades order one: it judges itself.
fn self_judged(report: &ComparisonReport) -> Option<String> {
    let judgements = report.judgements.as_ref().filter(|judgements| judgements.by_model)?;
    let itself = report.systems.iter().find(|system| system.system.source == judgements.source)?;
    Some(format!("{} is judged by its own model: its quality here means nothing.", itself.system.name))
}

/// Returns one table with all numbers of each system.
pub fn overview(report: &ComparisonReport) -> Table {
    let columns = [quality(report), observed(report)].concat();
    let note = [quality_note(report), observed_note(report)].join(" ");
    systems("Systems", note.trim().to_owned(), report, columns)
}

/// Returns two tables with the same numbers, for narrow terminals.
pub fn narrow(report: &ComparisonReport) -> Vec<Table> {
    let mut tables = Vec::new();
    if report.judgements.is_some() {
        tables.push(systems("Quality", quality_note(report), report, quality(report)));
    }
    let title = if report.has_costs() { "Ties and costs" } else { "Ties" };
    tables.push(systems(title, observed_note(report), report, observed(report)));
    tables
}

/// Returns the tables that follow the systems' table.
pub fn others(report: &ComparisonReport) -> Vec<Table> {
    let mut tables: Vec<Table> = other_measures(report).into_iter().collect();
    tables.extend([
        matrix(report, "Agreement: rank-biased overlap", "Agreement of the orders, p = 0.9, extrapolated; 0 to 1.", |mean| {
            Some(mean.rbo)
        }),
        matrix(
            report,
            "Agreement: Kendall's tau",
            "Tau-b of the scores of documents that both have, as evaluated (ties of models and grades in first-stage order); -1 to 1.",
            |mean| mean.kendall_tau,
        ),
        matrix(report, "Agreement: of the first ten in both", "A share, 0 to 1.", |mean| Some(mean.overlap_at_10)),
    ]);
    tables
}

fn systems(title: &'static str, note: String, report: &ComparisonReport, columns: Vec<Column>) -> Table {
    let header = words(["#", "system"]).into_iter().chain(columns.iter().map(|(name, _)| name.clone())).collect();
    let row = |(at, system): (usize, &SystemReport)| {
        let named = [(at + 1).to_string(), system.system.name.clone()];
        Row::plain(named.into_iter().chain(columns.iter().map(|(_, cells)| cells[at].clone())))
    };
    Table { title, note, header, rows: report.systems.iter().enumerate().map(row).collect(), names: 2 }
}

fn quality_note(report: &ComparisonReport) -> String {
    let Some(judgements) = &report.judgements else { return String::new() };
    let others = report.systems.len() - 1;
    let tested = match report.options.test {
        Test::Randomisation => "randomisation test",
        Test::T => "t-test",
        _ => "not tested",
    };
    let corrected = if others > 1 && report.options.test != Test::None {
        format!(", Holm-adjusted over {others}")
    } else {
        String::new()
    };
    format!(
        "{} {}; 95 % intervals ({} bootstrap resamples); difference to 1 ({tested}{corrected}); queries won, tied and lost against 1.",
        report.options.measures[0],
        judgements.label(),
        report.options.resampling.resamples
    )
}

fn observed_note(report: &ComparisonReport) -> String {
    let mut note =
        "tied: share of pairs with the same score; at 10: lists in which a tie decides the first ten.".to_owned();
    if report.systems.iter().any(|system| system.system.unscored.is_some()) {
        note.push_str(" unscored: candidates without a score, ranked last.");
    }
    if report.has_costs() {
        note.push_str(" Time per query after loading; $: per 1,000 queries; local models count as free.");
    }
    note
}

fn column(name: &str, report: &ComparisonReport, cell: impl Fn(&SystemReport) -> String) -> Column {
    (name.to_owned(), report.systems.iter().map(cell).collect())
}

/// Returns the columns of the first measure.
fn quality(report: &ComparisonReport) -> Vec<Column> {
    if report.options.measures.is_empty() {
        return Vec::new();
    }
    let names = [&report.options.measures[0].to_string(), "95 % interval", "difference", "p", "w/t/l"];
    let cells: Vec<[String; 5]> = report.systems.iter().map(|system| measured_cells(&system.measured[0])).collect();
    let of = |(at, name): (usize, &str)| (name.to_owned(), cells.iter().map(|cells| cells[at].clone()).collect());
    names.into_iter().enumerate().map(of).collect()
}

/// Returns the cells for mean, interval, difference, p, wins and losses.
fn measured_cells(measured: &Measured) -> [String; 5] {
    let Some(Interval { mean, low, high }) = measured.mean() else {
        let sum = measured.values.iter().sum::<f64>();
        return [sum.to_string(), NOTHING.into(), NOTHING.into(), NOTHING.into(), NOTHING.into()];
    };
    let (mean, interval) = (format!("{mean:.4}"), format!("[{low:.3}, {high:.3}]"));
    match &measured.compared {
        None => [mean, interval, NOTHING.into(), NOTHING.into(), NOTHING.into()],
        Some(compared) => {
            let difference = format!("{:+.4}", compared.comparison.difference.mean);
            [mean, interval, difference, p_value(compared.p_adjusted), counts(&compared.comparison)]
        }
    }
}

/// Returns the columns for ties and for the models' cost.
fn observed(report: &ComparisonReport) -> Vec<Column> {
    let mut columns = vec![
        column("tied", report, |system| percent(system.system.tied_pairs())),
        column("at 10", report, |system| system.system.tied_at_cutoff().to_string()),
    ];
    if report.systems.iter().any(|system| system.system.unscored.is_some()) {
        let unscored = |system: &SystemReport| system.system.unscored.map_or(NOTHING.into(), |count| count.to_string());
        columns.push(column("unscored", report, unscored));
    }
    if report.has_costs() {
        let cost = |name, cell: fn(&Cost) -> Option<String>| {
            column(name, report, |system| system.system.cost.as_ref().and_then(cell).unwrap_or(NOTHING.into()))
        };
        columns.extend([
            cost("p50 ms", |cost| percentile(&cost.seconds, 0.5).map(milliseconds)),
            cost("p95 ms", |cost| percentile(&cost.seconds, 0.95).map(milliseconds)),
            cost("cand./s", |cost| cost.candidates_per_second().map(|rate| format!("{rate:.0}"))),
            cost("tokens", |cost| Some(cost.tokens.to_string())),
            cost("$/1000 q", |cost| {
                Some(cost.dollars_per_1000().map_or("unknown".into(), |price| format!("{price:.2}")))
            }),
        ]);
    }
    columns
}

pub fn milliseconds(seconds: f64) -> String {
    let milliseconds = 1000.0 * seconds;
    if milliseconds < 10.0 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}

/// Returns the table of the other measures, with a row per measure and system.
fn other_measures(report: &ComparisonReport) -> Option<Table> {
    let judgements = report.judgements.as_ref()?;
    let row = |at: usize, system: &SystemReport| {
        let named = [report.options.measures[at].to_string(), system.system.name.clone()];
        Row::plain(named.into_iter().chain(measured_cells(&system.measured[at])))
    };
    let rows: Vec<Row> = (1..report.options.measures.len())
        .flat_map(|at| report.systems.iter().map(move |system| (at, system)))
        .map(|(at, system)| row(at, system))
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "Other measures",
        note: format!("As above; {}. Judged@k is the share of the first k that has a judgement.", judgements.label()),
        header: words(["measure", "system", "mean", "95 % interval", "difference", "p", "w/t/l"]),
        rows,
        names: 2,
    })
}

/// Returns the table of each system against those before it.
fn matrix(
    report: &ComparisonReport,
    title: &'static str,
    note: &str,
    value: impl Fn(&MeanAgreement) -> Option<f64>,
) -> Table {
    let columns = report.systems.len() - 1;
    let cell = |found: &Option<MeanAgreement>| found.as_ref().and_then(&value).map_or(NOTHING.into(), hundredths);
    let row = |at: usize| {
        let name = format!("{} {}", at + 1, report.systems[at].system.name);
        let mut cells: Vec<String> = std::iter::once(name).chain(report.agreement[at].iter().map(cell)).collect();
        cells.resize(columns + 1, String::new());
        Row::plain(cells)
    };
    Table {
        title,
        note: note.to_owned(),
        header: std::iter::once("system".to_owned()).chain((1..=columns).map(|at| at.to_string())).collect(),
        rows: (0..report.systems.len()).map(row).collect(),
        names: 1,
    }
}

/// Formats a value: `.57`, `-.12`, `1.0`.
pub fn hundredths(value: f64) -> String {
    let rounded = (100.0 * value).round() / 100.0;
    match rounded.abs() {
        0.0 => "0.0".to_owned(),
        1.0 => format!("{rounded:.1}"),
        _ => format!("{rounded:.2}").replacen("0.", ".", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_short() {
        assert_eq!(
            [0.567, -0.123, 1.0, -1.0, 0.0, -0.001].map(hundredths),
            [".57", "-.12", "1.0", "-1.0", "0.0", "0.0"]
        );
    }

    #[test]
    fn times_have_three_digits() {
        assert_eq!([0.00123, 0.0456, 1.5].map(milliseconds), ["1.2", "46", "1500"]);
    }
}
