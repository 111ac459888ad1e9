//! A name for clients, and its model, loaded or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nearsort::{Model, ModelOptions};
use tokio::sync::Mutex;

use super::served::Served;
use crate::context::unix_time;
use crate::options::Cascade;

/// The source of an entry's model.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A model that was given to the server.
    Own(Model),
    Model(String),
    Cascade(Cascade),
}

/// A name, and the model behind it.
pub(crate) struct NamedModel {
    pub name: String,
    pub(super) source: Source,
    /// Seconds since 1970 of the server's start, for lists of models.
    pub created: u64,
    /// Locked while the model is loaded, so that it is loaded once.
    slot: Mutex<Option<Arc<Served>>>,
    is_loaded: AtomicBool,
    loads: AtomicU64,
    began: Instant,
    /// Milliseconds since `began` of the last use.
    used: AtomicU64,
}

impl NamedModel {
    pub(super) fn new(name: String, source: Source) -> Self {
        let (slot, is_loaded) = (Mutex::new(None), AtomicBool::new(false));
        let (loads, used) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { name, source, created: unix_time(), slot, is_loaded, loads, began: Instant::now(), used }
    }

    /// Returns the name in the registry or of a folder, if clients use another one.
    pub fn root(&self) -> Option<&str> {
        match &self.source {
            Source::Model(name) if *name != self.name => Some(name),
            _ => None,
        }
    }

    pub fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    /// Returns how many times the model was loaded.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// Returns the model, and loads it by `load` if necessary. Several callers wait for one load.
    pub async fn get<E>(&self, load: impl AsyncFnOnce() -> Result<Arc<Served>, E>) -> Result<Arc<Served>, E> {
        let mut slot = self.slot.lock().await;
        self.touch();
        if let Some(served) = slot.as_ref() {
            return Ok(Arc::clone(served));
        }
        let served = load().await?;
        *slot = Some(Arc::clone(&served));
        self.is_loaded.store(true, Ordering::Release);
        self.loads.fetch_add(1, Ordering::Relaxed);
        Ok(served)
    }

    /// Drops the model; requests that use it keep it until they end. Has no effect while the model
    /// is being loaded.
    pub fn unload(&self) -> bool {
        let Ok(mut slot) = self.slot.try_lock() else { return false };
        self.is_loaded.store(false, Ordering::Release);
        slot.take().is_some()
    }

    /// Returns the model, if it is loaded. This does not count as a use.
    pub fn loaded(&self) -> Option<Arc<Served>> {
        self.slot.try_lock().ok()?.clone()
    }

    pub fn touch(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.fetch_max(now, Ordering::AcqRel);
    }

    /// Returns the time since the last use.
    pub fn unused(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.used.load(Ordering::Acquire)))
    }
}

/// Loads a local model or a service's. It may take minutes.
pub(super) async fn load(name: String, options: ModelOptions) -> nearsort::Result<Model> {
    let loading = tokio::task::spawn_blocking(move || Model::load(&name, options));
    loading.await.unwrap_or_else(|error| Err(panicked(&error)))
}

pub(super) fn panicked(error: &tokio::task::JoinError) -> nearsort::Error {
    nearsort::Error::Compute { context: "loading the model".into(), message: error.to_string() }
}
