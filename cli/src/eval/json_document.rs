//! The report as one JSON object.

use serde_json::{Map, Value, json};

use super::measured::{Aggregate, Measured};
use super::report::{Report, RunReport};

pub fn of(report: &Report, per_query: bool) -> String {
    let runs: Vec<Value> = report.runs.iter().map(|run| run_json(report, run, per_query)).collect();
    let document = json!({
        "qrels": report.qrels,
        "queries": report.query_ids.len(),
        "baseline": report.runs[0].name,
        "test": report.test.name(),
        "correction": "holm",
        "confidence": 0.95,
        "resamples": report.resampling.resamples,
        "seed": report.resampling.seed,
        "runs": runs,
    });
    format!("{document:#}\n")
}

fn run_json(report: &Report, run: &RunReport, per_query: bool) -> Value {
    let measures = report.measures.iter().zip(&run.measured);
    let measures: Map<String, Value> =
        measures.map(|(measure, measured)| (measure.to_string(), measured_json(measured))).collect();
    let mut object = json!({
        "name": run.name,
        "file": run.file,
        "missing_queries": run.missing,
        "num_unjudged_queries": run.num_unjudged,
        "measures": measures,
    });
    if per_query {
        let value_of = |query: usize| {
            let values = report.measures.iter().zip(&run.measured);
            values.map(|(measure, measured)| (measure.to_string(), json!(measured.values[query]))).collect()
        };
        let queries = report.query_ids.iter().enumerate();
        let values: Map<String, Value> = queries.map(|(at, id)| (id.clone(), Value::Object(value_of(at)))).collect();
        object["per_query"] = values.into();
    }
    object
}

/// One run by one measure, and beside the first run.
pub fn measured_json(measured: &Measured) -> Value {
    let mut object = match measured.aggregate {
        Aggregate::Sum(sum) => json!({ "sum": sum }),
        Aggregate::Mean(interval) => json!({ "mean": interval.mean, "low": interval.low, "high": interval.high }),
    };
    if let Some(compared) = &measured.compared {
        let comparison = &compared.comparison;
        object["difference"] = json!({
            "mean": comparison.difference.mean,
            "low": comparison.difference.low,
            "high": comparison.difference.high,
            "p": comparison.p_value,
            "p_adjusted": compared.p_adjusted,
            "wins": comparison.wins,
            "ties": comparison.ties,
            "losses": comparison.losses,
        });
    }
    object
}
