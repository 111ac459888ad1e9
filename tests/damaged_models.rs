//! Every number of every file of a model, made absurd: a typed error or an answer; no panic, no
//! endless loop, no memory without a bound.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearsort::encoder::CrossEncoderOptions;
use nearsort::{
    BiEncoderScorer, CrossEncoder, CrossEncoderScorer, Encoder, Engine, Error, LocalEncoder, LocalEncoderOptions,
    LongText, Model, ModelKind, ModelSpec, ModelStore, Reranker, Scorer, Scoring, StoreOptions,
};
use safetensors::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::allocations::largest_request;
use crate::support::{copy, engines_of, root};

/// As they stand in a file.
const VALUES: [&str; 10] =
    ["0", "1", "-1", "2147483648", "4294967296", "9223372036854775808", "1.5", "1e400", "\"7\"", "null"];

/// The most that one request for memory may be: the tiny models need 2 MB.
const MOST_MEMORY: usize = 1 << 30;

const MODELS: [&str; 17] = [
    "tiny-bert-dense",
    "tiny-distilbert",
    "tiny-roberta",
    "tiny-modernbert",
    "tiny-jina-bert",
    "tiny-nomic-bert",
    "tiny-qwen3",
    "cross-tiny-bert",
    "cross-tiny-distilbert",
    "cross-tiny-electra",
    "cross-tiny-deberta",
    "cross-tiny-deberta-c2p",
    "cross-tiny-modernbert",
    "cross-tiny-xlm-roberta",
    "cross-tiny-qwen3",
    "cross-tiny-modular-bert",
    "cross-tiny-modular-modernbert",
];

/// Numbers that the program reads and that these models leave out.
const LEFT_OUT: [&str; 5] =
    ["head_dim", "num_key_value_heads", "rope_parameters/rope_theta", "type_vocab_size", "pad_token_id"];

struct Copied {
    folder: TempDir,
    name: &'static str,
}

impl Copied {
    fn of(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("models").join(name), folder.path());
        Self { folder, name }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.folder.path().join(file);
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, value.to_string()).unwrap();
    }

    /// The error of loading, by every engine the same.
    fn error(&self) -> String {
        let errors = engines_of(&root().join("models").join(self.name)).into_iter().map(|engine| {
            let error = answer(self.folder.path(), Some(engine)).expect_err("must be refused");
            error.to_string().replace(&self.folder.path().display().to_string(), "M")
        });
        let errors: Vec<String> = errors.collect();
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
        errors[0].clone()
    }
}

/// Loads a model and ranks a short and a long text by it.
fn answer(folder: &Path, engine: Option<Engine>) -> Result<(), Error> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    let files = store.get(&ModelSpec::Folder(folder.to_owned()))?;
    let local = LocalEncoderOptions { engine, ..LocalEncoderOptions::default() };
    let scorer: Arc<dyn Scorer> = match ModelKind::of(&files)? {
        ModelKind::CrossEncoder => {
            let model = CrossEncoder::load(files, CrossEncoderOptions { local, instruction: None })?;
            Arc::new(CrossEncoderScorer::new(Arc::new(model)))
        }
        kind => {
            let encoder: Arc<dyn Encoder> = Arc::new(LocalEncoder::load(files, local)?);
            let scoring = if kind == ModelKind::LateInteraction { Scoring::MaxSim } else { Scoring::Hybrid };
            Arc::new(BiEncoderScorer::new(encoder, scoring, LongText::Window)?)
        }
    };
    let long = "the boats leave the harbour at seven ".repeat(20);
    let hits = Reranker::new(Model::from_scorer(scorer)).rank("when do they leave", &["x", &long]).run()?.hits;
    assert!(hits.len() == 2 && hits.iter().all(|hit| hit.score.is_finite()), "{hits:?}");
    Ok(())
}

/// [`answer`] must not panic.
#[track_caller]
fn is_survived(folder: &Path, engine: Option<Engine>, what: &dyn Fn() -> String) {
    match catch_unwind(AssertUnwindSafe(|| answer(folder, engine))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => assert!(!error.to_string().is_empty(), "{}", what()),
        Err(_) => panic!("{} panics", what()),
    }
}

