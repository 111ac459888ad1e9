//! Indexes of `nearsort index` by name, opened on first use.

use std::path::Path;
use std::sync::Arc;

use nearsort::service::Provider;
use nearsort::{Index, IndexScorer, Model, Scoring};
use tokio::sync::OnceCell;

use crate::models::Catalog;
use crate::options::{Named, Options};
use crate::wire::WireError;

/// All indexes that clients can ask for.
pub(crate) struct Indexes(Vec<Arc<IndexEntry>>);

/// An index, opened or not.
pub(crate) struct IndexEntry {
    pub name: String,
    folder: String,
    /// Opened, with its model, on first use.
    open: OnceCell<Arc<IndexScorer>>,
}

impl Indexes {
    pub fn new(options: &Options) -> Self {
        let entry = |named: &Named| {
            Arc::new(IndexEntry { name: name(named), folder: named.name.clone(), open: OnceCell::new() })
        };
        Self(options.indexes.iter().map(entry).collect())
    }

    /// Returns the names of the indexes for clients, starting with the default.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|entry| entry.name.clone()).collect()
    }

    /// Returns the index that a request names, or the first if it names none.
    pub fn entry(&self, name: Option<&str>) -> Result<&Arc<IndexEntry>, WireError> {
        if self.0.is_empty() {
            return Err(WireError::NotOffered { path: "/search".into(), reason: "start the server with --index DIR" });
        }
        let found = match name {
            None => self.0.first(),
            Some(name) => self.0.iter().find(|entry| entry.name == name),
        };
        found.ok_or_else(|| WireError::Wrong {
            key: "index".into(),
            found: "a name that this server does not have".into(),
            wanted: format!("one of {}", self.0.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ")),
        })
    }
}

/// Returns the name of an index for clients: its alias, else the last part of its path.
fn name(named: &Named) -> String {
    let last = Path::new(&named.name).file_name().map(|name| name.to_string_lossy().into_owned());
    named.alias.clone().or(last).unwrap_or_else(|| named.name.clone())
}

impl IndexEntry {
    /// The open index with its model.
    ///
    /// # Errors
    /// An index or a model that cannot be used.
    pub async fn scorer(self: &Arc<Self>, models: &Arc<Catalog>) -> Result<Arc<IndexScorer>, WireError> {
        if let Some(scorer) = self.open.get() {
            return Ok(Arc::clone(scorer));
        }
        // In its own task, as models are loaded.
        let (entry, models) = (Arc::clone(self), Arc::clone(models));
        let opened = tokio::spawn(async move { entry.open.get_or_try_init(|| open(&models, &entry)).await.cloned() });
        opened.await.unwrap_or_else(|_| Err(WireError::internal()))
    }
}

/// Opens an index and loads its model. A model of the server with the same name is used, else the
/// index's own.
async fn open(models: &Catalog, entry: &IndexEntry) -> Result<Arc<IndexScorer>, WireError> {
    let wrong = |reason: String| {
        tracing::error!(index = entry.name, reason, "cannot open the index");
        WireError::Unavailable { reason: format!("the index '{}' cannot be used: {reason}", entry.name) }
    };
    let folder = entry.folder.clone();
    let opened = tokio::task::spawn_blocking(move || Index::open(folder)).await;
    let index = Arc::new(opened.map_err(|e| wrong(e.to_string()))?.map_err(|e| wrong(e.to_string()))?);
    let named = index.model().name.clone();
    let shared = match models.entry(Some(&named)) {
        Ok(known) => models.load(known).await.ok().and_then(|served| served.encoder()),
        Err(_) => None,
    };
    if Provider::of_name(&named).is_some() && !models.allows_services() {
        return Err(wrong(format!("its model {named} is a service's, and the server runs without allow_services")));
    }
    let options = models.options().clone();
    let scorer = tokio::task::spawn_blocking(move || {
        let encoder = match shared.filter(|encoder| index.check_model(encoder.as_ref()).is_ok()) {
            Some(encoder) => encoder,
            None => Model::load_encoder(&named, options.configured(&index.model().config()))?,
        };
        IndexScorer::new(index, encoder, Some(Scoring::Cosine))
    });
    let scorer = scorer.await.map_err(|e| wrong(e.to_string()))?.map_err(|e| wrong(e.to_string()))?;
    Ok(Arc::new(scorer))
}
