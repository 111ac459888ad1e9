//! `GET /metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::models::NamedModel;
use crate::ops::Figures;

/// The content type of the OpenMetrics format.
const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers with all metrics.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let of_model = |entry: &Arc<NamedModel>| (entry.name.clone(), entry.is_loaded(), entry.loads());
    let figures = Figures {
        queue_tokens: app.admission.queued(),
        queue_bytes: app.bytes.taken(),
        rate: app.admission.rate(),
        models: app.models.entries().iter().map(of_model).collect(),
    };
    match app.metrics.write(&figures) {
        Ok(text) => ([(CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
