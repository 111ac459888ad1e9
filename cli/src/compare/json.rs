//! The report as one JSON object.

use nearsort::eval::{OVERLAP_DEPTH, RBO_P, percentile};
use serde_json::{Map, Value, json};

use super::report::{Disputed, Report, SystemReport, Top};
use super::system::Cost;
use crate::eval::measured_json;

pub fn document(report: &Report) -> String {
    let systems: Vec<Value> = report.systems.iter().map(|system| system_json(report, system)).collect();
    let judgements = report.judgements.as_ref().map(|judgements| {
        let by = if judgements.by_model { "model" } else { "people" };
        json!({ "file": judgements.file, "by": by, "queries": judgements.qrels.num_queries() })
    });
    let document = json!({
        "command": report.command,
        "queries": report.num_queries,
        "judgements": judgements,
        "baseline": report.systems[0].system.name,
        "test": report.test.name(),
        "correction": "holm",
        "confidence": 0.95,
        "resamples": report.resampling.resamples,
        "seed": report.resampling.seed,
        "systems": systems,
        "agreement": { "rbo_p": RBO_P, "overlap_depth": OVERLAP_DEPTH, "pairs": pairs(report) },
        "disputed": report.disputed.iter().map(|query| disputed(report, query)).collect::<Vec<_>>(),
        "notes": report.notes,
    });
    format!("{document:#}\n")
}

fn system_json(report: &Report, found: &SystemReport) -> Value {
    let measures = report.measures.iter().zip(&found.measured);
    let measures: Map<String, Value> =
        measures.map(|(measure, measured)| (measure.to_string(), measured_json(measured))).collect();
    let system = &found.system;
    json!({
        "name": system.name,
        "kind": system.kind.name(),
        "source": system.source,
        "queries": system.run.num_queries(),
        "missing_queries": found.missing,
        "num_unjudged_queries": found.num_unjudged,
        "measures": measures,
        "ties": { "tied_pairs": system.tied_pairs(), "lists_tied_at_10": system.tied_at_cutoff() },
        "unscored": system.unscored,
        "cost": system.cost.as_ref().map(cost),
    })
}

fn cost(cost: &Cost) -> Value {
    let percentile = |share| percentile(&cost.seconds, share);
    let seconds: f64 = cost.seconds.iter().sum();
    json!({
        "model": cost.model.name,
        "revision": cost.model.revision,
        "device": cost.model.device,
        "engine": cost.model.engine,
        "precision": cost.model.precision,
        "isa": cost.model.isa,
        "score_kind": cost.model.scoring.to_string(),
        "long": cost.model.long_text.to_string(),
        "blend": cost.blend,
        "seconds": { "total": seconds, "p50": percentile(0.5), "p95": percentile(0.95) },
        "candidates": cost.candidates,
        "candidates_per_second": cost.candidates_per_second(),
        "tokens": cost.tokens,
        "truncated": cost.truncated,
        "query_truncated": cost.truncated_queries,
        "dollars": cost.dollars,
        "dollars_per_1000_queries": cost.dollars_per_1000(),
    })
}

fn pairs(report: &Report) -> Vec<Value> {
    let name = |at: usize| &report.systems[at].system.name;
    let rows = report.agreement.iter().enumerate();
    let pairs = rows.flat_map(|(second, row)| row.iter().enumerate().map(move |(first, found)| (first, second, found)));
    pairs.map(|(first, second, found)| json!({ "first": name(first), "second": name(second), "mean": found })).collect()
}

fn disputed(report: &Report, query: &Disputed) -> Value {
    let top = |top: &Top| json!({ "id": top.id, "grade": top.grade, "text": top.text });
    let tops = |tops: &Option<Vec<Top>>| tops.as_ref().map(|tops| tops.iter().map(top).collect::<Vec<_>>());
    let systems = report.systems.iter().zip(&query.tops);
    let systems: Map<String, Value> =
        systems.map(|(system, found)| (system.system.name.clone(), json!(tops(found)))).collect();
    json!({ "id": query.id, "text": query.text, "disagreement": query.disagreement, "first": systems })
}
