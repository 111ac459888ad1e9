//! The body of a request: bounded in bytes and in time, and counted while it is held.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;

use crate::admission::Share;
use crate::app::App;
use crate::wire::WireError;

/// Time that a client is asked to wait if other bodies fill the memory for bodies.
const RETRY: Duration = Duration::from_secs(1);

/// A body, and its share of the bytes for all bodies.
pub(super) struct Received {
    pub bytes: Vec<u8>,
    pub share: Share,
}

/// Receives a body.
///
/// # Errors
/// A content type other than JSON; more bytes than allowed, by its header or as they arrive; a slow
/// or broken transfer; no room.
pub(super) async fn receive(app: &App, headers: &HeaderMap, body: Body) -> Result<Received, WireError> {
    check_type(headers)?;
    let limit = app.options.limits.request.body_bytes;
    let too_large = |bytes| WireError::BodyTooLarge { bytes, limit };
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(bytes) = declared.filter(|bytes| *bytes > limit) {
        return Err(too_large(bytes));
    }
    let time = app.options.time_outs.body;
    let all = tokio::time::timeout(time, collect(app, body, limit)).await;
    all.unwrap_or_else(|_| Err(WireError::BodyTimeOut { ms: time.as_millis() }))
}

async fn collect(app: &App, mut body: Body, limit: usize) -> Result<Received, WireError> {
    let mut received = Received { bytes: Vec::new(), share: app.bytes.share() };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| WireError::BodyUnread { detail: error.to_string() })?;
        let Ok(data) = frame.into_data() else { continue };
        let bytes = received.bytes.len() + data.len();
        if bytes > limit {
            return Err(WireError::BodyTooLarge { bytes, limit });
        }
        if !received.share.grow(data.len() as u64) {
            app.metrics.refused("bytes");
            return Err(WireError::Overloaded { retry_after: RETRY });
        }
        received.bytes.extend_from_slice(&data);
    }
    Ok(received)
}

/// Checks that the content type is JSON or absent. Others are refused, so that no page of another
/// origin can post a form or plain text here without a CORS preflight by the browser.
fn check_type(headers: &HeaderMap) -> Result<(), WireError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let found = value.to_str().unwrap_or("of other characters than ASCII");
    let kind = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.is_empty() || kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    Err(WireError::MediaType { found: found.chars().filter(|c| !c.is_control()).take(80).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_by_its_names_and_nothing_else() {
        let check = |value: &'static str| {
            check_type(&HeaderMap::from_iter([(CONTENT_TYPE, axum::http::HeaderValue::from_static(value))]))
        };
        for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/x+json"] {
            assert_eq!(check(kind), Ok(()), "{kind}");
        }
        for kind in ["text/plain", "multipart/form-data", "application/xml", "application/x-www-form-urlencoded"] {
            assert!(matches!(check(kind), Err(WireError::MediaType { .. })), "{kind}");
        }
        assert_eq!(check_type(&HeaderMap::new()), Ok(()));
    }
}
