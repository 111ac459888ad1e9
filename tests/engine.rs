//! The native engine by itself: cross-encoders, every precision and thread count, broken weights.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nearsort::engine::{Backend, ClassificationHead, NativeBackend, Operation, RaggedBatch, WeightsFile};
use nearsort::kernels::{Isa, Kernels};
use nearsort::{Call, Error, Precision};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{cosine, root};

/// expected.json of a tiny cross-encoder, written by transformers.
#[derive(Deserialize)]
struct Expected {
    rows: Vec<ExpectedRow>,
}

#[derive(Deserialize)]
struct ExpectedRow {
    first: Vec<u32>,
    second: Vec<u32>,
    logits: Vec<f32>,
}

/// Largest difference of a logit from transformers' in f32. Every part of a head, left out, costs a
/// hundred times as much.
const F32_TOLERANCE: f32 = 5e-5;
/// In lower precisions, of logits between -3 and 3: random weights forgive less than trained ones.
const BF16_TOLERANCE: f32 = 0.05;
const I8_TOLERANCE: f32 = 0.3;

fn config(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
}

fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

/// The kernels of an instruction set, for as long as the program runs.
fn kernels(isa: Isa) -> &'static Kernels {
    Box::leak(Box::new(Kernels::for_isa(isa).unwrap()))
}

fn load(
    config: &Value,
    weights: Vec<u8>,
    precision: Precision,
    kernels: &'static Kernels,
) -> nearsort::Result<NativeBackend> {
    let weights: Arc<dyn WeightsFile> = Arc::new(weights);
    NativeBackend::load(config, vec![weights], Path::new("a-model"), precision, kernels)
}

fn load_head(folder: &Path, kernels: &'static Kernels) -> nearsort::Result<ClassificationHead> {
    let weights: Arc<dyn WeightsFile> = Arc::new(weights(folder));
    ClassificationHead::load(&config(folder), vec![weights], Path::new("a-model"), kernels)
}

fn model(name: &str) -> PathBuf {
    root().join("models").join(name)
}

#[test]
fn cross_encoders_give_the_logits_of_transformers_on_every_instruction_set() {
    let names = ["bert", "distilbert", "electra", "roberta", "xlm-roberta", "modernbert"];
    for name in names.into_iter().chain(["deberta", "deberta-c2p", "deberta-p2c"]) {
        let folder = model(&format!("cross-tiny-{name}"));
        let expected: Expected = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let mut batch = RaggedBatch::new();
        expected.rows.iter().for_each(|row| batch.push_pair(&row.first, &row.second));
        for (isa, precision) in Isa::available().flat_map(|isa| Precision::ALL.map(|precision| (isa, precision))) {
            let engine = load(&config(&folder), weights(&folder), precision, kernels(isa)).unwrap();
            let tolerance = match precision {
                Precision::F32 => F32_TOLERANCE,
                Precision::Bf16 => BF16_TOLERANCE,
                _ => I8_TOLERANCE,
            };
            let head = load_head(&folder, kernels(isa)).unwrap();
            let logits = Mutex::new(vec![Vec::new(); batch.len()]);
            engine
                .forward(&batch, 1, &Call::new(), &|index, hidden| logits.lock().unwrap()[index] = head.logits(hidden))
                .unwrap();
            for (found, row) in logits.into_inner().unwrap().iter().zip(&expected.rows) {
                assert_eq!(found.len(), row.logits.len(), "{name}");
                for (found, expected) in found.iter().zip(&row.logits) {
                    let what = format!("{name} {isa} {precision}: {found}, expected {expected}");
                    assert!((found - expected).abs() <= tolerance, "{what}");
                }
            }
        }
    }
}

/// expected.json of a tiny embedding model.
#[derive(Deserialize)]
struct ExpectedVectors {
    rows: Vec<ExpectedVector>,
}

#[derive(Deserialize)]
struct ExpectedVector {
    ids: Vec<u32>,
    embedding: Vec<f32>,
}

/// The least cosine of a vector of random weights to the reference's.
fn least_cosine(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.999_999,
        Precision::Bf16 => 0.999,
        _ => 0.98,
    }
}

