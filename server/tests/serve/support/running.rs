//! A server that runs for one test.

use std::thread::JoinHandle;

use nearsort_server::{Listen, Options, Result, Server, Settings};
use tokio::sync::oneshot;

use super::client::Client;

/// A server that runs for one test, and ends with it.
pub struct Running {
    pub listen: Listen,
    pub metrics: Option<Listen>,
    shutdown: Option<oneshot::Sender<()>>,
    hurry: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Running {
    /// A server with the default model, or those that the settings name.
    pub fn start(settings: Settings) -> Self {
        let listen = settings.listen.clone().unwrap_or_else(|| "127.0.0.1:0".into());
        Self::of(Options::new(Settings { listen: Some(listen), ..settings }).unwrap())
    }

    /// Why a server does not start.
    pub fn start_fails(settings: Settings) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bound = runtime.block_on(Server::bind(Options::new(settings).unwrap()));
        bound.err().expect("it starts").to_string()
    }

    /// A server that is ready.
    pub fn of(options: Options) -> Self {
        let server = Self::loading(options);
        server.wait_until("ready", || server.get("/readyz").status == 200);
        server
    }

    /// A server that may still be loading its models.
    pub fn loading(options: Options) -> Self {
        let (shutdown, asked) = oneshot::channel();
        let (hurry, hurried) = oneshot::channel();
        let (says, said) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(options).await?;
                says.send((server.local_addr().unwrap(), server.metrics_addr().unwrap())).unwrap();
                // A test that ends without hurrying waits for the answers.
                let hurried = async {
                    if hurried.await.is_err() {
                        std::future::pending().await
                    }
                };
                server.run_until(async { asked.await.unwrap_or(()) }, hurried).await
            })
        });
        let (listen, metrics) = said.recv().expect("the server does not listen");
        Self { listen, metrics, shutdown: Some(shutdown), hurry: Some(hurry), thread: Some(thread) }
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.listen)
    }

    pub fn get(&self, path: &str) -> super::Answer {
        self.client().get(path)
    }

    pub fn post(&self, path: &str, body: &serde_json::Value) -> super::Answer {
        self.client().post(path, &[], body.to_string().as_bytes())
    }

    /// The value of a metric, by its name with labels as they stand there; 0 where it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        metric(&self.get("/metrics").text(), name)
    }

    /// Waits for a state that will come; a bound on time only ends a test that would hang.
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = std::time::Instant::now();
        while !is_so() {
            assert!(began.elapsed().as_secs() < 120, "never {what}");
            std::thread::yield_now();
        }
    }

    /// Asks it to end.
    pub fn shut_down(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            let _ = shutdown.send(());
        }
    }

    /// Asks it to cancel what is left, once it has been asked to end.
    pub fn hurry(&mut self) {
        if let Some(hurry) = self.hurry.take() {
            let _ = hurry.send(());
        }
    }

    /// Waits for its end.
    pub fn join(mut self) -> Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shut_down();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// The value of a metric in a text of all.
pub fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}
