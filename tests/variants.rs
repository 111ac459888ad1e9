//! Tiny models with other files than their own (`models/variants.py`): modules in any order, and
//! what else sentence-transformers reads of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use nearsort::{Call, Encoder, Engine, LocalEncoder, LocalEncoderOptions, ModelSpec, ModelStore, Role, StoreOptions};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{assert_parity, copy, engines_of, f32_options, root};

#[derive(Deserialize)]
struct Expected {
    base: String,
    removed: Vec<String>,
    max_tokens: usize,
    dim: usize,
    rows: Vec<ExpectedRow>,
}

#[derive(Deserialize)]
struct ExpectedRow {
    text: String,
    role: String,
    tokens: u32,
    truncated: bool,
    embedding: Vec<f32>,
}

fn variants() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("models/variants")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The variant as a whole model, and what is expected of it.
fn laid_over(variant: &Path) -> (TempDir, Expected) {
    let expected: Expected = serde_json::from_slice(&fs::read(variant.join("expected.json")).unwrap()).unwrap();
    let whole = tempfile::tempdir().unwrap();
    copy(&root().join("models").join(&expected.base), whole.path());
    for file in &expected.removed {
        fs::remove_file(whole.path().join(file)).unwrap();
    }
    copy(variant, whole.path());
    (whole, expected)
}

fn load(folder: &Path, options: LocalEncoderOptions) -> nearsort::Result<LocalEncoder> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    LocalEncoder::load(store.get(&ModelSpec::parse(&folder.display().to_string())?)?, options)
}

/// Returns false for what only the native engine computes.
fn computes(engine: Engine, variant: &Path) -> bool {
    engine == Engine::Native || !variant.ends_with("qwen3-bidirectional")
}

#[test]
fn attention_to_later_tokens_is_refused_by_name_where_it_is_not_computed() {
    let (whole, _) = laid_over(&root().join("models/variants/qwen3-bidirectional"));
    let error = load(whole.path(), LocalEncoderOptions { engine: Some(Engine::Candle), ..f32_options() });
    let error = error.err().expect("loaded").to_string();
    assert!(error.contains("'is_causal' is false; this build computes only true"), "{error}");
}

#[test]
fn every_variant_agrees_with_sentence_transformers_on_every_engine() {
    let folders = variants();
    assert!(folders.len() >= 10, "{folders:?}");
    for folder in folders {
        let (whole, expected) = laid_over(&folder);
        for engine in engines_of(Path::new(&expected.base)).into_iter().filter(|engine| computes(*engine, &folder)) {
            let encoder = load(whole.path(), LocalEncoderOptions { engine: Some(engine), ..f32_options() });
            let encoder = encoder.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let what = format!("{} by {engine}", folder.display());
            assert_eq!((encoder.dim(), encoder.max_tokens()), (expected.dim, expected.max_tokens), "{what}");
            for row in &expected.rows {
                let role: Role = row.role.parse().unwrap();
                let found = encoder.encode(&[&row.text], role).unwrap();
                let what = format!("{what}: {:?} as {role}", row.text);
                assert_eq!((found.tokens[0], found.truncated[0]), (row.tokens, row.truncated), "{what}");
                assert_parity(&what, found.vectors.row(0).as_slice().unwrap(), &row.embedding);
            }
        }
    }
}

#[test]
fn token_vectors_are_those_that_the_modules_leave() {
    let dims = |name: &str| {
        let (whole, _) = laid_over(&root().join("models/variants").join(name));
        let encoder = load(whole.path(), f32_options()).unwrap();
        let tokens = encoder.token_encoder().unwrap();
        let seen = std::sync::Mutex::new((0, true));
        let sink = |_: usize, text: &nearsort::encoder::EncodedText<'_>| {
            let unit = text.tokens.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5);
            *seen.lock().unwrap() = (text.tokens.ncols(), unit);
        };
        tokens.encode_each(&["the harbour"], Role::Document, &Call::new(), &sink).unwrap();
        let (width, unit) = *seen.lock().unwrap();
        assert_eq!(width, tokens.token_dim(), "{name}");
        (width, unit)
    };
    assert_eq!(dims("tokens-dense"), (20, false));
    assert_eq!(dims("tokens-normalized"), (32, true));
    assert_eq!(dims("residual"), (32, false));
}

