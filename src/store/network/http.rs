//! Requests to the hub: time-outs, redirects, the scope of the token, retries.
//!
//! Redirects are followed here, not by the HTTP library, for two reasons. The hub states a file's
//! checksum in the headers of the redirect, not in those of the storage that it leads to. And the
//! token must not reach another host.

use std::thread;
use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use crate::scrub::Scrubber;
use crate::store::failure::Failure;
use crate::store::options::{FetchStep, HubToken, StoreOptions};
use crate::store::{proxy_from_env, root_certs, secrets_of};

/// Maximum number of redirects, more than any hub needs.
const MAX_REDIRECTS: usize = 6;

/// The reason why a request failed.
#[derive(Debug)]
pub(super) enum NetworkTrouble {
    /// Another attempt may succeed, after this pause if the server gave one.
    Again { reason: String, after: Option<Duration> },
    /// The file does not exist.
    NotFound,
    /// The failure is final.
    Failed(Failure),
}

impl NetworkTrouble {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(Failure::Source(reason.into()))
    }

    pub(super) fn again(reason: impl Into<String>) -> Self {
        Self::Again { reason: reason.into(), after: None }
    }
}

impl From<crate::Error> for NetworkTrouble {
    fn from(error: crate::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The answer at the end of the redirects, and the hub's own headers on the way.
pub(super) struct HttpAnswer {
    pub(super) response: Response<Body>,
    /// The header `x-repo-commit`.
    pub(super) commit: Option<String>,
    /// The hub's checksum of the content, without quotes: a sha256 for large files, git's blob id
    /// for small ones.
    pub(super) etag: Option<String>,
    /// The header `x-linked-size`.
    pub(super) size: Option<u64>,
}

/// An HTTP client with the store's limits.
pub(super) struct Client<'a> {
    pub(super) options: &'a StoreOptions,
    agent: Agent,
    scrubber: Scrubber,
}

impl<'a> Client<'a> {
    /// # Errors
    /// A proxy in the environment that cannot be used: a request without it would go where the user
    /// does not want it.
    pub(super) fn new(options: &'a StoreOptions) -> Result<Self, Failure> {
        let limits = &options.limits;
        let proxy = if options.proxy_from_env { proxy_from_env().map_err(Failure::Source)? } else { None };
        let hidden = secrets_of(proxy.as_ref());
        let token = options.token.as_ref().map(HubToken::reveal);
        let scrubber = Scrubber::new(token.into_iter().chain(hidden.iter().map(String::as_str)));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.response))
            .timeout_recv_response(Some(limits.response))
            .timeout_per_read(Some(limits.idle))
            .proxy(proxy)
            .user_agent(concat!("nearsort/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(root_certs(Vec::new())).build())
            .build();
        Ok(Self { options, agent: config.into(), scrubber })
    }

    /// Sends a GET request and follows redirects. `from` requests the bytes from there on.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<HttpAnswer, NetworkTrouble> {
        let (mut url, mut commit, mut etag, mut size) = (url.to_owned(), None, None, None);
        for _ in 0..MAX_REDIRECTS {
            let response = self.hop(&url, from)?;
            let headers = response.headers();
            commit = commit.or_else(|| header(headers, "x-repo-commit"));
            etag = etag.or_else(|| header(headers, "x-linked-etag"));
            size = size.or_else(|| header(headers, "x-linked-size").and_then(|text| text.parse().ok()));
            if !response.status().is_redirection() {
                check_status(&response, &url, self.options.token.is_some() && self.token_for(&url).is_none())?;
                let etag = etag.or_else(|| header(headers, "etag")).and_then(|etag| clean_etag(&etag));
                return Ok(HttpAnswer { commit, etag, size, response });
            }
            let location = header(headers, "location")
                .ok_or_else(|| NetworkTrouble::failed(format!("{} redirects to nowhere", shown(&url))))?;
            url = join(&url, &location).ok_or_else(|| {
                NetworkTrouble::failed(format!("{} redirects to something that is not a web address", shown(&url)))
            })?;
        }
        Err(NetworkTrouble::failed("too many redirects"))
    }

