//! The router. The clients' paths are in `wire::route`; here they are joined with nearsort's own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::ServiceExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{access, dispatch, metrics, pages};
use crate::app::App;
use crate::context::Context;
use crate::mcp;

/// Returns the router of all routes.
///
/// `open` needs no key: it holds no secret, and uses `keyed` as every client does. Pages belong
/// there. `keyed` needs a key, if there are keys.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let tools = Router::new()
        .route("/mcp", axum::routing::post_service(mcp::service(app)))
        .layer(from_fn_with_state(Arc::clone(app), dispatch::whole));
    let keyed = Router::new()
        .route("/metrics", get(metrics::metrics))
        .merge(tools)
        .fallback(dispatch::dispatch)
        .layer(from_fn_with_state(Arc::clone(app), access::check))
        .with_state(Arc::clone(app));
    let open = probes().merge(pages::routes());
    // A path of `open` with another method, such as POST / beside the page, belongs to `keyed`.
    let beside = keyed.clone();
    let other_method = move |request: Request| beside.clone().oneshot(request);
    let router = open
        .method_not_allowed_fallback(async move |request: Request| match other_method(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        })
        .with_state(Arc::clone(app))
        .fallback_service(keyed);
    let router = match cors(app) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.layer(from_fn_with_state(Arc::clone(app), observe))
}

/// Returns the router for a second address, with health and metrics alone.
pub(crate) fn metrics_router(app: &Arc<App>) -> Router {
    let not_found = async || StatusCode::NOT_FOUND;
    probes().route("/metrics", get(metrics::metrics)).fallback(not_found).with_state(Arc::clone(app))
}

/// Returns the routes of probes, which carry no key. Their paths are in the clients' table too.
fn probes() -> Router<Arc<App>> {
    const PROBES: [&str; 9] = [
        "/livez",
        "/readyz",
        "/health",
        "/healthz",
        "/ping",
        "/.well-known/live",
        "/.well-known/ready",
        "/v1/health/live",
        "/v1/health/ready",
    ];
    PROBES.into_iter().fold(Router::new(), |router, path| router.route(path, get(dispatch::dispatch)))
}

/// Returns the CORS layer; `None` unless origins are named.
fn cors(app: &App) -> Option<CorsLayer> {
    let origins = &app.options.cors_origins;
    let allowed = match origins.iter().any(|origin| origin == "*") {
        _ if origins.is_empty() => return None,
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    let own = ["x-api-key", "api-key", "x-request-id", "x-request-timeout-ms"].map(HeaderName::from_static);
    let headers: Vec<HeaderName> = [AUTHORIZATION, CONTENT_TYPE].into_iter().chain(own).collect();
    let cors = CorsLayer::new().allow_origin(allowed).allow_methods([Method::GET, Method::POST]);
    Some(cors.allow_headers(headers).max_age(Duration::from_secs(3600)))
}

/// Gives each request an id, and writes its log line and its metrics, even if the client
/// disconnects.
async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let context = dispatch::new_context(request.headers());
    let mut line = Line::begin(app, &request, &context);
    request.extensions_mut().insert(context.clone());
    let mut response = next.run(request).await.into_response();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    if let Ok(timing) = HeaderValue::from_str(&server_timing(&context)) {
        headers.insert(HeaderName::from_static("server-timing"), timing);
    }
    line.status = response.status().as_u16();
    response
}

/// Milliseconds that the request waited, that its work took, and from its headers to its answer.
fn server_timing(context: &Context) -> String {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let total = format!("total;dur={:.1}", milliseconds(context.arrived.elapsed()));
    match context.record.facts().times {
        Some((queue, model)) => {
            format!("queue;dur={:.1}, model;dur={:.1}, {total}", milliseconds(queue), milliseconds(model))
        }
        None => total,
    }
}

/// Writes the line of a request when it is dropped: after the response, or when the client is gone.
struct Line {
    app: Arc<App>,
    context: Context,
    method: Method,
    route: String,
    trace: String,
    began: Instant,
    status: u16,
}

/// nginx's status for a client that closed the connection.
const CLIENT_GONE: u16 = 499;

impl Line {
    fn begin(app: Arc<App>, request: &Request, context: &Context) -> Self {
        let path = request.uri().path();
        // Only known paths become labels; unknown ones would create unbounded labels.
        let is_known =
            dispatch::route(request).is_ok() || matches!(path, "/" | "/docs" | "/mcp" | "/metrics" | "/openapi.json");
        let route = if is_known { path.to_owned() } else { "other".to_owned() };
        let trace = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        let trace = trace.filter(|trace| is_traceparent(trace)).unwrap_or_default().to_owned();
        let (method, began) = (request.method().clone(), context.arrived);
        Self { app, context: context.clone(), method, route, trace, began, status: CLIENT_GONE }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let (facts, time) = (self.context.record.facts(), self.began.elapsed());
        let dialect = facts.dialect.map_or_else(String::new, |dialect| format!("{dialect:?}").to_lowercase());
        self.app.metrics.answered(&self.route, self.status, &dialect, time);
        let milliseconds = time.as_secs_f64() * 1e3;
        tracing::info!(
            target: "nearsort_server::request",
            id = self.context.id,
            method = %self.method,
            route = self.route,
            status = self.status,
            ms = (milliseconds * 10.0).round() / 10.0,
            dialect,
            model = facts.model,
            texts = facts.texts,
            tokens = facts.tokens,
            truncated = facts.truncated,
            trace = self.trace,
            refusal = facts.refusal,
        );
    }
}

/// W3C Trace Context: version, trace id, parent id, flags.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2] && parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_told_from_what_would_spoil_the_log() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for wrong in ["", "00-4bf9-00f0-01", "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01"] {
            assert!(!is_traceparent(wrong), "{wrong}");
        }
    }
}
