//! Cross-encoders: parity with transformers and sentence-transformers, what their files say, and
//! what is refused.

use std::path::Path;

use nearsort::encoder::{CrossEncoderOptions, DEFAULT_INSTRUCTION};
use nearsort::{
    Call, CrossEncoder, CrossEncoderScorer, Device, Engine, LocalEncoderOptions, LongText, Model, ModelKind,
    ModelOptions, ModelSpec, ModelStore, Overrides, Precision, RankOptions, Reranker, ScoreKind, Scorer, Scoring,
    StageSpec, StoreOptions,
};
use serde::Deserialize;

use crate::support::{root, tiny_path};

/// Largest difference of a logit or a score from the reference's, in f32.
const TOLERANCE: f32 = 1e-4;

const CLASSIFIERS: [&str; 11] = [
    "cross-tiny-bert",
    "cross-tiny-distilbert",
    "cross-tiny-electra",
    "cross-tiny-xlm-roberta",
    "cross-tiny-modernbert",
    "cross-tiny-deberta",
    "cross-tiny-deberta-c2p",
    "cross-tiny-deberta-p2c",
    // These have modules of sentence-transformers for a head.
    "cross-tiny-modular-bert",
    "cross-tiny-modular-modernbert",
    "cross-tiny-modular-roberta",
];
const QWEN3: &str = "cross-tiny-qwen3";
/// The same as sentence-transformers saves it, with a LogitScore module.
const LOGIT_SCORE: &str = "cross-tiny-logit-score";

#[derive(Deserialize)]
struct Expected {
    max_tokens: usize,
    texts: Vec<ExpectedText>,
}

#[derive(Deserialize)]
struct ExpectedText {
    query: String,
    document: String,
    ids: Vec<u32>,
    truncated: bool,
    logits: Vec<f32>,
    score: f32,
}

fn expected(name: &str) -> Expected {
    let file = root().join("models").join(name).join("expected.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn try_load(folder: &str, options: CrossEncoderOptions) -> nearsort::Result<CrossEncoder> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    CrossEncoder::load(store.get(&ModelSpec::parse(folder)?)?, options)
}

fn load(name: &str, local: LocalEncoderOptions) -> CrossEncoder {
    try_load(&tiny_path(name), CrossEncoderOptions { local, ..Default::default() }).unwrap()
}

/// The engines that compute a fixture.
fn engines(name: &str) -> &'static [Engine] {
    match name {
        // Its embeddings are narrower than its layers, which candle does not compute.
        "cross-tiny-electra" => &[Engine::Native],
        // candle has no such model.
        name if name.contains("deberta") => &[Engine::Native],
        _ => &[Engine::Native, Engine::Candle],
    }
}

fn on(engine: Engine) -> LocalEncoderOptions {
    LocalEncoderOptions { engine: Some(engine), ..Default::default() }
}

#[test]
fn scores_are_those_of_transformers_and_sentence_transformers_on_every_engine() {
    for name in CLASSIFIERS.into_iter().chain([QWEN3, LOGIT_SCORE]) {
        let expected = expected(name);
        for &engine in engines(name) {
            let model = load(name, on(engine));
            assert_eq!(model.contract().max_tokens, expected.max_tokens, "{name}");
            let scorer = CrossEncoderScorer::new(std::sync::Arc::new(model));
            for row in &expected.texts {
                let what = format!("{name} {engine}: {:.30} | {:.30}", row.query, row.document);
                let scored = scorer.score(&row.query, &[&row.document]).unwrap();
                assert_eq!(
                    (scored.pairs[0].tokens as usize, scored.pairs[0].truncated),
                    (row.ids.len(), row.truncated),
                    "{what}"
                );
                let logit = if name == QWEN3 { row.logits[1] - row.logits[0] } else { row.logits[0] };
                let (found, score) = (scored.pairs[0].ranked_by, scored.pairs[0].score);
                assert!((found - logit).abs() <= TOLERANCE, "{what}: logit {found}, expected {logit}");
                assert!((score - row.score).abs() <= TOLERANCE, "{what}: score {score}, expected {}", row.score);
            }
        }
    }
}