/// JSON pointers to all numbers, but for a vocabulary's, of which there are hundreds.
fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(at.to_owned()),
        Value::Object(_) | Value::Array(_) if ["/model/vocab", "/model/merges"].contains(&at) => {}
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| {
                numbers(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found)
            });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, item)| numbers(item, &format!("{at}/{place}"), found));
        }
        _ => {}
    }
}

/// Tries every value in the place of every number of a file.
fn try_file(model: &Copied, file: &str, more: &[&str]) {
    let path = model.folder.path().join(file);
    let Ok(original) = fs::read(&path) else { return };
    let json: Value = serde_json::from_slice(&original).unwrap();
    let mut places = Vec::new();
    numbers(&json, "", &mut places);
    let engines = engines_of(&root().join("models").join(model.name));
    for place in &places {
        for value in VALUES {
            let mut changed = json.clone();
            *changed.pointer_mut(place).unwrap() = json!("@");
            fs::write(&path, changed.to_string().replace("\"@\"", value)).unwrap();
            for &engine in &engines {
                is_survived(model.folder.path(), Some(engine), &|| {
                    format!("{} {file}{place} = {value} {engine}", model.name)
                });
            }
        }
    }
    for key in more.iter().filter(|key| !key.contains('/') && json[**key].is_null()) {
        for value in VALUES {
            let mut changed = json.clone();
            changed[*key] = json!("@");
            fs::write(&path, changed.to_string().replace("\"@\"", value)).unwrap();
            for &engine in &engines {
                is_survived(model.folder.path(), Some(engine), &|| {
                    format!("{} {file}/{key} = {value} {engine}", model.name)
                });
            }
        }
    }
    fs::write(&path, original).unwrap();
}

#[test]
fn every_number_of_every_configuration_is_an_error_or_an_answer() {
    for name in MODELS {
        let model = Copied::of(name);
        answer(model.folder.path(), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        try_file(&model, "config.json", &LEFT_OUT);
        for file in ["tokenizer_config.json", "sentence_bert_config.json", "config_sentence_transformers.json"] {
            try_file(&model, file, &[]);
        }
        let folders = fs::read_dir(model.folder.path()).unwrap().map(|entry| entry.unwrap());
        for folder in folders.filter(|entry| entry.path().is_dir()) {
            try_file(&model, &format!("{}/config.json", folder.file_name().display()), &[]);
        }
        try_file(&model, "modules.json", &[]);
    }
    assert!(largest_request() < MOST_MEMORY, "{} bytes at once", largest_request());
}

#[test]
fn every_number_of_a_tokenizer_is_an_error_or_an_answer() {
    for name in ["tiny-bert", "tiny-roberta", "tiny-xlm-roberta", "cross-tiny-bert"] {
        try_file(&Copied::of(name), "tokenizer.json", &[]);
    }
    assert!(largest_request() < MOST_MEMORY, "{} bytes at once", largest_request());
}

#[test]
fn every_number_and_type_of_a_weights_header_is_an_error_or_an_answer() {
    let model = Copied::of("tiny-bert");
    let path = model.folder.path().join("model.safetensors");
    let original = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&original[8..8 + length]).unwrap();
    let write = |header: &str| {
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length[..], header.as_bytes(), &original[8 + length_of(&original)..]].concat()).unwrap();
    };
    let survives = |what: &str| {
        for engine in [Engine::Candle, Engine::Native] {
            is_survived(model.folder.path(), Some(engine), &|| format!("{what} {engine}"));
        }
    };
    let tensors =
        ["embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "encoder.layer.1.output.dense.weight"];
    for tensor in tensors {
        let mut places = Vec::new();
        numbers(&header[tensor], "", &mut places);
        for place in places {
            for value in VALUES {
                let mut changed = header.clone();
                *changed[tensor].pointer_mut(&place).unwrap() = json!("@");
                write(&changed.to_string().replace("\"@\"", value));
                survives(&format!("{tensor}{place} = {value}"));
            }
        }
        for dtype in
            ["F64", "F16", "BF16", "F8_E5M2", "F8_E4M3", "F4", "BOOL", "U8", "I8", "I16", "I32", "I64", "U64", "C64"]
        {
            let mut changed = header.clone();
            changed[tensor]["dtype"] = json!(dtype);
            write(&changed.to_string());
            survives(&format!("{tensor} as {dtype}"));
        }
    }
    for length in [0, 1, length as u64 - 1, length as u64 + 1, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
        let mut changed = original.clone();
        changed[..8].copy_from_slice(&length.to_le_bytes());
        fs::write(&path, changed).unwrap();
        survives(&format!("a header of {length} bytes"));
    }
    for kept in [0, 7, 8, 100, original.len() - 1] {
        fs::write(&path, &original[..kept]).unwrap();
        survives(&format!("{kept} bytes"));
    }
    assert!(largest_request() < MOST_MEMORY, "{} bytes at once", largest_request());
}