/// tiny-bert with these modules behind the transformer, without their folders.
fn with_modules(classes: &[&str], files: &[(&str, Value)]) -> TempDir {
    let whole = tempfile::tempdir().unwrap();
    copy(&root().join("models/tiny-bert"), whole.path());
    let entries: Vec<Value> = classes
        .iter()
        .enumerate()
        .map(|(place, class)| {
            let path = if place == 0 { String::new() } else { format!("{place}_Module") };
            json!({ "idx": place, "name": place.to_string(), "path": path, "type": class })
        })
        .collect();
    fs::write(whole.path().join("modules.json"), json!(entries).to_string()).unwrap();
    for (file, content) in files {
        let path = whole.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }
    whole
}

const TRANSFORMER: &str = "sentence_transformers.models.Transformer";

#[test]
fn what_is_no_embedding_model_is_refused_as_what_it_is() {
    let projection = |class: &str| {
        let config = json!({ "in_features": 32, "out_features": 8, "bias": false });
        (vec![TRANSFORMER.to_owned(), class.to_owned()], vec![("1_Module/config.json", config)])
    };
    let on_tokens = json!({ "in_features": 32, "out_features": 8, "module_input_name": "token_embeddings" });
    let alone = |class: &str| (vec![TRANSFORMER.to_owned(), class.to_owned()], Vec::new());
    let first = |class: &str| (vec![class.to_owned()], Vec::new());
    let cases = [
        (
            (
                vec![TRANSFORMER.to_owned(), "sentence_transformers.models.Dense".to_owned()],
                vec![("1_Module/config.json", on_tokens)],
            ),
            "late-interaction (ColBERT)",
        ),
        (
            projection("sentence_transformers.models.Dense"),
            "reads 'sentence_embedding', which no module before it gives",
        ),
        (
            alone("sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"),
            "late-interaction",
        ),
        (alone("sentence_transformers.sparse_encoder.models.SpladePooling"), "sparse encoder"),
        (first("sentence_transformers.sparse_encoder.models.MLMTransformer"), "sparse encoder"),
        (alone("sentence_transformers.models.Router"), "a router"),
        (first("sentence_transformers.models.Asym"), "a router"),
        (first("sentence_transformers.models.WordEmbeddings"), "a table of word vectors"),
        (first("sentence_transformers.models.CLIPModel"), "images and texts"),
        (alone("sentence_transformers.models.CNN"), "a network of its own"),
        (alone("sentence_transformers.models.WordWeights"), "a weight per word"),
        (alone("sentence_transformers.models.WeightedLayerPooling"), "over the layers"),
        (alone("sentence_transformers.cross_encoder.modules.LogitScore"), "the head of a cross-encoder"),
        (alone("my.Own"), "not a module of sentence-transformers"),
        ((vec![TRANSFORMER.to_owned()], Vec::new()), "lists no Pooling"),
        ((Vec::new(), Vec::new()), "lists no modules"),
    ];
    for ((classes, files), expected) in cases {
        let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
        let folder = with_modules(&classes, &files);
        let error =
            load(folder.path(), f32_options()).err().unwrap_or_else(|| panic!("{classes:?} loaded")).to_string();
        assert!(error.contains(expected) && error.contains("modules.json"), "{classes:?}: {error}");
    }
}

#[test]
fn a_kind_of_model_that_is_named_and_not_supported_is_refused() {
    let cases = [
        ("config_sentence_transformers.json", json!({ "model_type": "SparseEncoder" }), "a sparse encoder"),
        ("config_sentence_transformers.json", json!({ "model_type": "MultiVectorEncoder" }), "late-interaction"),
        ("config_sentence_transformers.json", json!({ "model_type": "Oracle" }), "model_type = Oracle"),
    ];
    for (file, content, expected) in cases {
        let whole = tempfile::tempdir().unwrap();
        copy(&root().join("models/tiny-bert"), whole.path());
        fs::write(whole.path().join(file), content.to_string()).unwrap();
        let error = load(whole.path(), f32_options()).err().expect("loaded").to_string();
        assert!(error.contains(expected) && error.contains(file), "{error}");
    }
}
