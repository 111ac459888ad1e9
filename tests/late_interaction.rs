//! ColBERT models: token vectors and scores are PyLate's, and what such a model has not is refused
//! by name.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use nearsort::encoder::{Expansion, LateInteraction};
use nearsort::index::IndexModel;
use nearsort::{
    BiEncoderScorer, Call, Encoder, Engine, Error, LocalEncoder, LocalEncoderOptions, LongText, Model, ModelKind,
    ModelOptions, ModelSpec, ModelStore, Overrides, Pooling, Precision, RankOptions, Reranker, Role, Scorer, Scoring,
    StoreOptions, TokenEncoder,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{copy, f32_options, load, root, tiny_path};

const MODELS: [&str; 5] = [
    "colbert-tiny-bert",
    "colbert-tiny-bert-attend",
    "colbert-tiny-modernbert",
    "colbert-tiny-roberta",
    "colbert-tiny-stanford",
];
/// Components of vectors of length 1, by sums in f32 in another order.
const TOLERANCE: f32 = 2e-5;

#[derive(Deserialize)]
struct Expected {
    contract: Limits,
    rows: Vec<ExpectedRow>,
    queries: Vec<String>,
    documents: Vec<String>,
    /// By query and document, sums over the query's tokens.
    scores: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Limits {
    token_dim: usize,
    query_length: usize,
    document_length: usize,
    expands: bool,
    attends: bool,
}

#[derive(Deserialize)]
struct ExpectedRow {
    text: String,
    role: String,
    ids: Vec<u32>,
    vectors: Vec<Vec<f32>>,
}

fn expected(model: &str) -> Expected {
    let path = root().join("models").join(model).join("expected.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn on(engine: Engine) -> LocalEncoderOptions {
    LocalEncoderOptions { engine: Some(engine), ..f32_options() }
}

/// Engines that compute a model: candle's ModernBERT gives other vectors to tokens that see
/// nothing.
fn engines_of(model: &str) -> &'static [Engine] {
    if model.contains("modernbert") { &[Engine::Native] } else { &[Engine::Native, Engine::Candle] }
}

/// The tokens' vectors of one text, of length 1, and the number of tokens encoded.
fn vectors_of(encoder: &LocalEncoder, text: &str, role: Role) -> (Vec<Vec<f32>>, u32) {
    let found = Mutex::new(Vec::new());
    let lengths = encoder.encode_each(&[text], role, &Call::new(), &|_, encoded| {
        assert!(encoded.vector.is_empty());
        let unit = |row: ndarray::ArrayView1<'_, f32>| {
            let norm = row.dot(&row).sqrt();
            row.iter().map(|x| x / norm).collect::<Vec<f32>>()
        };
        *found.lock().unwrap() = encoded.tokens.rows().into_iter().map(unit).collect();
    });
    (found.into_inner().unwrap(), lengths.unwrap().tokens[0])
}

fn assert_row(what: &str, encoder: &LocalEncoder, row: &ExpectedRow) {
    let (found, tokens) = vectors_of(encoder, &row.text, row.role.parse().unwrap());
    let what = format!("{what}, {} {:?}", row.role, row.text);
    assert_eq!(tokens as usize, row.ids.len(), "{what}");
    assert_eq!(found.len(), row.vectors.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(&row.vectors).enumerate() {
        let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.iter().all(|x| x.is_finite()), "{what}: vector {at} is not finite");
        assert!(difference <= TOLERANCE, "{what}: vector {at} differs by {difference}");
    }
}

#[test]
fn token_vectors_are_pylates() {
    for model in MODELS {
        let expected = expected(model);
        for &engine in engines_of(model) {
            let encoder = load(&tiny_path(model), on(engine));
            let contract = encoder.contract();
            let late = contract.late_interaction.as_ref().unwrap();
            assert_eq!(encoder.token_dim(), expected.contract.token_dim);
            assert_eq!(late.query_length, expected.contract.query_length);
            assert_eq!(contract.max_tokens, expected.contract.document_length);
            assert_eq!(late.expansion.is_some(), expected.contract.expands);
            assert_eq!(late.expansion.as_ref().is_some_and(|by| by.attended), expected.contract.attends);
            expected.rows.iter().for_each(|row| assert_row(&format!("{model}, {engine}"), &encoder, row));
        }
    }
}

/// PyLate sums over the query's tokens, nearsort takes the mean, which keeps scores in [-1, 1].
#[test]
fn maxsim_times_the_querys_tokens_is_pylates_score() {
    for model in MODELS {
        let expected = expected(model);
        let encoder = Arc::new(load(&tiny_path(model), f32_options()));
        let scorer = BiEncoderScorer::new(encoder, Scoring::MaxSim, LongText::Truncate).unwrap();
        let documents: Vec<&str> = expected.documents.iter().map(String::as_str).collect();
        for (query, sums) in expected.queries.iter().zip(&expected.scores) {
            let scores = scorer.score(query, &documents).unwrap();
            for ((pair, sum), document) in scores.pairs.iter().zip(sums).zip(&documents) {
                let found = f64::from(pair.score) * f64::from(scores.query.tokens);
                // One cosine's tolerance for each of up to 24 tokens.
                assert!((found - sum).abs() < 5e-4, "{model} {query:?} {document:?}: {found}, expected {sum}");
            }
        }
    }
}

#[test]
fn other_precisions_and_neighbours_change_nothing_that_matters() {
    for model in MODELS {
        for &engine in engines_of(model) {
            for check in load(&tiny_path(model), on(engine)).self_check().unwrap() {
                assert!(check.passed, "{model}, {engine}: {} ({})", check.name, check.detail);
            }
        }
        let exact = load(&tiny_path(model), f32_options());
        for precision in [Precision::Bf16, Precision::I8] {
            let options = LocalEncoderOptions { precision: Some(precision), ..Default::default() };
            let check = load(&tiny_path(model), options).agreement_check(&exact).unwrap();
            // The default model's floor is 0.99; weights of a random model spread wider.
            let least: f32 = check.detail.split("cosine ").nth(1).unwrap()[..6].parse().unwrap();
            assert!(least > 0.9, "{model}: {}", check.detail);
        }
    }
}

#[test]
fn places_of_tokens_match_their_vectors() {
    for model in MODELS {
        let encoder = load(&tiny_path(model), f32_options());
        for row in expected(model).rows {
            let role: Role = row.role.parse().unwrap();
            let places = encoder.token_ranges(&row.text, role).unwrap();
            assert_eq!(places.len(), row.vectors.len(), "{model} {role} {:?}", row.text);
            assert!(places[0].is_empty(), "{model}: the first token is a special one");
            // Tokens of one character share its place.
            let mut start = 0;
            for place in places.iter().filter(|place| !place.is_empty()) {
                let is_whole = row.text.is_char_boundary(place.start) && row.text.is_char_boundary(place.end);
                assert!(place.start >= start && is_whole, "{model} {:?} {place:?}", row.text);
                start = place.start;
            }
        }
    }
    let encoder = load(&tiny_path("colbert-tiny-bert"), f32_options());
    let text = "  the dog, the man.";
    let words: Vec<&str> =
        encoder.token_ranges(text, Role::Document).unwrap().into_iter().map(|at| &text[at]).collect();
    assert_eq!(words.concat(), "thedogtheman");
}

#[test]
fn long_documents_are_cut_or_read_in_windows() {
    let encoder = Arc::new(load(&tiny_path("colbert-tiny-bert"), f32_options()));
    let long = "The ferry leaves the northern pier at seven. ".repeat(9) + "The dog bit the man.";
    let windows = encoder.windows(&long, Role::Document).unwrap();
    assert!(windows.len() > 3 && windows[0].start == 0 && windows.last().unwrap().end == long.len());
    for window in &windows {
        let (_, tokens) = vectors_of(&encoder, &long[window.clone()], Role::Document);
        assert!(tokens as usize <= encoder.max_tokens());
    }
    let by = |long_text| BiEncoderScorer::new(Arc::clone(&encoder) as Arc<dyn Encoder>, Scoring::MaxSim, long_text);
    let cut = by(LongText::Truncate).unwrap().score("dog", &[&long, "The dog."]).unwrap();
    let truncated = |list: &nearsort::ScoredList| [list.pairs[0].truncated, list.pairs[1].truncated];
    assert_eq!(truncated(&cut), [true, false]);
    let whole = by(LongText::Window).unwrap().score("dog", &[&long, "The dog."]).unwrap();
    assert_eq!(truncated(&whole), [false, false]);
    let (whole, cut) = (whole.scores(), cut.scores());
    assert!(whole[0] >= cut[0] && whole[1] == cut[1]);
}

fn files(folder: &Path) -> nearsort::Result<nearsort::store::ModelFiles> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    store.get(&ModelSpec::parse(&folder.display().to_string())?)
}

