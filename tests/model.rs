//! What a loaded model says of texts beside scores: tokens, vectors, labels, memory, windows.

use std::time::Instant;

use nearsort::scorer::WINDOW_MARGIN;
use nearsort::{
    Call, CancelToken, Engine, Error, LongText, Model, ModelOptions, Precision, Prompt, RankOptions, Reading, Reranker,
    Role, Scoring,
};

use crate::support::tiny_path;

const QUERY: &str = "which tower is it";
/// Every kind of tokenizer, and of model.
const MODELS: [&str; 7] = [
    "tiny-bert",
    "tiny-roberta",
    "tiny-modernbert",
    "tiny-xlm-roberta",
    "cross-tiny-bert",
    "cross-tiny-qwen3",
    "colbert-tiny-bert",
];
const TEXTS: [&str; 6] =
    ["", "tower", "two red boats", "Café 東京 タワー ßß", " spaces  around ", "😀👩\u{200d}👧 [MASK] <mask>"];

fn load(name: &str) -> Model {
    Model::load(&tiny_path(name), ModelOptions::default()).unwrap()
}

#[test]
fn tokens_are_counted_as_they_are_read_and_lie_where_their_text_is() {
    for name in MODELS {
        let model = load(name);
        let counts = model.count_tokens(&TEXTS).unwrap();
        for (text, count) in TEXTS.into_iter().zip(counts) {
            let own = model.tokenize(text, false).unwrap();
            let all = model.tokenize(text, true).unwrap();
            assert_eq!(own.len(), count, "{name} {text:?}");
            assert!(own.iter().all(|token| !token.is_special), "{name} {text:?}");
            let inner: Vec<_> = all.iter().filter(|token| !token.is_special).cloned().collect();
            assert_eq!(inner, own, "{name} {text:?}");
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let mut end = 0;
            for token in &own {
                assert_eq!(text[token.bytes.clone()], token.text, "{name} {text:?}");
                assert_eq!(places[token.chars.start]..places[token.chars.end], token.bytes, "{name} {text:?}");
                assert!(token.bytes.end >= end, "{name} {text:?}: in the text's order");
                end = token.bytes.end;
            }
            for token in all.iter().filter(|token| token.is_special) {
                assert!(token.bytes.is_empty() && token.chars.is_empty() && !token.text.is_empty(), "{name}");
            }
        }
    }
}

#[test]
fn a_count_is_what_the_encoder_reads_without_prompt_and_special_tokens() {
    let model = load("tiny-bert");
    let encoder = model.encoder().unwrap();
    let texts = ["tower", "two red boats", "a"];
    let read = encoder.encode(&texts, Role::Document).unwrap().tokens;
    let counts = model.count_tokens(&texts).unwrap();
    assert_eq!(counts, read.iter().map(|&tokens| tokens as usize - 2).collect::<Vec<_>>());
    // Of a long text all are counted, and of one that is counted in pieces as many as in one.
    let long = "two red boats ".repeat(60_000);
    let by_words = 60_000 * model.count_tokens(&["two red boats"]).unwrap()[0];
    assert_eq!(model.count_tokens(&[&long]).unwrap(), [by_words]);
    let prompted = model.reading(&Reading::new().prompt(Role::Query, Prompt::Text("boat: ".into()))).unwrap();
    assert_eq!(prompted.count_tokens(&texts).unwrap(), counts);
    let error = Model::from_fn(|_, _| 0.0).count_tokens(&["a"]).unwrap_err().to_string();
    assert!(error.contains("no local tokenizer"), "{error}");
}

