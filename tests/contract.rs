//! What a model's files say, where they contradict each other, and what happens to broken ones.

use std::fs;
use std::path::Path;

use nearsort::{Error, LocalEncoder, ModelSpec, ModelStore, Pooling, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{copy, default_model, f32_options, root, tiny};

/// A copy of a tiny model that a test may break.
fn copy_of(name: &str) -> TempDir {
    let target = tempfile::tempdir().unwrap();
    copy(&root().join("models").join(name), target.path());
    target
}

fn edit(folder: &TempDir, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.path().join(file);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn load(folder: &TempDir) -> nearsort::Result<LocalEncoder> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    let files = store.get(&ModelSpec::parse(&folder.path().display().to_string()).unwrap())?;
    LocalEncoder::load(files, f32_options())
}

fn error_of(folder: &TempDir) -> String {
    load(folder).err().expect("loading must fail").to_string()
}

fn findings(encoder: &LocalEncoder) -> String {
    encoder.contract().findings.iter().map(|f| format!("{}: {}\n", f.file, f.message)).collect()
}

#[test]
fn the_default_models_contradictions_are_found() {
    let encoder = default_model();
    let contract = encoder.contract();
    assert_eq!((contract.dim, contract.max_tokens, contract.normalize), (384, 256, true));
    assert_eq!(contract.pooling, Pooling::Mean);
    let found = findings(&encoder);
    assert!(found.contains("tokenizer.json: truncates at 128 tokens; the model's limit 256"), "{found}");
    assert!(found.contains("tokenizer.json: pads every text to 128 tokens"), "{found}");
    assert!(found.contains("tokenizer_config.json: says 512 tokens"), "{found}");
}

#[test]
fn every_check_passes_on_the_default_model_and_on_a_tiny_one() {
    for (encoder, checks) in [(default_model(), 5), (tiny("tiny-modernbert"), 4)] {
        let results = encoder.self_check().unwrap();
        assert_eq!(results.len(), checks, "{results:?}");
        for check in results {
            assert!(check.passed, "{}: {}", check.name, check.detail);
        }
    }
}

#[test]
fn a_model_of_one_vector_for_all_texts_fails_the_check() {
    let folder = copy_of("tiny-bert");
    // The word embeddings are what tells texts apart.
    zero_tensors(&folder.path().join("model.safetensors"), "word_embeddings");
    zero_tensors(&folder.path().join("model.safetensors"), "position_embeddings");
    let failed: Vec<_> =
        load(&folder).unwrap().self_check().unwrap().into_iter().filter(|check| !check.passed).collect();
    assert!(failed.iter().any(|check| check.name.contains("different vectors")), "{failed:?}");
}

fn zero_tensors(path: &Path, name: &str) {
    let mut bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let tensors = json.as_object().unwrap().iter().filter(|(key, _)| key.contains(name));
    let ranges: Vec<(usize, usize)> = tensors
        .map(|(_, info)| &info["data_offsets"])
        .map(|at| (at[0].as_u64().unwrap() as usize, at[1].as_u64().unwrap() as usize))
        .collect();
    assert!(!ranges.is_empty());
    for (from, to) in ranges {
        bytes[8 + header + from..8 + header + to].fill(0);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn without_modules_json_mean_pooling_is_assumed_and_said() {
    let folder = copy_of("tiny-bert-cls");
    fs::remove_file(folder.path().join("modules.json")).unwrap();
    let encoder = load(&folder).unwrap();
    assert_eq!(encoder.contract().pooling, Pooling::Mean);
    assert!(findings(&encoder).contains("modules.json: missing"), "{}", findings(&encoder));
}

#[test]
fn more_tokens_than_positions_are_cut_and_said() {
    let folder = copy_of("tiny-bert");
    edit(&folder, "sentence_bert_config.json", |config| config["max_seq_length"] = json!(9999));
    let encoder = load(&folder).unwrap();
    assert!(encoder.contract().max_tokens < 100);
    assert!(findings(&encoder).contains("fewer than the 9999 tokens"), "{}", findings(&encoder));
}

#[test]
fn both_forms_of_a_pooling_config_are_read() {
    let folder = copy_of("tiny-bert");
    fs::write(
        folder.path().join("1_Pooling/config.json"),
        r#"{"embedding_dimension": 7, "pooling_mode": "lasttoken"}"#,
    )
    .unwrap();
    let encoder = load(&folder).unwrap();
    assert_eq!(encoder.contract().pooling, Pooling::LastToken);
    assert!(findings(&encoder).contains("says the hidden size is 7"), "{}", findings(&encoder));
}

/// A file of the model, what is done to it, and what the error must say.
type Breakage = (&'static str, fn(&mut Value), &'static str);

#[test]
fn what_cannot_be_computed_is_refused_by_name() {
    let cases: [Breakage; 6] = [
        (
            "config.json",
            |v| v["model_type"] = json!("t5"),
            "not supported: the model type is t5; supported are bert, distilbert",
        ),
        ("config.json", |v| v["hidden_act"] = json!("swish9"), "swish9"),
        ("config.json", |v| v["hidden_size"] = json!(36), "shape"),
        ("config.json", |v| v["vocab_size"] = json!(3), "the two are of different models"),
        (
            "modules.json",
            |v| v[1]["type"] = json!("sentence_transformers.models.LSTM"),
            "the module 'sentence_transformers.models.LSTM'",
        ),
        ("1_Pooling/config.json", |v| *v = json!({"pooling_mode": ["mean", "max"]}), "pooling by mean + max"),
    ];
    for (file, change, expected) in cases {
        let folder = copy_of("tiny-bert");
        edit(&folder, file, change);
        let error = error_of(&folder);
        assert!(error.contains(expected), "{file}: {error}");
    }
}

#[test]
fn a_position_scheme_that_candle_does_not_compute_is_refused() {
    let yarn = || json!({ "rope_type": "yarn", "factor": 4.0 });
    let cases: [(&str, &str, Value); 5] = [
        ("tiny-qwen3", "rope_parameters", yarn()),
        ("tiny-qwen3", "rope_scaling", yarn()),
        ("tiny-modernbert", "rope_parameters", json!({ "full_attention": yarn() })),
        ("tiny-nomic-bert", "rotary_scaling_factor", json!(2.0)),
        ("tiny-nomic-bert", "use_rms_norm", json!(true)),
    ];
    for (model, field, value) in cases {
        let folder = copy_of(model);
        edit(&folder, "config.json", |config| config[field] = value);
        assert!(error_of(&folder).contains("computes only"), "{model} {field}: {}", error_of(&folder));
    }
}

#[test]
fn a_hidden_size_that_the_weights_do_not_have_is_an_error_and_never_a_wrong_vector() {
    use nearsort::{Encoder, Role};
    for size in [8, 4096] {
        let folder = copy_of("tiny-nomic-bert");
        // This architecture calls its width n_embd: hidden_size is a second word that may contradict it.
        edit(&folder, "config.json", |config| config["hidden_size"] = json!(size));
        let encoded = load(&folder).and_then(|encoder| encoder.encode(&["a text"], Role::Document));
        assert!(encoded.unwrap_err().to_string().contains("config.json says"), "{size}");
    }
}

#[test]
fn missing_and_broken_files_are_named() {
    for file in ["config.json", "tokenizer.json", "1_Pooling/config.json", "model.safetensors"] {
        let folder = copy_of("tiny-bert");
        fs::remove_file(folder.path().join(file)).unwrap();
        assert!(error_of(&folder).contains(file), "{}", error_of(&folder));
    }
    for file in ["config.json", "tokenizer.json", "modules.json", "model.safetensors"] {
        let folder = copy_of("tiny-bert");
        fs::write(folder.path().join(file), "{ no").unwrap();
        assert!(error_of(&folder).contains(file), "{}", error_of(&folder));
    }
}

#[test]
fn weights_cut_off_in_the_middle_are_an_error() {
    let folder = copy_of("tiny-bert");
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(load(&folder).err().unwrap(), Error::ModelFile { .. } | Error::Corrupted { .. }));
}