/// A copy of a model with some keys of a file set to other values; `null` takes a key out.
fn changed(model: &str, file: &str, change: Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("models").join(model), folder.path());
    let path = folder.path().join(file);
    let mut content: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, value) in change.as_object().unwrap() {
        let object = content.as_object_mut().unwrap();
        if value.is_null() { drop(object.remove(key)) } else { drop(object.insert(key.clone(), value.clone())) }
    }
    fs::write(path, content.to_string()).unwrap();
    folder
}

fn try_load(folder: &TempDir) -> nearsort::Result<LocalEncoder> {
    LocalEncoder::load(files(folder.path())?, f32_options())
}

const OPTIONS: &str = "config_sentence_transformers.json";

#[test]
fn options_that_are_absent_have_pylates_defaults() {
    let absent = json!({
        "query_prefix": null, "document_prefix": null, "document_length": null, "skiplist_words": null,
        "do_query_expansion": null, "attend_to_expansion_tokens": null, "similarity_fn_name": null,
    });
    let folder = changed("colbert-tiny-bert", OPTIONS, absent);
    let encoder = try_load(&folder).unwrap();
    let whole = load(&tiny_path("colbert-tiny-bert"), f32_options());
    assert_eq!(encoder.contract().late_interaction, whole.contract().late_interaction);
    // 180, but the model has fewer positions.
    assert_eq!(encoder.max_tokens(), 64);
    assert!(encoder.contract().findings.iter().any(|finding| finding.message.contains("document_length is 180")));
    let folder = changed("colbert-tiny-bert", OPTIONS, json!({ "query_length": null }));
    let late = try_load(&folder).unwrap().contract().late_interaction.clone().unwrap();
    assert_eq!(late.query_length, 32);
}