#[test]
fn texts_are_embedded_within_a_call() {
    let model = load("tiny-bert");
    let texts = ["two red boats".to_owned(), "a tower".to_owned()];
    let embedded = model.embed(&texts).role(Role::Query).run().unwrap();
    let expected = model.encoder().unwrap().encode(&["two red boats", "a tower"], Role::Query).unwrap();
    assert_eq!((&embedded.embeddings, embedded.usage.texts), (&expected, 2));
    assert_eq!(embedded.usage.tokens, expected.tokens.iter().map(|&tokens| u64::from(tokens)).sum::<u64>());
    assert_eq!(embedded.model.unwrap().name, model.name());
    let read = model.embed(&texts).reading(Reading::new().dim(5).normalize(false)).run().unwrap();
    assert_eq!(read.embeddings.view().dim(), (2, 5));
    let none: [&str; 0] = [];
    assert_eq!(model.embed(&none).run().unwrap().embeddings.view().dim(), (0, model.encoder().unwrap().dim()));
    let token = CancelToken::new();
    token.cancel();
    assert!(matches!(model.embed(&texts).cancel(&token).run(), Err(Error::Cancelled)));
    assert!(matches!(model.embed(&texts).deadline(Instant::now()).run(), Err(Error::DeadlineExceeded)));
    for (name, said) in [("cross-tiny-bert", "cross-encoder"), ("colbert-tiny-bert", "late-interaction")] {
        let error = load(name).embed(&texts).run().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(Model::from_fn(|_, _| 0.0).embed(&texts).run().is_err());
}

#[test]
fn a_cross_encoder_tells_its_label_with_a_probability() {
    let model = load("cross-tiny-bert");
    let pairs = [(QUERY, "a tower"), ("boats", "two red boats"), (QUERY, "")];
    let call = Call::new();
    let predicted = model.predict(&pairs, &call).unwrap();
    assert_eq!((predicted.label.as_str(), predicted.usage.texts), ("LABEL_0", 3));
    for (at, (query, text)) in pairs[..2].iter().enumerate() {
        let scored = |raw| {
            let reranker = Reranker::with(&model, RankOptions::default().raw_scores(raw)).unwrap();
            reranker.score(query, &[*text]).unwrap().pairs[0].score
        };
        assert_eq!((predicted.probabilities[at], predicted.logits[at]), (scored(false), scored(true)));
    }
    assert!(predicted.probabilities.iter().all(|probability| (0.0..=1.0).contains(probability)));
    let error = load("tiny-bert").predict(&pairs, &call).unwrap_err().to_string();
    assert!(error.contains("not a cross-encoder") && error.contains("single texts are not supported"), "{error}");
}

#[test]
fn memory_is_that_of_the_weights() {
    let size = |name: &str| std::fs::metadata(format!("{}/model.safetensors", tiny_path(name))).unwrap().len();
    let with = |options: ModelOptions| Model::load(&tiny_path("tiny-bert"), options).unwrap().memory();
    let file = size("tiny-bert");
    let [f32, bf16, i8] =
        [Precision::F32, Precision::Bf16, Precision::I8].map(|p| with(ModelOptions::default().precision(p)));
    assert_eq!([f32.mapped, bf16.mapped, i8.mapped], [file; 3]);
    assert!(f32.own > bf16.own && bf16.own > i8.own && i8.own > 0, "{f32:?} {bf16:?} {i8:?}");
    // candle reads every number of the file, but not its header.
    let candle = with(ModelOptions::default().engine(Engine::Candle));
    assert!(candle.mapped == 0 && candle.own < file && candle.own > file * 9 / 10, "{candle:?} of {file}");
    let model = load("cross-tiny-bert");
    assert_eq!(model.reading(&Reading::new().max_tokens(20)).unwrap().memory(), model.memory());
    assert_eq!(Model::from_fn(|_, _| 0.0).memory().own, 0);
}

/// The linear layers of MiniLM have 10.6 million numbers, see `engine/mod.rs`.
#[test]
fn the_default_model_packs_its_linear_layers() {
    let own = |precision| {
        let options = ModelOptions::default().precision(precision);
        Model::load(nearsort::DEFAULT_MODEL, options).unwrap().memory().own as f64 / 10_616_832.0
    };
    let [f32, bf16, i8] = [Precision::F32, Precision::Bf16, Precision::I8].map(own);
    assert!((3.9..4.4).contains(&f32) && (1.9..2.4).contains(&bf16) && (0.9..1.6).contains(&i8), "{f32} {bf16} {i8}");
}

#[test]
fn windows_lie_in_the_original_text_and_can_all_be_kept() {
    let text = format!("Ünïcödé 東京 😀 {}", "tower of ß bridges 橋 over rivers. ".repeat(60));
    for (name, scoring) in [
        ("tiny-bert", Scoring::Hybrid),
        ("tiny-bert", Scoring::MaxSim),
        ("tiny-bert", Scoring::Cosine),
        ("tiny-xlm-roberta", Scoring::Hybrid),
        ("colbert-tiny-bert", Scoring::MaxSim),
    ] {
        let options = RankOptions::by(scoring).long_text(LongText::Window);
        let model = load(name);
        let run = |options| {
            let reranker = Reranker::with(&model, options).unwrap();
            reranker.rank(QUERY, &["short", text.as_str(), ""]).run().unwrap()
        };
        let (plain, kept) = (run(options), run(options.windows(true)));
        assert_eq!(plain.hits, kept.hits);
        assert!(plain.pairs.iter().all(|pair| pair.windows.is_empty()));
        let pair = &kept.pairs[1];
        let best = pair.window.clone().unwrap();
        assert!(text.is_char_boundary(best.start) && text.is_char_boundary(best.end) && !best.is_empty(), "{name}");
        assert!(pair.windows.len() > 2 && kept.pairs[0].windows.len() == 1, "{name}");
        assert!(pair.windows.windows(2).all(|two| two[0].window.start < two[1].window.start), "{name}");
        let highest = pair.windows.iter().map(|window| window.score).fold(f32::MIN, f32::max);
        let of_best = pair.windows.iter().find(|window| window.window == best).unwrap();
        assert_eq!((of_best.score, highest), (pair.score, pair.score), "{name} {scoring}");
        // A window's score is that of its text alone, a later one's less the margin.
        for window in pair.windows.iter().take(3) {
            let alone = Reranker::with(&model, RankOptions::by(scoring).long_text(LongText::Truncate)).unwrap();
            let score = alone.score(QUERY, &[&text[window.window.clone()]]).unwrap().pairs[0].score;
            let margin = if window.window.start == 0 { 0.0 } else { WINDOW_MARGIN };
            assert_eq!(window.score, score - margin, "{name} {scoring} {:?}", window.window);
        }
    }
    let refused = |name: &str, options| match Reranker::with(load(name), options) {
        Err(Error::InvalidOption { option: "windows", why }) => why,
        other => panic!("{:?}", other.err()),
    };
    assert!(refused("cross-tiny-bert", RankOptions::default().windows(true)).contains("embedding models"));
    assert!(refused("tiny-bert", RankOptions::by(Scoring::Cosine).windows(true)).contains("long_text=window"));
}

#[test]
fn a_cascade_keeps_the_window_of_the_stage_that_has_one() {
    let text = "tower of a bridge over rivers ".repeat(60);
    let (model, cross) = (load("tiny-bert"), load("cross-tiny-bert"));
    let cascade = Reranker::cascade([(model.by(Scoring::Hybrid), 10), ((&cross).into(), 2)]).unwrap();
    let alone = Reranker::new(&model).rank(QUERY, &[&text]).run().unwrap();
    assert_eq!(cascade.rank(QUERY, &[&text]).run().unwrap().pairs[0].window, alone.pairs[0].window);
}

#[test]
fn an_explanation_is_part_of_a_call() {
    let reranker = Reranker::new(load("tiny-bert"));
    let call = Call::new();
    let explained = reranker.explain_with("tower", "a tower", &call).unwrap();
    assert_eq!((explained, call.usage().texts), (reranker.explain("tower", "a tower").unwrap(), 2));
    let token = CancelToken::new();
    token.cancel();
    let ended = reranker.explain_with("tower", "a tower", &Call::new().cancel(&token));
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
}