fn length_of(file: &[u8]) -> usize {
    u64::from_le_bytes(file[..8].try_into().unwrap()) as usize
}

#[test]
fn a_number_out_of_range_is_named_with_its_file_its_value_and_what_is_allowed() {
    let cases: [(&'static str, &str, &str, Value, &str); 16] = [
        (
            "tiny-bert",
            "sentence_bert_config.json",
            "/max_seq_length",
            json!(0),
            "M/sentence_bert_config.json: 'max_seq_length' is 0; expected whole numbers from 3 to 2147483648",
        ),
        (
            "tiny-bert",
            "tokenizer_config.json",
            "/model_max_length",
            json!(-1),
            "M/tokenizer_config.json: 'model_max_length' is -1; expected whole numbers from 3 on",
        ),
        (
            "tiny-bert",
            "config.json",
            "/max_position_embeddings",
            json!(0),
            "M/config.json: 'max_position_embeddings' is 0; expected whole numbers from 3 to 1048576",
        ),
        (
            "tiny-roberta",
            "config.json",
            "/pad_token_id",
            json!(1u64 << 32),
            "M/config.json: 'pad_token_id' is 4294967296; expected whole numbers from 0 to 16777216",
        ),
        (
            "tiny-roberta",
            "config.json",
            "/pad_token_id",
            json!(63),
            "M/config.json: 'pad_token_id' is 63; expected whole numbers from 0 to 62",
        ),
        (
            "tiny-bert",
            "config.json",
            "/pad_token_id",
            json!(320),
            "M/config.json: 'pad_token_id' is 320; expected whole numbers from 0 to 319",
        ),
        (
            "tiny-bert",
            "config.json",
            "/num_attention_heads",
            json!(0),
            "M/config.json: 'num_attention_heads' is 0; expected whole numbers from 1 to 1024",
        ),
        (
            "tiny-bert",
            "config.json",
            "/num_attention_heads",
            json!(5),
            "M/config.json: 5 heads do not divide a hidden size of 32 ('num_attention_heads' and 'hidden_size')",
        ),
        (
            "tiny-qwen3",
            "config.json",
            "/num_key_value_heads",
            json!(0),
            "M/config.json: 'num_key_value_heads' is 0; expected whole numbers from 1 to 1024",
        ),
        (
            "tiny-qwen3",
            "config.json",
            "/num_key_value_heads",
            json!(3),
            "M/config.json: 'num_key_value_heads' is 3, which does not divide the 4 heads",
        ),
        (
            "tiny-modernbert",
            "config.json",
            "/global_attn_every_n_layers",
            json!(0),
            "M/config.json: 'global_attn_every_n_layers' is 0; expected whole numbers from 1 to 1024",
        ),
        (
            "tiny-bert",
            "config.json",
            "/num_hidden_layers",
            json!(1000),
            "M/config.json: 'num_hidden_layers' is 1000; the weights hold 2 layers",
        ),
        (
            "tiny-distilbert",
            "config.json",
            "/n_layers",
            json!(1u64 << 40),
            "M/config.json: 'n_layers' is 1099511627776; expected whole numbers from 1 to 1024",
        ),
        (
            "tiny-bert",
            "config.json",
            "/hidden_size",
            json!("big"),
            "M/config.json: 'hidden_size' is \"big\"; expected whole numbers from 1 to 65536",
        ),
        (
            "tiny-bert",
            "config.json",
            "/layer_norm_eps",
            json!("tiny"),
            "M/config.json: 'layer_norm_eps' is \"tiny\"; expected numbers from 0 to 1",
        ),
        (
            "tiny-bert-dense",
            "2_Dense/config.json",
            "/out_features",
            json!(0),
            "M/2_Dense/config.json: 'out_features' is 0; expected whole numbers from 1 to 1048576",
        ),
    ];
    for (name, file, place, value, expected) in cases {
        let model = Copied::of(name);
        model.edit(file, |json| *json.pointer_mut(place).unwrap() = value);
        assert_eq!(model.error(), expected);
    }
}

#[test]
fn fewer_layers_than_the_weights_hold_are_noted() {
    let model = Copied::of("tiny-bert");
    model.edit("config.json", |config| config["num_hidden_layers"] = json!(1));
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    let files = store.get(&ModelSpec::Folder(model.path())).unwrap();
    let encoder = LocalEncoder::load(files, LocalEncoderOptions::default()).unwrap();
    let found =
        |finding: &nearsort::encoder::ModelFinding| finding.message.contains("says 1 layers; the weights hold 2");
    assert!(encoder.contract().findings.iter().any(found), "{:?}", encoder.contract().findings);
}

#[test]
fn two_widths_in_one_configuration_are_an_error() {
    let model = Copied::of("tiny-distilbert");
    model.edit("config.json", |config| config["hidden_size"] = json!(64));
    for engine in [Engine::Native, Engine::Candle] {
        let error = answer(model.folder.path(), Some(engine)).unwrap_err().to_string();
        assert!(error.contains("64") && error.contains("32"), "{engine}: {error}");
    }
}

#[test]
fn a_template_with_an_unknown_token_is_an_error_of_the_file_and_not_a_panic() {
    for (name, place) in [("tiny-bert", "single"), ("cross-tiny-bert", "pair")] {
        let model = Copied::of(name);
        model.edit("tokenizer.json", |json| {
            json["post_processor"][place][0] = json!({"SpecialToken": {"id": "[NOWHERE]", "type_id": 0}});
        });
        let error = model.error();
        assert!(error.starts_with("M/tokenizer.json: "), "{error}");
    }
    let model = Copied::of("tiny-bert");
    model.edit("tokenizer.json", |json| {
        let template = json["post_processor"]["single"].as_array_mut().unwrap();
        let special = template[0].clone();
        template.extend(std::iter::repeat_n(special, 100));
    });
    assert!(
        model.error().contains("M/tokenizer.json: it adds 102 special tokens to a text, and the longest text has 48")
    );
}

#[test]
fn double_precision_weights_give_the_vectors_of_single_precision_in_both_engines() {
    let model = Copied::of("tiny-bert");
    let path = model.folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let double = |data: &[u8]| -> Vec<u8> {
        let singles = data.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b)));
        singles.flat_map(f64::to_le_bytes).collect()
    };
    let wide: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, view)| match view.dtype() {
            Dtype::F32 => (name.to_owned(), Dtype::F64, view.shape().to_vec(), double(view.data())),
            other => (name.to_owned(), other, view.shape().to_vec(), view.data().to_vec()),
        })
        .collect();
    let views = wide.iter().map(|(name, dtype, shape, data)| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let vectors = |engine| {
        let store = ModelStore::new(StoreOptions::from_env().unwrap());
        let files = store.get(&ModelSpec::Folder(model.path())).unwrap();
        let options = LocalEncoderOptions { engine: Some(engine), ..LocalEncoderOptions::default() };
        let encoder = LocalEncoder::load(files, options).unwrap();
        encoder.encode(&["the boats leave"], nearsort::Role::Document).unwrap().vectors
    };
    let single = [Engine::Native, Engine::Candle].map(vectors);
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    assert_eq!([Engine::Native, Engine::Candle].map(vectors), single);
}

#[test]
fn absurd_numbers_of_threads_are_refused() {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    for name in ["tiny-bert", "cross-tiny-bert"] {
        for threads in [0, 1025, 100_000, usize::MAX] {
            let files = store.get(&ModelSpec::Folder(root().join("models").join(name))).unwrap();
            let local = LocalEncoderOptions { threads: Some(threads), ..LocalEncoderOptions::default() };
            let error = match name {
                "tiny-bert" => LocalEncoder::load(files, local).err(),
                _ => CrossEncoder::load(files, CrossEncoderOptions { local, instruction: None }).err(),
            };
            let message = error.unwrap().to_string();
            assert_eq!(message, format!("threads {threads}; expected 1 to 1024"));
        }
    }
}
