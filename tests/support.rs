//! What the tests share: models, and comparing vectors.

use std::path::{Path, PathBuf};

use nearsort::{Engine, LocalEncoder, LocalEncoderOptions, ModelSpec, ModelStore, Precision, StoreOptions};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every committed tiny checkpoint.
pub fn tiny_models() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("models")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| is_tiny(path)).collect();
    folders.sort();
    folders
}

fn is_tiny(path: &Path) -> bool {
    path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tiny-"))
}

/// A model of the cache, the hub or its mirror. A test that needs it fails without it; it is never
/// skipped.
pub fn load(name: &str, options: LocalEncoderOptions) -> LocalEncoder {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    let files = store.get(&ModelSpec::parse(name).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    LocalEncoder::load(files, options).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The exact arithmetic, on the engine that is chosen for the model.
pub fn f32_options() -> LocalEncoderOptions {
    LocalEncoderOptions { precision: Some(Precision::F32), ..Default::default() }
}

/// The model that everything is promised for, in f32.
pub fn default_model() -> LocalEncoder {
    load(nearsort::DEFAULT_MODEL, f32_options())
}

/// A committed tiny model, in f32.
pub fn tiny(name: &str) -> LocalEncoder {
    load(&tiny_path(name), f32_options())
}

/// The engines that compute a tiny model: candle all but DeBERTa, the native one those that it has.
pub fn engines_of(folder: &Path) -> Vec<Engine> {
    let only_candle = ["jina", "nomic"].iter().any(|name| folder.to_string_lossy().contains(name));
    if folder.to_string_lossy().contains("deberta") {
        return vec![Engine::Native];
    }
    if only_candle { vec![Engine::Candle] } else { vec![Engine::Candle, Engine::Native] }
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

pub fn tiny_path(name: &str) -> String {
    root().join("models").join(name).display().to_string()
}

/// The promised parity with the reference implementation.
pub const MIN_COSINE: f64 = 0.99999;
pub const MAX_DIFFERENCE: f32 = 1e-4;

/// Fails unless `found` is `expected` within the promised parity.
#[track_caller]
pub fn assert_parity(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.iter().all(|x| x.is_finite()), "{what}: not finite");
    let cosine = cosine(found, expected);
    assert!(cosine >= MIN_COSINE, "{what}: cosine {cosine}");
    // Vectors that are not normalised are compared relative to their largest component.
    let scale = expected.iter().fold(1.0_f32, |scale, x| scale.max(x.abs()));
    let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference <= MAX_DIFFERENCE * scale, "{what}: a component differs by {difference}");
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
