//! The state of one call: cancellation, deadline, progress and usage.
//!
//! A [`Call`] is passed by reference with the work to the engine and to services. They call
//! [`Call::check`] between two pieces of work: a micro-batch of the engine, a request to a service,
//! a stage of a cascade. There is no global state, and a call without options costs nothing.

mod cancel;
mod usage;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use crate::error::Stopped;
pub use cancel::CancelToken;
pub use usage::{JudgeCounts, ServiceTokens, ServiceUsage, Usage};

/// One call: a token that cancels it, a deadline, a progress callback, and its usage so far.
///
/// A call may do several pieces of work, one after the other or on several threads. Its usage is
/// their sum.
///
/// ```
/// use std::time::Duration;
/// use nearsort::{Call, CancelToken};
///
/// let token = CancelToken::new();
/// let call = Call::new().cancel(&token).timeout(Duration::from_secs(30)).progress(|texts| println!("{texts} more"));
/// assert!(call.check().is_ok());
/// token.cancel();
/// assert!(call.check().is_err());
/// ```
#[derive(Default)]
pub struct Call<'a> {
    token: Option<CancelToken>,
    deadline: Option<Instant>,
    progress: Option<Box<dyn Fn(usize) + Send + Sync + 'a>>,
    used: Mutex<Usage>,
    /// True if the work done by the deadline counts as an answer.
    is_partial: bool,
    was_cut_off: AtomicBool,
}

impl<'a> Call<'a> {
    /// Creates a call that ends when its work is done.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the call with [`Error::Cancelled`](crate::Error::Cancelled) once this token is
    /// cancelled.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// Ends the call with [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded) after this
    /// point in time. A request to a service that is under way then is given up. A pause that would
    /// outlast the deadline is not begun.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets [`Call::deadline`] to `timeout` from now. A timeout beyond the range of the clock sets
    /// no deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// Calls `progress` with the number of texts that were just finished. If a model computes on
    /// the CPU, the calls come from the caller's thread; else from any thread.
    pub fn progress(mut self, progress: impl Fn(usize) + Send + Sync + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Makes the work done by the deadline an answer. Only for callers that report which part of
    /// the answer is missing.
    pub(crate) fn partial(mut self) -> Self {
        self.is_partial = true;
        self
    }

    /// Returns true if the work done by the deadline counts as an answer.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Records that the deadline has cut off a part of a partial answer.
    pub(crate) fn cut_off(&self) {
        self.was_cut_off.store(true, Ordering::Relaxed);
    }

    /// Returns true if the deadline has cut off a part of a partial answer.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.was_cut_off.load(Ordering::Relaxed)
    }

    /// Returns the usage of the call so far.
    pub fn usage(&self) -> Usage {
        *self.lock()
    }

    /// Checks that the call may go on.
    ///
    /// # Errors
    /// [`Stopped::Cancelled`]; [`Stopped::DeadlineExceeded`].
    pub fn check(&self) -> Result<(), Stopped> {
        if self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stopped::DeadlineExceeded),
            _ => Ok(()),
        }
    }

    /// Waits for `time`. A wait ends early if the token is cancelled. It is not begun if it would
    /// outlast the deadline.
    ///
    /// # Errors
    /// As [`Call::check`].
    pub fn wait(&self, time: Duration) -> Result<(), Stopped> {
        self.check()?;
        if self.time_left().is_some_and(|left| left < time) {
            return Err(Stopped::DeadlineExceeded);
        }
        match &self.token {
            Some(token) => token.wait(time),
            None => thread::sleep(time),
        }
        self.check()
    }

    /// Returns the time to the deadline, if there is one.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns a call that ends when this one does, with no progress callback and a usage of its
    /// own.
    #[cfg(feature = "candle")]
    pub(crate) fn limits(&self) -> Call<'static> {
        Call { token: self.token.clone(), deadline: self.deadline, ..Call::new() }
    }

    /// Does a part of the work of this call, and returns its usage beside its result. The part ends
    /// when this call does, and its progress and usage count here too.
    #[cfg(any(test, feature = "diagnose"))]
    pub(crate) fn measured<T>(&self, work: impl FnOnce(&Call<'_>) -> T) -> (T, Usage) {
        let (token, deadline) = (self.token.clone(), self.deadline);
        let part = Call { token, deadline, ..Call::new() }.progress(|texts| self.done(texts));
        let result = work(&part);
        let usage = part.usage();
        self.add(&usage);
        (result, usage)
    }

    /// Returns true if the call can end before its work is done.
    pub fn can_stop(&self) -> bool {
        self.token.is_some() || self.deadline.is_some()
    }

    /// Reports that `texts` more texts are finished.
    pub fn done(&self, texts: usize) {
        if let Some(progress) = &self.progress {
            progress(texts);
        }
    }

    /// Adds to the usage of the call.
    pub fn add(&self, usage: &Usage) {
        self.lock().add(usage);
    }

    /// Changes the usage of the call.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Usage)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("token", &self.token)
            .field("deadline", &self.deadline)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_call_goes_on_until_it_is_cancelled_or_late() {
        let token = CancelToken::new();
        let call = Call::new().cancel(&token).timeout(Duration::MAX);
        assert_eq!((call.check(), call.time_left()), (Ok(()), None));
        token.clone().cancel();
        assert_eq!(call.check(), Err(Stopped::Cancelled));
        assert_eq!(Call::new().deadline(Instant::now()).check(), Err(Stopped::DeadlineExceeded));
        assert!(Call::new().check().is_ok() && !Call::new().can_stop());
    }

    #[test]
    fn a_wait_ends_when_the_token_is_cancelled_and_does_not_begin_where_it_outlasts_the_deadline() {
        const LONG: Duration = Duration::from_secs(3600);
        let token = CancelToken::new();
        let (begins, begun) = channel();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let call = Call::new().cancel(&token);
                begins.send(()).unwrap();
                call.wait(LONG)
            });
            begun.recv().unwrap();
            token.cancel();
            assert_eq!(waiting.join().unwrap(), Err(Stopped::Cancelled));
        });
        assert_eq!(Call::new().timeout(LONG / 2).wait(LONG), Err(Stopped::DeadlineExceeded));
        assert_eq!(Call::new().wait(Duration::ZERO), Ok(()));
    }

    #[test]
    fn a_part_has_a_usage_of_its_own_that_counts_in_the_whole() {
        let (token, done) = (CancelToken::new(), AtomicUsize::new(0));
        let call = Call::new().cancel(&token).progress(|texts| {
            done.fetch_add(texts, Ordering::Relaxed);
        });
        call.count(|usage| (usage.texts, usage.service.dollars) = (1, None));
        let (result, usage) = call.measured(|part| {
            part.add(&Usage { texts: 2, ..Usage::default() });
            part.done(2);
            token.cancel();
            part.check()
        });
        assert_eq!(result, Err(Stopped::Cancelled));
        assert_eq!((usage.texts, usage.service.dollars, done.load(Ordering::Relaxed)), (2, Some(0.0), 2));
        assert_eq!((call.usage().texts, call.usage().service.dollars), (3, None));
    }

    #[test]
    fn usage_adds_up_over_threads() {
        let call = Call::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| call.add(&Usage { texts: 2, tokens: 5, ..Usage::default() }));
            }
        });
        assert_eq!((call.usage().texts, call.usage().tokens), (8, 20));
        assert_eq!(call.usage().service.dollars, Some(0.0));
    }
}
