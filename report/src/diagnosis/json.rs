//! The report as one JSON object: the library's report, and the model and call that made it.

use serde_json::json;

use super::view::DiagnosisView;
use crate::{ReportError, Result};

pub fn document(view: &DiagnosisView<'_>) -> Result<String> {
    let failed = |error: serde_json::Error| ReportError::Json(error.to_string());
    let model = &view.model;
    let model = json!({
        "model": model.name,
        "revision": model.revision,
        "device": model.device,
        "engine": model.engine,
        "precision": model.precision,
        "isa": model.isa,
        "max_tokens": view.max_tokens,
    });
    let document = json!({
        "nearsort": env!("CARGO_PKG_VERSION"),
        "command": view.command,
        "model": model,
        "seed": view.seed,
        "resamples": view.resamples,
        "tried_queries": view.tried_queries,
        "notes": view.notes,
        "recommended_command": view.recommended,
        "profile_command": view.by_profile,
        "report": serde_json::to_value(view.report).map_err(failed)?,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(failed)
}
