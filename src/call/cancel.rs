//! A switch that ends calls early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Ends calls early, from any thread. A clone is the same token; one that is cancelled stays so.
///
/// ```
/// use nearsort::{CancelToken, Error, Model, Reranker};
///
/// let token = CancelToken::new();
/// let reranker = Reranker::new(Model::from_fn(|query, text| if text.contains(query) { 1.0 } else { 0.0 }));
/// token.cancel(); // from another thread, most of the time
/// let stopped = reranker.rank("tower", &["A tower.", "A river."]).cancel(&token).run();
/// assert!(matches!(stopped, Err(Error::Cancelled)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    is_cancelled: AtomicBool,
    /// Held while the switch is thrown, so that nobody begins to wait just then.
    lock: Mutex<()>,
    thrown: Condvar,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all calls that have this token: each at its next piece of work, and a pause at once.
    pub fn cancel(&self) {
        let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_cancelled.store(true, Ordering::Release);
        self.0.thrown.notify_all();
    }

    /// Whether the token is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// Waits until the token is cancelled, at most so long.
    pub(super) fn wait(&self, time: Duration) {
        let guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.thrown.wait_timeout_while(guard, time, |()| !self.is_cancelled());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
