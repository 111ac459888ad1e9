//! The Model Context Protocol: reranking and search as tools for language models.
//!
//! [`stdio`] serves one client over stdin and stdout, [`service`] all clients of the server at
//! `/mcp`. Both use the same [`App`] as HTTP requests, with the same admission, deadlines and
//! metrics. A call ends within a micro-batch if its client cancels it or disconnects.
//!
//! Both generations of the protocol are served: with an `initialize` handshake (until 2025-11-25)
//! and without (2026-07-28).

mod shapes;
mod tools;

use std::sync::Arc;

use rmcp::ServiceExt;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::sync::watch;

use tools::Tools;

use crate::app::App;
use crate::error::{Error, Result};
use crate::net::Phase;
use crate::options::Options;
use crate::upkeep::warm_up_and_keep_house;

/// Returns the service of `/mcp`. It has no sessions, so clients leave no state behind; a call ends
/// with its connection.
pub(crate) fn service(app: &Arc<App>) -> StreamableHttpService<Tools, NeverSessionManager> {
    let tools = Tools::new(Arc::clone(app), app.options.mcp_roots.clone());
    // Host names and the size of bodies are checked before, as for every path.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts()
        .with_max_request_body_bytes(app.options.limits.request.body_bytes);
    let origins = &app.options.cors_origins;
    let config = match origins.iter().any(|origin| origin == "*") {
        true => config.disable_allowed_origins(),
        false => config.with_allowed_origins(origins).enforce_origin_validation(),
    };
    StreamableHttpService::new(move || Ok(tools.clone()), Arc::default(), config)
}

/// Serves one client over stdin and stdout until it closes them, or until a termination signal. Log
/// lines go to stderr.
///
/// # Errors
/// A model that cannot be loaded; a client that does not speak the protocol.
pub fn stdio(options: Options) -> Result<()> {
    crate::ops::log_to_stderr(&options.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Threads)?;
    let result = runtime.block_on(serve_stdio(options));
    // A pending read of stdin cannot be ended, so the process does not wait for it.
    runtime.shutdown_background();
    result
}

async fn serve_stdio(options: Options) -> Result<()> {
    let (phase, follow) = watch::channel(Phase::Serving);
    let app = App::new(options, follow);
    // The client is answered while models are loaded, because some clients wait only a few seconds.
    let ended = tokio::select! {
        ended = serve_client(&app) => ended,
        error = warm_up_and_keep_house(&app) => Err(error.into()),
    };
    phase.send_replace(Phase::Cancelling);
    ended
}

async fn serve_client(app: &Arc<App>) -> Result<()> {
    let client = |error: &dyn std::fmt::Display| Error::Client(error.to_string());
    let tools = Tools::new(Arc::clone(app), app.options.mcp_roots.clone());
    let running = tools.serve(rmcp::transport::stdio()).await.map_err(|error| client(&error))?;
    running.waiting().await.map_err(|error| client(&error)).map(drop)
}