#[test]
fn causal_models_give_the_vectors_of_transformers_on_every_instruction_set() {
    for name in ["tiny-qwen3", "tiny-qwen3-grouped"] {
        let folder = model(name);
        let expected: ExpectedVectors =
            serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let batch = RaggedBatch::of(expected.rows.iter().map(|row| row.ids.as_slice()));
        for (isa, precision) in Isa::available().flat_map(|isa| Precision::ALL.map(|precision| (isa, precision))) {
            let engine = load(&config(&folder), weights(&folder), precision, kernels(isa)).unwrap();
            let vectors = Mutex::new(vec![Vec::new(); batch.len()]);
            let sink = |index: usize, hidden: ndarray::ArrayView2<'_, f32>| {
                vectors.lock().unwrap()[index] = hidden.row(hidden.nrows() - 1).to_vec();
            };
            engine.forward(&batch, 1, &Call::new(), &sink).unwrap();
            for (found, row) in vectors.into_inner().unwrap().iter().zip(&expected.rows) {
                let cosine = cosine(found, &row.embedding);
                let what = format!("{name} {isa} {precision}, {} tokens", row.ids.len());
                assert!(cosine >= least_cosine(precision), "{what}: cosine {cosine}");
            }
        }
    }
}

#[test]
fn later_tokens_change_no_state_of_a_causal_model_and_all_states_of_another() {
    let folder = model("tiny-qwen3-grouped");
    let ids: Vec<u32> = (0..300).map(|at| 5 + at * 7 % 300).collect();
    let mut other = ids.clone();
    other[299] = 4;
    for (causal, precision) in [(true, Precision::F32), (true, Precision::Bf16), (false, Precision::F32)] {
        let mut config = config(&folder);
        config["is_causal"] = json!(causal);
        let engine = load(&config, weights(&folder), precision, Kernels::best()).unwrap();
        let states = |ids: &[u32]| {
            let rows = Mutex::new(Vec::new());
            let sink = |_: usize, hidden: ndarray::ArrayView2<'_, f32>| {
                *rows.lock().unwrap() = hidden.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<Vec<f32>>>();
            };
            engine.forward(&RaggedBatch::of([ids].into_iter()), 1, &Call::new(), &sink).unwrap();
            rows.into_inner().unwrap()
        };
        let (one, two) = (states(&ids), states(&other));
        let same = one.iter().zip(&two).take_while(|(one, two)| one == two).count();
        assert_eq!(same, if causal { 299 } else { 0 }, "{causal} {precision}");
    }
}

#[test]
fn an_encoder_has_no_head() {
    let error = load_head(&model("tiny-bert"), Kernels::best()).err().unwrap().to_string();
    assert!(error.contains("not a cross-encoder") && error.contains("a-model"), "{error}");
}

#[test]
fn threads_do_not_change_a_bit_of_a_hidden_state() {
    for name in [
        "tiny-bert",
        "tiny-modernbert",
        "cross-tiny-deberta",
        "cross-tiny-deberta-c2p",
        "tiny-qwen3",
        "tiny-qwen3-grouped",
    ] {
        let folder = model(name);
        for precision in Precision::ALL {
            let engine = load(&config(&folder), weights(&folder), precision, Kernels::best()).unwrap();
            let batch = RaggedBatch::of([&[5, 6, 7, 8, 9][..], &[4], &[10; 33], &[]].into_iter());
            let states = |threads| {
                let rows = Mutex::new(vec![Vec::new(); batch.len()]);
                let sink = |index: usize, hidden: ndarray::ArrayView2<'_, f32>| {
                    rows.lock().unwrap()[index] = hidden.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
                };
                engine.forward(&batch, threads, &Call::new(), &sink).unwrap();
                rows.into_inner().unwrap()
            };
            let alone = states(1);
            assert_eq!(alone.iter().map(Vec::len).collect::<Vec<_>>(), [5, 1, 33, 0].map(|n| n * engine.hidden_size()));
            assert_eq!(states(2), alone, "{name} {precision}");
            assert_eq!(states(7), alone, "{name} {precision}");
        }
    }
}

