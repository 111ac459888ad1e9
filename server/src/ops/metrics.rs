//! Metrics in the OpenMetrics format. HTTP metrics have OpenTelemetry's names.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nearsort::Usage;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the buckets of a request's time, in seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    http_route: String,
    http_response_status_code: u16,
    dialect: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

type Seconds = Family<Request, Histogram, fn() -> Histogram>;

/// The metrics that are counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Seconds,
    wait: Histogram,
    texts: Family<OfModel, Counter>,
    tokens: Family<OfModel, Counter>,
    truncated: Family<OfModel, Counter>,
    refused: Family<Reason, Counter>,
    cancelled: Counter,
    running: Gauge,
    queue_tokens: Gauge<i64>,
    queue_bytes: Gauge<i64>,
    rate: Gauge<f64, AtomicU64>,
    loaded: Family<OfModel, Gauge>,
    loads: Family<OfModel, Gauge>,
    memory: Gauge,
    threads: Gauge,
}

/// The metrics that are read when they are written.
pub(crate) struct Figures {
    pub queue_tokens: u64,
    pub queue_bytes: u64,
    /// Tokens per second.
    pub rate: f64,
    /// For each model: its name, true if it is loaded, and how many times it was.
    pub models: Vec<(String, bool, u64)>,
}

/// A request that is being worked on; dropping it ends it.
pub(crate) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    pub fn new() -> Self {
        let mut all = Self {
            registry: Registry::default(),
            requests: Family::new_with_constructor(histogram),
            wait: histogram(),
            texts: Family::default(),
            tokens: Family::default(),
            truncated: Family::default(),
            refused: Family::default(),
            cancelled: Counter::default(),
            running: Gauge::default(),
            queue_tokens: Gauge::default(),
            queue_bytes: Gauge::default(),
            rate: Gauge::default(),
            loaded: Family::default(),
            loads: Family::default(),
            memory: Gauge::default(),
            threads: Gauge::default(),
        };
        all.register();
        all
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        let of_requests = "Time from a request's headers to its answer";
        r.register_with_unit("http_server_request_duration", of_requests, Unit::Seconds, self.requests.clone());
        let of_wait = "Time from admission to the beginning of the work";
        r.register_with_unit("nearsort_queue_wait", of_wait, Unit::Seconds, self.wait.clone());
        r.register("nearsort_texts", "Texts or pairs that models read", self.texts.clone());
        r.register("nearsort_tokens", "Tokens that models read", self.tokens.clone());
        r.register("nearsort_truncated_texts", "Texts that were cut", self.truncated.clone());
        r.register("nearsort_requests_refused", "Requests that were not admitted", self.refused.clone());
        let of_cancelled = "Requests that were cancelled because the client had gone";
        r.register("nearsort_requests_cancelled", of_cancelled, self.cancelled.clone());
        r.register("nearsort_requests_running", "Requests that are being worked on", self.running.clone());
        r.register("nearsort_queue_tokens", "Tokens of all admitted requests", self.queue_tokens.clone());
        r.register("nearsort_queue_bytes", "Bytes of all bodies in memory", self.queue_bytes.clone());
        r.register(
            "nearsort_tokens_per_second",
            "Measured speed in tokens per second, from which Retry-After is computed",
            self.rate.clone(),
        );
        r.register("nearsort_model_loaded", "Whether a model is loaded", self.loaded.clone());
        r.register("nearsort_model_loads", "How often a model was loaded", self.loads.clone());
        r.register_with_unit("process_resident_memory", "Resident memory", Unit::Bytes, self.memory.clone());
        r.register("process_threads", "Threads", self.threads.clone());
    }

    /// Counts an answered request.
    pub fn answered(&self, route: &str, status: u16, dialect: &str, time: Duration) {
        let labels =
            Request { http_route: route.to_owned(), http_response_status_code: status, dialect: dialect.to_owned() };
        self.requests.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// Counts work that has begun after this wait.
    pub fn running(&self, waited: Duration) -> Running {
        self.wait.observe(waited.as_secs_f64());
        self.running.inc();
        Running(self.running.clone())
    }

    pub fn is_working(&self) -> bool {
        self.running.get() > 0
    }

    /// Counts work that was given up because its client has gone.
    pub fn cancelled(&self) {
        self.cancelled.inc();
    }

    /// Counts the work of a model.
    pub fn worked(&self, model: &str, usage: &Usage) {
        let labels = OfModel { model: model.to_owned() };
        self.texts.get_or_create(&labels).inc_by(usage.texts);
        self.tokens.get_or_create(&labels).inc_by(usage.tokens);
        self.truncated.get_or_create(&labels).inc_by(usage.truncated);
    }

    /// Counts a request that was not admitted.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// Returns all metrics as text.
    ///
    /// # Errors
    /// Never, because writing to a `String` does not fail.
    pub fn write(&self, now: &Figures) -> Result<String, std::fmt::Error> {
        self.queue_tokens.set(i64::try_from(now.queue_tokens).unwrap_or(i64::MAX));
        self.queue_bytes.set(i64::try_from(now.queue_bytes).unwrap_or(i64::MAX));
        self.rate.set(now.rate);
        for (model, is_loaded, loads) in &now.models {
            let labels = OfModel { model: model.clone() };
            self.loaded.get_or_create(&labels).set(i64::from(*is_loaded));
            self.loads.get_or_create(&labels).set(i64::try_from(*loads).unwrap_or(i64::MAX));
        }
        let (memory, threads) = process();
        self.memory.set(memory);
        self.threads.set(threads);
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// Returns resident memory in bytes and number of threads on Linux; zeros elsewhere.
fn process() -> (i64, i64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<i64>().ok()
    };
    (field("VmRSS:").unwrap_or(0) * 1024, field("Threads:").unwrap_or(0))
}
