//! Embeddings agree with the reference implementations, on numbers that `models/make_expected.py`
//! wrote.

use nearsort::{
    Encoder, Engine, LocalEncoder, LocalEncoderOptions, ModelSpec, ModelStore, Precision, Role, StoreOptions,
};
use safetensors::SafeTensors;
use serde::Deserialize;

use crate::support::{
    assert_parity, cosine, default_model, engines_of, f32_options, load, root, tiny_models, tiny_path,
};

/// expected.json of a tiny model.
#[derive(Deserialize)]
pub struct Expected {
    contract: ExpectedContract,
    pub rows: Vec<ExpectedRow>,
}

#[derive(Deserialize)]
struct ExpectedContract {
    dim: usize,
    max_tokens: usize,
    pooling: String,
    normalize: bool,
    query_prompt: String,
    document_prompt: String,
}

#[derive(Deserialize)]
pub struct ExpectedRow {
    pub text: String,
    pub role: String,
    tokens: u32,
    truncated: bool,
    pub embedding: Vec<f32>,
}

pub fn expected(folder: &std::path::Path) -> Expected {
    serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

#[test]
fn every_architecture_agrees_with_its_reference() {
    let folders = tiny_models();
    assert!(folders.len() >= 10, "{folders:?}");
    for (folder, engine) in folders.iter().flat_map(|folder| engines_of(folder).into_iter().map(move |e| (folder, e))) {
        let name = folder.display().to_string();
        let encoder = load(&name, LocalEncoderOptions { engine: Some(engine), ..f32_options() });
        assert_eq!((encoder.engine(), encoder.precision()), (engine, Precision::F32));
        for row in expected(folder).rows {
            let role: Role = row.role.parse().unwrap();
            let found = encoder.encode(&[&row.text], role).unwrap();
            let what = format!("{name} by {engine}: {:?} as {role}", row.text);
            assert_eq!(found.tokens, [row.tokens], "{what}");
            assert_eq!(found.truncated, [row.truncated], "{what}");
            assert_parity(&what, found.vectors.row(0).as_slice().unwrap(), &row.embedding);
        }
    }
}

#[test]
fn the_contract_of_every_tiny_model_is_read_from_its_files() {
    for folder in tiny_models() {
        let expected = expected(&folder).contract;
        let encoder = load(&folder.display().to_string(), Default::default());
        let found = encoder.contract();
        let shown = folder.display();
        assert_eq!(found.dim, expected.dim, "{shown}");
        assert_eq!(found.max_tokens, expected.max_tokens, "{shown}");
        assert_eq!(found.pooling.to_string(), expected.pooling, "{shown}");
        assert_eq!(found.normalize, expected.normalize, "{shown}");
        assert_eq!(found.query_prompt, expected.query_prompt, "{shown}");
        assert_eq!(found.document_prompt, expected.document_prompt, "{shown}");
    }
}

#[test]
fn the_mask_hides_padding_in_every_architecture() {
    for folder in tiny_models() {
        let options = LocalEncoderOptions { engine: Some(Engine::Candle), ..f32_options() };
        let encoder = load(&folder.display().to_string(), options);
        let rows = expected(&folder).rows;
        let texts: Vec<&str> = rows.iter().filter(|row| row.role == "document").map(|row| row.text.as_str()).collect();
        let padded = encoder.encode_padded(&texts, Role::Document).unwrap();
        let expected = rows.iter().filter(|row| row.role == "document");
        for (row, found) in expected.zip(padded.vectors.rows()) {
            let what = format!("{}: {:?}, padded", folder.display(), row.text);
            assert_parity(&what, found.as_slice().unwrap(), &row.embedding);
        }
    }
}

#[derive(Deserialize)]
struct ParityText {
    id: String,
    text: String,
}

#[test]
fn the_default_model_agrees_with_sentence_transformers_on_hundreds_of_texts() {
    for engine in [Engine::Native, Engine::Candle] {
        let options = LocalEncoderOptions { engine: Some(engine), ..f32_options() };
        assert_default_model_parity(&load(nearsort::DEFAULT_MODEL, options));
    }
}

/// Fails unless all-MiniLM-L6-v2 encodes the texts of `models/parity` as sentence-transformers
/// does.
pub fn assert_default_model_parity(encoder: &LocalEncoder) {
    let folder = root().join("models/parity");
    let lines = std::fs::read_to_string(folder.join("texts.jsonl")).unwrap();
    let texts: Vec<ParityText> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(texts.len() >= 200);
    let bytes = std::fs::read(folder.join("all-MiniLM-L6-v2.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let vectors = floats(expected.tensor("embeddings").unwrap().data());
    let tokens = words(expected.tensor("tokens").unwrap().data());
    let truncated = expected.tensor("truncated").unwrap().data().to_vec();

    let inputs: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
    let found = encoder.encode(&inputs, Role::Document).unwrap();
    assert_eq!(found.tokens, tokens);
    assert_eq!(found.truncated.iter().map(|&cut| u8::from(cut)).collect::<Vec<_>>(), truncated);
    for ((text, row), expected) in texts.iter().zip(found.vectors.rows()).zip(vectors.chunks(encoder.dim())) {
        let what = format!("{} by {} on {}", text.id, encoder.engine(), encoder.device());
        assert_parity(&what, row.as_slice().unwrap(), expected);
    }
}

/// What a lower precision may cost: the mean cosine to f32, the smallest of a passage, and the
/// smallest of anything: a few dots, one letter, scripts that the model does not know.
struct Fidelity {
    precision: Precision,
    mean: f64,
    passage: f64,
    anything: f64,
}

const FIDELITY: [Fidelity; 2] = [
    Fidelity { precision: Precision::Bf16, mean: 0.9999, passage: 0.9995, anything: 0.999 },
    Fidelity { precision: Precision::I8, mean: 0.999, passage: 0.997, anything: 0.98 },
];

/// A few sentences in the letters that the model was trained on.
fn is_passage(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').count();
    text.split_whitespace().count() >= 12 && letters * 10 >= text.chars().count() * 8
}

#[test]
fn lower_precisions_stay_near_f32_on_hundreds_of_texts() {
    let lines = std::fs::read_to_string(root().join("models/parity/texts.jsonl")).unwrap();
    let texts: Vec<ParityText> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let inputs: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
    let exact = default_model().encode(&inputs, Role::Document).unwrap();
    assert!(inputs.iter().filter(|text| is_passage(text)).count() >= 50);
    for Fidelity { precision, mean: least_mean, passage, anything } in FIDELITY {
        let encoder =
            load(nearsort::DEFAULT_MODEL, LocalEncoderOptions { precision: Some(precision), ..Default::default() });
        let found = encoder.encode(&inputs, Role::Document).unwrap();
        let rows = found.vectors.rows().into_iter().zip(exact.vectors.rows());
        let cosines: Vec<f64> = rows.map(|(a, b)| cosine(a.as_slice().unwrap(), b.as_slice().unwrap())).collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        assert!(mean >= least_mean, "{precision}: mean cosine {mean}");
        for (text, cosine) in texts.iter().zip(cosines) {
            let least = if is_passage(&text.text) { passage } else { anything };
            assert!(cosine >= least, "{precision}: cosine {cosine} for {}", text.id);
        }
    }
}

#[test]
fn what_an_engine_does_not_compute_is_an_error_and_auto_takes_the_other() {
    let load_with = |engine, precision| {
        let store = ModelStore::new(StoreOptions::from_env().unwrap());
        let files = store.get(&ModelSpec::parse(&tiny_path("tiny-nomic-bert")).unwrap()).unwrap();
        LocalEncoder::load(files, LocalEncoderOptions { engine, precision, ..Default::default() })
    };
    let error = |engine, precision| load_with(engine, precision).err().expect("must fail").to_string();
    assert_eq!(load_with(None, None).unwrap().engine(), Engine::Candle);
    assert_eq!(load_with(None, Some(Precision::F32)).unwrap().engine(), Engine::Candle);
    assert!(error(Some(Engine::Native), None).contains("nomic_bert"));
    assert!(error(None, Some(Precision::I8)).contains("nomic_bert"));
    assert!(error(Some(Engine::Candle), Some(Precision::I8)).contains("candle computes in f32"));
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn a_text_longer_than_the_model_takes_is_encoded_as_its_beginning() {
    // The tokenizer sees only a prefix of huge texts; that must make no difference.
    let encoder = default_model();
    let huge = "The lighthouse keeper wrote down every ship that passed the cape. ".repeat(20_000);
    let long = "The lighthouse keeper wrote down every ship that passed the cape. ".repeat(40);
    let found = encoder.encode(&[&huge, &long], Role::Document).unwrap();
    assert_eq!(found.truncated, [true, true]);
    assert_eq!(found.tokens, [256, 256]);
    assert_eq!(found.vectors.row(0), found.vectors.row(1));
}
