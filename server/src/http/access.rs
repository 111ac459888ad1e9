//! Access control: API keys, or the names of this machine if there are none.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::Response;
use subtle::Choice;

use super::dispatch;
use crate::app::App;
use crate::options::Options;
use crate::wire::{self, WireError};

/// Admits a request with a valid key. If there are no keys, admits a request for a host of this
/// machine.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_known = match app.options.api_keys.is_empty() {
        true => check_host(&app.options, &request),
        false => check_key(&app.options, request.headers()),
    };
    match is_known {
        Ok(()) => next.run(request).await,
        Err(error) => dispatch::refused(&error, dispatch::dialect(&request), &dispatch::context(&request)),
    }
}

/// Compares every presented key with every known key, even after a match.
fn check_key(options: &Options, headers: &HeaderMap) -> Result<(), WireError> {
    let presented = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let matches = wire::presented_keys(presented)
        .flat_map(|given| options.api_keys.iter().map(move |key| key.matches(given.as_bytes())))
        .fold(Choice::from(0), |all, one| all | one);
    if bool::from(matches) { Ok(()) } else { Err(WireError::Unauthorized) }
}

/// Checks the host of a request. A page of another site can let its own name resolve to this
/// machine (DNS rebinding), and so send requests as if from here. Such requests carry the page's
/// name.
fn check_host(options: &Options, request: &Request) -> Result<(), WireError> {
    if options.no_auth {
        return Ok(());
    }
    let named = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let named = named.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    match named {
        // HTTP/1.0 and unix sockets.
        None | Some("") => Ok(()),
        Some(host) if is_here(host) || options.allowed_hosts.iter().any(|known| is_named(host, known)) => Ok(()),
        Some(host) => Err(WireError::Host { host: host.chars().take(80).collect() }),
    }
}

/// Returns true for `localhost`, a name below it, or an address: names that nobody else can
/// redirect.
fn is_here(host: &str) -> bool {
    let name = without_port(host);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    name == "localhost" || name.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
}

fn is_named(host: &str, known: &str) -> bool {
    known == "*" || host.eq_ignore_ascii_case(known) || without_port(host).eq_ignore_ascii_case(known)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine_are_told_from_names() {
        for here in ["localhost", "LOCALHOST:8787", "127.0.0.1:1", "[::1]:1", "[::1]", "a.localhost", "192.168.1.2:80"]
        {
            assert!(is_here(here), "{here}");
        }
        for other in ["evil.example", "localhost.evil.example:8787", "127.0.0.1.nip.io", "a:b"] {
            assert!(!is_here(other), "{other}");
        }
        assert!(is_named("Rerank.lan:80", "rerank.lan") && is_named("a", "*") && !is_named("b", "a"));
    }
}
