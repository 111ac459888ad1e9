//! Requests over HTTP: headers, time-outs, tries, pauses.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, Proxy, Timeout};

use super::limits::PerMinute;
use super::meter::Reservation;
use super::options::ANTHROPIC_VERSION;
use super::refusal::{Refusal, pause};
use super::{Account, Origin, Provider, Reply, Request, Service, ServiceError, ServiceOptions, Usage};
use crate::store::{read_certificates, root_certs};

/// A model of a service, reached over HTTP.
pub struct HttpService {
    options: ServiceOptions,
    account: Account,
    agent: Agent,
    requests: Option<PerMinute>,
    tokens: Option<PerMinute>,
}

/// Why one try gave nothing.
enum Trouble {
    /// Worth another try, after this pause if the service named one.
    Again {
        reason: Reason,
        after: Option<Duration>,
    },
    Final(ServiceError),
}

/// What the last try came to, if there is no other.
enum Reason {
    Unavailable(String),
    Malformed(String),
}

impl HttpService {
    /// Prepares for asking; opens no connection.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for an address, a key or a file of certificates that cannot be used.
    pub fn new(options: ServiceOptions, account: Account) -> Result<Self, ServiceError> {
        options.url("/")?;
        options.checked_key()?;
        let extra = options.ca_file.as_deref().map(read_certificates).transpose();
        let extra = extra.map_err(|error| ServiceError::Setup(error.to_string()))?.unwrap_or_default();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would take the key to another address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(options.connect_timeout))
            .proxy(if options.proxy_from_env { Proxy::try_from_env() } else { None })
            .user_agent(concat!("nearsort/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_idle_connections_per_host(64)
            .max_idle_connections(64)
            .tls_config(TlsConfig::builder().root_certs(root_certs(extra)).build())
            .build();
        let (requests, tokens) =
            (PerMinute::new(options.requests_per_minute), PerMinute::new(options.tokens_per_minute));
        Ok(Self { options, account, agent: config.into(), requests, tokens })
    }

    /// One try: waits for the limits, sets its price aside, asks.
    fn ask(&self, url: &str, request: &Request, body: &[u8]) -> Result<Reply, Trouble> {
        if let Some(limit) = &self.requests {
            limit.wait_for(1);
        }
        if let Some(limit) = &self.tokens {
            limit.wait_for(request.at_most.input + request.at_most.output);
        }
        let reservation = self.account.reserve(request.at_most).map_err(Trouble::Final)?;
        let started = Instant::now();
        let mut response = match self.post(url, body) {
            Ok(response) => response,
            Err(error) => return Err(self.no_answer(&error, reservation)),
        };
        let text = match self.read(&mut response) {
            Ok(text) => text,
            Err(error) => return Err(self.no_answer(&error, reservation)),
        };
        let latency = started.elapsed();
        if !response.status().is_success() {
            return Err(self.refused(&response, &text));
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(body) => {
                reservation.settle(Usage::of(self.options.provider, &body));
                Ok(Reply { body, latency, origin: Origin::Service })
            }
            Err(error) => {
                reservation.lose();
                let reason = Reason::Malformed(format!("invalid JSON ({error})"));
                Err(Trouble::Again { reason, after: None })
            }
        }
    }

    fn post(&self, url: &str, body: &[u8]) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.post(url).content_type("application/json").header("accept", "application/json");
        let options = &self.options;
        if let Some(key) = &options.key {
            request = match options.provider {
                Provider::OpenAi => request.header("authorization", format!("Bearer {}", key.reveal())),
                Provider::Azure => request.header("api-key", key.reveal()),
                Provider::Anthropic => request.header("x-api-key", key.reveal()),
            };
        }
        if options.provider == Provider::Anthropic {
            let version = options.api_version.as_deref().unwrap_or(ANTHROPIC_VERSION);
            request = request.header("anthropic-version", version);
        }
        request.send(body)
    }

    /// The body as text. A server may echo the key, even in an answer that is written down.
    fn read(&self, response: &mut Response<Body>) -> Result<String, ureq::Error> {
        let bytes = response.body_mut().with_config().limit(self.options.max_answer_bytes).read_to_vec()?;
        let text = String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        Ok(match &self.options.key {
            Some(key) if text.contains(key.reveal()) => key.scrub(&text),
            _ => text,
        })
    }

    fn refused(&self, response: &Response<Body>, text: &str) -> Trouble {
        let status = response.status().as_u16();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let mut refusal = Refusal::read(&self.scrubbed(text));
        if let Some(place) = header("location").filter(|_| response.status().is_redirection()) {
            refusal.message =
                format!("it redirects to {place}, which is not followed; give that address as --base-url");
        }
        let Refusal { message, code, param, .. } = &refusal;
        if refusal.may_pass(status) {
            let reason = Reason::Unavailable(format!("the service answers {status}: {message}"));
            return Trouble::Again { reason, after: pause(header, SystemTime::now()) };
        }
        let (code, param, message) = (code.clone(), param.clone(), message.clone());
        Trouble::Final(ServiceError::Refused { host: self.host(), status, code, param, message })
    }

    /// No whole answer came. Where the request may have reached the service, the budget pays for it.
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
                setup(format!("{said}; where a network re-signs TLS, give its certificate with --ca-file"))
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
            "the name '{}'{of_proxy} cannot be resolved ({said}); check the address (--base-url) and this machine's network",
            self.host()
        )
    }

    fn scrubbed(&self, text: &str) -> String {
        self.options.key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrub(text))
    }

    fn malformed(&self, message: String) -> ServiceError {
        ServiceError::Malformed { host: self.host(), message }
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> {
        let options = &self.options;
        let builder = ExponentialBuilder::new().with_min_delay(options.min_pause).with_max_delay(options.max_pause);
        builder.with_factor(2.0).with_jitter().with_max_times(options.retries).build()
    }
}

/// Whether a host's name is unknown. The system's resolver says so by an error that has no kind of its own.
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

    fn send(&self, request: &Request) -> Result<Reply, ServiceError> {
        let url = self.options.url(request.path)?;
        let body = serde_json::to_vec(&request.body).map_err(|error| ServiceError::Setup(error.to_string()))?;
        let mut pauses = self.pauses();
        let mut tries = 0;
        loop {
            tries += 1;
            let (reason, after) = match self.ask(&url, request, &body) {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Again { reason, after }) => (reason, after),
            };
            match (pauses.next(), reason) {
                (Some(pause), _) => thread::sleep(after.unwrap_or(pause).min(self.options.max_pause)),
                (None, Reason::Malformed(message)) => {
                    return Err(self.malformed(format!("{message}, {tries} times")));
                }
                (None, Reason::Unavailable(reason)) => {
                    return Err(ServiceError::Unavailable { host: self.host(), reason, tries });
                }
            }
        }
    }

    fn count_kept(&self) {
        self.account.kept();
    }
}
