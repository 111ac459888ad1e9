//! Loading models that run on this machine.

use std::sync::Arc;

use super::options::AccountOptions;
use super::rank::check_cached;
use super::{Loaded, Model, ModelOptions, RankOptions, Task};
use crate::cache::{CachedEncoder, EmbeddingCache};
use crate::encoder::{CrossEncoder, CrossEncoderOptions, Encoder, LocalEncoder, ModelKind, Overrides, no_text_vectors};
use crate::scorer::Scoring;
use crate::service::Provider;
use crate::store::{ModelFiles, ModelSpec, ModelStore, StoreOptions};
use crate::{Error, Result};

impl Model {
    /// Finds the model, downloads it if it is missing, and loads it. Its files determine its task.
    ///
    /// `name` is a name of the registry, `org/name[@revision]` on the hub, a folder, or a model of
    /// a service. `openai:text-embedding-3-large` embeds, `openai:gpt-4o` and `anthropic:...`
    /// judge, `cohere:rerank-v4.0-pro` reranks.
    ///
    /// # Errors
    /// The errors of [`ModelStore::get`], [`LocalEncoder::load`] and [`CrossEncoder::load`];
    /// [`Error::InvalidArgument`] for options that do not apply to the kind of model.
    pub fn load(name: &str, options: ModelOptions) -> Result<Self> {
        Self::load_checked(name, options, &|_, _| Ok(()))
    }

    /// Does [`Model::load`] for a ranking with these options: what does not apply to the model is
    /// refused before it is loaded.
    ///
    /// # Errors
    /// The errors of [`Model::load`]; [`Error::InvalidArgument`] and [`Error::InvalidOption`] for
    /// an option of the ranking that does not apply to the model.
    pub fn load_to_rank(name: &str, options: ModelOptions, rank: &RankOptions) -> Result<Self> {
        if let (Some(_), Some(scoring), None) = (&options.cache, rank.scoring, Provider::of_name(name)) {
            // This needs no file of the model.
            check_cached(scoring, rank.long_text.unwrap_or(scoring.default_long_text()))?;
        }
        Self::load_checked(name, options, &|task, name| rank.check(task, name))
    }

    /// Does [`Model::load`], and calls `check` with the task before it loads the model or connects
    /// to a service.
    fn load_checked(name: &str, options: ModelOptions, check: &dyn Fn(Task, &str) -> Result<()>) -> Result<Self> {
        if let Some((provider, model)) = Provider::of_name(name) {
            return Self::load_service(provider, model, options, check);
        }
        if options.judge.is_some() {
            return Err(Error::InvalidArgument("only a model of a service can judge, such as openai:gpt-4o".into()));
        }
        let files = files(name, options.store.as_ref())?;
        let task = match ModelKind::of(&files)? {
            ModelKind::Encoder => Task::Embed,
            ModelKind::LateInteraction => Task::EmbedTokens,
            ModelKind::CrossEncoder => Task::CrossEncode,
        };
        check(task, &files.name)?;
        options.check_local(task, &files.name)?;
        match task {
            Task::CrossEncode => Self::load_cross_encoder(files, options),
            Task::EmbedTokens => Self::load_embedder(files, options, Scoring::MaxSim),
            _ => Self::load_embedder(files, options, Scoring::Hybrid),
        }
    }

    /// Returns the same local embedding model with these prompts, pooling, limit or dimension
    /// instead of those it was loaded with. The weights are shared.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for any other model, and for one with a cache; the errors of
    /// [`LocalEncoder::with_overrides`].
    pub fn with_overrides(&self, overrides: Overrides) -> Result<Self> {
        match &self.loaded {
            Loaded::Embedder { local: Some(local), cached: None, scoring, .. } => {
                let (local, scoring) = (Arc::new(local.with_overrides(overrides)?), *scoring);
                let encoder = Arc::clone(&local) as Arc<dyn Encoder>;
                Ok(Self {
                    name: self.name.clone(),
                    loaded: Loaded::Embedder { encoder, local: Some(local), cached: None, scoring },
                })
            }
            _ => Err(Error::InvalidArgument(format!(
                "the prompts and pooling of {} cannot change; that needs a local embedding model without a cache",
                self.name
            ))),
        }
    }

