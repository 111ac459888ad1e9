//! A request in the form that all endpoints see, and the facts for its log line. Holds no texts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nearsort::Usage;

use crate::wire::Dialect;

/// A request in the form that all endpoints see.
#[derive(Debug, Clone)]
pub struct Context {
    /// The request's id: the client's, or a new one.
    pub id: String,
    /// The time of its arrival.
    pub arrived: Instant,
    /// Maximum time of its work, by header; the body may set a shorter time.
    pub time: Option<Duration>,
    pub(crate) record: Record,
}

impl Context {
    /// Creates the context of a request that arrives now. Callers without HTTP, such as a tool, use
    /// it too.
    pub fn new() -> Self {
        Self { id: new_id(), arrived: Instant::now(), time: None, record: Record::default() }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// Facts of one request, filled in as they become known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Facts>>);

/// The facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub dialect: Option<Dialect>,
    pub model: String,
    pub texts: usize,
    pub tokens: u64,
    pub truncated: u64,
    pub refusal: String,
    /// From admission to the beginning of the work, and the work itself.
    pub times: Option<(Duration, Duration)>,
}

impl Record {
    pub fn dialect(&self, dialect: Dialect) {
        self.lock().dialect = Some(dialect);
    }

    pub fn worked(&self, model: &str, texts: usize, usage: &Usage) {
        let mut facts = self.lock();
        facts.model = model.to_owned();
        (facts.texts, facts.tokens, facts.truncated) = (texts, usage.tokens, usage.truncated);
    }

    /// Records the model of the request and the number of its texts.
    pub fn asked(&self, model: &str, texts: usize) {
        let mut facts = self.lock();
        (facts.model, facts.texts) = (model.to_owned(), texts);
    }

    /// Records how long the work waited, and how long it took.
    pub fn timed(&self, waited: Duration, worked: Duration) {
        self.lock().times = Some((waited, worked));
    }

    /// Records a refusal: its code, and the wrong field. The message is not recorded, because it
    /// may repeat a value of the request.
    pub fn refused(&self, code: &'static str, field: &str) {
        self.lock().refusal = format!("{code} {field}").trim_end().to_owned();
    }

    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the seconds since 1970; 0 if the clock is before that.
pub(crate) fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Returns an id for a request without one: 16 hexadecimal digits.
pub(crate) fn new_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness the ids are alike; nothing else depends on them.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_le_bytes(bytes))
}
