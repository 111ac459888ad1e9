//! The server of `nearsort serve`, on its own threads.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nearsort::{Error, Result};
use nearsort_server::{Listen, Options, Server, Settings};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::call::{Limits, run};
use crate::errors::{invalid, raised};
use crate::model::Model;

/// Time for cancelled work to end when a server stops.
const LAST_WORK: Duration = Duration::from_secs(2);

/// A server that runs until it is stopped or dropped.
#[pyclass(frozen, module = "nearsort._native", name = "Server")]
pub struct RunningServer {
    address: String,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: Sender<()>,
    ended: JoinHandle<Result<()>>,
}

#[pymethods]
impl RunningServer {
    /// Opens the socket and begins to serve. `models` are loaded models, by the names that clients
    /// use. `settings` are the server's, as JSON.
    #[new]
    fn new(py: Python<'_>, models: Vec<(String, Bound<'_, Model>)>, settings: &str) -> PyResult<Self> {
        let settings: Settings = serde_json::from_str(settings).map_err(|error| invalid(py, error.to_string()))?;
        let mut options = Options::new(settings).map_err(|error| raised(py, &of_server(error)))?;
        for (name, model) in models {
            options = options.model(name, model.get().inner.clone());
        }
        run(py, Limits::default(), move |_| Self::start(options))
    }

    /// The address of the server, with the actual port.
    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    /// True until the server is stopped.
    #[getter]
    fn is_running(&self) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Finishes the requests under way, and ends. Has no effect on a stopped server.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { stop, ended }) = running else { return Ok(()) };
        run(py, Limits::default(), move |_| {
            // If the receiver is gone, the server has ended by itself, and returns the reason.
            let _ = stop.send(());
            ended.join().unwrap_or_else(|_| Err(failed("the server's thread ended by a panic")))
        })
    }
}

impl RunningServer {
    fn start(options: Options) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, began) = sync_channel(1);
        let serve = move || {
            let runtime =
                Builder::new_multi_thread().enable_all().build().map_err(|error| failed(&error.to_string()))?;
            let served = runtime.block_on(serve(options, &tell, stopped));
            Runtime::shutdown_timeout(runtime, LAST_WORK);
            served
        };
        let spawned = thread::Builder::new().name("nearsort-server".into()).spawn(serve);
        let ended = spawned.map_err(|error| failed(&format!("cannot start a thread: {error}")))?;
        match began.recv() {
            Ok(address) => Ok(Self { address, running: Mutex::new(Some(Running { stop, ended })) }),
            Err(_) => {
                Err(ended.join().ok().and_then(Result::err).unwrap_or_else(|| failed("the server did not start")))
            }
        }
    }
}

/// Serves until `stopped` is sent or its sender is gone.
async fn serve(options: Options, began: &SyncSender<String>, stopped: Receiver<()>) -> Result<()> {
    let server = Server::bind(options).await.map_err(of_server)?;
    let address = server.local_addr().map_err(|error| failed(&error.to_string()))?;
    // The thread that started the server waits for this.
    let _ = began.send(match address {
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(_) => address.to_string(),
    });
    let stop = async {
        let _ = stopped.await;
    };
    server.run(stop).await.map_err(of_server)
}

fn of_server(error: nearsort_server::Error) -> Error {
    match error {
        nearsort_server::Error::Model(error) => error,
        other => Error::InvalidArgument(other.to_string()),
    }
}

fn failed(message: &str) -> Error {
    Error::Compute { context: "the server".into(), message: message.to_owned() }
}
