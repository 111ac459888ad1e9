//! The report as CSV: a line per run and measure, or per run and query.

use std::borrow::Cow;

use super::measured::{Aggregate, Compared, Measured};
use super::report::{EvalReport, RunReport};

const COLUMNS: [&str; 15] = [
    "run",
    "measure",
    "value",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_adjusted",
    "wins",
    "ties",
    "losses",
    "missing_queries",
    "unjudged_queries",
];

impl EvalReport {
    /// Returns the report as CSV, with a header. `per_query`: a line per run and query, instead of
    /// one per run and measure.
    pub fn to_csv(&self, per_query: bool) -> String {
        let records = if per_query { query_records(self) } else { measure_records(self) };
        let line = |record: &Vec<String>| record.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n";
        records.iter().map(line).collect()
    }
}

/// Quotes a field by RFC 4180.
fn quoted(field: &str) -> Cow<'_, str> {
    match field.contains([',', '"', '\n', '\r']) {
        true => Cow::Owned(format!("\"{}\"", field.replace('"', "\"\""))),
        false => Cow::Borrowed(field),
    }
}

fn measure_records(report: &EvalReport) -> Vec<Vec<String>> {
    let header = COLUMNS.map(str::to_owned).to_vec();
    let records = report.runs.iter().flat_map(|run| {
        let measured = report.options.measures.iter().zip(&run.measured);
        measured.map(|(measure, measured)| measure_record(run, measure.to_string(), measured))
    });
    std::iter::once(header).chain(records).collect()
}

fn measure_record(run: &RunReport, measure: String, measured: &Measured) -> Vec<String> {
    let mut record = vec![run.name.clone(), measure];
    match measured.aggregate {
        Aggregate::Mean(interval) => record.extend([interval.mean, interval.low, interval.high].map(number)),
        Aggregate::Sum(sum) => record.extend([number(sum), String::new(), String::new()]),
    }
    match &measured.compared {
        Some(Compared { comparison, p_adjusted }) => {
            let difference = comparison.difference;
            record.extend([difference.mean, difference.low, difference.high].map(number));
            record.extend([comparison.p_value, *p_adjusted].map(|p_value| p_value.map(number).unwrap_or_default()));
            record.extend([comparison.wins, comparison.ties, comparison.losses].map(|count| count.to_string()));
        }
        None => record.extend(std::iter::repeat_n(String::new(), 8)),
    }
    record.extend([run.missing.len(), run.num_unjudged].map(|count| count.to_string()));
    record
}

fn query_records(report: &EvalReport) -> Vec<Vec<String>> {
    let names = report.options.measures.iter().map(ToString::to_string);
    let header = ["run".to_owned(), "query_id".to_owned()].into_iter().chain(names).collect();
    let records = report.runs.iter().flat_map(|run| {
        report.query_ids.iter().enumerate().map(|(query, id)| {
            let values = run.measured.iter().map(|measured| number(measured.values[query]));
            [run.name.clone(), id.clone()].into_iter().chain(values).collect()
        })
    });
    std::iter::once(header).chain(records).collect()
}

/// Returns the fewest digits that yield the same number again.
fn number(value: f64) -> String {
    value.to_string()
}
