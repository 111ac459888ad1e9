//! Reads options from Python's dictionaries. Their names are those of the arguments.

use std::path::PathBuf;
use std::str::FromStr;

use nearsort::cache::CacheOptions;
use nearsort::remote::judge::{JudgeMethod, JudgeOptions};
use nearsort::{
    Blend, EmbeddingCache, Error, Feedback, LongText, ModelOptions, ModelStore, Normalize, Overrides, RankOptions,
    Result, StoreOptions,
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
        let mut options = ModelOptions::from(&self.named()?);
        let store = self.store()?;
        if self.embedding_cache {
            let cache = CacheOptions { folder: store.embedding_cache(), max_bytes: None };
            options = options.cache(EmbeddingCache::open(&cache)?);
        }
        if let Some(method) = parsed::<JudgeMethod>(&self.judge)? {
            options = options.judge(method, JudgeOptions::default());
        }
        if let Some(key) = &self.api_key {
            options = options.api_key(key);
        }
        Ok(options.store(ModelStore::new(store)))
    }

    /// Returns the part that the library's configuration has.
    fn named(&self) -> Result<nearsort::ModelConfig> {
        let mut config = nearsort::ModelConfig::new(&self.model);
        config.device = Some(self.device.parse()?);
        (config.engine, config.precision) = (parsed(&self.engine)?, parsed(&self.precision)?);
        (config.threads, config.batch_tokens) = (self.threads, self.batch_tokens);
        (config.query_prompt, config.document_prompt) = (self.query_prompt.clone(), self.document_prompt.clone());
        (config.max_tokens, config.pooling, config.dim) = (self.max_tokens, parsed(&self.pooling)?, self.dim);
        (config.instruction, config.kind) = (self.instruction.clone(), parsed(&self.kind)?);
        (config.base_url, config.budget) = (self.base_url.clone(), self.budget);
        config.concurrency = self.concurrency;
        Ok(config)
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
                return Err(Error::InvalidArgument(
                    "`blend_weight=` has no effect with `blend=none`: leave it out".into(),
                ));
            }
            ("none", None) => Blend::None,
            ("linear", weight) => {
                let normalize = normalize.unwrap_or_default();
                Blend::Linear { weight: weight.unwrap_or(Blend::linear_weight(normalize)), normalize }
            }
            ("rrf", weight) => Blend::Rrf { weight: weight.unwrap_or(Blend::RRF_WEIGHT) },
            (other, _) => {
                return Err(Error::InvalidArgument(format!(
                    "unknown `blend=` '{other}'; expected linear, rrf or none"
                )));
            }
        };
        blend.check().map(Some)
    }
}

fn parsed<T: FromStr<Err = Error>>(text: &Option<String>) -> Result<Option<T>> {
    text.as_deref().map(str::parse).transpose()
}