/// Bits of the logits of every text of a fixture with its first query.
fn bits(model: &CrossEncoder, documents: &[&str]) -> Vec<u32> {
    let pairs: Vec<(usize, usize)> = (0..documents.len()).map(|document| (0, document)).collect();
    let scored = model.logits(&["where is the harbour"], documents, &pairs, &Call::new()).unwrap();
    scored.logits.iter().map(|logit| logit.to_bits()).collect()
}

#[test]
fn neighbours_order_and_threads_change_no_bit() {
    for name in CLASSIFIERS.into_iter().chain([QWEN3]) {
        let expected = expected(name);
        let mut documents: Vec<&str> = expected.texts.iter().map(|row| row.document.as_str()).collect();
        for &engine in engines(name) {
            let model = load(name, LocalEncoderOptions { threads: Some(2), ..on(engine) });
            let together = bits(&model, &documents);
            let alone: Vec<u32> = documents.iter().flat_map(|document| bits(&model, &[document])).collect();
            assert_eq!(together, alone, "{name} {engine}");
            let one = load(name, LocalEncoderOptions { threads: Some(1), batch_tokens: 50, ..on(engine) });
            documents.reverse();
            let mut reversed = bits(&one, &documents);
            reversed.reverse();
            documents.reverse();
            assert_eq!(together, reversed, "{name} {engine}");
        }
    }
}

#[test]
fn of_a_huge_document_its_beginning_counts() {
    for name in ["cross-tiny-bert", QWEN3] {
        let model = load(name, on(engines(name)[0]));
        let beginning = "the ferry leaves the harbour ".repeat(200);
        let huge = beginning.repeat(1000);
        let pairs = [(0, 0), (0, 1)];
        let scored = model.logits(&["harbour"], &[&beginning, &huge], &pairs, &Call::new()).unwrap();
        assert_eq!(scored.logits[0].to_bits(), scored.logits[1].to_bits(), "{name}");
        assert_eq!(scored.lengths.truncated, [true, true]);
        assert_eq!(scored.lengths.tokens, [model.contract().max_tokens as u32; 2]);
    }
}

#[test]
fn a_model_says_whether_it_wants_logits_and_the_user_may_say_otherwise() {
    let reranker = |name: &str, raw: Option<bool>| {
        let mut rank = RankOptions::default();
        rank.raw_scores = raw;
        Reranker::load(&tiny_path(name), ModelOptions::default(), rank).unwrap()
    };
    let kind = |name, raw| reranker(name, raw).score_kind();
    // Its config.json names the identity, the others name nothing.
    assert_eq!(kind("cross-tiny-bert", None), ScoreKind::Logit);
    assert_eq!(kind("cross-tiny-bert", Some(false)), ScoreKind::Probability);
    assert_eq!(kind("cross-tiny-modernbert", None), ScoreKind::Probability);
    assert_eq!(kind("cross-tiny-modernbert", Some(true)), ScoreKind::Logit);
    let documents = ["The ferry leaves at seven.", "", "harbour"];
    let order = |raw| {
        let ranked = reranker("cross-tiny-bert", Some(raw)).rank("where", &documents).run();
        ranked.unwrap().hits.iter().map(|hit| (hit.index, hit.score)).unzip::<usize, f32, Vec<_>, Vec<_>>()
    };
    let ((by_logit, logits), (by_probability, probabilities)) = (order(true), order(false));
    assert_eq!(by_logit, by_probability);
    for (logit, probability) in logits.iter().zip(&probabilities) {
        assert!((1.0 / (1.0 + (-logit).exp()) - probability).abs() < 1e-6);
    }
    assert_eq!((logits[2], probabilities[2]), (f32::NEG_INFINITY, 0.0));
}

#[test]
fn one_list_or_many_the_scores_are_the_same() {
    let reranker =
        Reranker::load(&tiny_path("cross-tiny-modernbert"), ModelOptions::default(), RankOptions::default()).unwrap();
    let documents = ["The ferry leaves.", "bread and salt", "a", "The ferry leaves."];
    let queries = ["ferry", "bread"];
    let together = reranker.score_queries(&queries, &documents, &Call::new()).unwrap();
    for (query, scored) in queries.iter().zip(&together) {
        assert_eq!(scored, &reranker.score(query, &documents).unwrap());
        assert_eq!(scored.pairs[0].score, scored.pairs[3].score);
    }
}

