//! Loading models at the start, testing them while nobody asks, and unloading those that are idle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::handle::prove;

/// How often a server without work tests itself.
const SELF_TEST: Duration = Duration::from_secs(60);

/// How often it is looked whether a model is idle.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Loads models, then looks after them. It ends with an error only.
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

/// Loads what is to be loaded at the start, and has it prove that it ranks.
async fn warm_up(app: &Arc<App>) -> nearsort::Result<()> {
    if !app.options.loading.is_lazy {
        for entry in app.models.entries() {
            prove(app, &app.models.load(entry).await?).await;
        }
    }
    app.proofs.warmed_up();
    Ok(())
}
