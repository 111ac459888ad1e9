//! The accept loop: a bounded number of connections, each with its timeouts, all ended by a
//! shutdown.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::activity::Activity;
use super::io::Told;
use super::listen::{Listener, Stream};
use crate::options::{Limits, TimeOuts};

/// The phase of a server, from serving to ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    Serving,
    /// No new connections; requests under way are answered.
    Draining,
    /// Requests that are still under way are cancelled, and answered so.
    Cancelling,
    /// The remaining connections are cut off.
    Ended,
}

impl Phase {
    /// Waits until a server has reached this phase. A dropped server counts as ended.
    pub async fn reached(self, phase: &mut watch::Receiver<Phase>) {
        let _ = phase.wait_for(|phase| *phase >= self).await;
    }
}

/// Maximum number of HTTP/2 requests under way on one connection.
const STREAMS: u32 = 128;

/// Maximum size of the headers of one request, in bytes.
const HEADER_BYTES: u32 = 64 << 10;

/// Pause after a failed accept. The system has no free file handles, and an immediate retry would
/// only use CPU time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The inputs of the loop.
pub(crate) struct Accept {
    pub listener: Listener,
    pub router: Router,
    pub limits: Limits,
    pub time_outs: TimeOuts,
    pub phase: watch::Receiver<Phase>,
}

impl Accept {
    /// Serves connections until draining begins, then waits for the open ones until the end.
    pub async fn run(self) {
        let Self { listener, router, limits, time_outs, mut phase } = self;
        let room = Arc::new(Semaphore::new(limits.connections));
        let mut connections = JoinSet::new();
        let mut draining = phase.clone();
        let mut draining = pin!(Phase::Draining.reached(&mut draining));
        loop {
            // Beyond the limit, connections wait in the system's queue.
            let accepted = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (permit, listener.accept().await)
            };
            tokio::select! {
                () = &mut draining => break,
                Some(_) = connections.join_next() => (),
                (permit, stream) = accepted => match stream {
                    Ok(stream) => {
                        let serving = connection(stream, router.clone(), time_outs, phase.clone());
                        connections.spawn(async move {
                            serving.await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        tokio::select! {
            () = Phase::Ended.reached(&mut phase) => (),
            () = async { while connections.join_next().await.is_some() {} } => (),
        }
        // Dropping the set ends the tasks. That drops their requests, which cancels their work.
    }
}

/// Serves one connection: HTTP/1.1, or HTTP/2 if the client starts with its preface.
async fn connection(stream: Stream, router: Router, time_outs: TimeOuts, mut phase: watch::Receiver<Phase>) {
    let activity = Arc::new(Activity::new(&time_outs));
    let io = TokioIo::new(Told::new(stream, Arc::clone(&activity)));
    let of_requests = Arc::clone(&activity);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, activity) = (router.clone(), Arc::clone(&of_requests));
        async move {
            let _busy = activity.begin(request.version() == Version::HTTP_2);
            Ok::<_, Infallible>(match router.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            })
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // The timeouts are those of `activity`.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADER_BYTES as usize);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(HEADER_BYTES);
    let mut connection = pin!(builder.serve_connection(io, service));
    let expired = async { activity.expired().await };
    let mut expired = pin!(expired);
    let mut draining = pin!(Phase::Draining.reached(&mut phase));
    let mut is_draining = false;
    loop {
        tokio::select! {
            // On an error the client disconnected or does not speak HTTP; hyper has sent an answer
            // if possible.
            _ = connection.as_mut() => return,
            () = expired.as_mut() => return,
            () = draining.as_mut(), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