#[test]
fn stanfords_options_come_from_its_metadata() {
    let encoder = load(&tiny_path("colbert-tiny-stanford"), f32_options());
    let expected = LateInteraction {
        query_prefix: "[unused0]".into(),
        document_prefix: "[unused1]".into(),
        query_length: 16,
        expansion: Some(Expansion { token: "[MASK]".into(), attended: false }),
        skiplist: "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".chars().map(String::from).collect(),
    };
    assert_eq!(encoder.contract().late_interaction, Some(expected));
    let folder = changed("colbert-tiny-stanford", "artifact.metadata", json!({ "attend_to_mask_tokens": true }));
    let attends = try_load(&folder).unwrap();
    let late = attends.contract().late_interaction.clone().unwrap();
    assert!(late.expansion.unwrap().attended);
    assert_ne!(attends.fingerprint().unwrap(), encoder.fingerprint().unwrap());
    let folder = changed("colbert-tiny-stanford", "artifact.metadata", json!({ "mask_punctuation": false }));
    assert!(try_load(&folder).unwrap().contract().findings.iter().any(|f| f.message.contains("mask_punctuation")));
}

#[test]
fn every_option_changes_the_fingerprint() {
    let own = load(&tiny_path("colbert-tiny-bert"), f32_options()).fingerprint().unwrap();
    let options = [
        json!({ "query_length": 17 }),
        json!({ "document_length": 31 }),
        json!({ "query_prefix": "[D] " }),
        json!({ "do_query_expansion": false }),
        json!({ "attend_to_expansion_tokens": true }),
        json!({ "skiplist_words": ["."] }),
        json!({ "prompts": { "query": "find: " } }),
    ];
    for change in options {
        let folder = changed("colbert-tiny-bert", OPTIONS, change.clone());
        assert_ne!(try_load(&folder).unwrap().fingerprint().unwrap(), own, "{change}");
    }
}

