//! Loads models at the start, tests them while there are no requests, and unloads idle ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::handle::prove;

/// Interval of self-tests of a server without work.
const SELF_TEST: Duration = Duration::from_secs(60);

/// Interval of the check for idle models.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Loads models, then tests and unloads them as needed. Returns only with an error.
pub(crate) async fn warm_up_and_keep_house(app: &Arc<App>) -> nearsort::Error {
    if let Err(error) = warm_up(app).await {
        return error;
    }
    tracing::info!(models = app.model_names().join(", "), "ready");
    let mut proved = Instant::now();
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        app.models.unload_idle();
        // Those that a request has loaded.
        for served in app.models.loaded().iter().filter(|served| !served.proof.is_tested()) {
            prove(app, served).await;
        }
        // Requests are proof enough.
        if proved.elapsed() >= SELF_TEST && !app.metrics.is_working() {
            for served in app.models.loaded() {
                prove(app, &served).await;
            }
            proved = Instant::now();
        }
    }
}

/// Loads the models for the start, and runs their self-tests.
async fn warm_up(app: &Arc<App>) -> nearsort::Result<()> {
    if !app.options.loading.is_lazy {
        for entry in app.models.entries() {
            prove(app, &app.models.load(entry).await?).await;
        }
    }
    app.proofs.warmed_up();
    Ok(())
}
