//! Options for reaching a service.
//!
//! [`ServiceOptions::from_env`] is the only function here that reads the environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{Provider, Secret, ServiceError};
use crate::provider::Facts;

/// Environment variable of the key for an address of your own.
const OWN_KEY_VARIABLE: &str = "NEARSORT_API_KEY";

/// Options for reaching a model of a service: address, key, timeouts, retries, limits.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The provider whose formats the service uses.
    pub provider: Provider,
    /// The model's name at the service; in Azure, the deployment's name.
    pub model: String,
    /// The base address of `/embeddings` and the other paths; `None`: the provider's address. In
    /// Azure, the resource's address, `https://NAME.openai.azure.com`; the deployment's path is
    /// added to it.
    pub base_url: Option<String>,
    /// The key. Servers at an address of your own may need none.
    pub key: Option<Secret>,
    /// The host that the key is for, with its port; `None`: the host of the address. The key is
    /// sent to no other host, except this machine.
    pub key_host: Option<String>,
    /// True if a key may go over `http://` to another machine, where anyone on the way can read it.
    pub allow_insecure_base_url: bool,
    /// Anthropic's `anthropic-version`, Azure's `api-version`; `None`:
    /// [`super::ANTHROPIC_VERSION`], [`super::AZURE_API_VERSION`].
    pub api_version: Option<String>,
    /// Maximum time of one try, from connecting to the last byte.
    pub timeout: Duration,
    /// Maximum time for connecting.
    pub connect_timeout: Duration,
    /// Number of tries after the first.
    pub retries: usize,
    /// The first pause between two tries. It doubles each time, with random jitter so that threads
    /// do not retry at once.
    pub min_pause: Duration,
    /// The longest pause, even if the service asks for a longer one.
    pub max_pause: Duration,
    /// Maximum number of requests in any minute; `None`: no limit.
    pub requests_per_minute: Option<u32>,
    /// Maximum number of tokens in any minute, input and output, as estimated before sending;
    /// `None`: no limit.
    pub tokens_per_minute: Option<u32>,
    /// True if `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are used.
    pub proxy_from_env: bool,
    /// A file of certificates (PEM) that are trusted in addition to the machine's own.
    pub ca_file: Option<PathBuf>,
    /// Maximum size of an answer, in bytes.
    pub max_answer_bytes: u64,
}

impl ServiceOptions {
    /// Creates options that use nothing from the environment: the provider's own address, no key,
    /// no proxy, no limits.
    pub fn new(provider: Provider, model: impl Into<String>) -> Self {
        Self {
            provider,
            model: model.into(),
            base_url: None,
            key: None,
            key_host: None,
            allow_insecure_base_url: false,
            api_version: None,
            timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            retries: 5,
            min_pause: Duration::from_millis(500),
            max_pause: Duration::from_secs(60),
            requests_per_minute: None,
            tokens_per_minute: None,
            proxy_from_env: false,
            ca_file: None,
            // 2,048 vectors of 3,072 components as decimal numbers are about 130 MB.
            max_answer_bytes: 256 << 20,
        }
    }

    /// Reads options from the environment: the key (`OPENAI_API_KEY`, `AZURE_OPENAI_API_KEY`,
    /// `ANTHROPIC_API_KEY`, `COHERE_API_KEY` or `CO_API_KEY`, `JINA_API_KEY`, `VOYAGE_API_KEY`),
    /// the address (`OPENAI_BASE_URL`, `AZURE_OPENAI_ENDPOINT`, `ANTHROPIC_BASE_URL`,
    /// `COHERE_BASE_URL`, `JINA_BASE_URL`, `VOYAGE_BASE_URL`, `TEI_BASE_URL`), and the proxy
    /// variables.
    ///
    /// # Errors
    /// As [`ServiceOptions::from_env_at`].
    pub fn from_env(provider: Provider, model: impl Into<String>) -> Result<Self, ServiceError> {
        Self::from_env_at(provider, model, None)
    }