/// A copy of a fixture under another name, changed.
fn changed(name: &str, folder: &str, change: impl FnOnce(&Path)) -> (tempfile::TempDir, String) {
    let parent = tempfile::tempdir().unwrap();
    let copy = parent.path().join(folder);
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(root().join("models").join(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    change(&copy);
    let text = copy.display().to_string();
    (parent, text)
}

/// Changes the config.json of a folder.
fn with_config(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = folder.join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
}

fn kind_of(folder: &str) -> nearsort::Result<ModelKind> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    ModelKind::of(&store.get(&ModelSpec::parse(folder)?)?)
}

#[test]
fn the_files_tell_what_a_model_is() {
    for name in CLASSIFIERS.into_iter().chain([QWEN3, "cross-tiny-roberta"]) {
        assert_eq!(kind_of(&tiny_path(name)).unwrap(), ModelKind::CrossEncoder, "{name}");
    }
    for name in ["tiny-bert", "tiny-qwen3", "tiny-jina-bert"] {
        assert_eq!(kind_of(&tiny_path(name)).unwrap(), ModelKind::Encoder, "{name}");
    }
    let without_note = |folder: &Path| std::fs::remove_file(folder.join("config_sentence_transformers.json")).unwrap();
    let (_kept, reranker) = changed(QWEN3, "Qwen3-Reranker-tiny", without_note);
    assert_eq!(kind_of(&reranker).unwrap(), ModelKind::CrossEncoder);
    let (_kept, embedder) = changed(QWEN3, "Qwen3-Embedding-tiny", without_note);
    assert_eq!(kind_of(&embedder).unwrap(), ModelKind::Encoder);
    let (_kept, other) = changed(QWEN3, "other", |folder| {
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        std::fs::write(folder.join("config.json"), config.replace("Qwen3ForCausalLM", "GemmaForCausalLM")).unwrap();
    });
    assert!(kind_of(&other).unwrap_err().to_string().contains("GemmaForCausalLM as a cross-encoder"));
}

#[test]
fn a_classifier_of_several_labels_is_refused_by_what_it_is() {
    let error = try_load(&tiny_path("cross-tiny-roberta"), CrossEncoderOptions::default()).err().unwrap().to_string();
    assert!(error.contains("tells 3 labels apart (LABEL_0, LABEL_1, LABEL_2)"), "{error}");
    assert!(error.contains("it is a classifier") && error.contains("config.json"), "{error}");
}

#[test]
fn unusable_files_are_errors_that_name_them() {
    let (_kept, no_template) = changed("cross-tiny-bert", "m", |folder| {
        let path = folder.join("tokenizer.json");
        let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        json["post_processor"] = serde_json::Value::Null;
        std::fs::write(path, json.to_string()).unwrap();
    });
    let error = try_load(&no_template, CrossEncoderOptions::default()).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("post-processor"), "{error}");
    // An encoder's weights under the config of a cross-encoder.
    let (_kept, headless) = changed("cross-tiny-bert", "m", |folder| {
        std::fs::copy(root().join("models/tiny-bert/model.safetensors"), folder.join("model.safetensors")).unwrap();
    });
    let error = try_load(&headless, CrossEncoderOptions::default()).err().unwrap().to_string();
    assert!(error.contains("no classification head") && error.contains("model.safetensors"), "{error}");
    let (_kept, activation) = changed("cross-tiny-modernbert", "m", |folder| {
        let own = r#"{"model_type": "CrossEncoder", "activation_fn": "my.Own"}"#;
        std::fs::write(folder.join("config_sentence_transformers.json"), own).unwrap();
    });
    let model = try_load(&activation, CrossEncoderOptions::default()).unwrap();
    assert!(!model.contract().gives_logits);
    assert!(model.contract().findings.iter().any(|finding| finding.message.contains("'my.Own'")));
}

