//! NaN and infinity in a model's weights: an error that names the candidate, the query or the
//! tensor, never a score.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearsort::encoder::CrossEncoderOptions;
use nearsort::store::ModelFiles;
use nearsort::{
    BiEncoderScorer, Call, CrossEncoder, CrossEncoderScorer, Encoder, Engine, Error, LocalEncoder, LocalEncoderOptions,
    LongText, Model, ModelSpec, ModelStore, Precision, Reranker, Role, Scorer, Scoring, StoreOptions,
};
use safetensors::SafeTensors;
use tempfile::TempDir;
use tokenizers::Tokenizer;

use crate::support::{copy, engines_of, root};

const QUERY: &str = "when do the boats leave";
const SOUND: &str = "the boats leave at seven";
const BROKEN: &str = "a grey sky, counted twice";

/// A copy of a tiny model with other bytes in its weights.
struct Poisoned {
    folder: TempDir,
}

impl Poisoned {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("models").join(name), folder.path());
        Self { folder }
    }

    /// Puts a number into a tensor: into row `row` of the one whose name ends with `tensor`. Gives
    /// its whole name.
    fn put(&self, file: &str, tensor: &str, row: usize, number: f32) -> String {
        let path = self.folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let names = tensors.names();
        let name = names.iter().find(|name| name.ends_with(tensor)).unwrap_or_else(|| panic!("{tensor}: {names:?}"));
        let (name, view) = (name.to_string(), tensors.tensor(name).unwrap());
        let width: usize = view.shape()[1..].iter().product();
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize + row * width * 4;
        bytes[start..start + 4].copy_from_slice(&number.to_le_bytes());
        fs::write(path, bytes).unwrap();
        name
    }

    /// Puts a number into the embedding of a token that is in `text` and in none of `others`.
    fn put_token(&self, text: &str, others: &[&str], number: f32) {
        let mut tokenizer = Tokenizer::from_file(self.folder.path().join("tokenizer.json")).unwrap();
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        let ids = |text: &str| tokenizer.encode(text, false).unwrap().get_ids().to_vec();
        let known: HashSet<u32> = others.iter().flat_map(|text| ids(text)).collect();
        let unknown = tokenizer.token_to_id("[UNK]").or(tokenizer.token_to_id("<unk>"));
        let own = ids(text).into_iter().find(|id| !known.contains(id) && Some(*id) != unknown);
        let own = own.expect("a token of its own") as usize;
        let tables = ["word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight"];
        let bytes = fs::read(self.folder.path().join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let table = tables.iter().find(|table| tensors.names().iter().any(|name| name.ends_with(*table)));
        self.put("model.safetensors", table.unwrap(), own, number);
    }

    fn files(&self) -> ModelFiles {
        let store = ModelStore::new(StoreOptions::from_env().unwrap());
        store.get(&ModelSpec::Folder(self.folder.path().to_owned())).unwrap()
    }

    fn encoder(&self, engine: Engine, precision: Precision) -> nearsort::Result<LocalEncoder> {
        let options =
            LocalEncoderOptions { engine: Some(engine), precision: Some(precision), ..LocalEncoderOptions::default() };
        LocalEncoder::load(self.files(), options)
    }

    fn cross_encoder(&self, engine: Engine, precision: Precision) -> nearsort::Result<CrossEncoder> {
        let local =
            LocalEncoderOptions { engine: Some(engine), precision: Some(precision), ..LocalEncoderOptions::default() };
        CrossEncoder::load(self.files(), CrossEncoderOptions { local, instruction: None })
    }
}

fn folders(prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("models")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| name_of(path).starts_with(prefix)).collect();
    found.sort();
    found
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Every way to compute a model.
fn arithmetics(folder: &Path) -> Vec<(Engine, Precision)> {
    let of = |engine| match engine {
        Engine::Native => Precision::ALL.map(|precision| (engine, precision)).to_vec(),
        Engine::Candle => vec![(engine, Precision::F32)],
    };
    engines_of(folder).into_iter().flat_map(of).collect()
}

/// The error of ranking a sound text, a broken one and the sound one again.
fn error_of_ranking(scorer: Arc<dyn Scorer>, broken: &str) -> Error {
    let reranker = Reranker::new(Model::from_scorer(scorer));
    let sound = reranker.rank(QUERY, &[SOUND, "another"]).run().unwrap().hits;
    assert!(sound.iter().all(|hit| hit.score.is_finite()));
    reranker.rank(QUERY, &[SOUND, broken, SOUND]).run().unwrap_err()
}

#[test]
fn a_candidate_whose_numbers_are_not_finite_is_named_in_every_scoring_engine_precision_and_window_mode() {
    // Weights of two bytes hold no f32; all others are of four.
    let models = folders("tiny-")
        .into_iter()
        .filter(|path| !["tiny-bert-f16", "tiny-bert-bf16", "tiny-bert-sharded"].contains(&name_of(path).as_str()));
    for folder in models {
        let name = name_of(&folder);
        for bad in [f32::NAN, f32::INFINITY, f32::from_bits(0xffff_ffff)] {
            let model = Poisoned::of(&name);
            model.put_token(BROKEN, &[QUERY, SOUND, "another"], bad);
            // The number is in a later window: the lowest score that a window can have must not
            // take its place.
            let long = format!("{} {BROKEN}", [SOUND; 40].join(" "));
            for (engine, precision) in arithmetics(&folder) {
                let encoder: Arc<dyn Encoder> = Arc::new(model.encoder(engine, precision).unwrap());
                for scoring in Scoring::ALL {
                    for (long_text, broken) in
                        [(LongText::Truncate, BROKEN), (LongText::Window, BROKEN), (LongText::Window, &long)]
                    {
                        let scorer = BiEncoderScorer::new(Arc::clone(&encoder), scoring, long_text).unwrap();
                        let error = error_of_ranking(Arc::new(scorer), broken);
                        let what = format!("{name} {engine} {precision} {scoring} {long_text} {bad}: {error}");
                        assert!(matches!(error, Error::NotANumber { index: 1 }), "{what}");
                    }
                }
                let vectors = encoder.encode(&[SOUND, BROKEN], Role::Document).unwrap().vectors;
                assert!(vectors.row(0).iter().all(|x| x.is_finite()), "{name} {engine} {precision}");
                assert!(vectors.row(1).iter().all(|x| x.is_nan()), "{name} {engine} {precision} {bad}");
            }
        }
    }
}