    /// As [`ServiceOptions::from_env`], with an address that takes precedence over the
    /// environment's. A provider's key is for the provider's hosts and for the address in the
    /// environment. `NEARSORT_API_KEY` is for any other address, and takes precedence there.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for a key that cannot be used; the message does not show it.
    pub fn from_env_at(
        provider: Provider,
        model: impl Into<String>,
        base_url: Option<&str>,
    ) -> Result<Self, ServiceError> {
        Self::from_lookup(provider, model.into(), base_url, &|name| std::env::var_os(name))
    }

    fn from_lookup(
        provider: Provider,
        model: String,
        base_url: Option<&str>,
        lookup: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ServiceError> {
        let var = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut options = Self::new(provider, model);
        let facts = provider.wire().facts();
        options.base_url = var(facts.base_url_variable).map(|value| value.to_string_lossy().into_owned());
        let environments_host = options.host();
        if let Some(base) = base_url {
            options.base_url = Some(base.to_owned());
        }
        let own = Some(OWN_KEY_VARIABLE).filter(|_| options.base_url.is_some());
        for variable in own.into_iter().chain(facts.key_variables.iter().copied()) {
            let Some(key) = var(variable) else { continue };
            options.key = Some(Secret::new(&key.to_string_lossy(), variable)?);
            options.key_host = (variable != OWN_KEY_VARIABLE).then_some(environments_host);
            break;
        }
        options.proxy_from_env = true;
        Ok(options)
    }

    /// Returns the URL of a path of the service.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for an invalid address, or one that holds a password.
    pub fn url(&self, path: &str) -> Result<String, ServiceError> {
        let base = self.checked_base()?;
        Ok(self.provider.wire().url(base, path, &self.model, self.api_version.as_deref()))
    }

    fn facts(&self) -> &'static Facts {
        self.provider.wire().facts()
    }

    /// Returns the host and port.
    pub fn host(&self) -> String {
        let facts = self.facts();
        let base = self.base_url.as_deref().or(facts.base_url).unwrap_or(facts.name);
        let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        rest[..end].rsplit('@').next().unwrap_or_default().to_owned()
    }

    fn checked_base(&self) -> Result<&str, ServiceError> {
        let setup = |message: String| Err(ServiceError::Setup(message));
        let Some(base) = self.base_url.as_deref().or(self.facts().base_url) else {
            return setup(self.facts().missing_base_url.into());
        };
        let base = base.trim().trim_end_matches('/');
        let web = ["https://", "http://"].into_iter().find_map(|scheme| base.strip_prefix(scheme));
        match web {
            Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => setup(
                "the service's address holds a user name or a password; give the key in its variable or a file".into(),
            ),
            Some(rest) if !rest.is_empty() && !base.contains(['?', '#', ' ']) => Ok(base),
            _ => setup(format!("'{base}' is not the address of a service; expected https://host/v1, without ? and #")),
        }
    }

    /// Returns the key. The provider's own address requires one.
    #[cfg(feature = "remote")]
    pub(super) fn checked_key(&self) -> Result<Option<&Secret>, ServiceError> {
        if self.key.is_none() && (self.base_url.is_none() || self.facts().always_needs_key) {
            let variable = self.key_variables();
            let message = format!("{} needs a key; set {variable}, or give a file with `api_key_file=`", self.host());
            return Err(ServiceError::Setup(message));
        }
        self.check_where_the_key_goes()?;
        Ok(self.key.as_ref())
    }

    /// Returns the environment variables that may hold the provider's key, for a message.
    #[cfg(feature = "remote")]
    fn key_variables(&self) -> String {
        self.facts().key_variables.join(" or ")
    }

    #[cfg(feature = "remote")]
    fn check_where_the_key_goes(&self) -> Result<(), ServiceError> {
        let host = self.host();
        if self.key.is_none() || is_this_machine(&host) {
            return Ok(());
        }
        if let Some(meant) = self.key_host.as_ref().filter(|meant| !self.is_for(meant, &host)) {
            let variable = self.key_variables();
            return Err(ServiceError::Setup(format!(
                "the key of {variable} is for {meant} and is not sent to {host}; give that host's own key with `api_key_file=` or {OWN_KEY_VARIABLE}, \
                 or unset {variable} if it needs none"
            )));
        }
        if self.checked_base()?.starts_with("http://") && !self.allow_insecure_base_url {
            return Err(ServiceError::Setup(format!(
                "the key would go to {host} over http://, where anyone on the way can read it; use https://, or allow it with \
                 `allow_insecure_base_url=`"
            )));
        }
        Ok(())
    }

