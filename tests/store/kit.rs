//! A small model, folders that go away by themselves, and a store with short patience.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nearsort::Error;
use nearsort::store::{FetchStep, ModelFiles, ModelSpec, ModelStore, Registry, StoreOptions};

use super::server::{COMMIT, sha256};

pub const REPO: &str = "org/tiny";
pub const WEIGHTS: &str = "model.safetensors";

/// Bytes that compress badly and are the same in every run.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A model's files as the hub has them, with some that nearsort has no use for.
pub fn model() -> BTreeMap<String, Vec<u8>> {
    let modules = r#"[{"path": "", "type": "m.Transformer"}, {"path": "1_Pooling", "type": "m.Pooling"}, {"path": "2_Normalize", "type": "m.Normalize"}]"#;
    let mut files = BTreeMap::new();
    files.insert("config.json".to_owned(), b"{\"model_type\": \"bert\"}".to_vec());
    files.insert("tokenizer.json".to_owned(), b"{\"version\": \"1.0\"}".to_vec());
    files.insert("modules.json".to_owned(), modules.as_bytes().to_vec());
    files.insert("1_Pooling/config.json".to_owned(), b"{\"pooling_mode_mean_tokens\": true}".to_vec());
    files.insert(WEIGHTS.to_owned(), noise(100_000));
    files.insert("pytorch_model.bin".to_owned(), b"pickle".to_vec());
    files.insert("README.md".to_owned(), b"# tiny".to_vec());
    files
}

/// The files that nearsort reads.
pub const NEEDED: [&str; 5] = ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", WEIGHTS];

/// A registry whose only model is [`model`], every needed file with size and checksum, and a
/// package mirror.
pub fn registry(files: &BTreeMap<String, Vec<u8>>) -> Registry {
    let row = |name: &&str| {
        let content = &files[*name];
        format!("{{ path = \"{name}\", size = {}, sha256 = \"{}\" }}", content.len(), sha256(content))
    };
    let rows: Vec<String> = NEEDED.iter().map(row).collect();
    let text = format!(
        "default = \"tiny\"\n[[model]]\nname = \"tiny\"\nrepo = \"{REPO}\"\nrevision = \"{COMMIT}\"\nlicence = \"MIT\"\nfiles = [{}]\n\
         mirrors = [{{ kind = \"pypi\", package = \"tiny-model\", version = \"1.0\", folder = \"tiny_model/model\" }}]\n",
        rows.join(", ")
    );
    Registry::parse(&text).unwrap()
}

/// Folders for one test.
pub struct Home {
    pub dir: tempfile::TempDir,
    pub steps: Arc<Mutex<Vec<(FetchStep, String)>>>,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), steps: Arc::default() }
    }

    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("nearsort")
    }

    pub fn hub_cache(&self) -> PathBuf {
        self.dir.path().join("hub")
    }

    pub fn repository(&self) -> PathBuf {
        self.hub_cache().join("models--org--tiny")
    }

    pub fn snapshot(&self) -> PathBuf {
        self.repository().join("snapshots").join(COMMIT)
    }

    pub fn options(&self, endpoint: &str) -> StoreOptions {
        let mut options = StoreOptions::new(self.cache(), self.hub_cache());
        options.endpoint = endpoint.to_owned();
        options.pip = vec![vec![self.dir.path().join("no-pip-here").display().to_string()]];
        options.limits.retry_pause = Duration::from_millis(1);
        let steps = Arc::clone(&self.steps);
        options.progress = Some(Arc::new(move |progress| {
            steps.lock().unwrap().push((progress.step, progress.file.to_owned()));
        }));
        options
    }

    /// A store that knows the model by name.
    pub fn store(&self, endpoint: &str) -> ModelStore {
        ModelStore::with_registry(self.options(endpoint), registry(&model()))
    }

    pub fn offline(&self, endpoint: &str) -> ModelStore {
        let mut options = self.options(endpoint);
        options.offline = true;
        ModelStore::with_registry(options, registry(&model()))
    }

    pub fn saw(&self, step: FetchStep) -> usize {
        self.steps.lock().unwrap().iter().filter(|(seen, _)| *seen == step).count()
    }
}

pub fn registered(store: &ModelStore) -> ModelSpec {
    store.parse("tiny").unwrap()
}

/// The same repository under a name that the registry does not know, so that no checksum is known
/// beforehand.
pub fn unregistered(revision: &str) -> ModelSpec {
    ModelSpec::Hub { repo: REPO.to_owned(), revision: revision.to_owned() }
}

pub fn assert_is_the_model(files: &ModelFiles) {
    let expected = model();
    for name in NEEDED {
        assert_eq!(files.read(name).unwrap().as_ref(), Some(&expected[name]), "{name}");
    }
    assert_eq!(files.weights_sha256().unwrap(), sha256(&expected[WEIGHTS]));
}

/// Writes the model's needed files into a folder.
pub fn lay_out(dir: &Path) {
    for (name, content) in model().iter().filter(|(name, _)| NEEDED.contains(&name.as_str())) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// An address at which nobody listens.
pub fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub fn attempts(error: Error) -> Vec<String> {
    match error {
        Error::ModelUnavailable { attempts, .. } => attempts,
        other => panic!("not ModelUnavailable: {other}"),
    }
}

/// All files below a folder whose name contains `part`.
pub fn files_named(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().contains(part) {
            found.push(path.clone());
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_named(&path, part));
        }
    }
    found
}
