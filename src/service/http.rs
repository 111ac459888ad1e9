//! Requests over HTTP: headers, timeouts, retries, pauses.

use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, Timeout};

use super::answer_size;
use super::limits::PerMinute;
use super::meter::Reservation;
use super::refusal::{Refusal, pause};
use super::{Account, Origin, Provider, Reply, Request, Secret, Service, ServiceError, ServiceOptions, ServiceTokens};
use crate::call::Call;
use crate::scrub::Scrubber;
use crate::store::{proxy_from_env, read_certificates, root_certs, secrets_of};

/// Maximum number of bytes that are read of an unsuccessful answer. Messages are short, but a proxy
/// may send a whole page.
const MAX_REFUSAL_BYTES: u64 = 64 << 10;
/// Maximum number of characters shown of an address that a service names.
const SHOWN_PLACE: usize = 200;

/// A model of a service, reached over HTTP.
pub struct HttpService {
    options: ServiceOptions,
    account: Account,
    agent: Agent,
    scrubber: Scrubber,
    requests: Option<PerMinute>,
    tokens: Option<PerMinute>,
}

/// The reason why one try failed.
enum Trouble {
    /// A retry may help, after this pause if the service named one.
    Again {
        reason: Reason,
        after: Option<Duration>,
    },
    Final(ServiceError),
}

impl<E: Into<ServiceError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

/// The failure of the last try.
enum Reason {
    Unavailable(String),
    Malformed(String),
}