    #[cfg(feature = "remote")]
    fn is_for(&self, meant: &str, host: &str) -> bool {
        let is_same =
            |other: &str| without_port(other).eq_ignore_ascii_case(without_port(host)) && port(other) == port(host);
        is_same(meant) || owns(self.provider, host)
    }

    /// Returns true if requests stay on this machine, which a proxy could not reach.
    #[cfg(feature = "remote")]
    pub(super) fn is_local(&self) -> bool {
        is_this_machine(&self.host())
    }
}

/// Returns a host's name or address without its port.
#[cfg(feature = "remote")]
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Returns the port of a host; `None` for the scheme's default port.
#[cfg(feature = "remote")]
fn port(host: &str) -> Option<&str> {
    host[without_port(host).len()..].strip_prefix(':').filter(|port| !["", "443"].contains(port))
}

#[cfg(feature = "remote")]
fn is_this_machine(host: &str) -> bool {
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Returns true if a host is the provider's, at the scheme's default port.
#[cfg(feature = "remote")]
fn owns(provider: Provider, host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let is_under = |domain: &str| name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    port(host).is_none() && provider.wire().facts().domains.iter().any(|domain| is_under(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_base(provider: Provider, base: &str) -> ServiceOptions {
        ServiceOptions { base_url: Some(base.into()), ..ServiceOptions::new(provider, "m") }
    }

    #[test]
    fn addresses_follow_each_providers_form() {
        let url = |options: ServiceOptions| options.url("/embeddings").unwrap();
        assert_eq!(url(ServiceOptions::new(Provider::OpenAi, "m")), "https://api.openai.com/v1/embeddings");
        assert_eq!(
            url(with_base(Provider::OpenAi, "http://localhost:8000/v1/")),
            "http://localhost:8000/v1/embeddings"
        );
        let azure = with_base(Provider::Azure, "https://n.openai.azure.com/");
        assert_eq!(
            url(azure.clone()),
            "https://n.openai.azure.com/openai/deployments/m/embeddings?api-version=2024-10-21"
        );
        let other = ServiceOptions { api_version: Some("2025-01-01-preview".into()), ..azure };
        assert!(url(other).ends_with("?api-version=2025-01-01-preview"));
        let whole = with_base(Provider::Azure, "https://n.openai.azure.com/openai/deployments/d");
        assert_eq!(url(whole), "https://n.openai.azure.com/openai/deployments/d/embeddings?api-version=2024-10-21");
        let newer = with_base(Provider::Azure, "https://n.openai.azure.com/openai/v1");
        assert_eq!(url(newer), "https://n.openai.azure.com/openai/v1/embeddings");
    }

    #[test]
    fn what_is_no_address_is_refused_and_a_password_in_it_not_shown() {
        for bad in ["", "host/v1", "ftp://host", "https://", "https://h/v1?x=1"] {
            assert!(with_base(Provider::OpenAi, bad).url("/x").is_err(), "{bad}");
        }
        let secret = with_base(Provider::OpenAi, "https://me:secret@host/v1");
        assert!(!secret.url("/x").unwrap_err().to_string().contains("secret"));
        assert_eq!(secret.host(), "host");
        let none = ServiceOptions::new(Provider::Azure, "m").url("/x").unwrap_err().to_string();
        assert!(none.contains("AZURE_OPENAI_ENDPOINT"), "{none}");
    }

    #[test]
    fn the_environment_gives_key_and_address() {
        let pairs = [
            ("ANTHROPIC_API_KEY", "sk-ant-1"),
            ("ANTHROPIC_BASE_URL", "https://gateway/v1"),
            ("OPENAI_API_KEY", "bad key"),
        ];
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        let options = ServiceOptions::from_lookup(Provider::Anthropic, "m".into(), None, &lookup).unwrap();
        assert_eq!(options.key, Secret::new("sk-ant-1", "x").ok());
        assert_eq!(options.host(), "gateway");
        assert!(!format!("{options:?}").contains("sk-ant"));
        let error = ServiceOptions::from_lookup(Provider::OpenAi, "m".into(), None, &lookup).unwrap_err().to_string();
        assert!(error.contains("OPENAI_API_KEY") && !error.contains("bad key"), "{error}");
    }

    #[test]
    fn the_first_variable_that_is_set_has_the_key() {
        let from = |provider, pairs: &[(&str, &str)]| {
            let lookup =
                |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            ServiceOptions::from_lookup(provider, "m".into(), None, &lookup).unwrap()
        };
        let key = |key: &str| Secret::new(key, "x").ok();
        let both = [("CO_API_KEY", "second"), ("COHERE_API_KEY", "first")];
        assert_eq!(from(Provider::Cohere, &both).key, key("first"));
        assert_eq!(from(Provider::Cohere, &both[..1]).key, key("second"));
        assert_eq!(from(Provider::Cohere, &both).host(), "api.cohere.com");
        assert_eq!(from(Provider::Jina, &both).key, None);
        let tei = [("TEI_BASE_URL", "http://gpu:8080"), ("OPENAI_API_KEY", "sk-openai")];
        let options = from(Provider::Tei, &tei);
        assert_eq!((options.host(), options.key), ("gpu:8080".to_owned(), None));
    }

    #[cfg(feature = "remote")]
    #[test]
    fn a_key_goes_only_where_it_was_said_to_go() {
        let all = [
            ("OPENAI_API_KEY", "sk-openai"),
            ("AZURE_OPENAI_API_KEY", "azure"),
            ("AZURE_OPENAI_ENDPOINT", "https://gateway/a"),
            ("NEARSORT_API_KEY", "own-key"),
        ];
        let goes = |provider, base: Option<&str>, variables: &[(&str, &str)]| {
            let lookup =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            let options = ServiceOptions::from_lookup(provider, "m".into(), base, &lookup).unwrap();
            options.checked_key().map(|key| key.map(|key| key.reveal().to_owned()))
        };
        let openai = |base| goes(Provider::OpenAi, base, &all[..1]);
        for own in [
            "https://api.openai.com/v1",
            "https://EU.api.openai.com:443/v1",
            "http://localhost:8000/v1",
            "http://127.0.0.1:1/v1",
            "http://[::1]:9/v1",
        ] {
            assert_eq!(openai(Some(own)), Ok(Some("sk-openai".into())), "{own}");
        }
        assert_eq!(openai(None), Ok(Some("sk-openai".into())));
        for foreign in [
            "https://host/v1",
            "https://api.openai.com.evil/v1",
            "https://evilapi.openai.com.x/v1",
            "https://xapi.openai.com/v1",
            "https://api.openai.com:8443/v1",
            "http://127.0.0.1.evil/v1",
            "http://localhost.evil:1/v1",
        ] {
            let error = openai(Some(foreign)).unwrap_err().to_string();
            assert!(
                error.contains("OPENAI_API_KEY") && error.contains("NEARSORT_API_KEY") && !error.contains("sk-"),
                "{error}"
            );
        }
        let plain = openai(Some("http://api.openai.com/v1")).unwrap_err().to_string();
        assert!(plain.contains("allow_insecure_base_url"), "{plain}");
        assert_eq!(goes(Provider::OpenAi, Some("https://host/v1"), &all), Ok(Some("own-key".into())));
        assert_eq!(goes(Provider::OpenAi, None, &all), Ok(Some("sk-openai".into())), "an own address was not named");
        assert!(goes(Provider::OpenAi, Some("http://host/v1"), &all).is_err());
        assert_eq!(goes(Provider::Azure, None, &all[..3]), Ok(Some("azure".into())));
        assert_eq!(goes(Provider::Azure, Some("https://n.openai.azure.com"), &all[..3]), Ok(Some("azure".into())));
        assert!(goes(Provider::Azure, Some("https://elsewhere/a"), &all[..3]).is_err());
    }
}
