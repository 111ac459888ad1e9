//! The settings of a server: the same fields as flags, environment variables and TOML.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The settings of a server, before they are checked. `None` is the default, see
/// [`Options`](crate::Options).
///
/// A field is a flag (`--max-body-bytes`), a variable (`NEARSORT_MAX_BODY_BYTES`) and a key of the
/// file (`max_body_bytes`). Flags take precedence over variables, variables over the file. Lists
/// are repeated flags, or one variable with commas.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "args", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A model to serve, and its name for clients [default: all-MiniLM-L6-v2]
    ///
    /// Repeat the option for more models. The first one answers requests without a model. With
    /// --allow-services also models of services, such as openai:gpt-4o.
    #[cfg_attr(feature = "args", arg(long = "model", short = 'm', value_name = "NAME[=ALIAS]"))]
    pub model: Option<Vec<String>>,
    /// An index for POST /search, and its name for clients
    ///
    /// `nearsort index build` makes an index. Repeat the option for more indexes.
    #[cfg_attr(feature = "args", arg(long = "index", value_name = "DIR[=ALIAS]"))]
    pub index: Option<Vec<String>>,
    /// A folder below which the tools of /mcp may read files [default: none]
    ///
    /// Repeat the option for more folders.
    #[cfg_attr(feature = "args", arg(long, value_name = "DIR"))]
    pub mcp_root: Option<Vec<PathBuf>>,
    /// Address to listen on: HOST:PORT or unix:PATH [default: 127.0.0.1:8787]
    #[cfg_attr(feature = "args", arg(long, value_name = "ADDRESS"))]
    pub listen: Option<String>,
    /// A second address for /metrics, /livez and /readyz, which needs no keys
    ///
    /// The first address serves these paths too.
    #[cfg_attr(feature = "args", arg(long, value_name = "ADDRESS"))]
    pub metrics_listen: Option<String>,
    /// A TOML file with these settings and cascades
    #[cfg_attr(feature = "args", arg(long, value_name = "FILE"))]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// A file with the accepted API keys, one per line
    #[cfg_attr(feature = "args", arg(long, value_name = "FILE", help_heading = "Access"))]
    pub api_key_file: Option<PathBuf>,
    /// The accepted API keys. Not a flag, because other users of the machine can read arguments.
    #[cfg_attr(feature = "args", arg(skip))]
    pub api_key: Option<Vec<String>>,
    /// Allow requests from other machines without API keys
    #[cfg_attr(feature = "args", arg(long, help_heading = "Access", num_args = 0, default_missing_value = "true"))]
    pub no_auth: Option<bool>,
    /// An origin whose pages may call the server (CORS), or * [default: none]
    ///
    /// Repeat the option for more origins.
    #[cfg_attr(feature = "args", arg(long, value_name = "ORIGIN", help_heading = "Access"))]
    pub cors_origin: Option<Vec<String>>,
    /// A host name that requests may use if the server has no keys [default: localhost and IP
    /// addresses]
    ///
    /// Repeat the option for more names. Other names are refused, as a protection against DNS
    /// rebinding.
    #[cfg_attr(feature = "args", arg(long, value_name = "HOST", help_heading = "Access"))]
    pub allowed_host: Option<Vec<String>>,
    /// Allow models of services (openai:..., cohere:...), which get the texts and cost money
    #[cfg_attr(feature = "args", arg(long, help_heading = "Access", num_args = 0, default_missing_value = "true"))]
    pub allow_services: Option<bool>,

    /// Answer all requests by the first model, regardless of the model they name
    #[cfg_attr(feature = "args", arg(long, help_heading = "Models", num_args = 0, default_missing_value = "true"))]
    pub ignore_model: Option<bool>,
    /// Load each model at its first use instead of at the start
    #[cfg_attr(feature = "args", arg(long, help_heading = "Models", num_args = 0, default_missing_value = "true"))]
    pub lazy: Option<bool>,
    /// Unload models that were not used for this many seconds [default: never]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Models"))]
    pub unload_after: Option<f64>,
    /// Maximum bytes of the weights of all loaded models [default: no limit]
    ///
    /// The least recently used model is unloaded to make room.
    #[cfg_attr(feature = "args", arg(long, value_name = "BYTES", help_heading = "Models"))]
    pub max_model_bytes: Option<u64>,
    /// Kind of an embedding model in the answer of /info: reranker or embedding [default: reranker]
    #[cfg_attr(feature = "args", arg(long, value_name = "KIND", help_heading = "Models"))]
    pub info_kind: Option<String>,
    /// Handling of token ids in place of texts: refuse, or cl100k_base to decode them [default:
    /// refuse]
    #[cfg_attr(feature = "args", arg(long, value_name = "ENCODING", help_heading = "Models"))]
    pub openai_token_ids: Option<String>,
    /// Number of threads for tokenizing and encoding [default: one per core]
    #[cfg_attr(feature = "args", arg(long, value_name = "N", help_heading = "Models"))]
    pub threads: Option<usize>,
    /// Device of the models: cpu, cuda, cuda:N or metal [default: cpu]
    #[cfg_attr(feature = "args", arg(long, value_name = "DEVICE", help_heading = "Models"))]
    pub device: Option<String>,
    /// Arithmetic of the forward pass: f32, bf16 or i8
    ///
    /// [default: the fastest whose embeddings keep a mean cosine of 0.999 to those of f32]
    #[cfg_attr(feature = "args", arg(long, value_name = "PRECISION", help_heading = "Models"))]
    pub precision: Option<String>,
    /// Maximum tokens per batch, with padding; on a GPU of all requests together [default: 16384]
    #[cfg_attr(feature = "args", arg(long, value_name = "TOKENS", help_heading = "Models"))]
    pub batch_tokens: Option<usize>,
    /// Open no network connection; use only models that are on this machine
    #[cfg_attr(feature = "args", arg(long, help_heading = "Models", num_args = 0, default_missing_value = "true"))]
    pub offline: Option<bool>,

    /// Maximum bytes of a request's body [default: 32 MiB]
    #[cfg_attr(feature = "args", arg(long, value_name = "BYTES", help_heading = "Limits"))]
    pub max_body_bytes: Option<usize>,
    /// Maximum number of texts in a request [default: 100000]
    #[cfg_attr(feature = "args", arg(long, value_name = "N", help_heading = "Limits"))]
    pub max_texts: Option<usize>,
    /// Maximum tokens of all requests under way [default: 16777216]
    ///
    /// A request that would exceed the limit is refused with status 429, or with 413 if it exceeds
    /// it alone.
    #[cfg_attr(feature = "args", arg(long, value_name = "TOKENS", help_heading = "Limits"))]
    pub max_queue_tokens: Option<u64>,
    /// Maximum bytes of all request bodies in memory [default: 256 MiB]
    #[cfg_attr(feature = "args", arg(long, value_name = "BYTES", help_heading = "Limits"))]
    pub max_queue_bytes: Option<u64>,
    /// Maximum number of connections; further ones wait [default: 1024]
    #[cfg_attr(feature = "args", arg(long, value_name = "N", help_heading = "Limits"))]
    pub max_connections: Option<usize>,
    /// Maximum seconds until a request's headers are complete [default: 10]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub header_timeout: Option<f64>,
    /// Maximum seconds until a request's body is complete [default: 60]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub body_timeout: Option<f64>,
    /// Maximum idle seconds of a connection [default: 75]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub idle_timeout: Option<f64>,
    /// Maximum seconds of work on a request; a request can ask for less [default: no limit]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub request_timeout: Option<f64>,
    /// Seconds until requests under way are cancelled at a shutdown [default: 25]
    #[cfg_attr(feature = "args", arg(long, value_name = "SECONDS", help_heading = "Limits"))]
    pub drain_timeout: Option<f64>,

    /// Format of log lines: text or json [default: text]
    #[cfg_attr(feature = "args", arg(long, value_name = "FORMAT", help_heading = "Log"))]
    pub log_format: Option<String>,
    /// Lowest level that is logged: error, warn, info or debug [default: info]
    ///
    /// Also a filter such as nearsort_server=debug.
    #[cfg_attr(feature = "args", arg(long, value_name = "FILTER", help_heading = "Log"))]
    pub log: Option<String>,

    /// Cascades: models that rank in stages. Set in the file only.
    #[cfg_attr(feature = "args", arg(skip))]
    pub cascade: Option<Vec<CascadeSettings>>,
}

/// A cascade: `[[cascade]]` in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeSettings {
    /// The name for clients.
    pub name: String,
    /// Stages as in `nearsort rerank --stages`: `hybrid:200`, `org/name:50`.
    pub stages: Vec<String>,
    /// The embedding model of the scorings `hybrid`, `cosine` and `maxsim`. Default: the default
    /// model.
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

    /// Fills the settings that are `None` from `other`.
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