#[test]
fn options_without_a_meaning_are_refused_with_the_way_out() {
    let (cross, qwen3, encoder) = ("cross-tiny-bert", QWEN3, "tiny-bert");
    let (model, rank) = (ModelOptions::default, RankOptions::default);
    let prompt = || Overrides { query_prompt: Some("q: ".into()), ..Default::default() };
    let few = |max_tokens| Overrides { max_tokens: Some(max_tokens), ..Default::default() };
    let refused = [
        (cross, model(), RankOptions::by(Scoring::Cosine), "`scoring=`"),
        (cross, model(), rank().long_text(LongText::Window), "`long_text=window`"),
        (cross, model().overrides(prompt()), rank(), "query_prompt is for"),
        (cross, model().overrides(Overrides { dim: Some(3), ..Default::default() }), rank(), "dim is for"),
        (cross, model().overrides(few(4)), rank(), "max_tokens 4:"),
        (cross, model().overrides(few(100)), rank(), "max_tokens 100:"),
        (cross, model().instruction("find"), rank(), "instruction is for"),
        (cross, model().batch_tokens(0), rank(), "batch_tokens must"),
        (qwen3, model().overrides(prompt()), rank(), "`instruction=` sets the question"),
        (qwen3, model().overrides(few(100)), rank(), "max_tokens 100:"),
        (encoder, model(), rank().raw_scores(true), "`raw_scores=`"),
        (encoder, model().instruction("find"), rank(), "`instruction=`"),
    ];
    for (name, model, rank, said) in refused {
        let error = Reranker::load(&tiny_path(name), model, rank).err().unwrap().to_string();
        assert!(error.contains(said), "{error}, expected {said}");
    }
    let stages = ["cosine:1".parse::<StageSpec>().unwrap()];
    let error = Reranker::load_stages(&stages, &tiny_path(encoder), model(), RankOptions::by(Scoring::Cosine));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("scoring cannot be combined with `stages=`"), "{error}");
    let error = Model::load_local_encoder(&tiny_path(cross), model()).err().unwrap().to_string();
    assert!(error.contains("is a cross-encoder") && error.contains("use it in a `Reranker`"), "{error}");
    let cut = rank().long_text(LongText::Truncate);
    assert!(Reranker::load(&tiny_path(cross), model().device(Device::Cpu), cut).is_ok());
}

#[test]
fn precisions_run_and_change_the_fingerprint_as_limits_and_instructions_do() {
    let fingerprint = |name: &str, options| try_load(&tiny_path(name), options).unwrap().fingerprint().unwrap();
    let with = |precision, max_tokens| CrossEncoderOptions {
        local: LocalEncoderOptions {
            precision,
            overrides: Overrides { max_tokens, ..Default::default() },
            ..Default::default()
        },
        instruction: None,
    };
    let plain = fingerprint("cross-tiny-bert", with(None, None));
    assert_eq!(plain, fingerprint("cross-tiny-bert", with(Some(Precision::F32), None)));
    assert_ne!(plain, fingerprint("cross-tiny-bert", with(Some(Precision::I8), None)));
    assert_ne!(plain, fingerprint("cross-tiny-bert", with(None, Some(20))));
    let asked = |instruction: &str| CrossEncoderOptions { instruction: Some(instruction.into()), ..Default::default() };
    assert_ne!(fingerprint(QWEN3, asked("a")), fingerprint(QWEN3, asked("b")));
    let i8 = load("cross-tiny-bert", LocalEncoderOptions { precision: Some(Precision::I8), ..Default::default() });
    assert!(i8.logits(&["a"], &["b"], &[(0, 0)], &Call::new()).unwrap().logits[0].is_finite());
}

/// Largest difference of a log odds between -6 and 6 from the reference's: random weights forgive
/// less than trained ones.
const LOWER_TOLERANCES: [(Precision, f32); 2] = [(Precision::Bf16, 0.1), (Precision::I8, 0.6)];

#[test]
fn a_reranker_that_answers_stays_near_its_logits_in_lower_precisions() {
    let texts = expected(QWEN3).texts;
    for (precision, tolerance) in LOWER_TOLERANCES {
        let model = load(QWEN3, LocalEncoderOptions { precision: Some(precision), ..on(Engine::Native) });
        for row in &texts {
            let scored = model.logits(&[&row.query], &[&row.document], &[(0, 0)], &Call::new()).unwrap();
            let (found, logit) = (scored.logits[0], row.logits[1] - row.logits[0]);
            assert!((found - logit).abs() <= tolerance, "{precision}: {found}, expected {logit}");
        }
    }
}

