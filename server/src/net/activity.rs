//! The activity of a connection, and the deadline that follows from it.
//!
//! hyper's own timeout for headers also runs while a kept connection is idle, and its detection of
//! HTTP/2 has none. So the times are kept here, from the connection's bytes and requests.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::options::TimeOuts;

/// The state of one connection.
pub(super) struct Activity {
    state: Mutex<ConnectionState>,
    /// Notified when the deadline moves closer.
    sooner: Notify,
    headers: Duration,
    idle: Duration,
}

struct ConnectionState {
    /// Number of requests that are being answered.
    requests: usize,
    phase: ConnectionPhase,
    is_http2: bool,
}

#[derive(Clone, Copy)]
enum ConnectionPhase {
    /// A request's head began to arrive at this time.
    Head(Instant),
    /// No request has been under way since this time.
    Idle(Instant),
}

/// A request that is being answered; dropping it ends it.
pub(super) struct Busy<'a>(&'a Activity);

impl Activity {
    /// Creates the state of a new connection, which must send a request at once.
    pub fn new(time_outs: &TimeOuts) -> Self {
        let phase = ConnectionPhase::Head(Instant::now());
        Self {
            state: Mutex::new(ConnectionState { requests: 0, phase, is_http2: false }),
            sooner: Notify::new(),
            headers: time_outs.headers,
            idle: time_outs.idle,
        }
    }

    /// Records incoming bytes.
    pub fn read(&self) {
        let mut state = self.lock();
        // HTTP/2 frames that are not requests, such as pings, do not start one.
        if let (0, false, ConnectionPhase::Idle(_)) = (state.requests, state.is_http2, state.phase) {
            state.phase = ConnectionPhase::Head(Instant::now());
            self.sooner.notify_one();
        }
    }

    /// Records outgoing bytes of an answer.
    pub fn wrote(&self) {
        let mut state = self.lock();
        if matches!(state.phase, ConnectionPhase::Idle(_)) {
            state.phase = ConnectionPhase::Idle(Instant::now());
        }
    }

    /// Records that the head of a request is complete.
    pub fn begin(&self, is_http2: bool) -> Busy<'_> {
        let mut state = self.lock();
        state.requests += 1;
        state.is_http2 = is_http2;
        state.phase = ConnectionPhase::Idle(Instant::now());
        Busy(self)
    }

    /// Waits until the connection has been slow or idle for too long.
    pub async fn expired(&self) {
        loop {
            let deadline = self.deadline();
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return;
            }
            // A busy connection has the timeouts of its request. Its requests begin and end without
            // a notification to this task, so it checks again after the shorter of the two times.
            let again = Instant::now() + self.headers.min(self.idle);
            tokio::select! {
                () = tokio::time::sleep_until(deadline.map_or(again, |deadline| deadline.min(again))) => (),
                () = self.sooner.notified() => (),
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        match state.phase {
            _ if state.requests > 0 => None,
            ConnectionPhase::Head(since) => since.checked_add(self.headers),
            ConnectionPhase::Idle(since) => since.checked_add(self.idle),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests -= 1;
        state.phase = ConnectionPhase::Idle(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn activity() -> Activity {
        Activity::new(&TimeOuts { headers: 10 * SECOND, idle: 60 * SECOND, ..TimeOuts::default() })
    }

    /// tokio's clock advances only in waits, so each wait has an exact length.
    #[tokio::test(start_paused = true)]
    async fn a_connection_owes_a_request_then_may_be_idle_and_a_begun_head_must_end() {
        let start = Instant::now();
        activity().expired().await;
        assert_eq!(start.elapsed(), 10 * SECOND, "nothing was ever asked");

        let (start, idle) = (Instant::now(), activity());
        drop(idle.begin(false));
        idle.expired().await;
        assert_eq!(start.elapsed(), 60 * SECOND, "idle");

        let (start, slow) = (Instant::now(), activity());
        drop(slow.begin(false));
        slow.read();
        slow.expired().await;
        assert_eq!(start.elapsed(), 10 * SECOND, "a head that never ends");

        let (start, pings) = (Instant::now(), activity());
        drop(pings.begin(true));
        pings.read();
        pings.expired().await;
        assert_eq!(start.elapsed(), 60 * SECOND, "pings are no request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_is_left_alone() {
        let activity = activity();
        let start = Instant::now();
        let busy = activity.begin(false);
        let done = tokio::time::sleep(600 * SECOND);
        tokio::join!(activity.expired(), async {
            done.await;
            drop(busy);
        });
        assert!(start.elapsed() >= 660 * SECOND, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_being_read_keeps_the_connection() {
        let activity = activity();
        drop(activity.begin(false));
        let start = Instant::now();
        tokio::join!(activity.expired(), async {
            tokio::time::sleep(50 * SECOND).await;
            activity.wrote();
        });
        assert_eq!(start.elapsed(), 110 * SECOND);
    }
}
