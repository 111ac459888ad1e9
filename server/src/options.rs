//! Options of a server: checked and completed settings.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use nearsort::{DEFAULT_MODEL, Model, ModelConfig, ModelOptions, StageSpec};
use subtle::{Choice, ConstantTimeEq};

use crate::error::{Error, Result};
use crate::files::Roots;
use crate::net::Listen;
use crate::settings::{CascadeSettings, Settings};
use crate::wire::{self, ModelKind, TokenIds};

/// The default address.
const LISTEN: &str = "127.0.0.1:8787";

/// An API key. It is compared in constant time, and never printed.
#[derive(Clone)]
pub struct ApiKey(String);

/// A name of a model or a folder, and its name for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub name: String,
    pub alias: Option<String>,
}

/// A cascade with a name for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cascade {
    pub name: String,
    pub stages: Vec<StageSpec>,
    pub model: String,
}

/// Bounds of the work under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bounds of one request.
    pub request: wire::RequestLimits,
    /// Maximum tokens of all requests under way.
    pub queue_tokens: u64,
    /// Maximum bytes of all bodies that are being read or worked on.
    pub queue_bytes: u64,
    /// Maximum number of connections.
    pub connections: usize,
}

/// Timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOuts {
    /// For the headers of a request.
    pub headers: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// For a connection without a request.
    pub idle: Duration,
    /// For the work of a request; `None`: no bound.
    pub request: Option<Duration>,
    /// For requests under way at a shutdown.
    pub drain: Duration,
}

/// Options of a server. Made of [`Settings`] by [`Options::new`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Models that are already loaded.
    pub(crate) own: Vec<(String, Model)>,
    pub(crate) models: Vec<Named>,
    pub(crate) cascades: Vec<Cascade>,
    pub(crate) indexes: Vec<Named>,
    pub(crate) mcp_roots: Roots,
    pub(crate) model_options: ModelOptions,
    /// Number of threads for computing.
    pub(crate) threads: usize,
    pub(crate) loading: Loading,
    /// The address to listen on.
    pub listen: Listen,
    /// A second address for health and metrics.
    pub metrics_listen: Option<Listen>,
    /// The accepted keys. If there are none, requests need no key.
    pub api_keys: Vec<ApiKey>,
    pub(crate) no_auth: bool,
    pub(crate) allows_services: bool,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) token_ids: TokenIds,
    pub(crate) info_kind: ModelKind,
    /// The bounds.
    pub limits: Limits,
    /// The timeouts.
    pub time_outs: TimeOuts,
    pub(crate) log: Log,
}

/// Rules for loading and unloading models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loading {
    pub is_lazy: bool,
    pub ignores_names: bool,
    pub unload_after: Option<Duration>,
    pub max_bytes: Option<u64>,
}

/// The content and the format of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub is_json: bool,
    pub filter: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: wire::RequestLimits::default(),
            queue_tokens: 16 << 20,
            queue_bytes: 256 << 20,
            connections: 1024,
        }
    }
}

impl Default for TimeOuts {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            body: Duration::from_secs(60),
            idle: Duration::from_secs(75),
            request: None,
            drain: Duration::from_secs(25),
        }
    }
}

impl ApiKey {
    /// Creates a key from a text of printable ASCII characters without spaces, at least one.
    ///
    /// # Errors
    /// Any other text. The message does not repeat it.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Setting(
                "an API key is empty or has other characters than printable ASCII without spaces".into(),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn matches(&self, given: &[u8]) -> Choice {
        self.0.as_bytes().ct_eq(given)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, alias) = match text.split_once('=') {
            Some((name, alias)) => (name, Some(alias.to_owned())),
            None => (text, None),
        };
        if name.is_empty() || alias.as_deref() == Some("") {
            return Err(Error::Setting(format!("'{text}' is not NAME or NAME=ALIAS")));
        }
        Ok(Self { name: name.to_owned(), alias })
    }
}