    fn hop(&self, url: &str, from: u64) -> Result<Response<Body>, NetworkTrouble> {
        let mut request = self.agent.get(url);
        if let Some(token) = self.token_for(url) {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        // This is not retried: an unreachable hub should cost seconds, and there is a mirror.
        request.call().map_err(|error| NetworkTrouble::failed(self.explain(url, &error)))
    }

    fn explain(&self, url: &str, error: &ureq::Error) -> String {
        let host = origin(url).unwrap_or(url);
        match error {
            ureq::Error::HostNotFound => format!("the name of {host} cannot be resolved"),
            ureq::Error::Timeout(which) => format!("{host} did not answer in time ({which})"),
            ureq::Error::Io(error) => format!("{host} cannot be reached: {error}"),
            other => format!("{host}: {}", self.scrubber.scrub(&other.to_string())),
        }
    }

    /// Returns the token for the endpoint only, and never for unencrypted requests over a network.
    fn token_for(&self, url: &str) -> Option<&HubToken> {
        let origin = origin(url)?;
        let is_safe = origin.starts_with("https://") || is_loopback(origin);
        self.options.token.as_ref().filter(|_| is_safe && Some(origin) == self::origin(&self.options.endpoint))
    }

    /// Runs `action` until it succeeds, fails finally, or the attempts and pauses are used up.
    pub(super) fn retrying<T>(
        &self,
        file: &str,
        mut action: impl FnMut() -> Result<T, NetworkTrouble>,
    ) -> Result<Option<T>, Failure> {
        let limits = &self.options.limits;
        let (mut pause, mut waited) = (limits.retry_pause, Duration::ZERO);
        let mut tries = 0;
        loop {
            let (reason, after) = match action() {
                Ok(value) => return Ok(Some(value)),
                Err(NetworkTrouble::NotFound) => return Ok(None),
                Err(NetworkTrouble::Failed(failure)) => return Err(failure),
                Err(NetworkTrouble::Again { reason, after }) => (reason, after),
            };
            let wait = after.unwrap_or(pause);
            tries += 1;
            if tries > limits.retries || waited.saturating_add(wait) > limits.retry_total {
                return Err(Failure::Source(format!(
                    "{reason} (gave up after {tries} tries; the next pause would be {} s)",
                    wait.as_secs_f32()
                )));
            }
            self.options.report(FetchStep::Retrying, &self.options.endpoint, file, 0, None);
            thread::sleep(wait);
            waited += wait;
            pause = pause.saturating_mul(2);
        }
    }
}

/// Returns a URL without its query, because a storage's query may contain a password.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn is_loopback(origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn check_status(response: &Response<Body>, url: &str, has_withheld_token: bool) -> Result<(), NetworkTrouble> {
    let status = response.status().as_u16();
    let host = origin(url).unwrap_or(url);
    match status {
        200 | 206 | 416 => match header(response.headers(), "content-encoding") {
            // Its name is not shown: a header may echo the token.
            Some(coding) if coding != "identity" => {
                Err(NetworkTrouble::failed(format!("{host} compresses its answer, which was not requested")))
            }
            _ => Ok(()),
        },
        404 => Err(NetworkTrouble::NotFound),
        401 | 403 if has_withheld_token && url.starts_with("http://") => Err(NetworkTrouble::failed(format!(
            "{host} answers {status}; the token is not sent over http://, where anyone on the way could read it: use https://"
        ))),
        401 | 403 => Err(NetworkTrouble::failed(format!(
            "{host} answers {status}: the repository does not exist, or it is private or gated; set HF_TOKEN to a token with access"
        ))),
        429 | 500..=599 => {
            let seconds = header(response.headers(), "retry-after").and_then(|text| text.parse().ok());
            Err(NetworkTrouble::Again {
                reason: format!("{host} answers {status}"),
                after: seconds.map(Duration::from_secs),
            })
        }
        other => Err(NetworkTrouble::failed(format!("{host} answers {other}"))),
    }
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

/// Returns the etag without the weakness mark and the quotes. It becomes a file's name, so unusual
/// characters are refused.
fn clean_etag(etag: &str) -> Option<String> {
    let etag = etag.trim_start_matches("W/").trim_matches('"');
    let sound = (8..=128).contains(&etag.len()) && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    sound.then(|| etag.to_owned())
}

/// Returns scheme, host and port.
fn origin(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |end| start + end);
    Some(&url[..end])
}

/// Returns the URL of a `Location` header; hubs send relative ones too.
fn join(base: &str, location: &str) -> Option<String> {
    let web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    let (scheme, _) = base.split_once("://")?;
    match location {
        url if web(url) => Some(url.to_owned()),
        url if url.contains("://") || url.is_empty() => None,
        rest if rest.starts_with("//") => Some(format!("{scheme}:{rest}")),
        path if path.starts_with('/') => Some(format!("{}{path}", origin(base)?)),
        relative => {
            let folder = base.split(['?', '#']).next()?.rsplit_once('/')?.0;
            Some(format!("{folder}/{relative}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_may_be_absolute_or_relative() {
        let base = "https://hub:1/a/b?x=/y";
        let cases = [
            ("https://cdn/f", Some("https://cdn/f")),
            ("//cdn/f", Some("https://cdn/f")),
            ("/c/d", Some("https://hub:1/c/d")),
            ("c", Some("https://hub:1/a/c")),
            ("file:///etc/passwd", None),
            ("", None),
        ];
        for (location, expected) in cases {
            assert_eq!(join(base, location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn the_origin_tells_hosts_schemes_and_ports_apart() {
        assert_eq!(origin("https://hub/a"), Some("https://hub"));
        assert_eq!(origin("https://hub"), Some("https://hub"));
        assert_ne!(origin("http://hub/a"), origin("https://hub/a"));
        assert_ne!(origin("http://hub:1/a"), origin("http://hub:2/a"));
        assert_ne!(origin("http://hub.evil/a"), origin("http://hub/a"));
    }

    #[test]
    fn an_etag_becomes_a_file_name_only_if_it_is_harmless() {
        assert_eq!(clean_etag("W/\"0123456789abcdef\"").as_deref(), Some("0123456789abcdef"));
        for bad in ["\"../../x\"", "\"a/b\"", "", "\"\"", "\"..\""] {
            assert_eq!(clean_etag(bad), None, "{bad}");
        }
    }
}
