//! The settings of a server: the same fields as flags, as environment and as TOML.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The settings of a server as they are written. What is left out has a default, see [`Options`](crate::Options).
///
/// A field is a flag (`--max-body-bytes`), a variable (`NEARSORT_MAX_BODY_BYTES`) and a key of the file (`max_body_bytes`); the
/// first of these that says something counts. Lists are repeated flags, and one variable with commas.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "args", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A model to serve, with the name that clients use for it; repeat it for more. The first answers requests that name none.
    /// A model of this machine, or with --allow-services one of a service (openai:gpt-4o) [default: all-MiniLM-L6-v2]
    #[cfg_attr(feature = "args", arg(long = "model", short = 'm', value_name = "NAME[=ALIAS]"))]
    pub model: Option<Vec<String>>,
    /// An index of `nearsort index` for POST /search, with the name that clients use for it; repeat it for more
    #[cfg_attr(feature = "args", arg(long = "index", value_name = "DIR[=ALIAS]"))]
    pub index: Option<Vec<String>>,
    /// A folder below which the tools of /mcp may read files; repeat it for more [default: none]
    #[cfg_attr(feature = "args", arg(long, value_name = "DIR"))]
    pub mcp_root: Option<Vec<PathBuf>>,
    /// Where to listen: HOST:PORT, or unix:PATH [default: 127.0.0.1:8787]
    #[cfg_attr(feature = "args", arg(long, value_name = "ADDRESS"))]
    pub listen: Option<String>,
    /// A second address for /metrics, /livez and /readyz, without keys; they stay on the first one too
    #[cfg_attr(feature = "args", arg(long, value_name = "ADDRESS"))]
    pub metrics_listen: Option<String>,
    /// A TOML file with these settings, and with cascades
    #[cfg_attr(feature = "args", arg(long, value_name = "FILE"))]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// A file with the API keys that are accepted, one per line
    #[cfg_attr(feature = "args", arg(long, value_name = "FILE", help_heading = "Access"))]
    pub api_key_file: Option<PathBuf>,
    /// API keys themselves: of the environment and the file only, since arguments can be seen by others on the machine.
    #[cfg_attr(feature = "args", arg(skip))]
    pub api_key: Option<Vec<String>>,
    /// Listen beyond this machine without any key
    #[cfg_attr(feature = "args", arg(long, help_heading = "Access", num_args = 0, default_missing_value = "true"))]
    pub no_auth: Option<bool>,
    /// An origin whose pages may call the server (CORS), or *; repeat it for more [default: none]
    #[cfg_attr(feature = "args", arg(long, value_name = "ORIGIN", help_heading = "Access"))]
    pub cors_origin: Option<Vec<String>>,
    /// A name that requests may give as their host, where the server has no keys; repeat it for more [default: localhost and IP addresses]
    #[cfg_attr(feature = "args", arg(long, value_name = "HOST", help_heading = "Access"))]
    pub allowed_host: Option<Vec<String>>,
    /// Allow models of services (openai:..., cohere:...), which cost money and send texts away
    #[cfg_attr(feature = "args", arg(long, help_heading = "Access", num_args = 0, default_missing_value = "true"))]
    pub allow_services: Option<bool>,

    /// Answer by the first model whatever model a request names
    #[cfg_attr(feature = "args", arg(long, help_heading = "Models", num_args = 0, default_missing_value = "true"))]
    pub ignore_model: Option<bool>,
    /// Load each model on its first use, not at the start
    #[cfg_attr(feature = "args", arg(long, help_heading = "Models", num_args = 0, default_missing_value = "true"))]
    pub lazy: Option<bool>,
    /// Unload a model that was not used for so many seconds [default: never]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Models"))]
    pub unload_after: Option<f64>,
    /// Bytes that the weights of loaded models may take together; the one that was used longest ago makes room [default: no bound]
    #[cfg_attr(feature = "args", arg(long, value_name = "BYTES", help_heading = "Models"))]
    pub max_model_bytes: Option<u64>,
    /// What /info says that an embedding model is: reranker or embedding [default: reranker]
    #[cfg_attr(feature = "args", arg(long, value_name = "KIND", help_heading = "Models"))]
    pub info_kind: Option<String>,
    /// What to do with token ids in place of texts: cl100k_base decodes them [default: refuse]
    #[cfg_attr(feature = "args", arg(long, value_name = "ENCODING", help_heading = "Models"))]
    pub openai_token_ids: Option<String>,
    /// Threads for tokenizing and encoding [default: one per core]
    #[cfg_attr(feature = "args", arg(long, value_name = "N", help_heading = "Models"))]
    pub threads: Option<usize>,
    /// Where models run: cpu, cuda, cuda:N, metal [default: cpu]
    #[cfg_attr(feature = "args", arg(long, value_name = "DEVICE", help_heading = "Models"))]
    pub device: Option<String>,
    /// Arithmetic of the linear layers: f32, bf16 or i8 [default: the fastest that keeps the order]
    #[cfg_attr(feature = "args", arg(long, value_name = "PRECISION", help_heading = "Models"))]
    pub precision: Option<String>,
    /// Tokens that are computed together, padding included; on a GPU those of all requests [default: 16384]
    #[cfg_attr(feature = "args", arg(long, value_name = "TOKENS", help_heading = "Models"))]
    pub batch_tokens: Option<usize>,
    /// Use only models that are on this machine
    #[cfg_attr(feature = "args", arg(long, help_heading = "Models", num_args = 0, default_missing_value = "true"))]
    pub offline: Option<bool>,

    /// Bytes of a request's body [default: 32 MiB]
    #[cfg_attr(feature = "args", arg(long, value_name = "BYTES", help_heading = "Limits"))]
    pub max_body_bytes: Option<usize>,
    /// Texts of a request [default: 100000]
    #[cfg_attr(feature = "args", arg(long, value_name = "N", help_heading = "Limits"))]
    pub max_texts: Option<usize>,
    /// Tokens of all requests under way; a request that would go beyond is refused with 429, one that is larger by itself with 413 [default: 16777216]
    #[cfg_attr(feature = "args", arg(long, value_name = "TOKENS", help_heading = "Limits"))]
    pub max_queue_tokens: Option<u64>,
    /// Bytes of all bodies that are being read or worked on [default: 256 MiB]
    #[cfg_attr(feature = "args", arg(long, value_name = "BYTES", help_heading = "Limits"))]
    pub max_queue_bytes: Option<u64>,
    /// Connections at once; more wait [default: 1024]
    #[cfg_attr(feature = "args", arg(long, value_name = "N", help_heading = "Limits"))]
    pub max_connections: Option<usize>,
    /// Seconds for the headers of a request [default: 10]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub header_timeout: Option<f64>,
    /// Seconds for the body of a request [default: 60]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub body_timeout: Option<f64>,
    /// Seconds that a connection may be idle [default: 75]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub idle_timeout: Option<f64>,
    /// Seconds for the work of a request; a request can ask for less [default: no bound]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub request_timeout: Option<f64>,
    /// Seconds that requests under way get at a shutdown before they are cancelled [default: 25]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub drain_timeout: Option<f64>,

    /// Log lines as text or json [default: text]
    #[cfg_attr(feature = "args", arg(long, value_name = "FORMAT", help_heading = "Log"))]
    pub log_format: Option<String>,
    /// What is logged: error, warn, info, debug, or a filter such as nearsort_server=debug [default: info]
    #[cfg_attr(feature = "args", arg(long, value_name = "FILTER", help_heading = "Log"))]
    pub log: Option<String>,

    /// Models that rank in stages, by the name that clients use; of the file only.
    #[cfg_attr(feature = "args", arg(skip))]
    pub cascade: Option<Vec<CascadeSettings>>,
}

