//! How a service is reached.
//!
//! [`ServiceOptions::from_env`] is the one place here that reads the environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{Provider, Secret, ServiceError};

/// The version of Anthropic's format that is spoken unless another is asked for.
pub const ANTHROPIC_VERSION: &str = "2023-06-01";
/// The version of Azure's addresses that is used unless another is asked for.
pub const AZURE_API_VERSION: &str = "2024-10-21";

/// How a model of a service is reached: address, key, time-outs, tries, limits.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// Whose formats it speaks.
    pub provider: Provider,
    /// The model's name as the service knows it; in Azure the deployment's.
    pub model: String,
    /// The address under which `/embeddings` and the like lie; `None`: the provider's own. In Azure the resource's address,
    /// `https://NAME.openai.azure.com`: the deployment's path is added to it.
    pub base_url: Option<String>,
    /// The key; servers at an address of your own may do without.
    pub key: Option<Secret>,
    /// Anthropic's `anthropic-version`, Azure's `api-version`; `None`: [`ANTHROPIC_VERSION`], [`AZURE_API_VERSION`].
    pub api_version: Option<String>,
    /// The longest that one try may take, from connecting to the last byte.
    pub timeout: Duration,
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// Tries after the first.
    pub retries: usize,
    /// The first pause between two tries; it doubles each time, with some chance added so that threads do not come back at once.
    pub min_pause: Duration,
    /// The longest pause, also where the service asks for a longer one.
    pub max_pause: Duration,
    /// Requests in any minute; `None`: no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens in any minute, sent and answered, as they are reckoned before sending; `None`: no limit.
    pub tokens_per_minute: Option<u32>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count.
    pub proxy_from_env: bool,
    /// A file of certificates (PEM) that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
    /// The largest answer that is read.
    pub max_answer_bytes: u64,
}

impl ServiceOptions {
    /// Options that take nothing from the environment: the provider's own address, no key, no proxy, no limits.
    pub fn new(provider: Provider, model: impl Into<String>) -> Self {
        Self {
            provider,
            model: model.into(),
            base_url: None,
            key: None,
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
            // 2,048 vectors of 3,072 components as decimal numbers are some 130 MB.
            max_answer_bytes: 256 << 20,
        }
    }

    /// Options from the environment: the key (`OPENAI_API_KEY`, `AZURE_OPENAI_API_KEY`, `ANTHROPIC_API_KEY`), the address (`OPENAI_BASE_URL`,
    /// `AZURE_OPENAI_ENDPOINT`, `ANTHROPIC_BASE_URL`), and the proxy variables.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for a key that cannot be used; the message does not show it.
    pub fn from_env(provider: Provider, model: impl Into<String>) -> Result<Self, ServiceError> {
        Self::from_lookup(provider, model.into(), &|name| std::env::var_os(name))
    }

