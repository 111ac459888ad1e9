//! Options of a store: folders, endpoint, limits, and the progress callback.
//!
//! [`StoreOptions::from_env`] is the one place in the library that reads the environment.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Result};

/// The hub's address when `HF_ENDPOINT` is not set.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// The variable with the maximum bytes of a file whose length the server does not state.
pub(super) const UNSTATED: &str = "NEARSORT_MAX_UNSTATED_BYTES";

/// Progress callback. It runs on the working thread, several times per second while bytes arrive.
pub type ProgressFn = Arc<dyn Fn(&FetchProgress<'_>) + Send + Sync>;

/// The progress of fetching a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress<'a> {
    /// The current step.
    pub step: FetchStep,
    /// The source of the bytes: a URL's host, a pip requirement, a folder.
    pub source: &'a str,
    /// The file, relative to the model's folder; empty if the step is not about one file.
    pub file: &'a str,
    /// Number of bytes of this file that are done.
    pub done_bytes: u64,
    /// Length of this file in bytes, if known.
    pub total_bytes: Option<u64>,
}

/// The step that a [`FetchProgress`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchStep {
    /// Waiting for another process that is fetching the same model.
    Waiting,
    /// Receiving bytes of a file.
    Downloading,
    /// Retrying after a broken transfer or the server's request to wait.
    Retrying,
    /// Running pip, which reports no bytes.
    RunningPip,
    /// Extracting a file from an archive.
    Unpacking,
    /// Computing a file's checksum.
    Verifying,
    /// A file was corrupted and has been moved aside to be fetched again.
    SetAside,
}

/// Maximum bytes of a token file.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// A secret that neither `Debug` nor any message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct HubToken(String);

impl HubToken {
    /// Wraps a secret, without the surrounding white space. Returns `None` if nothing is left, or
    /// if it has characters that an HTTP header cannot carry.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        let sound = !secret.is_empty() && secret.chars().all(|c| c.is_ascii_graphic());
        sound.then(|| Self(secret.to_owned()))
    }

    #[cfg(feature = "hub")]
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Time-outs and retries of network access.
#[derive(Debug, Clone)]
pub struct NetworkLimits {
    /// Time-out of the name look-up and, separately, of connecting (with TLS).
    pub connect: Duration,
    /// Time-out from the request to the end of the response's headers.
    pub response: Duration,
    /// Maximum silence in the middle of a transfer. A slow transfer has no limit.
    pub idle: Duration,
    /// Maximum number of retries of one file after a broken transfer or an answer of 429 or 5xx.
    pub retries: u32,
    /// The first pause between two attempts; it doubles each time. The server's `Retry-After` takes
    /// precedence.
    pub retry_pause: Duration,
    /// Maximum sum of the pauses of one file.
    pub retry_total: Duration,
    /// Maximum run time of pip.
    pub pip: Duration,
    /// Maximum bytes of a file whose length the server does not state: it might have no end, and
    /// fill the disk.
    pub unstated_bytes: u64,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            response: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            retries: 5,
            retry_pause: Duration::from_millis(500),
            retry_total: Duration::from_secs(60),
            pip: Duration::from_secs(1800),
            unstated_bytes: 64 << 20,
        }
    }
}

/// The folders of models and the options for fetching them.
#[derive(Clone)]
pub struct StoreOptions {
    /// nearsort's own folder. Mirrors unpack into `models/`, verified checksums are noted in
    /// `verified/`, and embeddings are kept in `embeddings/` if requested.
    pub cache_dir: PathBuf,
    /// The hub's cache, in the layout that Python's tools share. Hub downloads go there.
    pub hub_cache: PathBuf,
    /// The hub's address, without a slash at the end.
    pub endpoint: String,
    /// The token, which is sent only to the endpoint's own host.
    pub token: Option<HubToken>,
    /// If true, opens no socket and runs no program, and uses only what is on this machine.
    pub offline: bool,
    /// True if `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are used. pip sees them in
    /// any case.
    pub proxy_from_env: bool,
    /// The commands for pip, tried in order until one exists.
    pub pip: Vec<Vec<String>>,
    /// Time-outs and retries.
    pub limits: NetworkLimits,
    /// The progress callback; `None` for no reports.
    pub progress: Option<ProgressFn>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("cache_dir", &self.cache_dir)
            .field("hub_cache", &self.hub_cache)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

impl StoreOptions {
    /// Creates options that do not depend on the environment: the public hub, no token, no proxy.
    pub fn new(cache_dir: impl Into<PathBuf>, hub_cache: impl Into<PathBuf>) -> Self {
        let module = |python: &str| vec![python.to_owned(), "-m".to_owned(), "pip".to_owned()];
        Self {
            cache_dir: cache_dir.into(),
            hub_cache: hub_cache.into(),
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            token: None,
            offline: false,
            proxy_from_env: false,
            pip: vec![module("python3"), module("python"), vec!["pip3".to_owned()], vec!["pip".to_owned()]],
            limits: NetworkLimits::default(),
            progress: None,
        }
    }