impl HttpService {
    /// Prepares the requests; opens no connection.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for an address, a key, a file of certificates or a proxy in the
    /// environment that cannot be used, and for a key that would go to an address that is not
    /// allowed for it ([`ServiceOptions::key_host`], [`ServiceOptions::allow_insecure_base_url`]).
    pub fn new(options: ServiceOptions, account: Account) -> Result<Self, ServiceError> {
        options.url("/")?;
        options.checked_key()?;
        let extra = options.ca_file.as_deref().map(read_certificates).transpose();
        let extra = extra.map_err(|error| ServiceError::Setup(error.to_string()))?.unwrap_or_default();
        // A proxy could not reach this machine, and would see requests meant for it.
        let proxy = if options.proxy_from_env && !options.is_local() {
            proxy_from_env().map_err(ServiceError::Setup)?
        } else {
            None
        };
        let hidden = secrets_of(proxy.as_ref());
        let key = options.key.as_ref().map(Secret::reveal);
        let scrubber = Scrubber::new(key.into_iter().chain(hidden.iter().map(String::as_str)));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would send the key to another address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(options.connect_timeout))
            .proxy(proxy)
            .user_agent(concat!("nearsort/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_idle_connections_per_host(64)
            .max_idle_connections(64)
            .tls_config(TlsConfig::builder().root_certs(root_certs(extra)).build())
            .build();
        let (requests, tokens) =
            (PerMinute::new(options.requests_per_minute), PerMinute::new(options.tokens_per_minute));
        Ok(Self { options, account, agent: config.into(), scrubber, requests, tokens })
    }

    /// Makes one try: waits for the limits, reserves its price, sends the request.
    fn ask(&self, url: &str, request: &Request, body: &[u8], call: &Call<'_>) -> Result<Reply, Trouble> {
        call.check()?;
        if let Some(limit) = &self.requests {
            limit.wait_for(1, call)?;
        }
        if let Some(limit) = &self.tokens {
            limit.wait_for(request.at_most.input + request.at_most.output, call)?;
        }
        let reservation = self.account.reserve(request.at_most, call)?;
        let started = Instant::now();
        let mut response = match self.post(url, body, call) {
            Ok(response) => response,
            Err(error) => return Err(self.no_answer(&error, reservation)),
        };
        if !response.status().is_success() {
            return Err(self.refused(&mut response));
        }
        if let Some(coding) = response.headers().get("content-encoding").filter(|coding| *coding != "identity") {
            reservation.lose();
            let coding = coding.as_bytes().escape_ascii();
            return Err(Trouble::Final(
                self.malformed(format!("a compressed body ({coding}), which was not requested")),
            ));
        }
        let text = match self
            .read(&mut response, answer_size::bytes(self.options.provider, request).min(self.options.max_answer_bytes))
        {
            Ok(text) => text,
            Err(error) => return Err(self.no_answer(&error, reservation)),
        };
        let latency = started.elapsed();
        match self.parsed(&text, request) {
            Ok(body) => {
                if let Some(refusal) = Refusal::of_success(&body) {
                    return Err(self.turned_down(refusal.status(), refusal, None));
                }
                reservation.settle(ServiceTokens::of(self.options.provider, &body), call);
                Ok(Reply { body, latency, origin: Origin::Service })
            }
            Err(trouble) => {
                reservation.lose();
                Err(trouble)
            }
        }
    }

    /// Parses the answer's JSON and removes secrets, because a server may echo the key and the
    /// answer may be written to disk.
    fn parsed(&self, text: &str, request: &Request) -> Result<Value, Trouble> {
        if let Some(most) = answer_size::too_many_values(text, self.options.provider, request) {
            return Err(Trouble::Final(self.malformed(format!("more than {most} values"))));
        }
        let mut body: Value = serde_json::from_str(text).map_err(|error| {
            let hint = if text.trim_start().starts_with('<') {
                "; it is a web page: check the address (`base_url=`)"
            } else {
                ""
            };
            Trouble::Again { reason: Reason::Malformed(format!("invalid JSON ({error}){hint}")), after: None }
        })?;
        self.scrubber.scrub_value(&mut body);
        Ok(body)
    }

    fn post(&self, url: &str, body: &[u8], call: &Call<'_>) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.post(url).content_type("application/json").header("accept", "application/json");
        let options = &self.options;
        let key = options.key.as_ref().map(Secret::reveal);
        for (name, value) in options.provider.wire().headers(key, options.api_version.as_deref()) {
            request = request.header(name, value);
        }
        match call.time_left() {
            Some(left) => request.config().timeout_global(Some(left.min(self.options.timeout))).build().send(body),
            None => request.send(body),
        }
    }

    fn read(&self, response: &mut Response<Body>, most: u64) -> Result<String, ureq::Error> {
        let bytes = response.body_mut().with_config().limit(most).read_to_vec()?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// Reads the message of an unsuccessful answer. Its first part is enough, even if the
    /// connection breaks.
    fn refused(&self, response: &mut Response<Body>) -> Trouble {
        let mut bytes = Vec::new();
        let _ = response.body_mut().as_reader().take(MAX_REFUSAL_BYTES).read_to_end(&mut bytes);
        let status = response.status().as_u16();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let mut refusal = Refusal::read(&String::from_utf8_lossy(&bytes));
        if let Some(place) = header("location").filter(|_| response.status().is_redirection()) {
            refusal.message = format!(
                "it redirects to {}, which is not followed; give that address as `base_url=`",
                without_secrets(&place)
            );
        }
        self.turned_down(status, refusal, pause(header, SystemTime::now()))
    }

    fn turned_down(&self, status: u16, refusal: Refusal, after: Option<Duration>) -> Trouble {
        let may_pass = refusal.may_pass(status);
        let Refusal { message, code, param, .. } = refusal;
        let message = self.scrubbed(&message);
        if may_pass {
            let reason = Reason::Unavailable(format!("the service answers {status}: {message}"));
            return Trouble::Again { reason, after };
        }
        let [code, param] = [code, param].map(|text| text.map(|text| self.scrubbed(&text)));
        Trouble::Final(ServiceError::Refused { host: self.host(), status, code, param, message })
    }

    /// Handles a failure without a whole answer. If the request may have reached the service, the
    /// budget pays for it.
    fn no_answer(&self, error: &ureq::Error, reservation: Reservation<'_>) -> Trouble {
        let again = |reason: String| Trouble::Again { reason: Reason::Unavailable(reason), after: None };
        let setup = |message: String| Trouble::Final(ServiceError::Setup(format!("{}: {message}", self.host())));
        let said = self.scrubbed(&error.to_string());
        match error {
            _ if is_unresolved(error) => again(self.unresolved(&said)),
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                again(format!("no connection in time ({said})"))
            }
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => again(said),
            _ if said.contains("certificate") => {
                setup(format!("{said}; where a network re-signs TLS, give its certificate with `ca_file=`"))
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                reservation.lose();
                Trouble::Final(self.malformed(format!("more than {limit} bytes")))
            }
            ureq::Error::Timeout(which) => {
                reservation.lose();
                again(format!("no answer within {} s ({which})", self.options.timeout.as_secs_f32()))
            }
            ureq::Error::Io(_)
            | ureq::Error::Protocol(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::BodyStalled => {
                reservation.lose();
                again(format!("the connection broke: {said}"))
            }
            ureq::Error::ConnectProxyFailed(_) => again(said),
            _ => setup(said),
        }
    }

    fn unresolved(&self, said: &str) -> String {
        let of_proxy = if self.agent.config().proxy().is_some() { ", or the proxy's," } else { "" };
        format!(
            "the name '{}'{of_proxy} cannot be resolved ({said}); check the address (`base_url=`) and this machine's network",
            self.host()
        )
    }

    fn scrubbed(&self, text: &str) -> String {
        self.scrubber.scrub(text).into_owned()
    }

    /// Headers may echo the key too.
    fn malformed(&self, message: String) -> ServiceError {
        ServiceError::Malformed { host: self.host(), message: self.scrubbed(&message) }
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> {
        let options = &self.options;
        let builder = ExponentialBuilder::new().with_min_delay(options.min_pause).with_max_delay(options.max_pause);
        builder.with_factor(2.0).with_jitter().with_max_times(options.retries).build()
    }
}

/// Returns the part of an address that can be shown. The parts before an `@` and after a question
/// mark may hold a password.
fn without_secrets(place: &str) -> String {
    let end = place.find(['?', '#']).unwrap_or(place.len());
    let (scheme, rest) = place[..end].split_once("//").map_or(("", &place[..end]), |(scheme, rest)| (scheme, rest));
    let host_end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..host_end].rsplit('@').next().unwrap_or_default();
    let slashes = if scheme.is_empty() { "" } else { "//" };
    format!("{scheme}{slashes}{host}{}", &rest[host_end..]).chars().take(SHOWN_PLACE).collect()
}

/// Returns true if the name of a host is unknown. The system's resolver reports this by an error
/// without a kind of its own.
fn is_unresolved(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => error.to_string().starts_with("failed to lookup address information"),
        _ => false,
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Service for HttpService {
    fn provider(&self) -> Provider {
        self.options.provider
    }

    fn model(&self) -> &str {
        &self.options.model
    }

    fn host(&self) -> String {
        self.options.host()
    }

    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError> {
        let url = self.options.url(request.path)?;
        let body = serde_json::to_vec(&request.body).map_err(|error| ServiceError::Setup(error.to_string()))?;
        let mut pauses = self.pauses();
        let mut tries = 0;
        loop {
            tries += 1;
            let (reason, after) = match self.ask(&url, request, &body, call) {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Again { reason, after }) => (reason, after),
            };
            call.check()?;
            match (pauses.next(), reason) {
                (Some(pause), _) => call.wait(after.unwrap_or(pause).min(self.options.max_pause))?,
                (None, Reason::Malformed(message)) => {
                    return Err(self.malformed(format!("{message}, {tries} times")));
                }
                (None, Reason::Unavailable(reason)) => {
                    return Err(ServiceError::Unavailable { host: self.host(), reason, tries });
                }
            }
        }
    }

    fn count_kept(&self, call: &Call<'_>) {
        self.account.kept(call);
    }
}
