//! A request as all endpoints see it, and what is known of it when its log line is written. No texts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nearsort::Usage;

use crate::wire::Dialect;

/// A request as all endpoints see it.
#[derive(Debug, Clone)]
pub struct Context {
    /// The request's id: the client's, or a new one.
    pub id: String,
    /// When it arrived.
    pub arrived: Instant,
    /// How long its work may take, by header; the body may say less.
    pub time: Option<Duration>,
    pub(crate) record: Record,
}

impl Context {
    /// A request that arrives now, of a caller without HTTP too, such as a tool.
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

    /// Which model was asked, and about how many texts.
    pub fn asked(&self, model: &str, texts: usize) {
        let mut facts = self.lock();
        (facts.model, facts.texts) = (model.to_owned(), texts);
    }

    /// How long the work waited, and how long it took.
    pub fn timed(&self, waited: Duration, worked: Duration) {
        self.lock().times = Some((waited, worked));
    }

    /// Why it was refused: a code, and the field that is wrong. The words of a refusal may repeat a value of the request.
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

/// Seconds since 1970; 0 where the clock stands before.
pub(crate) fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// An id for a request without one: 16 hexadecimal digits.
pub(crate) fn new_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness the ids are alike; nothing else depends on them.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_le_bytes(bytes))
}