    /// Creates options from the environment: `NEARSORT_CACHE`, `NEARSORT_OFFLINE`,
    /// `NEARSORT_MAX_UNSTATED_BYTES` ([`NetworkLimits::unstated_bytes`]), `HF_HUB_OFFLINE`, `HF_ENDPOINT`,
    /// `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN` (else the file `token` in `HF_HOME`),
    /// `XDG_CACHE_HOME`, `HOME`, and the proxy variables.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when no cache folder can be determined or a value cannot be used.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(&|name| std::env::var_os(name))
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let var = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let path = |name: &str| var(name).map(PathBuf::from);
        let base = path("XDG_CACHE_HOME")
            .or_else(|| path("HOME").map(|home| home.join(".cache")))
            .or_else(|| path("LOCALAPPDATA"))
            .or_else(|| path("USERPROFILE").map(|home| home.join(".cache")));
        let under = |folder: &str| base.as_deref().map(|base| base.join(folder));
        let cache_dir = path("NEARSORT_CACHE").or_else(|| under("nearsort")).ok_or_else(|| {
            Error::InvalidArgument("the home folder is unknown; set NEARSORT_CACHE to a folder for model files".into())
        })?;
        // Where no home is known, as in a container, one variable is enough.
        let hub_home = path("HF_HOME").or_else(|| under("huggingface")).unwrap_or(cache_dir.join("huggingface"));
        let hub_cache = path("HF_HUB_CACHE").unwrap_or_else(|| hub_home.join("hub"));

        let mut options = Self::new(cache_dir, hub_cache);
        if let Some(endpoint) = var("HF_ENDPOINT") {
            options.endpoint = endpoint_of(&endpoint)?;
        }
        options.token = match var("HF_TOKEN") {
            Some(secret) => Some(secret.to_str().and_then(HubToken::new).ok_or_else(|| {
                // The value itself is a secret, and is not shown.
                Error::InvalidArgument(
                    "HF_TOKEN has characters that a token cannot have; set it again or unset it".into(),
                )
            })?),
            None => token_file(&hub_home),
        };
        options.offline =
            ["NEARSORT_OFFLINE", "HF_HUB_OFFLINE"].into_iter().any(|name| var(name).is_some_and(|v| is_on(&v)));
        if let Some(value) = var(UNSTATED) {
            options.limits.unstated_bytes = bytes_of(&value)?;
        }
        options.proxy_from_env = true;
        Ok(options)
    }

    /// Returns the folder of the embedding cache, in nearsort's own folder.
    pub fn embedding_cache(&self) -> PathBuf {
        self.cache_dir.join("embeddings")
    }

    pub(super) fn report(&self, step: FetchStep, source: &str, file: &str, done_bytes: u64, total_bytes: Option<u64>) {
        if let Some(progress) = &self.progress {
            progress(&FetchProgress { step, source, file, done_bytes, total_bytes });
        }
    }
}

fn token_file(hub_home: &Path) -> Option<HubToken> {
    let text = super::read_small(&hub_home.join("token"), MAX_TOKEN_BYTES).ok()?;
    HubToken::new(&String::from_utf8(text).ok()?)
}

/// Returns the proxy that the environment names.
///
/// # Errors
/// A variable that cannot be used; its value is not shown.
#[cfg(any(feature = "hub", feature = "remote"))]
pub(crate) fn proxy_from_env() -> std::result::Result<Option<ureq::Proxy>, String> {
    super::proxy::proxy_of(&|name| std::env::var_os(name))
}

