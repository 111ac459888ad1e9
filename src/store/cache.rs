//! Search for a model on this machine: nearsort's own folder, then the hub's cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hf_hub::{Cache, Repo, RepoType};

use super::files::{self, ModelFiles, REQUIRED, WEIGHTS, WEIGHTS_INDEX};
use super::names::is_hex;
use super::options::{FetchStep, StoreOptions};
use super::registry::RegisteredModel;
use super::small_file::read_small_text;
use super::spec::DEFAULT_REVISION;
use super::verify::Ledger;
use crate::{Error, Result};

/// Maximum bytes of a file that names a commit.
const MAX_REF_BYTES: u64 = 4 << 10;

/// A model that can be fetched: the meaning of a [`super::ModelSpec`] that is not a folder.
#[derive(Debug, Clone)]
pub(super) struct FetchTarget {
    pub(super) name: String,
    pub(super) repo: String,
    pub(super) revision: String,
    pub(super) entry: Option<Arc<RegisteredModel>>,
}

impl FetchTarget {
    pub(super) fn registered(entry: &Arc<RegisteredModel>) -> Self {
        let revision = entry.revision.clone().unwrap_or_else(|| DEFAULT_REVISION.to_owned());
        Self { name: entry.name.clone(), repo: entry.repo.clone(), revision, entry: Some(Arc::clone(entry)) }
    }

    /// Returns nearsort's own folder for the model. Mirrors unpack into it, and a copy from another
    /// machine belongs there.
    pub(super) fn own_dir(&self, options: &StoreOptions) -> PathBuf {
        options.cache_dir.join("models").join(self.own_name())
    }

    /// Returns the name as one path component, with `--` for `/` as in the hub's cache.
    pub(super) fn own_name(&self) -> String {
        self.name.replace('/', "--")
    }

    /// Returns the repository's folder in the hub's cache.
    pub(super) fn hub_dir(&self, options: &StoreOptions) -> PathBuf {
        options.hub_cache.join(self.hub_folder())
    }

    pub(super) fn hub_folder(&self) -> String {
        Repo::new(self.repo.clone(), RepoType::Model).folder_name()
    }

    /// Returns the registry's entry for a file, with its checksum.
    pub(super) fn known(&self, file: &str) -> Option<&super::registry::ModelFile> {
        self.entry.as_deref()?.file(file)
    }
}

/// The state of a model in the caches.
pub(super) enum Cached {
    /// Every file is there, and verified as far as checksums are known.
    Whole(ModelFiles),
    /// The model is usable, but another tool fetched it and may have left out `modules.json`, which
    /// gives the pooling.
    Doubtful(ModelFiles),
    /// Nothing is usable. `missing` names the first missing file, if the folder exists.
    Nothing { missing: Option<PathBuf> },
}

/// A folder that may hold the model.
struct ModelFolder {
    dir: PathBuf,
    revision: Option<String>,
    /// True if other content than expected means damage, and not just another commit.
    exact: bool,
}

