//! The paths of the pages. They need no key: they hold no secret, and use the server as every
//! client does.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::openapi;
use crate::page::{Page, ranking};

/// Headers of every page: no type sniffing, no referrer, and revalidation on every load.
const HEADERS: [(HeaderName, &str); 3] =
    [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer"), (CACHE_CONTROL, "no-cache")];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(async || html(ranking())))
        .route("/docs", get(async || html(&DOCS)))
        .route("/openapi.json", get(async || (HEADERS, [(CONTENT_TYPE, "application/json")], FILE.as_str())))
}

static DOCS: LazyLock<Page> = LazyLock::new(openapi::page);

static FILE: LazyLock<String> = LazyLock::new(|| openapi::description().to_string());

fn html(page: &'static Page) -> Response {
    let own = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, page.policy.as_str())];
    (HEADERS, own, page.html.as_str()).into_response()
}