/// Returns an environment variable that is used to find or configure programs.
#[cfg(feature = "hub")]
pub(super) fn of_programs(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn bytes_of(value: &OsString) -> Result<u64> {
    let text = value.to_string_lossy();
    let wrong =
        || Error::InvalidArgument(format!("{UNSTATED} is '{text}'; it must be a number of bytes, such as 10000000000"));
    text.trim().parse().map_err(|_| wrong())
}

fn endpoint_of(value: &OsString) -> Result<String> {
    let text = value.to_string_lossy();
    let text = text.trim().trim_end_matches('/');
    if text.split('/').nth(2).is_some_and(|host| host.contains('@')) {
        // Every message about the hub would show it.
        let message = "HF_ENDPOINT holds a user name or a password; put a token into HF_TOKEN instead".to_owned();
        return Err(Error::InvalidArgument(message));
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(text.to_owned());
    }
    Err(Error::InvalidArgument(format!("HF_ENDPOINT is '{text}'; it must begin with https:// or http://")))
}

/// True for the spellings of "yes" that the hub's own tools accept.
fn is_on(value: &OsString) -> bool {
    value.to_str().is_some_and(|v| ["1", "on", "yes", "true"].contains(&v.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Result<StoreOptions> {
        StoreOptions::from_lookup(&|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn folders_follow_the_hubs_own_rules() {
        let plain = options(&[("HOME", "/h")]).unwrap();
        assert_eq!(plain.cache_dir, Path::new("/h/.cache/nearsort"));
        assert_eq!(plain.hub_cache, Path::new("/h/.cache/huggingface/hub"));
        let xdg = options(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).unwrap();
        assert_eq!(xdg.hub_cache, Path::new("/x/huggingface/hub"));
        let home = options(&[("HOME", "/h"), ("HF_HOME", "/m")]).unwrap();
        assert_eq!(home.hub_cache, Path::new("/m/hub"));
        let all = options(&[("NEARSORT_CACHE", "/n"), ("HF_HOME", "/m"), ("HF_HUB_CACHE", "/c")]).unwrap();
        assert_eq!((all.cache_dir.as_path(), all.hub_cache.as_path()), (Path::new("/n"), Path::new("/c")));
    }

    #[test]
    fn without_any_home_the_error_names_the_variable_to_set() {
        assert!(options(&[]).unwrap_err().to_string().contains("NEARSORT_CACHE"));
        assert!(options(&[("HF_HOME", "/m")]).unwrap_err().to_string().contains("NEARSORT_CACHE"));
        assert_eq!(options(&[("NEARSORT_CACHE", "/n")]).unwrap().hub_cache, Path::new("/n/huggingface/hub"));
    }

    #[test]
    fn either_offline_variable_switches_the_network_off() {
        for (name, value, expected) in
            [("NEARSORT_OFFLINE", "1", true), ("HF_HUB_OFFLINE", "TRUE", true), ("NEARSORT_OFFLINE", "0", false)]
        {
            assert_eq!(options(&[("HOME", "/h"), (name, value)]).unwrap().offline, expected, "{name}={value}");
        }
    }

    #[test]
    fn files_without_a_stated_length_have_a_limit_that_can_be_raised() {
        assert_eq!(options(&[("HOME", "/h")]).unwrap().limits.unstated_bytes, 64 << 20);
        let raised = options(&[("HOME", "/h"), (UNSTATED, " 10000000000\n")]).unwrap();
        assert_eq!(raised.limits.unstated_bytes, 10_000_000_000);
        for wrong in ["10 GB", "-1", "1e9"] {
            let error = options(&[("HOME", "/h"), (UNSTATED, wrong)]).unwrap_err().to_string();
            assert!(error.contains(UNSTATED) && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_endpoint_loses_its_slash_and_must_be_a_url() {
        assert_eq!(
            options(&[("HOME", "/h"), ("HF_ENDPOINT", "http://mirror/hf/")]).unwrap().endpoint,
            "http://mirror/hf"
        );
        assert!(options(&[("HOME", "/h"), ("HF_ENDPOINT", "mirror")]).unwrap_err().to_string().contains("HF_ENDPOINT"));
    }

    #[test]
    fn the_token_comes_from_the_variable_or_the_file_and_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "hf_fromfile\n").unwrap();
        let file = options(&[("HOME", "/h"), ("HF_HOME", home.path().to_str().unwrap())]).unwrap();
        assert_eq!(file.token, HubToken::new("hf_fromfile"));
        let variable = options(&[("HOME", "/h"), ("HF_TOKEN", "hf_secret")]).unwrap();
        assert_eq!(variable.token, HubToken::new("hf_secret"));
        assert!(!format!("{variable:?}").contains("secret"));
        assert_eq!(HubToken::new("two\nlines"), None);
        let endpoint = [("HOME", "/h"), ("HF_ENDPOINT", "https://me:secret@hub.example/x")];
        let error = options(&endpoint).unwrap_err().to_string();
        assert!(error.contains("HF_TOKEN") && !error.contains("secret"), "{error}");
        let error = options(&[("HOME", "/h"), ("HF_TOKEN", "not a token")]).unwrap_err().to_string();
        assert!(error.contains("HF_TOKEN") && !error.contains("not a token"), "{error}");
    }
}
