//! A token that cancels calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Cancels calls, from any thread. Clones are the same token. A cancelled token stays cancelled.
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
    /// Held while the token is cancelled, so that no thread begins to wait at that moment.
    lock: Mutex<()>,
    thrown: Condvar,
}

impl CancelToken {
    /// Creates a token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all calls that have this token: a waiting call at once, others before their next piece
    /// of work.
    pub fn cancel(&self) {
        let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_cancelled.store(true, Ordering::Release);
        self.0.thrown.notify_all();
    }

    /// Returns true if the token is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// Waits until the token is cancelled, but at most `time`.
    pub(super) fn wait(&self, time: Duration) {
        let guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.thrown.wait_timeout_while(guard, time, |()| !self.is_cancelled());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