    fn load_cross_encoder(files: ModelFiles, options: ModelOptions) -> Result<Self> {
        let name = files.name.clone();
        let options = CrossEncoderOptions { local: options.encoder, instruction: options.instruction };
        Ok(Self { name, loaded: Loaded::CrossEncoder(Arc::new(CrossEncoder::load(files, options)?)) })
    }

    fn load_embedder(files: ModelFiles, options: ModelOptions, scoring: Scoring) -> Result<Self> {
        let name = files.name.clone();
        let local = Arc::new(LocalEncoder::load(files, options.encoder)?);
        let scoring = if local.is_static() { Scoring::Cosine } else { scoring };
        let encoder = Arc::clone(&local) as Arc<dyn Encoder>;
        let cached = cached(&encoder, options.cache, &name)?;
        Ok(Self { name, loaded: Loaded::Embedder { encoder, local: Some(local), cached, scoring } })
    }

    /// Loads only the encoder, local or of a service. A cache is not put before it; see
    /// [`CachedEncoder`].
    ///
    /// # Errors
    /// The errors of [`Model::load_local_encoder`] and [`Model::load`].
    pub fn load_encoder(name: &str, options: ModelOptions) -> Result<Arc<dyn Encoder>> {
        match Provider::of_name(name) {
            Some((provider, model)) => options.remote_encoder(provider, model),
            None => Ok(Arc::new(Self::load_local_encoder(name, options)?)),
        }
    }

    /// Loads only the encoder of a model of this machine, for embedding a corpus.
    ///
    /// # Errors
    /// The errors of [`ModelStore::get`] and [`LocalEncoder::load`]; [`Error::InvalidArgument`] for
    /// a late-interaction model, which has no embeddings of texts ([`LocalEncoder::load`] itself
    /// takes it).
    pub fn load_local_encoder(name: &str, options: ModelOptions) -> Result<LocalEncoder> {
        let files = files(name, options.store.as_ref())?;
        if ModelKind::of(&files)? == ModelKind::LateInteraction {
            return Err(no_text_vectors(&files.name));
        }
        LocalEncoder::load(files, options.encoder)
    }
}

impl ModelOptions {
    /// Refuses options that do not apply to a model on this machine.
    fn check_local(&self, task: Task, name: &str) -> Result<()> {
        let refused = |message: String| Err(Error::InvalidArgument(message));
        match task {
            _ if self.account != AccountOptions::default() => refused(format!(
                "a key, an address and a budget are for models of services, and {name} is local: leave them out"
            )),
            Task::Embed | Task::EmbedTokens if self.instruction.is_some() => {
                refused(format!("`instruction=` is for cross-encoders, and {name} is an embedding model: leave it out"))
            }
            Task::EmbedTokens if self.cache.is_some() => refused(format!(
                "`cache=` keeps embeddings of texts, and {name} is a late-interaction (ColBERT) model, which has none: leave it out"
            )),
            Task::CrossEncode if self.cache.is_some() => refused(format!(
                "`cache=` is for embedding models, and {name} is a cross-encoder, which has no embeddings to keep: leave it out"
            )),
            _ => Ok(()),
        }
    }
}

/// Puts the cache, if one was given, before an encoder. `name` is the model's.
pub(super) fn cached(
    encoder: &Arc<dyn Encoder>,
    cache: Option<EmbeddingCache>,
    name: &str,
) -> Result<Option<Arc<CachedEncoder>>> {
    let Some(cache) = cache else { return Ok(None) };
    Ok(Some(Arc::new(CachedEncoder::new(Arc::clone(encoder), cache, name)?)))
}

fn files(name: &str, store: Option<&ModelStore>) -> Result<ModelFiles> {
    let spec = ModelSpec::parse(name)?;
    match store {
        Some(store) => store.get(&spec),
        None => ModelStore::new(StoreOptions::from_env()?).get(&spec),
    }
}
