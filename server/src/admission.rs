//! Admission: a request gets all the tokens that it needs, or it is refused. An admitted request is
//! never refused later.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tokens per second before any measurement: a small model on a slow core.
const FIRST_RATE: f64 = 2_000.0;

/// Share of past measurements that counts after a second of work.
const KEPT_PER_SECOND: f64 = 0.9;

/// The longest time that a client is asked to wait.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// A bound on a resource that all requests share.
pub(crate) struct Budget {
    taken: AtomicU64,
    bound: u64,
}

/// The part of a [`Budget`] that a request has taken; released when it is dropped.
pub(crate) struct Share {
    budget: Arc<Budget>,
    amount: u64,
}

impl Budget {
    pub fn new(bound: u64) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), bound })
    }

    pub fn bound(&self) -> u64 {
        self.bound
    }

    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Returns an empty share, which can grow.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), amount: 0 }
    }
}

impl Share {
    /// Takes `more`, all of it or nothing. Returns false if the budget has no room.
    #[must_use]
    pub fn grow(&mut self, more: u64) -> bool {
        let bound = self.budget.bound;
        let added = |taken: u64| taken.checked_add(more).filter(|sum| *sum <= bound);
        let is_added = self.budget.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, added).is_ok();
        if is_added {
            self.amount += more;
        }
        is_added
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.amount, Ordering::AcqRel);
    }
}

/// The bound on work, and the rate of work.
pub(crate) struct Admission {
    tokens: Arc<Budget>,
    pace: Mutex<Pace>,
}

/// An admitted request.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    share: Share,
    is_done: bool,
}

/// The reason why a request is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request exceeds the bound by itself.
    TooLarge { bound: u64 },
    /// There may be room after this time.
    Full { retry_after: Duration },
}

/// Tokens per second while there is work.
struct Pace {
    requests: usize,
    /// Start of the work that is not counted yet.
    since: Instant,
    tokens: f64,
    seconds: f64,
}

impl Admission {
    pub fn new(bound: u64) -> Arc<Self> {
        let pace = Pace { requests: 0, since: Instant::now(), tokens: FIRST_RATE, seconds: 1.0 };
        Arc::new(Self { tokens: Budget::new(bound), pace: Mutex::new(pace) })
    }

    /// Admits a request of this number of tokens.
    pub fn admit(self: &Arc<Self>, tokens: u64) -> Result<Admitted, Refused> {
        let bound = self.tokens.bound();
        if tokens > bound {
            return Err(Refused::TooLarge { bound });
        }
        let mut share = self.tokens.share();
        if !share.grow(tokens) {
            return Err(Refused::Full { retry_after: self.time_for(self.tokens.taken()) });
        }
        self.pace().begin(Instant::now());
        Ok(Admitted { admission: Arc::clone(self), share, is_done: false })
    }

    /// Returns the tokens of all admitted requests.
    pub fn queued(&self) -> u64 {
        self.tokens.taken()
    }

    /// Returns true if no request of any size is admitted.
    pub fn is_full(&self) -> bool {
        self.tokens.taken() >= self.tokens.bound()
    }

    /// Returns the tokens per second.
    pub fn rate(&self) -> f64 {
        let pace = self.pace();
        pace.tokens / pace.seconds
    }

    fn time_for(&self, tokens: u64) -> Duration {
        let seconds = tokens as f64 / self.rate();
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    fn begin(&mut self, now: Instant) {
        if self.requests == 0 {
            self.since = now;
        }
        self.requests += 1;
    }

    /// Counts a request that was given up. Its work is not known, so it counts neither as work nor
    /// as time.
    fn leave(&mut self, now: Instant) {
        self.since = now;
        self.requests = self.requests.saturating_sub(1);
    }

    /// Counts a finished request of this number of tokens.
    fn end(&mut self, tokens: u64, now: Instant) {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let kept = KEPT_PER_SECOND.powf(seconds);
        self.tokens = self.tokens * kept + tokens as f64;
        self.seconds = self.seconds * kept + seconds;
        self.leave(now);
        // A rate of 0 would promise an endless wait.
        self.tokens = self.tokens.max(self.seconds);
    }
}

impl Admitted {
    /// Marks all work of the request as done.
    pub fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let (mut pace, now) = (self.admission.pace(), Instant::now());
        match self.is_done {
            // The admitted tokens and the rate use the same estimate, so their quotient is a time.
            true => pace.end(self.share.amount, now),
            false => pace.leave(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_whole_or_not_at_all() {
        let admission = Admission::new(100);
        let first = admission.admit(60).unwrap();
        assert!(matches!(admission.admit(41), Err(Refused::Full { .. })));
        assert_eq!(admission.queued(), 60, "what was refused took nothing");
        let second = admission.admit(40).unwrap();
        assert!(admission.is_full() && matches!(admission.admit(1), Err(Refused::Full { .. })));
        drop(first);
        assert_eq!((admission.queued(), second.share.amount), (40, 40));
        assert_eq!(admission.admit(101).err(), Some(Refused::TooLarge { bound: 100 }));
    }

    #[test]
    fn the_bound_holds_whoever_asks_at_the_same_time() {
        let admission = Admission::new(1000);
        let barrier = std::sync::Barrier::new(8);
        let admitted = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        (0..100).filter_map(|_| admission.admit(7).ok()).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!((admitted.len(), admission.queued()), (142, 994));
        drop(admitted);
        assert_eq!(admission.queued(), 0);
    }

    #[test]
    fn the_wait_follows_from_what_is_queued_and_how_fast_it_goes() {
        let start = Instant::now();
        let mut pace = Pace { requests: 0, since: start, tokens: FIRST_RATE, seconds: 1.0 };
        for second in 1..200 {
            pace.begin(start + Duration::from_secs(second - 1));
            pace.end(50_000, start + Duration::from_secs(second));
        }
        let rate = pace.tokens / pace.seconds;
        assert!((rate - 50_000.0).abs() < 1.0, "{rate}");
        let admission = Admission::new(1 << 20);
        *admission.pace() = pace;
        let wait = admission.time_for(100_000).as_secs_f64();
        assert!((wait - 2.0).abs() < 0.01, "{wait}");
        assert_eq!(admission.time_for(u64::MAX), LONGEST_RETRY);
    }

    #[test]
    fn time_without_work_does_not_slow_the_rate() {
        let start = Instant::now();
        let mut pace = Pace { requests: 0, since: start, tokens: 1000.0, seconds: 1.0 };
        pace.begin(start + Duration::from_secs(3600));
        pace.end(1000, start + Duration::from_secs(3601));
        assert!((pace.tokens / pace.seconds - 1000.0).abs() < 1e-6);
    }
}
