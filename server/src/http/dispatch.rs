//! A request of the clients' endpoints: route, body, answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::{body, respond};
use crate::app::App;
use crate::context::Context;
use crate::handle;
use crate::wire::{self, Dialect, Endpoint, Route, WireError};

/// Answers a request by the table of paths.
pub(super) async fn dispatch(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut context = context(&request);
    match time(request.headers()) {
        Ok(time) => context.time = time,
        Err(error) => return refused(&error, dialect(&request), &context),
    }
    let route = match route(&request) {
        Ok(route) => route,
        Err(error) => return refused(&error, dialect(&request), &context),
    };
    match answer(&app, route, request, &context).await {
        Ok(reply) => respond::json(reply),
        Err((error, dialect)) => refused(&error, dialect, &context),
    }
}

async fn answer(
    app: &Arc<App>,
    route: Route,
    request: Request,
    context: &Context,
) -> Result<wire::Reply, handle::Refusal> {
    let (parts, body) = request.into_parts();
    if takes_no_body(route.endpoint) {
        return handle::answer(app, route, Vec::new(), context).await;
    }
    let received = body::receive(app, &parts.headers, body).await;
    let received = received.map_err(|error| (error, route.error_dialect()))?;
    // Held until the answer is complete, because the texts are in memory until then.
    let _share = received.share;
    handle::answer(app, route, received.bytes, context).await
}

/// Receives a request's body, bounded in bytes and in time, for a handler without such bounds.
pub(super) async fn whole(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let context = context(&request);
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match body::receive(&app, &parts.headers, body).await {
        Ok(received) => {
            let _share = received.share;
            next.run(Request::from_parts(parts, Body::from(received.bytes))).await
        }
        Err(error) => refused(&error, Dialect::Union, &context),
    }
}

fn takes_no_body(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Info | Endpoint::Models | Endpoint::Live | Endpoint::Ready)
}

pub(super) fn refused(error: &WireError, dialect: Dialect, context: &Context) -> Response {
    context.record.refused(error.code(), error.key().unwrap_or_default());
    if let WireError::Backend { .. } | WireError::NotFinite { .. } = error {
        tracing::error!(id = context.id, %error, "a request failed");
    }
    context.record.dialect(dialect);
    respond::json(wire::error_reply(error, dialect, &context.id))
}

pub(super) fn route(request: &Request) -> Result<Route, WireError> {
    wire::route(request.method().as_str(), request.uri().path())
}

/// Returns the dialect of a refusal before the body is read.
pub(super) fn dialect(request: &Request) -> Dialect {
    route(request).map_or(Dialect::Union, |route| route.error_dialect())
}

/// Returns the context that the outermost layer gave the request.
pub(super) fn context(request: &Request) -> Context {
    request.extensions().get().cloned().unwrap_or_default()
}

/// Returns the time limit in a request's header.
fn time(headers: &HeaderMap) -> Result<Option<Duration>, WireError> {
    const NAME: &str = "x-request-timeout-ms";
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let milliseconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || WireError::Wrong {
        key: NAME.to_owned(),
        found: "no whole number".to_owned(),
        wanted: "milliseconds, such as 2000".to_owned(),
    };
    milliseconds.map(|ms| Some(Duration::from_millis(ms))).ok_or_else(wrong)
}

/// Creates a context by the headers of a request.
pub(super) fn new_context(headers: &HeaderMap) -> Context {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_id = |id: &&str| !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic());
    let id = text("x-request-id").filter(is_id).map(str::to_owned);
    let mut context = Context::new();
    if let Some(id) = id {
        context.id = id;
    }
    context
}