/// A cascade: `[[cascade]]` in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeSettings {
    /// The name for clients.
    pub name: String,
    /// Stages as `nearsort rerank --stage` takes them: `hybrid:200`, `org/name:50`.
    pub stages: Vec<String>,
    /// The embedding model that ways of scoring (`hybrid`, `cosine`, `maxsim`) go by. Default: the default model.
    pub model: Option<String>,
}

impl Settings {
    /// Reads the settings of a TOML file.
    ///
    /// # Errors
    /// A file that cannot be read, or that has an unknown key or value.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::Setting(format!("{}: {reason}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))
    }

    /// Completes these settings by those of `other`.
    pub(crate) fn or(self, other: Self) -> Result<Self> {
        let config = self.config.clone().or(other.config.clone());
        let table = |settings: &Self| toml::Table::try_from(settings).map_err(|e| Error::Setting(e.to_string()));
        let mut all = table(&other)?;
        all.extend(table(&self)?);
        let all: Self = all.try_into().map_err(|e: toml::de::Error| Error::Setting(e.to_string()))?;
        Ok(Self { config, ..all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_counts() {
        let flags = Settings { listen: Some("127.0.0.1:1".into()), ..Settings::default() };
        let file: Settings = toml::from_str("listen = '127.0.0.1:2'\nmax_texts = 7\nmodel = ['a', 'b=c']").unwrap();
        let all = flags.or(file).unwrap();
        assert_eq!((all.listen.as_deref(), all.max_texts), (Some("127.0.0.1:1"), Some(7)));
        assert_eq!(all.model.unwrap(), ["a", "b=c"]);
    }

    #[test]
    fn a_file_with_an_unknown_key_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, "max_text = 7").unwrap();
        let error = Settings::read(&path).unwrap_err().to_string();
        assert!(error.contains("serve.toml") && error.contains("max_text"), "{error}");
        std::fs::write(&path, "[[cascade]]\nname = 'deep'\nstages = ['hybrid:50', 'a/b:5']").unwrap();
        assert_eq!(Settings::read(&path).unwrap().cascade.unwrap()[0].stages[1], "a/b:5");
    }
}