/// Searches all places.
///
/// # Errors
/// [`Error::Corrupted`] for a file with the wrong content, [`Error::Io`] for one that cannot be
/// read.
pub(super) fn find(options: &StoreOptions, target: &FetchTarget) -> Result<Cached> {
    let mut missing = None;
    for place in places(options, target) {
        let ledger_path = Ledger::path_for(&options.cache_dir, &place.dir);
        let model = ModelFiles {
            name: target.name.clone(),
            dir: place.dir,
            revision: place.revision,
            entry: target.entry.clone(),
            ledger: ledger_path,
        };
        if let Some(path) = lacking(&model, target) {
            missing = missing.or_else(|| model.dir.is_dir().then_some(path));
            continue;
        }
        match verify(options, target, &model) {
            Ok(complete) => return Ok(if complete { Cached::Whole(model) } else { Cached::Doubtful(model) }),
            Err(Error::Corrupted { .. }) if !place.exact => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(Cached::Nothing { missing })
}

/// Returns the folder that has the model by names and sizes, without hashing.
pub(super) fn glance(options: &StoreOptions, target: &FetchTarget) -> Option<PathBuf> {
    let model = |place: ModelFolder| ModelFiles {
        name: target.name.clone(),
        dir: place.dir,
        revision: place.revision,
        entry: target.entry.clone(),
        ledger: PathBuf::new(),
    };
    let sizes_fit = |model: &ModelFiles| {
        let known = model.entry.iter().flat_map(|entry| &entry.files);
        let mut sized = known.filter_map(|file| Some((model.dir.join(&file.path), file.size?)));
        sized.all(|(path, size)| path.metadata().is_ok_and(|metadata| metadata.len() == size))
    };
    let found = places(options, target)
        .into_iter()
        .map(model)
        .find(|model| lacking(model, target).is_none() && sizes_fit(model));
    found.map(|model| model.dir)
}

fn places(options: &StoreOptions, target: &FetchTarget) -> Vec<ModelFolder> {
    let pinned = target.entry.as_deref().and_then(|entry| entry.revision.clone());
    let mut places = vec![ModelFolder { dir: target.own_dir(options), revision: pinned, exact: true }];
    places.extend(snapshot(options, target, &target.revision).map(|(revision, dir)| ModelFolder {
        dir,
        revision: Some(revision),
        exact: true,
    }));
    // Python's tools fetch `main`: if all checksums match, another commit's copy is equally good.
    if target.revision != DEFAULT_REVISION && target.entry.as_deref().is_some_and(RegisteredModel::pinned) {
        let other = snapshot(options, target, DEFAULT_REVISION).filter(|(revision, _)| *revision != target.revision);
        places.extend(other.map(|(revision, dir)| ModelFolder { dir, revision: Some(revision), exact: false }));
    }
    places
}

/// Returns the commit of a revision in the hub's cache, and its folder.
fn snapshot(options: &StoreOptions, target: &FetchTarget, revision: &str) -> Option<(String, PathBuf)> {
    let commit = if is_hex(revision, 40) {
        revision.to_owned()
    } else {
        let noted = read_small_text(&target.hub_dir(options).join("refs").join(revision), MAX_REF_BYTES).ok()?;
        noted.trim().to_owned()
    };
    is_hex(&commit, 40).then(|| {
        let cache = Cache::new(options.hub_cache.clone());
        let dir = cache.model(target.repo.clone()).pointer_path(&commit);
        (commit, dir)
    })
}

/// Returns the first required file that a folder lacks.
fn lacking(model: &ModelFiles, target: &FetchTarget) -> Option<PathBuf> {
    let known = target.entry.iter().flat_map(|entry| entry.files.iter().map(|file| file.path.clone()));
    let modules = model.read("modules.json").ok().flatten();
    let has_table = modules.as_deref().is_some_and(|modules| files::table_folder(modules).is_some());
    let own = REQUIRED.iter().filter(|_| !has_table).map(|file| (*file).to_owned());
    let mut needed: Vec<String> = own.chain(known).collect();
    if let Some(modules) = modules {
        let files = files::module_files(&modules).unwrap_or_default().into_iter();
        needed.extend(files.filter(|file| file.is_required).map(|file| file.path));
    }
    if let Some(file) = needed.iter().find(|file| model.path(file).is_none()) {
        return Some(model.dir.join(file));
    }
    if has_table {
        return None;
    }
    // Other errors in the weights are reported when they are read.
    let index_only = model.path(WEIGHTS).is_none();
    let shards = model.read(WEIGHTS_INDEX).ok().flatten().and_then(|index| files::shards(&index).ok());
    match shards {
        _ if !index_only => None,
        Some(shards) => shards.iter().find(|shard| model.path(shard).is_none()).map(|shard| model.dir.join(shard)),
        None => Some(model.dir.join(WEIGHTS)),
    }
}

/// Compares every file with a known checksum. Returns true if the folder is known to be complete.
fn verify(options: &StoreOptions, target: &FetchTarget, model: &ModelFiles) -> Result<bool> {
    let mut ledger = Ledger::open(&model.ledger, &model.dir);
    let outcome = model.contract_files()?.iter().try_for_each(|file| {
        let path = model.dir.join(file);
        let size = path.metadata().map_err(Error::io("read", &path))?.len();
        if let Some(known) = target.known(file).and_then(|known| known.size).filter(|known| *known != size) {
            return Err(corrupted(&path, format!("{known} bytes"), format!("{size} bytes")));
        }
        let Some(expected) = expected_sha256(target, file, &path) else { return Ok(()) };
        let mut tick = |done| options.report(FetchStep::Verifying, &target.name, file, done, Some(size));
        let found = ledger.sha256_with(&path, &mut tick)?;
        if found == expected {
            Ok(())
        } else {
            Err(corrupted(&path, format!("sha256 {expected}"), format!("sha256 {found}")))
        }
    });
    ledger.save();
    outcome.map(|()| ledger.complete || model.path("modules.json").is_some())
}

/// Returns the registry's checksum, else the one in the name of the hub cache's blob (git LFS files
/// only).
pub(super) fn expected_sha256(target: &FetchTarget, file: &str, path: &Path) -> Option<String> {
    let known = target.known(file).and_then(|known| known.sha256.clone());
    known.or_else(|| blob_sha256(path))
}

/// Returns the checksum in a blob's name: in the hub's cache, a large file is a link to a blob that
/// is named by its sha256.
pub(super) fn blob_sha256(path: &Path) -> Option<String> {
    let blob = std::fs::read_link(path).ok()?;
    blob.file_name()?.to_str().filter(|name| is_hex(name, 64)).map(str::to_owned)
}

fn corrupted(path: &Path, expected: String, found: String) -> Error {
    let hint = "remove it and run again with network access, or copy the file from another machine to this place";
    Error::Corrupted { path: path.to_owned(), expected, found, hint: hint.into() }
}

/// Moves a damaged file out of the way, and keeps it for later inspection. In the hub's cache the
/// content is in a blob that other links may share, so the blob is moved and the link is removed.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf> {
    let content = path.canonicalize().map_err(Error::io("read", path))?;
    let mut aside = OsString::from(&content);
    aside.push(".corrupted");
    let aside = PathBuf::from(aside);
    std::fs::rename(&content, &aside).map_err(Error::io("rename", &content))?;
    if path.is_symlink() {
        std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    Ok(aside)
}
