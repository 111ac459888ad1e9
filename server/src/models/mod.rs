//! Several models by name: loaded at the start or on first use, unloaded when idle.

mod entry;
mod served;

use std::sync::Arc;
use std::time::Instant;

use nearsort::{DEFAULT_MODEL, Model, ModelOptions, Reranker, StageBy};

pub(crate) use entry::NamedModel;
use entry::{Source, load, panicked};
pub(crate) use served::{Served, about_tokens};

use crate::options::{Cascade, Loading, Options};
use crate::wire::WireError;

/// All models that clients can ask for.
pub(crate) struct Catalog {
    /// The first one answers requests without a model's name.
    entries: Vec<Arc<NamedModel>>,
    options: ModelOptions,
    loading: Loading,
    allows_services: bool,
}

impl Catalog {
    pub fn new(options: &Options) -> Self {
        let model = |named: &crate::options::Named| (named.shown().to_owned(), Source::Model(named.name.clone()));
        let cascade = |cascade: &Cascade| (cascade.name.clone(), Source::Cascade(cascade.clone()));
        let own = |(name, model): &(String, Model)| (name.clone(), Source::Own(model.clone()));
        let all = options.own.iter().map(own).chain(options.models.iter().map(model));
        let mut all: Vec<(String, Source)> = all.chain(options.cascades.iter().map(cascade)).collect();
        if all.is_empty() {
            all.push((DEFAULT_MODEL.to_owned(), Source::Model(DEFAULT_MODEL.to_owned())));
        }
        Self {
            entries: all.into_iter().map(|(name, source)| Arc::new(NamedModel::new(name, source))).collect(),
            options: options.model_options.clone(),
            loading: options.loading,
            allows_services: options.allows_services,
        }
    }

    pub fn entries(&self) -> &[Arc<NamedModel>] {
        &self.entries
    }

    /// Returns the options for loading models.
    pub fn options(&self) -> &ModelOptions {
        &self.options
    }

    /// Returns true if texts may go to services.
    pub fn allows_services(&self) -> bool {
        self.allows_services
    }

    /// Returns the entry that a request names, by its name for clients or by the model's own name,
    /// or the first if it names none.
    ///
    /// # Errors
    /// An unknown name, with the known ones.
    pub fn entry(&self, name: Option<&str>) -> Result<&Arc<NamedModel>, WireError> {
        let name = name.filter(|_| !self.loading.ignores_names);
        let found = match name {
            None => self.entries.first(),
            Some(name) => {
                let by_name = self.entries.iter().find(|entry| entry.name == name);
                by_name.or_else(|| self.entries.iter().find(|entry| entry.root() == Some(name)))
            }
        };
        found.ok_or_else(|| WireError::UnknownModel {
            model: name.unwrap_or_default().to_owned(),
            known: self.entries.iter().map(|entry| entry.name.clone()).collect(),
        })
    }

    /// Returns the model that a request names, and loads it if necessary.
    ///
    /// # Errors
    /// An unknown name; a model that cannot be loaded.
    pub async fn served(self: &Arc<Self>, name: Option<&str>) -> Result<Arc<Served>, WireError> {
        let entry = self.entry(name)?;
        if let Some(served) = entry.loaded() {
            entry.touch();
            return Ok(served);
        }
        // In its own task, so that a client that disconnects does not end the load, and the next
        // client does not start another one.
        let (catalog, loading) = (Arc::clone(self), Arc::clone(entry));
        let loaded = tokio::spawn(async move { catalog.load(&loading).await }).await;
        loaded.unwrap_or_else(|error| Err(panicked(&error))).map_err(|error| {
            tracing::error!(model = entry.name, %error, "cannot load the model");
            WireError::Unavailable { reason: format!("the model '{}' cannot be loaded: {error}", entry.name) }
        })
    }

    /// Loads the model of an entry, if necessary.
    pub async fn load(&self, entry: &NamedModel) -> nearsort::Result<Arc<Served>> {
        entry
            .get(async || {
                let began = Instant::now();
                let served = match &entry.source {
                    Source::Model(name) => {
                        Served::new(entry.name.clone(), load(name.clone(), self.options.clone()).await?)
                    }
                    Source::Own(model) => Served::new(entry.name.clone(), model.clone()),
                    Source::Cascade(cascade) => self.cascade(cascade).await?,
                };
                self.make_room(entry, served.bytes())?;
                let (seconds, bytes) = (began.elapsed().as_secs_f64(), served.bytes());
                tracing::info!(model = entry.name, seconds, bytes, "model loaded");
                Ok(Arc::new(served))
            })
            .await
    }

    /// Unloads the models that were not used for the longest time, until `bytes` fit.
    fn make_room(&self, entry: &NamedModel, bytes: u64) -> nearsort::Result<()> {
        let Some(bound) = self.loading.max_bytes else { return Ok(()) };
        if bytes > bound {
            let why = format!("is {bound}, and {} takes {bytes} bytes: raise it", entry.name);
            return Err(nearsort::Error::InvalidOption { option: "max_model_bytes", why });
        }
        let mut others: Vec<(&Arc<NamedModel>, u64)> = self
            .entries
            .iter()
            .filter(|other| other.name != entry.name)
            .filter_map(|other| Some((other, other.loaded()?.bytes())))
            .collect();
        others.sort_by_key(|(other, _)| std::cmp::Reverse(other.unused()));
        let mut taken: u64 = others.iter().map(|(_, bytes)| bytes).sum();
        for (other, freed) in others {
            if taken + bytes <= bound {
                break;
            }
            if other.unload() {
                tracing::info!(model = other.name, "model unloaded: its memory is needed");
                taken -= freed;
            }
        }
        Ok(())
    }

    /// Loads a cascade's models, each once.
    async fn cascade(&self, cascade: &Cascade) -> nearsort::Result<Served> {
        let mut loaded: Vec<(String, Model)> = Vec::new();
        let mut stages = Vec::new();
        for stage in &cascade.stages {
            let name = match &stage.by {
                StageBy::Scoring(_) => &cascade.model,
                StageBy::Model(name) => name,
            };
            let model = match loaded.iter().find(|(known, _)| known == name) {
                Some((_, model)) => model.clone(),
                None => {
                    let model = load(name.clone(), self.options.clone()).await?;
                    loaded.push((name.clone(), model.clone()));
                    model
                }
            };
            stages.push(match stage.by {
                StageBy::Scoring(scoring) => (model.by(scoring), stage.depth),
                StageBy::Model(_) => ((&model).into(), stage.depth),
            });
        }
        let reranker = tokio::task::spawn_blocking(move || Reranker::cascade(stages)).await;
        let reranker = reranker.unwrap_or_else(|error| Err(panicked(&error)))?;
        let weights = loaded.into_iter().map(|(_, model)| model).collect();
        Ok(Served::of_cascade(cascade.name.clone(), reranker, weights))
    }

    /// Returns the loaded models.
    pub fn loaded(&self) -> Vec<Arc<Served>> {
        self.entries.iter().filter_map(|entry| entry.loaded()).collect()
    }

    /// Unloads models that were idle for too long.
    pub fn unload_idle(&self) {
        let Some(after) = self.loading.unload_after else { return };
        for entry in self.entries.iter().filter(|entry| entry.is_loaded() && entry.unused() >= after) {
            if entry.unload() {
                tracing::info!(model = entry.name, "model unloaded: not used");
            }
        }
    }
}