impl Named {
    /// Returns the name for clients.
    pub fn shown(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

impl Options {
    /// Checks settings, and completes them by the defaults.
    ///
    /// # Errors
    /// A value that cannot be used; a file of keys that cannot be read; a service without
    /// `allow_services`.
    pub fn new(settings: Settings) -> Result<Self> {
        let limits = limits(&settings)?;
        let time_outs = time_outs(&settings)?;
        let options = Self {
            own: Vec::new(),
            models: named(settings.model.as_deref())?,
            cascades: settings.cascade.iter().flatten().map(cascade).collect::<Result<_>>()?,
            indexes: named(settings.index.as_deref())?,
            mcp_roots: Roots::new(settings.mcp_root.as_deref().unwrap_or_default()).map_err(Error::Setting)?,
            model_options: model_options(&settings)?,
            threads: settings.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
            loading: Loading {
                is_lazy: settings.lazy.unwrap_or(false),
                ignores_names: settings.ignore_model.unwrap_or(false),
                unload_after: seconds("unload_after", settings.unload_after)?,
                max_bytes: settings.max_model_bytes,
            },
            listen: address("listen", settings.listen.as_deref().unwrap_or(LISTEN))?,
            metrics_listen: settings.metrics_listen.as_deref().map(|a| address("metrics_listen", a)).transpose()?,
            api_keys: api_keys(&settings)?,
            no_auth: settings.no_auth.unwrap_or(false),
            allows_services: settings.allow_services.unwrap_or(false),
            cors_origins: settings.cors_origin.clone().unwrap_or_default(),
            allowed_hosts: settings.allowed_host.clone().unwrap_or_default(),
            token_ids: token_ids(settings.openai_token_ids.as_deref())?,
            info_kind: info_kind(settings.info_kind.as_deref())?,
            limits,
            time_outs,
            log: log(&settings)?,
        };
        options.check_services()?;
        options.check_names()?;
        Ok(options)
    }

    /// Serves a model that is already loaded, such as one of your own, under this name and before
    /// all others. The scores of your own scorer should be in [0, 1]. Clients are promised this
    /// range, so other scores are clamped.
    pub fn model(mut self, name: impl Into<String>, model: Model) -> Self {
        self.own.push((name.into(), model));
        self
    }

    /// Checks that models of services are allowed, because they cost money and texts leave the
    /// machine.
    fn check_services(&self) -> Result<()> {
        use nearsort::service::Provider;
        let models = self.models.iter().map(|model| model.name.as_str());
        let stages = self.cascades.iter().flat_map(|cascade| &cascade.stages).filter_map(|stage| match &stage.by {
            nearsort::StageBy::Model(name) => Some(name.as_str()),
            nearsort::StageBy::Scoring(_) => None,
        });
        match models.chain(stages).find(|name| Provider::of_name(name).is_some()) {
            Some(name) if !self.allows_services => Err(Error::Setting(format!(
                "'{name}' is a model of a service, which gets the texts and costs money; allow that with allow_services (--allow-services)"
            ))),
            _ => Ok(()),
        }
    }

    fn check_names(&self) -> Result<()> {
        let names: Vec<&str> =
            self.models.iter().map(Named::shown).chain(self.cascades.iter().map(|c| c.name.as_str())).collect();
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        match twice {
            Some((_, name)) => {
                Err(Error::Setting(format!("two models are called '{name}'; give one an alias: NAME=ALIAS")))
            }
            None => Ok(()),
        }
    }
}

fn named(texts: Option<&[String]>) -> Result<Vec<Named>> {
    texts.unwrap_or_default().iter().map(|text| text.parse()).collect()
}

fn cascade(settings: &CascadeSettings) -> Result<Cascade> {
    let wrong = |reason: String| Error::Setting(format!("the cascade '{}': {reason}", settings.name));
    if settings.name.is_empty() || settings.stages.is_empty() {
        return Err(wrong("a cascade needs a name and stages".into()));
    }
    let stage = |text: &String| text.parse().map_err(|error: nearsort::Error| wrong(error.to_string()));
    Ok(Cascade {
        name: settings.name.clone(),
        stages: settings.stages.iter().map(stage).collect::<Result<_>>()?,
        model: settings.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
    })
}

fn model_options(settings: &Settings) -> Result<ModelOptions> {
    let wrong = |key: &str, error: nearsort::Error| Error::Setting(format!("{key}: {error}"));
    let mut store = nearsort::StoreOptions::from_env()?;
    store.offline |= settings.offline.unwrap_or(false);
    let device = settings.device.as_deref().map(str::parse).transpose();
    let precision = settings.precision.as_deref().map(str::parse).transpose();
    let mut config = ModelConfig::default();
    (config.threads, config.batch_tokens) = (settings.threads, settings.batch_tokens);
    config.device = device.map_err(|error| wrong("device", error))?;
    config.precision = precision.map_err(|error| wrong("precision", error))?;
    Ok(ModelOptions::from(&config).store(nearsort::ModelStore::new(store)))
}

fn address(key: &str, text: &str) -> Result<Listen> {
    text.parse().map_err(|error| Error::Setting(format!("{key}: {error}")))
}

fn api_keys(settings: &Settings) -> Result<Vec<ApiKey>> {
    let mut keys: Vec<ApiKey> =
        settings.api_key.iter().flatten().map(|text| ApiKey::new(text)).collect::<Result<_>>()?;
    if let Some(path) = &settings.api_key_file {
        keys.extend(keys_of_file(path)?);
    }
    Ok(keys)
}

/// Reads one key per line. Skips empty lines and those that begin with `#`.
fn keys_of_file(path: &PathBuf) -> Result<Vec<ApiKey>> {
    let wrong = |reason: String| Error::Setting(format!("api_key_file: {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<ApiKey> = lines.map(ApiKey::new).collect::<Result<_>>().map_err(|error| wrong(error.to_string()))?;
    if keys.is_empty() {
        return Err(wrong("the file has no key".into()));
    }
    Ok(keys)
}

fn token_ids(encoding: Option<&str>) -> Result<TokenIds> {
    match encoding {
        None | Some("refuse") => Ok(TokenIds::Refuse),
        Some("cl100k_base") => Ok(TokenIds::Cl100kBase),
        Some(other) => {
            Err(Error::Setting(format!("openai_token_ids: unknown encoding '{other}'; expected: cl100k_base")))
        }
    }
}

fn info_kind(kind: Option<&str>) -> Result<ModelKind> {
    match kind {
        None | Some("reranker") => Ok(ModelKind::Reranker),
        Some("embedding") => Ok(ModelKind::Embedding),
        Some(other) => {
            Err(Error::Setting(format!("info_kind: unknown kind '{other}'; expected: reranker or embedding")))
        }
    }
}

fn limits(settings: &Settings) -> Result<Limits> {
    let default = Limits::default();
    let limits = Limits {
        request: wire::RequestLimits {
            body_bytes: settings.max_body_bytes.unwrap_or(default.request.body_bytes),
            texts: settings.max_texts.unwrap_or(default.request.texts),
        },
        queue_tokens: settings.max_queue_tokens.unwrap_or(default.queue_tokens),
        queue_bytes: settings.max_queue_bytes.unwrap_or(default.queue_bytes),
        connections: settings.max_connections.unwrap_or(default.connections),
    };
    let zero = [
        ("max_body_bytes", limits.request.body_bytes as u64),
        ("max_texts", limits.request.texts as u64),
        ("max_queue_tokens", limits.queue_tokens),
        ("max_queue_bytes", limits.queue_bytes),
        ("max_connections", limits.connections as u64),
    ];
    match zero.iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => Err(Error::Setting(format!("{key} is 0; expected: at least 1"))),
        None => Ok(limits),
    }
}

fn time_outs(settings: &Settings) -> Result<TimeOuts> {
    let default = TimeOuts::default();
    Ok(TimeOuts {
        headers: seconds("header_timeout", settings.header_timeout)?.unwrap_or(default.headers),
        body: seconds("body_timeout", settings.body_timeout)?.unwrap_or(default.body),
        idle: seconds("idle_timeout", settings.idle_timeout)?.unwrap_or(default.idle),
        request: seconds("request_timeout", settings.request_timeout)?,
        drain: seconds("drain_timeout", settings.drain_timeout)?.unwrap_or(default.drain),
    })
}

fn seconds(key: &str, value: Option<f64>) -> Result<Option<Duration>> {
    let wrong = |value: f64| Error::Setting(format!("{key} is {value}; expected: seconds, at least 0"));
    value.map(|value| Duration::try_from_secs_f64(value).map_err(|_| wrong(value))).transpose()
}

fn log(settings: &Settings) -> Result<Log> {
    let is_json = match settings.log_format.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            return Err(Error::Setting(format!("log_format: unknown format '{other}'; expected: text or json")));
        }
    };
    Ok(Log { is_json, filter: settings.log.clone().unwrap_or_else(|| "info".to_owned()) })
}
