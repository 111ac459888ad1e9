//! State that all requests share, and its operations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearsort::Usage;
use tokio::sync::watch;

use crate::admission::{Admission, Admitted, Budget, Refused};
use crate::context::Context;
use crate::indexes::Indexes;
use crate::models::Catalog;
use crate::net::Phase;
use crate::ops::{Heart, Metrics, Proofs};
use crate::options::Options;
use crate::turns::Turns;
use crate::wire::WireError;

/// State that all requests share: models, bounds, metrics. One per server.
pub struct App {
    pub(crate) options: Options,
    pub(crate) models: Arc<Catalog>,
    pub(crate) indexes: Indexes,
    pub(crate) admission: Arc<Admission>,
    pub(crate) turns: Arc<Turns>,
    /// Bytes of bodies.
    pub(crate) bytes: Arc<Budget>,
    pub(crate) metrics: Metrics,
    pub(crate) heart: Heart,
    pub(crate) proofs: Proofs,
    phase: watch::Receiver<Phase>,
}

impl App {
    pub(crate) fn new(options: Options, phase: watch::Receiver<Phase>) -> Arc<Self> {
        let models = Arc::new(Catalog::new(&options));
        let indexes = Indexes::new(&options);
        let limits = options.limits;
        Arc::new(Self {
            models,
            indexes,
            admission: Admission::new(limits.queue_tokens),
            turns: Turns::new(options.threads),
            bytes: Budget::new(limits.queue_bytes),
            metrics: Metrics::new(),
            heart: Heart::new(),
            proofs: Proofs::default(),
            phase,
            options,
        })
    }

    /// Returns the names that requests can give as their model, starting with the default.
    pub fn model_names(&self) -> Vec<String> {
        self.models.entries().iter().map(|entry| entry.name.clone()).collect()
    }

    /// Records the work of a model for a request, in the metrics and for its log line.
    pub(crate) fn worked(&self, context: &Context, model: &str, texts: usize, usage: &Usage) {
        self.metrics.worked(model, usage);
        context.record.worked(model, texts, usage);
    }

    pub(crate) fn admit(&self, tokens: u64) -> Result<Admitted, WireError> {
        if self.phase() > Phase::Serving {
            self.metrics.refused("draining");
            return Err(WireError::Unavailable { reason: "it is shutting down".into() });
        }
        self.admission.admit(tokens).map_err(|refused| match refused {
            Refused::TooLarge { bound } => {
                self.metrics.refused("too_large");
                WireError::TooManyTokens { tokens, limit: bound }
            }
            Refused::Full { retry_after } => {
                self.metrics.refused("full");
                WireError::Overloaded { retry_after }
            }
        })
    }

    /// Returns the deadline for the work of a request.
    pub(crate) fn deadline(&self, context: &Context, of_body: Option<u64>) -> Option<Instant> {
        let times = [self.options.time_outs.request, context.time, of_body.map(Duration::from_millis)];
        let least = times.into_iter().flatten().min()?;
        context.arrived.checked_add(least)
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until a shutdown cancels requests.
    pub(crate) async fn ended(&self) {
        Phase::Cancelling.reached(&mut self.phase.clone()).await;
    }
}
