//! A model and its options as data, for configuration files and for loading the model again
//! elsewhere.

use serde::{Deserialize, Serialize};

use super::{DEFAULT_MODEL, Model, ModelOptions};
use crate::Result;
use crate::candle_backend::Device;
use crate::encoder::{Engine, Pooling, Precision};
use crate::service::ServiceKind;

/// A model and its options as data: the part of [`ModelOptions`] that can be serialized. Choices
/// are written by name, such as `i8`. An unknown field is an error. A service's key is not
/// included: it comes from the environment or from [`ModelOptions::api_key`].
///
/// ```
/// use nearsort::{ModelConfig, ModelOptions};
///
/// # fn main() -> nearsort::Result<()> {
/// let json = r#"{"model": "all-MiniLM-L6-v2", "precision": "f32", "max_tokens": 128}"#;
/// let config: ModelConfig = serde_json::from_str(json).unwrap();
/// let model = config.load()?;
/// assert_eq!(model.info().map(|info| (info.precision, info.max_tokens)), Some(("f32".into(), 128)));
/// let more = ModelOptions::from(&config).threads(2); // what cannot be written down comes on top
/// # drop(more);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// The model's name, as for [`Model::load`]. Default: [`DEFAULT_MODEL`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// See [`ModelOptions::device`].
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// See [`ModelOptions::engine`].
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// See [`ModelOptions::precision`].
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// See [`ModelOptions::threads`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// See [`ModelOptions::batch_tokens`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<usize>,
    /// See [`Overrides::query_prompt`](crate::Overrides::query_prompt).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_prompt: Option<String>,
    /// See [`Overrides::document_prompt`](crate::Overrides::document_prompt).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_prompt: Option<String>,
    /// See [`Overrides::max_tokens`](crate::Overrides::max_tokens).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// See [`Overrides::pooling`](crate::Overrides::pooling).
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// See [`Overrides::dim`](crate::Overrides::dim).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dim: Option<usize>,
    /// See [`ModelOptions::instruction`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// See [`ModelOptions::kind`].
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServiceKind>,
    /// See [`ModelOptions::base_url`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// See [`ModelOptions::budget`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// See [`ModelOptions::concurrency`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
}

impl ModelConfig {
    /// Creates the configuration of a model of this name, with default options.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..Self::default() }
    }

    /// Returns the model's name.
    pub fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(DEFAULT_MODEL)
    }

    /// Fills in what is left open from another configuration.
    pub fn or(self, other: Self) -> Self {
        Self {
            model: self.model.or(other.model),
            device: self.device.or(other.device),
            engine: self.engine.or(other.engine),
            precision: self.precision.or(other.precision),
            threads: self.threads.or(other.threads),
            batch_tokens: self.batch_tokens.or(other.batch_tokens),
            query_prompt: self.query_prompt.or(other.query_prompt),
            document_prompt: self.document_prompt.or(other.document_prompt),
            max_tokens: self.max_tokens.or(other.max_tokens),
            pooling: self.pooling.or(other.pooling),
            dim: self.dim.or(other.dim),
            instruction: self.instruction.or(other.instruction),
            kind: self.kind.or(other.kind),
            base_url: self.base_url.or(other.base_url),
            budget: self.budget.or(other.budget),
            concurrency: self.concurrency.or(other.concurrency),
        }
    }

    /// Loads the model.
    ///
    /// # Errors
    /// The errors of [`Model::load`].
    pub fn load(&self) -> Result<Model> {
        Model::load(self.name(), self.into())
    }
}

impl From<&ModelConfig> for ModelOptions {
    fn from(config: &ModelConfig) -> Self {
        Self::default().configured(config)
    }
}

impl ModelOptions {
    /// Sets the options that a configuration names. The others stay.
    pub fn configured(mut self, config: &ModelConfig) -> Self {
        fn set<T>(option: &mut T, named: Option<T>) {
            if let Some(named) = named {
                *option = named;
            }
        }
        let named = config.clone();
        let local = &mut self.encoder;
        set(&mut local.device, named.device);
        set(&mut local.batch_tokens, named.batch_tokens);
        local.engine = named.engine.or(local.engine);
        local.precision = named.precision.or(local.precision);
        local.threads = named.threads.or(local.threads);
        let overrides = &mut local.overrides;
        set(&mut overrides.query_prompt, named.query_prompt.map(Some));
        set(&mut overrides.document_prompt, named.document_prompt.map(Some));
        overrides.max_tokens = named.max_tokens.or(overrides.max_tokens);
        overrides.pooling = named.pooling.or(overrides.pooling);
        overrides.dim = named.dim.or(overrides.dim);
        set(&mut self.instruction, named.instruction.map(Some));
        self.kind = named.kind.or(self.kind);
        set(&mut self.account.base_url, named.base_url.map(Some));
        self.account.budget = named.budget.or(self.account.budget);
        self.concurrency = named.concurrency.or(self.concurrency);
        self
    }
}

/// Serializes choices by their names.
mod by_name {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<T: Display, S: Serializer>(choice: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match choice {
            Some(choice) => serializer.collect_str(choice),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        name.map(|name| name.parse().map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_back_and_says_what_it_does_not_know() {
        let mut config = ModelConfig::new("openai:gpt-4o");
        (config.device, config.engine, config.precision) =
            (Some(Device::Cuda(1)), Some(Engine::Native), Some(Precision::Bf16));
        (config.threads, config.batch_tokens, config.max_tokens, config.dim) = (Some(3), Some(99), Some(64), Some(7));
        (config.query_prompt, config.document_prompt) = (Some("q: ".into()), Some(String::new()));
        (config.pooling, config.kind) = (Some(Pooling::Cls), Some(ServiceKind::Judge));
        (config.instruction, config.base_url) = (Some("find".into()), Some("http://127.0.0.1:1/v1".into()));
        (config.budget, config.concurrency) = (Some(0.5), Some(2));
        let json = serde_json::to_string(&config).unwrap();
        assert!(json.contains(r#""device":"cuda:1""#) && json.contains(r#""precision":"bf16""#), "{json}");
        assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
        let options = ModelOptions::from(&config);
        assert_eq!((options.encoder.threads, options.encoder.batch_tokens), (Some(3), 99));
        assert_eq!(options.encoder.overrides.dim, Some(7));
        assert_eq!(
            (options.account.budget, options.concurrency, options.kind),
            (Some(0.5), Some(2), Some(ServiceKind::Judge))
        );
        let kept = ModelOptions::default().configured(&config).configured(&ModelConfig::default());
        assert_eq!(format!("{:?}", kept.encoder), format!("{:?}", options.encoder), "nothing named, nothing set");
        assert_eq!(ModelConfig::default().or(config.clone()), config);
        assert_eq!(config.clone().or(ModelConfig::new("other")), config);
        assert_eq!(serde_json::to_string(&ModelConfig::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<ModelConfig>("{}").unwrap().name(), DEFAULT_MODEL);
        for (json, said) in [
            (r#"{"precission": "i8"}"#, "unknown field `precission`"),
            (r#"{"precision": "i4"}"#, "unknown precision 'i4'"),
            (r#"{"device": "gpu"}"#, "gpu"),
        ] {
            let error = serde_json::from_str::<ModelConfig>(json).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