#[test]
fn qwen3_is_refused_by_what_it_lacks_and_its_fields_are_known() {
    for (field, value) in [
        ("use_sliding_window", serde_json::json!(true)),
        ("layer_types", serde_json::json!(["full_attention", "sliding_attention"])),
        ("rope_scaling", serde_json::json!({ "rope_type": "yarn", "factor": 4.0 })),
        ("hidden_act", serde_json::json!("quick_gelu")),
    ] {
        let (_kept, folder) = changed(QWEN3, "m", |folder| with_config(folder, |json| json[field] = value));
        let options = CrossEncoderOptions { local: on(Engine::Native), instruction: None };
        let error = try_load(&folder, options).err().unwrap_or_else(|| panic!("{field} is taken")).to_string();
        assert!(error.contains(&format!("'{field}'")) && !error.contains("model type is"), "{field}: {error}");
    }
    let model = load(QWEN3, LocalEncoderOptions::default());
    let findings = &model.contract().findings;
    assert!(findings.iter().all(|finding| !finding.message.contains("does not know")), "{findings:?}");
    // An unknown field is told.
    let (_kept, folder) =
        changed(QWEN3, "m", |folder| with_config(folder, |json| json["qk_clip"] = serde_json::json!(30.0)));
    let model = try_load(&folder, CrossEncoderOptions::default()).unwrap();
    assert_eq!((model.engine(), model.precision()), (Engine::Native, Precision::F32));
    assert!(model.contract().findings.iter().any(|finding| finding.message.contains("'qk_clip' = 30.0")));
}

#[test]
fn a_classifier_on_qwen3_is_refused_as_such() {
    let (_kept, folder) = changed(QWEN3, "m", |folder| {
        with_config(folder, |json| {
            json["architectures"] = serde_json::json!(["Qwen3ForSequenceClassification"]);
            json["id2label"] = serde_json::json!({ "0": "LABEL_0" });
        });
    });
    let error = try_load(&folder, CrossEncoderOptions::default()).err().unwrap().to_string();
    assert!(error.contains("Qwen3ForSequenceClassification as a cross-encoder"), "{error}");
}

#[test]
fn deberta_is_refused_by_what_an_engine_lacks() {
    let on_candle = || CrossEncoderOptions { local: on(Engine::Candle), instruction: None };
    let error = try_load(&tiny_path("cross-tiny-deberta"), on_candle()).err().unwrap().to_string();
    assert!(error.contains("deberta-v2") && error.contains("leave `engine=` and `device=` out"), "{error}");
    for (field, value) in [
        ("conv_kernel_size", serde_json::json!(3)),
        ("embedding_size", serde_json::json!(16)),
        ("z_steps", serde_json::json!(2)),
        ("relative_attention", serde_json::json!(false)),
        ("pos_att_type", serde_json::json!(["p2c", "p2p"])),
        ("norm_rel_ebd", serde_json::json!("batch_norm")),
        ("hidden_act", serde_json::json!("quick_gelu")),
        ("pooler_hidden_act", serde_json::json!("quick_gelu")),
        ("pooler_hidden_size", serde_json::json!(16)),
    ] {
        let (_kept, folder) =
            changed("cross-tiny-deberta", "m", |folder| with_config(folder, |json| json[field] = value));
        let error =
            try_load(&folder, CrossEncoderOptions::default()).err().unwrap_or_else(|| panic!("{field} is taken"));
        let error = error.to_string();
        assert!(error.contains(&format!("'{field}'")) && !error.contains("model type is"), "{field}: {error}");
    }
}

#[test]
fn a_folder_with_a_sentencepiece_model_alone_is_told_how_to_convert_it() {
    let (_kept, folder) = changed("cross-tiny-deberta", "m", |folder| {
        std::fs::rename(folder.join("tokenizer.json"), folder.join("spm.model")).unwrap();
    });
    let error = try_load(&folder, CrossEncoderOptions::default()).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("spm.model"), "{error}");
    assert!(error.contains("AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"), "{error}");
}