#[test]
fn a_token_or_a_position_outside_the_tables_is_an_error() {
    for name in ["tiny-bert", "tiny-roberta", "tiny-modernbert", "cross-tiny-deberta", "tiny-qwen3"] {
        let folder = model(name);
        let engine = load(&config(&folder), weights(&folder), Precision::F32, Kernels::best()).unwrap();
        let fails = |ids: &[u32]| {
            engine.forward(&RaggedBatch::of([ids].into_iter()), 1, &Call::new(), &|_, _| ()).unwrap_err().to_string()
        };
        assert!(fails(&[5, 100_000]).contains("the token 100000 is outside the vocabulary"), "{name}");
        assert!(fails(&[5; 400]).contains("the model's last is"), "{name}");
        // The buffers of a failed batch are good for the next.
        engine.forward(&RaggedBatch::of([&[5, 6][..]].into_iter()), 1, &Call::new(), &|_, _| ()).unwrap();
    }
}

/// The weights of a tiny model after a change to one tensor's bytes.
fn changed(folder: &Path, tensor: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let bytes = weights(folder);
    let at = SafeTensors::deserialize(&bytes).unwrap().tensor(tensor).unwrap().data().as_ptr() as usize;
    let len = SafeTensors::deserialize(&bytes).unwrap().tensor(tensor).unwrap().data().len();
    let start = at - bytes.as_ptr() as usize;
    let mut bytes = bytes;
    change(&mut bytes[start..start + len]);
    bytes
}

#[test]
fn weights_that_are_no_numbers_are_refused_by_name_in_every_precision() {
    let folder = model("tiny-bert");
    let tensor = "encoder.layer.1.intermediate.dense.weight";
    for bad in [f32::NAN, f32::INFINITY] {
        let bytes = changed(&folder, tensor, |data| data[..4].copy_from_slice(&bad.to_le_bytes()));
        for precision in Precision::ALL {
            let error = load(&config(&folder), bytes.clone(), precision, Kernels::best()).err().unwrap().to_string();
            assert!(error.contains("a-model") && error.contains("layer.1.intermediate"), "{error}");
            assert!(error.contains("not finite (row 0)"), "{error}");
        }
    }
}

#[test]
fn config_and_weights_that_disagree_are_an_error_that_says_how() {
    let folder = model("tiny-bert");
    let refused = [
        (
            "intermediate_size",
            json!(80),
            "intermediate.dense.weight' has the shape [72, 32], config.json says [80, 32]",
        ),
        ("num_hidden_layers", json!(3), "encoder.layer.2.attention.self.query.weight' is missing"),
        ("num_attention_heads", json!(5), "5 heads do not divide"),
        ("hidden_act", json!("snake"), "snake"),
        ("model_type", json!("gpt2"), "gpt2"),
    ];
    for (field, value, said) in refused {
        let mut config = config(&folder);
        config[field] = value;
        let error = load(&config, weights(&folder), Precision::I8, Kernels::best()).err().unwrap();
        assert!(error.to_string().contains(said), "{error}");
        let checked = NativeBackend::check(&config);
        assert_eq!(checked.is_err(), matches!(error, Error::UnsupportedArchitecture { .. }), "{field}");
    }
}

#[test]
fn a_profile_counts_every_operation_of_a_pass() {
    let folder = model("tiny-modernbert");
    let engine = load(&config(&folder), weights(&folder), Precision::I8, Kernels::best()).unwrap();
    let profile = engine.profile(&RaggedBatch::of([&[5, 6, 7][..], &[8; 20]].into_iter())).unwrap();
    assert_eq!(profile.layers.len(), 5);
    for operation in Operation::ALL {
        assert!(!profile.total(operation).is_zero(), "{operation}");
    }
    let products = [Operation::Qkv, Operation::Attention, Operation::AttentionOutput, Operation::Up, Operation::Down];
    assert!(products.iter().all(|product| profile.operations[*product as usize] > 0));
}