#[test]
fn a_query_whose_numbers_are_not_finite_is_named_and_no_candidate_gets_the_blame() {
    let model = Poisoned::of("tiny-bert-cls");
    model.put_token(BROKEN, &[QUERY, SOUND], f32::NAN);
    for (engine, precision) in arithmetics(model.folder.path()) {
        let encoder: Arc<dyn Encoder> = Arc::new(model.encoder(engine, precision).unwrap());
        for scoring in Scoring::ALL {
            let scorer = BiEncoderScorer::new(Arc::clone(&encoder), scoring, LongText::Truncate).unwrap();
            let reranker = Reranker::new(Model::from_scorer(Arc::new(scorer)));
            let error = reranker.score_queries(&[QUERY, BROKEN], &[SOUND], &Call::new()).unwrap_err();
            assert!(matches!(error, Error::QueryNotANumber { index: 1 }), "{engine} {precision} {scoring}: {error}");
        }
    }
}

#[test]
fn cross_encoders_name_the_candidate() {
    for folder in folders("cross-tiny-") {
        let name = name_of(&folder);
        if name == "cross-tiny-roberta" {
            // Three labels: no reranker.
            continue;
        }
        for bad in [f32::NAN, f32::NEG_INFINITY] {
            let model = Poisoned::of(&name);
            model.put_token(BROKEN, &[QUERY, SOUND, "another"], bad);
            for (engine, precision) in arithmetics(&folder) {
                // candle has no ELECTRA whose embeddings are narrower than its layers.
                let Ok(loaded) = model.cross_encoder(engine, precision) else {
                    assert!(name.contains("electra") && engine == Engine::Candle, "{name} {engine}");
                    continue;
                };
                let loaded = Arc::new(loaded);
                for raw_scores in [false, true] {
                    let scorer = CrossEncoderScorer::new(Arc::clone(&loaded)).raw_scores(raw_scores);
                    let error = error_of_ranking(Arc::new(scorer), BROKEN);
                    let what = format!("{name} {engine} {precision} {bad}: {error}");
                    assert!(matches!(error, Error::NotANumber { index: 1 }), "{what}");
                }
            }
        }
    }
}

#[test]
fn weights_that_every_text_meets_are_refused_by_name_when_the_model_is_loaded() {
    let refused = [
        ("tiny-bert", "model.safetensors", "embeddings.LayerNorm.weight"),
        ("tiny-bert", "model.safetensors", "layer.1.output.LayerNorm.bias"),
        ("tiny-bert", "model.safetensors", "token_type_embeddings.weight"),
        ("tiny-bert", "model.safetensors", "layer.0.attention.self.query.weight"),
        ("tiny-bert", "model.safetensors", "layer.0.intermediate.dense.bias"),
        ("tiny-modernbert", "model.safetensors", "final_norm.weight"),
        ("tiny-bert-dense", "2_Dense/model.safetensors", "linear.weight"),
        ("tiny-bert-dense", "2_Dense/model.safetensors", "linear.bias"),
        ("tiny-qwen3", "model.safetensors", "layers.1.self_attn.k_norm.weight"),
        ("tiny-nomic-bert", "model.safetensors", "encoder.layers.0.norm1.weight"),
    ];
    for (name, file, tensor) in refused {
        for bad in [f32::NAN, f32::NEG_INFINITY] {
            let model = Poisoned::of(name);
            let tensor = model.put(file, tensor, 0, bad);
            // Queries, keys and values are one layer to the native engine.
            let told = tensor.trim_end_matches(".weight").trim_end_matches(".query").trim_end_matches(".bias");
            let told = if name.ends_with("dense") { "2_Dense" } else { told };
            for (engine, precision) in arithmetics(&root().join("models").join(name)) {
                let error = model.encoder(engine, precision).err().map(|error| error.to_string()).unwrap_or_default();
                let what = format!("{name} {tensor} {engine} {precision} {bad}: {error}");
                assert!(error.contains(told) && error.contains("not finite"), "{what}");
            }
        }
    }
    for (name, tensor) in [
        ("cross-tiny-bert", "classifier.weight"),
        ("cross-tiny-bert", "pooler.dense.bias"),
        ("cross-tiny-modernbert", "head.norm.weight"),
        ("cross-tiny-xlm-roberta", "classifier.out_proj.weight"),
    ] {
        let model = Poisoned::of(name);
        let tensor = model.put("model.safetensors", tensor, 0, f32::NAN);
        for (engine, precision) in arithmetics(&root().join("models").join(name)) {
            let error = model.cross_encoder(engine, precision).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(&tensor) && error.contains("not finite"), "{name} {engine} {precision}: {error}");
        }
    }
}