#[test]
fn what_cannot_be_computed_is_refused_by_name() {
    let cases = [
        ("colbert-tiny-bert", OPTIONS, json!({ "query_length": 0 }), "query_length is 0"),
        ("colbert-tiny-bert", OPTIONS, json!({ "query_length": 65 }), "query_length is 65; the model has 64 positions"),
        ("colbert-tiny-bert", OPTIONS, json!({ "query_length": "32" }), "query_length is \"32\""),
        ("colbert-tiny-bert", OPTIONS, json!({ "document_length": -1 }), "document_length is -1"),
        ("colbert-tiny-bert", OPTIONS, json!({ "document_length": 3 }), "document_length is 3"),
        ("colbert-tiny-bert", OPTIONS, json!({ "query_prefix": "[X] " }), "prefix of queries '[X] ' is not a token"),
        ("colbert-tiny-bert", OPTIONS, json!({ "document_prefix": 7 }), "document_prefix is 7"),
        ("colbert-tiny-bert", OPTIONS, json!({ "skiplist_words": "." }), "skiplist_words is \".\""),
        ("colbert-tiny-bert", OPTIONS, json!({ "skiplist_words": [1] }), "skiplist_words is [1]"),
        ("colbert-tiny-bert", OPTIONS, json!({ "do_query_expansion": 1 }), "do_query_expansion is 1"),
        ("colbert-tiny-bert", "tokenizer_config.json", json!({ "padding_side": "left" }), "padding_side"),
        ("colbert-tiny-stanford", "artifact.metadata", json!({ "similarity": "l2" }), "similarity is 'l2'"),
        ("colbert-tiny-stanford", "artifact.metadata", json!({ "query_maxlen": 2 }), "query_maxlen is 2"),
        ("colbert-tiny-stanford", "config.json", json!({ "architectures": ["Other_ColBERT"] }), "ColBERT"),
        (
            "tiny-bert",
            OPTIONS,
            json!({ "similarity_fn_name": "MaxSim" }),
            "lists another module than Transformer and Dense",
        ),
        ("tiny-bert", OPTIONS, json!({ "model_type": "ColBERT" }), "lists another module than Transformer and Dense"),
    ];
    for (model, file, change, expected) in cases {
        let error = try_load(&changed(model, file, change.clone())).err().unwrap_or_else(|| panic!("{change} loaded"));
        assert!(error.to_string().contains(expected), "{change}: {error}");
    }
    let folder = changed("colbert-tiny-bert", OPTIONS, json!({}));
    fs::remove_file(folder.path().join("modules.json")).unwrap();
    assert!(try_load(&folder).err().unwrap().to_string().contains("has no projection"));
    let unknown = changed("colbert-tiny-bert", OPTIONS, json!({ "pool_factor": 2 }));
    assert!(try_load(&unknown).unwrap().contract().findings.iter().any(|f| f.message.contains("pool_factor = 2")));
    let folder = changed("colbert-tiny-bert", "tokenizer_config.json", json!({ "truncation_side": "left" }));
    let error = try_load(&folder).err().unwrap().to_string();
    assert!(error.contains("tokenizer_config.json") && error.contains("truncation_side is left"), "{error}");
}

