//! A server: binds, runs, drains.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http;
use crate::net::{Accept, Listen, Listener, Phase};
use crate::ops::log_to_stderr;
use crate::options::Options;
use crate::upkeep::warm_up_and_keep_house;

/// Time for writing the answers of cancelled requests.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server whose sockets are open; it serves once [`Server::run`] is called.
pub struct Server {
    app: Arc<App>,
    listener: Listener,
    metrics: Option<Listener>,
    phase: watch::Sender<Phase>,
}

impl Server {
    /// Opens the sockets. Models are loaded by [`Server::run`].
    ///
    /// # Errors
    /// [`Error::Listen`]; [`Error::Open`] for an address beyond this machine without keys and
    /// without `no_auth`.
    pub async fn bind(options: Options) -> Result<Self> {
        let failed = |listen: &Listen| {
            let listen = listen.clone();
            move |source| Error::Listen { listen, source }
        };
        let is_guarded = !options.api_keys.is_empty() || options.no_auth;
        if !is_guarded && !options.listen.is_local().await.map_err(failed(&options.listen))? {
            return Err(Error::Open(options.listen));
        }
        let listener = Listener::bind(&options.listen).await.map_err(failed(&options.listen))?;
        let metrics = match &options.metrics_listen {
            Some(listen) => Some(Listener::bind(listen).await.map_err(failed(listen))?),
            None => None,
        };
        let (phase, follow) = watch::channel(Phase::Serving);
        Ok(Self { app: App::new(options, follow), listener, metrics, phase })
    }

    /// Returns the address of the server, with the actual port.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn local_addr(&self) -> std::io::Result<Listen> {
        self.listener.local_addr()
    }

    /// Returns the address for health and metrics alone, if there is one.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn metrics_addr(&self) -> std::io::Result<Option<Listen>> {
        self.metrics.as_ref().map(Listener::local_addr).transpose()
    }

    /// Returns the state that requests share, for tools beside the server.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Serves until `shutdown` completes. Then it accepts no more connections, answers the requests
    /// under way, and cancels the rest after the drain timeout. Probes are answered while models
    /// are loaded.
    ///
    /// # Errors
    /// A model that cannot be loaded at the start.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.run_until(shutdown, std::future::pending()).await
    }

    /// As [`Server::run`]; what is left is cancelled as soon as `hurry` is done too.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()>, hurry: impl Future<Output = ()>) -> Result<()> {
        let Self { app, listener, metrics, phase } = self;
        let (limits, time_outs) = (app.options.limits, app.options.time_outs);
        let accept = |listener, router| Accept { listener, router, limits, time_outs, phase: phase.subscribe() }.run();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, http::router(&app)));
        if let Some(listener) = metrics {
            serving.spawn(accept(listener, http::metrics_router(&app)));
        }
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            error = warm_up_and_keep_house(&app) => Err(error),
        };
        phase.send_replace(Phase::Draining);
        if ended.is_ok() {
            tracing::info!(tokens = app.admission.queued(), "draining");
        }
        let drained = async { while serving.join_next().await.is_some() {} };
        let drained = std::pin::pin!(drained);
        // A server that could not start has answered nothing but probes.
        let time = if ended.is_ok() { time_outs.drain } else { LAST_WORDS };
        drain(drained, &phase, async {
            tokio::select! {
                () = tokio::time::sleep(time) => (),
                () = hurry => (),
            }
        })
        .await;
        Ok(ended?)
    }
}

/// Waits for the answers; cancels what is left when `patience` ends, and cuts off what is left
/// then.
async fn drain(
    mut drained: impl Future<Output = ()> + Unpin,
    phase: &watch::Sender<Phase>,
    patience: impl Future<Output = ()>,
) {
    tokio::select! {
        () = &mut drained => return,
        () = patience => (),
    }
    for next in [Phase::Cancelling, Phase::Ended] {
        tracing::warn!(?next, "requests are still there");
        phase.send_replace(next);
        if tokio::time::timeout(LAST_WORDS, &mut drained).await.is_ok() {
            return;
        }
    }
    drained.await;
}

/// Runs a server on this thread until the process is asked to end (SIGINT, SIGTERM), and calls
/// `began` with its address first. The second time it is asked, requests that are left are
/// cancelled.
///
/// # Errors
/// Those of [`Server::bind`] and [`Server::run`].
pub fn serve(options: Options, began: impl FnOnce(&Listen)) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Threads)?;
    log_to_stderr(&options.log);
    let served = runtime.block_on(async {
        // Before the sockets: a signal from here on drains.
        let signals = Signals::new().map_err(Error::Threads)?;
        let listen = options.listen.clone();
        let server = Server::bind(options).await?;
        began(&server.local_addr().map_err(|source| Error::Listen { listen, source })?);
        // The second one is waited for only when the first has come.
        let signals = tokio::sync::Mutex::new(signals);
        let next = async || signals.lock().await.next().await;
        server.run_until(next(), next()).await
    });
    // Cancelled work ends within a micro-batch; a model that is being loaded is not waited for.
    runtime.shutdown_timeout(LAST_WORDS);
    served
}

/// The signals that ask the process to end.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Done when the process is asked to end, once more each time.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// The signals that ask the process to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Done when the process is asked to end, once more each time.
    async fn next(&mut self) {
        // Without it the process cannot be asked; it ends as the system ends it.
        let _ = tokio::signal::ctrl_c().await;
    }
}
