//! Runs the work of requests on threads that may block. It is cancelled when its client has gone.

use std::sync::Arc;
use std::time::Instant;

use nearsort::error::TextName;
use nearsort::{Call, CancelToken};

use crate::app::App;
use crate::context::Context;
use crate::demand::Demand;
use crate::wire::WireError;

/// The context of work: its cancellation, its deadline, and its progress.
pub(crate) struct Job {
    pub token: CancelToken,
    pub deadline: Option<Instant>,
    app: Arc<App>,
}

/// Cancels work when it is dropped: the client has disconnected, or the answer is complete and
/// cancelling has no effect.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Job {
    /// Returns a call of the library with this context.
    pub fn call(&self) -> Call<'_> {
        let call = Call::new().cancel(&self.token).progress(self.progress());
        match self.deadline {
            Some(deadline) => call.deadline(deadline),
            None => call,
        }
    }

    /// Returns a callback that reports finished texts.
    pub fn progress(&self) -> impl Fn(usize) + Send + Sync + '_ {
        |_| self.app.heart.beat()
    }
}

/// Admits work, and runs it on a thread of its own when its turn comes.
///
/// # Errors
/// No room; errors of the work; a shutdown that cancels it.
pub(crate) async fn run<T: Send + 'static>(
    app: &Arc<App>,
    context: &Context,
    demand: Demand,
    work: impl FnOnce(&Job) -> nearsort::Result<T> + Send + 'static,
) -> Result<T, WireError> {
    let deadline = app.deadline(context, demand.time);
    let admitted = app.admit(demand.tokens)?;
    let token = CancelToken::new();
    let guard = CancelOnDrop(token.clone());
    let job = Job { token, deadline, app: Arc::clone(app) };
    let asked = Instant::now();
    let mut turn = app.turns.enter(demand.priority, demand.in_order.then_some(demand.tokens));
    let waiting = Waiting(Some(app));
    tokio::select! {
        () = turn.comes() => (),
        // The work itself says what an answer without time is: an error, or one in part.
        () = passed(deadline) => (),
        () = app.ended() => return Err(ending()),
    }
    waiting.has_ended();
    let record = context.record.clone();
    let running = tokio::task::spawn_blocking(move || {
        let waited = asked.elapsed();
        let (_turn, _running) = (turn, job.app.metrics.running(waited));
        job.app.heart.beat();
        let result = work(&job);
        record.timed(waited, asked.elapsed().saturating_sub(waited));
        match &result {
            Ok(_) => admitted.done(),
            Err(nearsort::Error::Cancelled) => job.app.metrics.cancelled(),
            Err(_) => (),
        };
        result
    });
    let result = tokio::select! {
        result = running => result,
        () = app.ended() => return Err(ending()),
    };
    drop(guard);
    match result {
        Ok(result) => result.map_err(|error| in_our_words(error, deadline.map(|deadline| deadline - context.arrived))),
        Err(panic) => {
            tracing::error!(error = %panic, "a request ended in a panic, which should be reported");
            Err(WireError::internal())
        }
    }
}

/// Work that has not begun. Counts as cancelled if it is dropped before its wait has ended.
struct Waiting<'a>(Option<&'a App>);

impl Waiting<'_> {
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(app) = self.0 {
            app.metrics.cancelled();
        }
    }
}

/// Done when the time has passed; never where there is none.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn ending() -> WireError {
    WireError::Unavailable { reason: "it is shutting down".into() }
}

/// Runs what takes its time, such as reading megabytes of JSON, away from the threads that serve
/// connections.
pub(crate) async fn offload<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    /// About a tenth of a millisecond.
    const SMALL: usize = 64 << 10;
    if bytes <= SMALL {
        return Some(work());
    }
    tokio::task::spawn_blocking(work).await.ok()
}

/// Converts the library's error to a refusal.
fn in_our_words(error: nearsort::Error, budget: Option<std::time::Duration>) -> WireError {
    use nearsort::Error;
    match error {
        Error::DeadlineExceeded => {
            WireError::Deadline { ms: budget.map_or(0, |b| u64::try_from(b.as_millis()).unwrap_or(u64::MAX)) }
        }
        Error::NotANumber { index } | Error::QueryNotANumber { index } => WireError::NotFinite { index },
        Error::TooLong { text, tokens, limit } => WireError::TooLong { key: named(text), tokens, limit },
        Error::InvalidArgument(reason) if reason.contains("the query is empty") => {
            WireError::Wrong { key: "query".into(), found: "empty".into(), wanted: "a text to rank by".into() }
        }
        error => WireError::Backend { detail: error.to_string() },
    }
}

/// Names a text by the fields of rerank requests.
fn named(text: TextName) -> String {
    match text {
        TextName::Query(_) => "query".to_owned(),
        TextName::Document(at) => format!("documents[{at}]"),
        TextName::Pair { document, .. } => format!("query and documents[{document}]"),
        _ => "documents".to_owned(),
    }
}