#[test]
fn overrides_that_mean_nothing_here_are_refused() {
    let with = |overrides| LocalEncoderOptions { overrides, ..f32_options() };
    let folder = root().join("models/colbert-tiny-bert");
    let error = |overrides| LocalEncoder::load(files(&folder).unwrap(), with(overrides)).err().unwrap().to_string();
    assert!(error(Overrides { dim: Some(8), ..Default::default() }).contains("dim is for"));
    assert!(error(Overrides { pooling: Some(Pooling::Cls), ..Default::default() }).contains("pooling is for"));
    assert!(error(Overrides { max_tokens: Some(3), ..Default::default() }).contains("at least 4"));
    let overrides = Overrides { max_tokens: Some(12), document_prompt: Some(" page: ".into()), ..Default::default() };
    let shorter = LocalEncoder::load(files(&folder).unwrap(), with(overrides)).unwrap();
    assert_eq!((shorter.max_tokens(), shorter.contract().document_prompt.as_str()), (12, "page: "));
    let (_, tokens) =
        vectors_of(&shorter, "The ferry leaves the northern pier at seven and comes back.", Role::Document);
    assert_eq!(tokens, 12);
}

#[test]
fn a_text_has_no_vector_and_no_cosine() {
    let folder = root().join("models/colbert-tiny-bert");
    assert_eq!(ModelKind::of(&files(&folder).unwrap()).unwrap(), ModelKind::LateInteraction);
    let encoder = Arc::new(load(&tiny_path("colbert-tiny-bert"), f32_options()));
    assert!(!encoder.has_text_vectors());
    let refused = |error: Option<Error>| {
        let error = error.expect("must be refused").to_string();
        assert!(error.contains("late-interaction (ColBERT) model"), "{error}");
    };
    refused(encoder.encode(&["a"], Role::Query).err());
    refused(encoder.encode_padded(&["a"], Role::Query).err());
    let (path, options) = (tiny_path("colbert-tiny-bert"), ModelOptions::default);
    refused(Model::load_local_encoder(&path, options()).err());
    refused(Model::load_encoder(&path, options()).err());
    for scoring in [Scoring::Cosine, Scoring::Hybrid] {
        let encoder = Arc::clone(&encoder) as Arc<dyn Encoder>;
        refused(BiEncoderScorer::new(encoder, scoring, LongText::Truncate).err());
        refused(Reranker::load(&path, options(), RankOptions::by(scoring)).err());
    }
    refused(BiEncoderScorer::cosine(Arc::clone(&encoder) as Arc<dyn Encoder>).score("a", &["b"]).err());
    refused(IndexModel::of(&encoder).err());
    let reranker = Reranker::load(&path, options(), RankOptions::default()).unwrap();
    assert_eq!(reranker.score_kind(), Scoring::MaxSim.kind());
}

#[test]
fn an_explanation_shows_words_and_no_special_tokens() {
    let reranker =
        Reranker::load(&tiny_path("colbert-tiny-bert"), ModelOptions::default(), RankOptions::default()).unwrap();
    let (query, candidate) = ("the dog", "The dog bit the man.");
    let explanation = reranker.explain(query, candidate).unwrap().unwrap();
    assert_eq!(explanation.parts.len(), 1);
    assert!(!explanation.matches.is_empty());
    for found in explanation.matches {
        assert!(!query[found.query].trim().is_empty() && !candidate[found.candidate].trim().is_empty());
    }
}

/// candle computes a mean over hidden tokens where PyTorch gives zeros, so it is not asked to.
#[test]
fn candle_refuses_queries_that_reach_beyond_a_window() {
    let folder = root().join("models/colbert-tiny-modernbert");
    let error = LocalEncoder::load(files(&folder).unwrap(), on(Engine::Candle)).err().unwrap().to_string();
    assert!(error.contains("queries expanded to 14 tokens and a window of 4"), "{error}");
    let attends = changed("colbert-tiny-modernbert", OPTIONS, json!({ "attend_to_expansion_tokens": true }));
    let [native, candle] = [Engine::Native, Engine::Candle]
        .map(|engine| LocalEncoder::load(files(attends.path()).unwrap(), on(engine)).unwrap());
    let [a, b] = [&native, &candle].map(|encoder| vectors_of(encoder, "the dog", Role::Query).0.concat());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= TOLERANCE));
}
