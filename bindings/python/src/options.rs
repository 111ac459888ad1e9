//! Reads options from Python's dictionaries. Their names are those of the arguments.

use std::path::PathBuf;
use std::str::FromStr;

use nearsort::cache::CacheOptions;
use nearsort::diagnose::Configuration;
use nearsort::remote::judge::{JudgeMethod, JudgeOptions};
use nearsort::service::ServiceKind;
use nearsort::{
    Blend, EmbeddingCache, Error, Feedback, LongText, Model, ModelOptions, ModelStore, Normalize, Overrides,
    RankOptions, Result, StoreOptions,
};
use pyo3::prelude::*;

/// The options for finding and loading a model: all of `nearsort._config.ModelConfig`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct ModelConfig {
    pub model: String,
    precision: Option<String>,
    engine: Option<String>,
    device: String,
    threads: Option<usize>,
    batch_tokens: Option<usize>,
    max_tokens: Option<usize>,
    dim: Option<usize>,
    pooling: Option<String>,
    query_prompt: Option<String>,
    document_prompt: Option<String>,
    instruction: Option<String>,
    cache_dir: Option<PathBuf>,
    offline: bool,
    embedding_cache: bool,
    judge: Option<String>,
    kind: Option<String>,
    api_key: Option<String>,
    base_url: Option<String>,
    budget: Option<f64>,
    concurrency: Option<usize>,
}

/// The ranking options.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct RankConfig {
    scoring: Option<String>,
    /// True if long texts are read in windows.
    window: Option<bool>,
    blend: Option<String>,
    blend_weight: Option<f32>,
    normalize: Option<String>,
    /// "auto", "off" or a weight.
    feedback: Option<String>,
    raw_scores: Option<bool>,
}

impl ModelConfig {
    /// Returns the library's options. Opens the embedding cache, if one is asked for.
    pub fn options(&self) -> Result<ModelOptions> {
        let store = self.store()?;
        let mut options = ModelOptions::default().device(self.device.parse()?).overrides(self.overrides()?);
        if self.embedding_cache {
            let cache = CacheOptions { folder: store.embedding_cache(), max_bytes: None };
            options = options.cache(EmbeddingCache::open(&cache)?);
        }
        options = options.store(ModelStore::new(store));
        if let Some(engine) = parsed(&self.engine)? {
            options = options.engine(engine);
        }
        if let Some(precision) = parsed(&self.precision)? {
            options = options.precision(precision);
        }
        if let Some(threads) = self.threads {
            options = options.threads(threads);
        }
        if let Some(tokens) = self.batch_tokens {
            options = options.batch_tokens(tokens);
        }
        if let Some(instruction) = &self.instruction {
            options = options.instruction(instruction);
        }
        self.with_service(options)
    }

    /// Returns the settings that override the model's files.
    pub fn overrides(&self) -> Result<Overrides> {
        Ok(Overrides {
            query_prompt: self.query_prompt.clone(),
            document_prompt: self.document_prompt.clone(),
            max_tokens: self.max_tokens,
            pooling: parsed(&self.pooling)?,
            dim: self.dim,
        })
    }

    fn with_service(&self, mut options: ModelOptions) -> Result<ModelOptions> {
        if let Some(method) = parsed::<JudgeMethod>(&self.judge)? {
            options = options.judge(method, JudgeOptions::default());
        }
        if let Some(kind) = parsed::<ServiceKind>(&self.kind)? {
            options = options.kind(kind);
        }
        if let Some(key) = &self.api_key {
            options = options.api_key(key);
        }
        if let Some(url) = &self.base_url {
            options = options.base_url(url);
        }
        if let Some(dollars) = self.budget {
            options = options.budget(dollars);
        }
        if let Some(requests) = self.concurrency {
            options = options.concurrency(requests);
        }
        Ok(options)
    }

    fn store(&self) -> Result<StoreOptions> {
        let mut store = StoreOptions::from_env()?;
        store.offline |= self.offline;
        if let Some(folder) = &self.cache_dir {
            store.cache_dir.clone_from(folder);
        }
        Ok(store)
    }
}

impl RankConfig {
    /// Returns the library's options.
    pub fn options(&self) -> Result<RankOptions> {
        let mut options = RankOptions::default();
        options.scoring = parsed(&self.scoring)?;
        options.long_text = self.window.map(|window| if window { LongText::Window } else { LongText::Truncate });
        options.blend = self.blend()?;
        options.feedback = self.feedback()?;
        options.raw_scores = self.raw_scores;
        Ok(options)
    }

    /// Returns the configuration for a diagnosis, which supports embedding models only.
    pub fn configuration(&self, model: &Model) -> Result<Configuration> {
        let own = model.default_scoring().unwrap_or(Configuration::default().scoring);
        let scoring = parsed(&self.scoring)?.unwrap_or(own);
        Ok(Configuration {
            scoring,
            blend: self.blend()?.unwrap_or(scoring.default_blend()),
            feedback: self.feedback()?,
            long_text: self.options()?.long_text.unwrap_or(scoring.default_long_text()),
        })
    }

    fn feedback(&self) -> Result<Feedback> {
        Ok(parsed(&self.feedback)?.unwrap_or_default())
    }

    fn blend(&self) -> Result<Option<Blend>> {
        let method = match &self.blend {
            Some(method) => method.as_str(),
            None if self.blend_weight.is_some() || self.normalize.is_some() => "linear",
            None => return Ok(None),
        };
        let normalize: Option<Normalize> = parsed(&self.normalize)?;
        let blend = match (method, self.blend_weight) {
            ("none" | "rrf", _) if normalize.is_some() => {
                return Err(Error::InvalidArgument("`normalize=` is for `blend=linear`: leave it out".into()));
            }
            ("none", Some(_)) => {
                return Err(Error::InvalidArgument("`blend=none` has no use for `blend_weight=`: leave it out".into()));
            }
            ("none", None) => Blend::None,
            ("linear", weight) => {
                let normalize = normalize.unwrap_or_default();
                Blend::Linear { weight: weight.unwrap_or(Blend::linear_weight(normalize)), normalize }
            }
            ("rrf", weight) => Blend::Rrf { weight: weight.unwrap_or(Blend::RRF_WEIGHT) },
            (other, _) => {
                return Err(Error::InvalidArgument(format!(
                    "unknown `blend=` '{other}'; known are linear, rrf and none"
                )));
            }
        };
        blend.check().map(Some)
    }
}

fn parsed<T: FromStr<Err = Error>>(text: &Option<String>) -> Result<Option<T>> {
    text.as_deref().map(str::parse).transpose()
}
