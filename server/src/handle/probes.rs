//! Probes: liveness, readiness, and the self-test.

use std::sync::Arc;

use super::rerank::rank;
use crate::app::App;
use crate::context::Context;
use crate::models::Served;
use crate::net::Phase;
use crate::ops::{check, golden_request};
use crate::wire::{self, Reply};

/// Answers the liveness probe. It is never queued behind requests.
pub(super) fn live(app: &App) -> Reply {
    match app.heart.stuck(app.metrics.is_working()) {
        None => wire::health_reply(Ok(())),
        Some(silent) => wire::health_reply(Err(&format!("no text was finished for {} s", silent.as_secs()))),
    }
}

/// Answers the readiness probe: models loaded, self-tests passed, room left, no shutdown.
pub(super) fn ready(app: &App) -> Reply {
    let complaint = match app.phase() {
        Phase::Serving if app.admission.is_full() => Some("the queue is full".to_owned()),
        Phase::Serving => app.proofs.complaint(),
        _ => Some("it is shutting down".to_owned()),
    };
    wire::health_reply(complaint.as_deref().map_or(Ok(()), Err))
}

/// Ranks a known list through the path of all requests. Skips services, because they cost money.
pub(crate) async fn prove(app: &Arc<App>, served: &Arc<Served>) {
    if served.is_remote() {
        served.proof.begin();
        return;
    }
    let mut checked = Ok(());
    for _ in 0..served.proof.begin() {
        let answer = rank(app, served, &Arc::new(golden_request()), &Context::new()).await;
        checked = checked.and(
            answer.map_err(|error| error.to_string()).and_then(|answer| check(&served.name, &served.proof, &answer)),
        );
    }
    if let Err(reason) = &checked {
        tracing::error!(model = served.name, reason, "the self-test failed");
    }
    app.proofs.note(&served.name, checked);
}
