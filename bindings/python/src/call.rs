//! Runs work without the interpreter lock. Ctrl-C and a deadline end it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use nearsort::{Call, CancelToken};
use pyo3::prelude::*;

use crate::errors::{internal, invalid, raised};

/// Interval at which a waiting call checks signals and progress.
const SLICE: Duration = Duration::from_millis(20);

/// The limits of a call from Python: seconds until it fails, and a callback for the number of texts
/// just finished.
#[derive(Default)]
pub struct Limits<'py> {
    pub deadline: Option<f64>,
    pub progress: Option<Bound<'py, PyAny>>,
}

/// Runs `work` on its own thread, with the interpreter released, and waits for it.
///
/// A signal whose handler raises, such as Ctrl-C, cancels the work and raises at once. The work
/// ends by itself at its next piece, so it must own all that it uses.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    limits: Limits<'_>,
    work: impl FnOnce(&Call<'_>) -> nearsort::Result<T> + Send + 'static,
) -> PyResult<T> {
    let (token, finished) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&finished);
    let call = Call::new().cancel(&token).progress(move |texts| {
        count.fetch_add(texts, Ordering::Relaxed);
    });
    let call = match limits.deadline {
        Some(seconds) => call.timeout(duration(py, seconds)?),
        None => call,
    };
    let (send, mut receive) = sync_channel(1);
    let begin = move || {
        let done = catch_unwind(AssertUnwindSafe(|| work(&call)));
        // After an interrupt, no receiver is left.
        let _ = send.send(done);
    };
    let started = thread::Builder::new().name("nearsort-call".into()).spawn(begin);
    started.map_err(|error| internal(py, &format!("cannot start a thread: {error}")))?;
    let mut reported = 0;
    let mut look = || {
        py.check_signals()?;
        report(limits.progress.as_ref(), finished.load(Ordering::Relaxed), &mut reported)
    };
    loop {
        let received;
        (receive, received) = py.detach(|| wait(receive));
        match received {
            Ok(Ok(result)) => {
                look()?;
                return result.map_err(|error| raised(py, &error));
            }
            Ok(Err(panic)) => return Err(internal(py, &reason(panic.as_ref()))),
            Err(RecvTimeoutError::Timeout) => look().inspect_err(|_| token.cancel())?,
            Err(RecvTimeoutError::Disconnected) => return Err(internal(py, "a call ended without a result")),
        }
    }
}

/// Waits for one [`SLICE`]. It takes the receiver and returns it, because a receiver cannot be
/// shared.
fn wait<T>(receive: Receiver<T>) -> (Receiver<T>, Result<T, RecvTimeoutError>) {
    let received = receive.recv_timeout(SLICE);
    (receive, received)
}

fn report(progress: Option<&Bound<'_, PyAny>>, finished: usize, reported: &mut usize) -> PyResult<()> {
    let more = finished - *reported;
    match progress {
        Some(progress) if more > 0 => {
            *reported = finished;
            progress.call1((more,)).map(drop)
        }
        _ => Ok(()),
    }
}

fn duration(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| invalid(py, format!("deadline is {seconds}; expected a number of seconds, at least 0")))
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}