#[test]
fn the_fields_of_deberta_are_known() {
    for name in ["cross-tiny-deberta", "cross-tiny-deberta-c2p", "cross-tiny-deberta-p2c"] {
        let model = load(name, LocalEncoderOptions::default());
        let findings = &model.contract().findings;
        assert!(findings.iter().all(|finding| !finding.message.contains("does not know")), "{name}: {findings:?}");
    }
}

#[test]
fn an_instruction_changes_what_is_asked_and_a_document_cannot_end_the_question() {
    let logit = |instruction: Option<&str>| {
        let options = CrossEncoderOptions { instruction: instruction.map(Into::into), ..Default::default() };
        let model = try_load(&tiny_path(QWEN3), options).unwrap();
        model.logits(&["harbour"], &["the ferry"], &[(0, 0)], &Call::new()).unwrap().logits[0]
    };
    assert_eq!(logit(None), logit(Some(DEFAULT_INSTRUCTION)));
    assert_ne!(logit(None), logit(Some("Find recipes")));
    let model = load(QWEN3, LocalEncoderOptions::default());
    let scored = model.logits(&["q"], &["", "<|im_end|>"], &[(0, 0), (0, 1)], &Call::new()).unwrap();
    // Spelt out, not the one token that ends a turn.
    assert!(scored.lengths.tokens[1] - scored.lengths.tokens[0] > 5, "{:?}", scored.lengths.tokens);
}

#[test]
fn what_models_verify_checks_holds_for_every_fixture() {
    for name in CLASSIFIERS.into_iter().chain([QWEN3]) {
        for &engine in engines(name) {
            for check in load(name, on(engine)).self_check().unwrap() {
                assert!(check.passed, "{name} {engine}: {} ({})", check.name, check.detail);
            }
        }
    }
}

#[test]
fn a_cascade_gives_the_best_to_the_cross_encoder_and_says_who_scored_what() {
    let cross = tiny_path("cross-tiny-modernbert");
    let (tiny, options) = (tiny_path("tiny-bert"), ModelOptions::default);
    let stages = |text: &str| text.split(',').map(|stage| stage.parse().unwrap()).collect::<Vec<StageSpec>>();
    let cascade = {
        let stages = stages(&format!("cosine:5,{cross}:2"));
        Reranker::load_stages(&stages, &tiny, options(), RankOptions::default()).unwrap()
    };
    let documents = ["red door", "the harbour", "a ship", "salt and bread", "stone wall", "tower", "harbour ship"];
    let scored = cascade.score("harbour", &documents).unwrap();
    let order: Vec<usize> =
        cascade.rank("harbour", &documents).run().unwrap().hits.iter().map(|hit| hit.index).collect();

    let by_cosine = Reranker::load(&tiny, options(), RankOptions::by(Scoring::Cosine)).unwrap();
    let first: Vec<usize> =
        by_cosine.rank("harbour", &documents[..5]).run().unwrap().hits.iter().map(|hit| hit.index).collect();
    let alone = Reranker::load(&cross, ModelOptions::default(), RankOptions::default())
        .unwrap()
        .score("harbour", &documents)
        .unwrap();
    let mut best = first[..2].to_vec();
    best.sort_by(|&a, &b| alone.pairs[b].score.total_cmp(&alone.pairs[a].score));
    let expected: Vec<usize> = best.iter().chain(&first[2..]).copied().chain([5, 6]).collect();
    assert_eq!(order, expected);
    assert!(cascade.needs_whole_lists() && cascade.score_kind() == ScoreKind::Place);
    for (place, stage) in scored.pairs.iter().map(|pair| pair.stage).enumerate() {
        let number = stage.map(|scored| scored.stage);
        assert_eq!(number, if best.contains(&place) { Some(1) } else { first.contains(&place).then_some(0) });
        if number == Some(1) {
            assert_eq!(stage.unwrap().value, alone.pairs[place].score);
        }
    }
    let kinds: Vec<ScoreKind> = cascade.stages().iter().map(|stage| stage.kind).collect();
    assert_eq!(kinds, [ScoreKind::Cosine, ScoreKind::Probability]);
    let deeper = Reranker::load_stages(&stages("cosine:2,hybrid:5"), &tiny, options(), RankOptions::default());
    let deeper = deeper.err().unwrap().to_string();
    assert!(deeper.contains("more than the 2 of 'cosine'"), "{deeper}");
}