    fn from_lookup(
        provider: Provider,
        model: String,
        lookup: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ServiceError> {
        let var = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut options = Self::new(provider, model);
        if let Some(key) = var(provider.key_variable()) {
            options.key = Some(Secret::new(&key.to_string_lossy(), provider.key_variable())?);
        }
        options.base_url = var(provider.address_variable()).map(|value| value.to_string_lossy().into_owned());
        options.proxy_from_env = true;
        Ok(options)
    }

    /// Where a path of the service lies.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for an address that is none, or that holds a password.
    pub fn url(&self, path: &str) -> Result<String, ServiceError> {
        let base = self.checked_base()?;
        match self.provider {
            Provider::OpenAi | Provider::Anthropic => Ok(format!("{base}{path}")),
            // The newer form of address is OpenAI's own, and has the model in the body.
            Provider::Azure if base.ends_with("/v1") => Ok(format!("{base}{path}")),
            Provider::Azure => {
                let version = self.api_version.as_deref().unwrap_or(AZURE_API_VERSION);
                let deployment = match base.contains("/openai/deployments/") {
                    true => String::new(),
                    false => format!("/openai/deployments/{}", self.model),
                };
                Ok(format!("{base}{deployment}{path}?api-version={version}"))
            }
        }
    }

    /// Host and port.
    pub fn host(&self) -> String {
        let base = self.base_url.as_deref().or(self.provider.own_address()).unwrap_or("azure");
        let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        rest[..end].rsplit('@').next().unwrap_or_default().to_owned()
    }

    fn checked_base(&self) -> Result<&str, ServiceError> {
        let setup = |message: String| Err(ServiceError::Setup(message));
        let Some(base) = self.base_url.as_deref().or(self.provider.own_address()) else {
            return setup("azure: models need the address of your resource; give --base-url https://NAME.openai.azure.com or set AZURE_OPENAI_ENDPOINT".into());
        };
        let base = base.trim().trim_end_matches('/');
        let web = ["https://", "http://"].into_iter().find_map(|scheme| base.strip_prefix(scheme));
        match web {
            Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => setup(
                "the service's address holds a user name or a password; give the key by its variable or a file".into(),
            ),
            Some(rest) if !rest.is_empty() && !base.contains(['?', '#', ' ']) => Ok(base),
            _ => setup(format!(
                "'{base}' is no address of a service; it must look like https://host/v1, without ? and #"
            )),
        }
    }

    /// The key, which the provider's own address cannot do without.
    #[cfg(feature = "remote")]
    pub(super) fn checked_key(&self) -> Result<Option<&Secret>, ServiceError> {
        if self.key.is_none() && (self.base_url.is_none() || self.provider == Provider::Azure) {
            let variable = self.provider.key_variable();
            let message = format!("{} needs a key; set {variable}, or give a file with --api-key-file", self.host());
            return Err(ServiceError::Setup(message));
        }
        Ok(self.key.as_ref())
    }
}

impl Provider {
    /// Reads `openai:MODEL`, `azure:DEPLOYMENT` and `anthropic:MODEL`; `None` for anything else.
    ///
    /// ```
    /// use nearsort::service::Provider;
    /// assert_eq!(Provider::of_name("openai:gpt-4o-mini"), Some((Provider::OpenAi, "gpt-4o-mini")));
    /// assert_eq!(Provider::of_name("BAAI/bge-m3"), None);
    /// ```
    pub fn of_name(name: &str) -> Option<(Self, &str)> {
        let (provider, model) = name.trim().split_once(':')?;
        let all = [Self::OpenAi, Self::Azure, Self::Anthropic];
        let provider = all.into_iter().find(|known| known.to_string() == provider)?;
        (!model.is_empty()).then_some((provider, model))
    }

    fn own_address(self) -> Option<&'static str> {
        match self {
            Provider::OpenAi => Some("https://api.openai.com/v1"),
            Provider::Anthropic => Some("https://api.anthropic.com/v1"),
            Provider::Azure => None,
        }
    }

    fn key_variable(self) -> &'static str {
        match self {
            Provider::OpenAi => "OPENAI_API_KEY",
            Provider::Azure => "AZURE_OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
        }
    }

    fn address_variable(self) -> &'static str {
        match self {
            Provider::OpenAi => "OPENAI_BASE_URL",
            Provider::Azure => "AZURE_OPENAI_ENDPOINT",
            Provider::Anthropic => "ANTHROPIC_BASE_URL",
        }
    }
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
        let options = ServiceOptions::from_lookup(Provider::Anthropic, "m".into(), &lookup).unwrap();
        assert_eq!(options.key, Secret::new("sk-ant-1", "x").ok());
        assert_eq!(options.host(), "gateway");
        assert!(!format!("{options:?}").contains("sk-ant"));
        let error = ServiceOptions::from_lookup(Provider::OpenAi, "m".into(), &lookup).unwrap_err().to_string();
        assert!(error.contains("OPENAI_API_KEY") && !error.contains("bad key"), "{error}");
    }

    #[test]
    fn names_of_services_have_a_provider_before_the_colon() {
        assert_eq!(Provider::of_name("azure:my-deployment"), Some((Provider::Azure, "my-deployment")));
        assert_eq!(Provider::of_name("openai:BAAI/bge:x"), Some((Provider::OpenAi, "BAAI/bge:x")));
        for other in ["openai", "openai:", "org/name", "mistral:x", "./openai:x"] {
            assert_eq!(Provider::of_name(other), None, "{other}");
        }
    }
}
