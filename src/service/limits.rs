//! Limits per minute. Requests wait until the limits allow them.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};

use crate::call::{Call, Stopped};

const MINUTE: Duration = Duration::from_secs(60);
/// Divisor of a minute's limit that gives the burst, the number that may be taken at once.
const BURST: u32 = 10;

/// A limit per minute, shared by threads.
pub(super) struct PerMinute {
    limiter: DefaultDirectRateLimiter,
    burst: u32,
}

impl PerMinute {
    /// Creates a limit; `None` if there is no limit. A limit of 0 counts as 1.
    pub fn new(limit: Option<u32>) -> Option<Self> {
        let (quota, burst) = quota(NonZeroU32::new(limit?.max(1))?)?;
        Some(Self { limiter: DefaultDirectRateLimiter::direct(quota), burst })
    }

    /// Waits until `number` more are allowed. A number above the burst is taken piece by piece, so
    /// that a large request waits its turn.
    ///
    /// # Errors
    /// If the call ends before that.
    pub fn wait_for(&self, number: u64, call: &Call<'_>) -> Result<(), Stopped> {
        let clock = DefaultClock::default();
        let mut left = number;
        while left > 0 {
            let piece = u32::try_from(left).unwrap_or(u32::MAX).min(self.burst);
            let Some(asked) = NonZeroU32::new(piece) else { break };
            match self.limiter.check_n(asked) {
                Ok(Ok(())) => left -= u64::from(piece),
                Ok(Err(until)) => call.wait(until.wait_time_from(clock.now()))?,
                // The piece is never larger than the burst.
                Err(_) => break,
            }
        }
        Ok(())
    }
}

/// Returns a quota that never gives more than `limit` in any minute, and its burst. With a burst of
/// `b` and one more every minute / (limit - b + 1), any 60 seconds have at most b + (limit - b).
fn quota(limit: NonZeroU32) -> Option<(Quota, u32)> {
    let burst = NonZeroU32::new((limit.get() / BURST).max(1))?;
    let pace = MINUTE.checked_div(limit.get() - burst.get() + 1)?.max(Duration::from_nanos(1));
    Some((Quota::with_period(pace)?.allow_burst(burst), burst.get()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use governor::RateLimiter;
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::call::CancelToken;

    /// Returns the times at which requests pass in three minutes, by a clock that jumps in steps of
    /// `step`.
    fn passed(limit: u32, step: Duration) -> Vec<Duration> {
        let clock = FakeRelativeClock::default();
        let (quota, _) = quota(NonZeroU32::new(limit).unwrap()).unwrap();
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        let (mut now, mut passed) = (Duration::ZERO, Vec::new());
        while now < 3 * MINUTE {
            while limiter.check().is_ok() {
                passed.push(now);
            }
            clock.advance(step);
            now += step;
        }
        passed
    }

    #[test]
    fn no_minute_has_more_than_the_limit_and_the_third_minute_nearly_all_of_it() {
        for limit in [1, 2, 7, 60, 600, 3000] {
            let passed = passed(limit, Duration::from_millis(5));
            for (index, start) in passed.iter().enumerate() {
                let within = passed[index..].iter().take_while(|time| **time - *start < MINUTE).count();
                assert!(within <= limit as usize, "{within} of {limit} from {start:?}");
            }
            let last = passed.iter().filter(|time| **time >= 2 * MINUTE).count();
            assert!(last as f64 >= 0.6 * f64::from(limit), "{last} of {limit}");
        }
    }

    #[test]
    fn a_wait_ends_with_its_call() {
        let limit = PerMinute::new(Some(1)).unwrap();
        limit.wait_for(1, &Call::new()).unwrap();
        let token = CancelToken::new();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| limit.wait_for(1, &Call::new().cancel(&token)));
            token.cancel();
            assert_eq!(waiting.join().unwrap(), Err(Stopped::Cancelled));
        });
        let call = Call::new().timeout(MINUTE / 2);
        assert_eq!(limit.wait_for(1, &call), Err(Stopped::DeadlineExceeded), "a minute is longer");
    }

    #[test]
    fn waiting_threads_together_keep_to_the_limit() {
        // 6,000 per minute: 600 at once, then one every 11 ms.
        let limit = PerMinute::new(Some(6_000)).unwrap();
        let started = std::time::Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| limit.wait_for(31, &Call::new()).unwrap()));
            }
        });
        assert!(started.elapsed() >= Duration::from_millis(180), "{:?}", started.elapsed());
    }

    #[test]
    fn more_than_the_burst_is_waited_for_piece_by_piece() {
        let limit = PerMinute::new(Some(60_000)).unwrap();
        let started = std::time::Instant::now();
        limit.wait_for(6_200, &Call::new()).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
        assert!(PerMinute::new(None).is_none());
    }
}
