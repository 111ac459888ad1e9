//! Static models: vectors of model2vec and sentence-transformers, and files that are refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nearsort::{
    Encoder, Engine, Error, LocalEncoder, LocalEncoderOptions, Model, ModelOptions, ModelSpec, ModelStore, Overrides,
    Precision, RankOptions, Reranker, Role, Scoring, StoreOptions,
};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{assert_parity, copy, root, tiny_path};

#[derive(Deserialize)]
struct Expected {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    role: String,
    tokens: u32,
    truncated: bool,
    embedding: Vec<f32>,
}

const MODELS: [&str; 6] = [
    "static-tiny",
    "static-tiny-f16",
    "static-tiny-prompts",
    "static-tiny-model2vec",
    "static-tiny-model2vec-i8",
    "static-tiny-model2vec-f16",
];
const UNKNOWN: &str = "\u{8a66}";

fn try_load(folder: &Path, options: LocalEncoderOptions) -> nearsort::Result<LocalEncoder> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    LocalEncoder::load(store.get(&ModelSpec::parse(&folder.display().to_string())?)?, options)
}

fn load(name: &str) -> LocalEncoder {
    try_load(Path::new(&tiny_path(name)), LocalEncoderOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn rows(name: &str) -> Vec<Row> {
    let path = root().join("models").join(name).join("expected.json");
    serde_json::from_slice::<Expected>(&fs::read(path).unwrap()).unwrap().rows
}

fn role(row: &Row) -> Role {
    row.role.parse().unwrap()
}

/// A copy of a model that a test may change.
fn copy_of(name: &str) -> TempDir {
    let target = tempfile::tempdir().unwrap();
    copy(Path::new(&tiny_path(name)), target.path());
    target
}

fn edit(folder: &TempDir, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.path().join(file);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// Returns the error of loading a folder.
fn error_of(folder: &TempDir) -> String {
    try_load(folder.path(), LocalEncoderOptions::default()).err().expect("loading must fail").to_string()
}

/// Writes tensors of f32, or of another type whose bytes are given.
fn write_tensors(folder: &TempDir, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) {
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()))
        .collect();
    fs::write(folder.path().join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}

fn floats(count: usize) -> Vec<u8> {
    (0..count).flat_map(|at| (at as f32 * 0.37).sin().to_le_bytes()).collect()
}

#[test]
fn vectors_are_those_of_model2vec_and_sentence_transformers() {
    for name in MODELS {
        let encoder = load(name);
        assert_eq!((encoder.engine(), encoder.precision()), (Engine::Native, Precision::F32), "{name}");
        for row in rows(name) {
            let what = format!("{name}: {} {:.40}", row.role, row.text);
            let found = encoder.encode(&[&row.text], role(&row)).unwrap();
            assert_eq!((found.tokens[0], found.truncated[0]), (row.tokens, row.truncated), "{what}");
            let vector = found.vectors.row(0).to_vec();
            if row.embedding.iter().all(|x| *x == 0.0) {
                assert_eq!(vector, row.embedding, "{what}");
            } else if name.ends_with("f16") {
                // The references round their mean to f16, nearsort does not.
                let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * b.abs().max(0.5);
                assert!(vector.iter().zip(&row.embedding).all(close), "{what}: {vector:?}");
            } else {
                assert_parity(&what, &vector, &row.embedding);
            }
        }
    }
}

#[test]
fn bits_depend_on_the_text_alone() {
    for name in MODELS {
        let rows = rows(name);
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let with_threads = |threads: usize| {
            let options =
                LocalEncoderOptions { threads: Some(threads), batch_tokens: 7 * threads, ..Default::default() };
            try_load(Path::new(&tiny_path(name)), options).unwrap().encode(&texts, Role::Document).unwrap()
        };
        let (one, two, encoder) = (with_threads(1), with_threads(2), load(name));
        assert_eq!(one, two, "{name}");
        for (text, row) in texts.iter().zip(one.vectors.rows()) {
            assert_eq!(encoder.encode(&[text], Role::Document).unwrap().vectors.row(0), row, "{name}: {text:.40}");
        }
    }
}

#[test]
fn a_text_of_unknown_tokens_has_no_vector_where_these_are_left_out() {
    let vector = |name: &str, text: &str| load(name).encode(&[text], Role::Document).unwrap().vectors.row(0).to_vec();
    assert!(vector("static-tiny-model2vec", UNKNOWN).iter().all(|x| *x == 0.0));
    assert!(vector("static-tiny", UNKNOWN).iter().any(|x| *x != 0.0), "sentence-transformers keeps the unknown token");
    let model = Model::load(&tiny_path("static-tiny-model2vec"), ModelOptions::default()).unwrap();
    let answer = Reranker::new(&model).rank("harbour", &["the harbour", UNKNOWN]).run().unwrap();
    assert_eq!((answer.hits[0].index, answer.hits[1].score), (0, 0.0));
    // What is left out counts: three words of which one is unknown are not an unknown text.
    let mixed = format!("{UNKNOWN} the harbour");
    let lengths = nearsort::TokenEncoder::encode_each(
        &load("static-tiny-model2vec"),
        &[&mixed],
        Role::Document,
        &nearsort::Call::new(),
        &|_, text| assert!(text.tokens.nrows() > 0),
    );
    let lengths = lengths.unwrap();
    assert_eq!((lengths.unknown[0], lengths.own[0]), (1, lengths.tokens[0] + 1));
}

#[test]
fn a_limit_in_tokens_limits_characters_too() {
    let model = copy_of("static-tiny-model2vec");
    let overrides = Overrides { max_tokens: Some(5), ..Default::default() };
    let encoder = try_load(model.path(), LocalEncoderOptions { overrides, ..Default::default() }).unwrap();
    let spaces = format!("harbour{}ferry", " ".repeat(200));
    let found = encoder.encode(&["harbour", &spaces], Role::Document).unwrap();
    assert_eq!(found.truncated, [false, true]);
    assert_eq!(found.vectors.row(0), found.vectors.row(1), "the second word is behind the limit in characters");
    for (value, limit) in [(json!(7), 7), (json!(null), 1 << 31)] {
        edit(&model, "config.json", |config| config["max_length"] = value.clone());
        let encoder = try_load(model.path(), LocalEncoderOptions::default()).unwrap();
        assert_eq!(encoder.max_tokens(), limit, "{value}");
    }
}

#[test]
fn a_static_model_ranks_by_cosine_and_by_its_token_vectors_when_asked() {
    let model = Model::load(&tiny_path("static-tiny"), ModelOptions::default()).unwrap();
    let docs = ["The dog bit the man.", "the ferry leaves", "harbour"];
    let kinds = [(RankOptions::default(), "cosine"), (RankOptions::by(Scoring::Hybrid), "hybrid")];
    for (options, kind) in kinds {
        let reranker = Reranker::with(&model, options).unwrap();
        assert_eq!(reranker.score_kind().to_string(), kind);
        assert_eq!(reranker.rank("the ferry", &docs).run().unwrap().hits[0].index, 1, "{kind}");
    }
    let info = model.info().unwrap();
    assert_eq!((info.engine.as_str(), info.precision.as_str(), info.device.as_str()), ("native", "f32", "cpu"));
    assert!(load("static-tiny").self_check().unwrap().iter().all(|check| check.passed));
    let first = Model::load(&tiny_path("static-tiny-model2vec"), ModelOptions::default()).unwrap();
    let cascade = Reranker::cascade([((&first).into(), 3), (model.by(Scoring::Hybrid), 2)]).unwrap();
    assert_eq!(cascade.rank("the ferry", &docs).run().unwrap().hits[0].index, 1);
    let named = format!("{}:3", tiny_path("static-tiny"));
    let stages = [named.parse().unwrap(), "cosine:2".parse().unwrap()];
    let (own, rank) = (tiny_path("tiny-bert"), RankOptions::default());
    let by_name = Reranker::load_stages(&stages, &own, ModelOptions::default(), rank).unwrap();
    assert_eq!(by_name.rank("the ferry", &docs).run().unwrap().hits.len(), 3);
}

#[test]
fn options_that_a_static_model_does_not_have_are_refused() {
    let load = |options: LocalEncoderOptions| {
        try_load(Path::new(&tiny_path("static-tiny")), options).err().expect("refused").to_string()
    };
    let plain = LocalEncoderOptions::default;
    let pooling = Overrides { pooling: Some(nearsort::Pooling::Cls), ..Default::default() };
    for (options, said) in [
        (LocalEncoderOptions { engine: Some(Engine::Candle), ..plain() }, "candle does not compute"),
        (LocalEncoderOptions { precision: Some(Precision::I8), ..plain() }, "in f32, not in i8"),
        (LocalEncoderOptions { device: nearsort::Device::Cuda(0), ..plain() }, "runs on the CPU"),
        (LocalEncoderOptions { overrides: pooling, ..plain() }, "is a mean"),
    ] {
        let error = load(options);
        assert!(error.contains(said) && error.contains("leave"), "{error}");
    }
    let mean = Overrides { pooling: Some(nearsort::Pooling::Mean), ..Default::default() };
    let own = try_load(Path::new(&tiny_path("static-tiny")), LocalEncoderOptions { overrides: mean, ..plain() });
    assert_eq!(
        own.unwrap().fingerprint().unwrap(),
        self::load("static-tiny").fingerprint().unwrap(),
        "it says what is"
    );
    let cut = Overrides { dim: Some(8), ..Default::default() };
    let encoder = try_load(Path::new(&tiny_path("static-tiny")), LocalEncoderOptions { overrides: cut, ..plain() });
    let encoder: Arc<dyn Encoder> = Arc::new(encoder.unwrap());
    let vector = encoder.encode(&["harbour"], Role::Document).unwrap().vectors;
    assert!(vector.ncols() == 8 && (vector.row(0).dot(&vector.row(0)) - 1.0).abs() < 1e-5);
}

#[test]
fn damaged_tables_are_refused_by_name() {
    let tokens = 320;
    let table = ("embeddings", Dtype::F32, vec![tokens, 4], floats(tokens * 4));
    let mapping = |last: i64, len: usize| -> (&str, Dtype, Vec<usize>, Vec<u8>) {
        let rows = (0..len).map(|at| if at + 1 == len { last } else { 0 });
        ("mapping", Dtype::I64, vec![len], rows.flat_map(i64::to_le_bytes).collect())
    };
    let weights = |len: usize| ("weights", Dtype::F32, vec![len], floats(len));
    let mut bad = floats(tokens * 4);
    bad[40..44].copy_from_slice(&f32::NAN.to_le_bytes());
    let cases = [
        (vec![weights(tokens)], "the tensor 'embedding.weight' (or 'embeddings') is missing"),
        (vec![("embeddings", Dtype::F32, vec![tokens * 4], floats(tokens * 4))], "has the shape [1280]"),
        (vec![("embeddings", Dtype::F32, vec![9, 4], floats(36))], "has token ids up to"),
        (vec![("embeddings", Dtype::U8, vec![tokens, 4], vec![0; tokens * 4])], "type U8"),
        (vec![("embeddings", Dtype::F32, vec![tokens, 4], bad)], "not finite (at 10)"),
        (vec![table.clone(), weights(9)], "weights has 9 entries"),
        (vec![table.clone(), ("weights", Dtype::F32, vec![tokens, 1], floats(tokens))], "one number per token"),
        (vec![table.clone(), mapping(0, 9)], "mapping has 9 entries"),
        (vec![table.clone(), mapping(tokens as i64, tokens)], "sends token 319 to row 320"),
        (vec![table.clone(), mapping(-1, tokens)], "sends token 319 to row -1"),
        (vec![table.clone(), ("mapping", Dtype::F32, vec![tokens], floats(tokens))], "type F32; supported are I64"),
        (vec![table.clone(), ("linear.weight", Dtype::F32, vec![1], floats(1))], "a tensor 'linear.weight'"),
    ];
    for (tensors, said) in cases {
        let folder = copy_of("static-tiny-model2vec");
        write_tensors(&folder, &tensors);
        let error = error_of(&folder);
        assert!(error.contains(said) && error.contains("model.safetensors"), "{said}: {error}");
    }
    let whole = copy_of("static-tiny-model2vec");
    write_tensors(&whole, &[table, weights(tokens), mapping(5, tokens)]);
    assert_eq!(try_load(whole.path(), LocalEncoderOptions::default()).unwrap().dim(), 4);
    for file in ["0_StaticEmbedding/model.safetensors", "0_StaticEmbedding/tokenizer.json"] {
        let folder = copy_of("static-tiny");
        fs::remove_file(folder.path().join(file)).unwrap();
        assert!(error_of(&folder).contains("0_StaticEmbedding"), "{file}");
    }
}

#[test]
fn fields_that_nobody_computes_are_errors_or_findings() {
    let change = |file: &str, field: &str, value: Value| {
        let folder = copy_of("static-tiny-model2vec");
        edit(&folder, file, |json| json[field] = value);
        folder
    };
    assert!(error_of(&change("config.json", "normalize", json!("yes"))).contains("'normalize' is \"yes\""));
    assert!(error_of(&change("config.json", "max_length", json!(0))).contains("'max_length' is 0"));
    let findings = |folder: &TempDir| -> String {
        let encoder = try_load(folder.path(), LocalEncoderOptions::default()).unwrap();
        encoder.contract().findings.iter().map(|found| format!("{}: {}\n", found.file, found.message)).collect()
    };
    let found = findings(&change("config.json", "head_config", json!({ "layers": 2 })));
    assert!(found.contains("config.json: has 'head_config'"), "{found}");
    let found = findings(&change("config.json", "normalize", json!(false)));
    assert!(found.contains("modules.json: names Normalize, config.json says normalize = false"), "{found}");
    let modules = |more: Value| {
        let folder = copy_of("static-tiny");
        edit(&folder, "modules.json", |list| list.as_array_mut().unwrap().push(more));
        error_of(&folder)
    };
    let pooling = json!({ "idx": 2, "name": "2", "path": "2_Pooling", "type": "sentence_transformers.models.Pooling" });
    assert!(modules(pooling).contains("Pooling"));
    let own = json!({ "idx": 2, "name": "2", "path": "2_Own", "type": "my.Own" });
    assert!(modules(own).contains("not a module of sentence-transformers"));
}

#[test]
fn fingerprints_tell_tables_apart() {
    let print = |name: &str| load(name).fingerprint().unwrap();
    assert_eq!(print("static-tiny"), print("static-tiny"));
    let mut all: Vec<String> = MODELS.iter().map(|name| print(name)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), MODELS.len());
    let changed = copy_of("static-tiny-f16");
    edit(&changed, "modules.json", |list| {
        let entry =
            json!({ "idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize" });
        list.as_array_mut().unwrap().push(entry);
    });
    let changed = try_load(changed.path(), LocalEncoderOptions::default()).unwrap();
    assert_ne!(changed.fingerprint().unwrap(), print("static-tiny-f16"));
    assert!(matches!(
        try_load(Path::new("/nonexistent/static"), LocalEncoderOptions::default()),
        Err(Error::ModelFile { .. })
    ));
}
