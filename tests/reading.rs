//! A model that reads texts otherwise for one request: the same bits as one that was loaded so,
//! without its files.

use std::fs;
use std::path::Path;

use nearsort::cache::{CacheOptions, EmbeddingCache};
use nearsort::error::TextName;
use nearsort::{
    Call, Encoder, Engine, Error, LongText, Model, ModelOptions, Overrides, Prompt, RankOptions, Reading, Reranker,
    Role, Scoring, Truncate,
};

use crate::support::{copy, tiny_path};

const QUERY: &str = "which tower is it";

fn load(name: &str) -> Model {
    Model::load(&tiny_path(name), ModelOptions::default()).unwrap()
}

fn loaded_with(name: &str, overrides: Overrides) -> Model {
    Model::load(&tiny_path(name), ModelOptions::default().overrides(overrides)).unwrap()
}

fn encoder(model: &Model) -> std::sync::Arc<dyn Encoder> {
    model.encoder().unwrap()
}

fn bits(model: &Model, text: &str) -> Vec<u32> {
    let embeddings = encoder(model).encode(&[text], Role::Document).unwrap();
    embeddings.vectors.iter().map(|x| x.to_bits()).collect()
}

fn long_text(words: usize) -> String {
    let words = ["tower", "river", "paris", "bridge", "the", "floor", "of", "stands", "red", "boat", "a"]
        .iter()
        .cycle()
        .take(words);
    words.copied().collect::<Vec<_>>().join(" ")
}

/// The text of its first tokens, or of its last.
fn part(model: &Model, text: &str, tokens: usize, of_end: bool) -> String {
    let all = model.tokenize(text, false).unwrap();
    match of_end {
        _ if tokens == 0 => String::new(),
        false => text[..all[tokens - 1].bytes.end].to_owned(),
        true => text[all[all.len() - tokens].bytes.start..].to_owned(),
    }
}

fn tokens(model: &Model, text: &str, role: Role) -> (u32, bool) {
    let embeddings = encoder(model).encode(&[text], role).unwrap();
    (embeddings.tokens[0], embeddings.truncated[0])
}

#[track_caller]
fn assert_too_long(result: nearsort::Result<impl std::fmt::Debug>, name: TextName, tokens: usize, limit: usize) {
    match result {
        Err(Error::TooLong { text, tokens: t, limit: l }) => assert_eq!((text, t, l), (name, tokens, limit)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reading_has_the_bits_and_the_fingerprint_of_a_model_that_was_loaded_so() {
    let text = long_text(90);
    for name in
        ["tiny-bert", "tiny-bert-dense", "tiny-modernbert", "tiny-roberta", "tiny-xlm-roberta", "tiny-nomic-bert"]
    {
        let model = load(name);
        let ways = [
            (Reading::new().max_tokens(9), Overrides { max_tokens: Some(9), ..Overrides::default() }),
            (Reading::new().dim(7), Overrides { dim: Some(7), ..Overrides::default() }),
            (
                Reading::new().prompt(Role::Document, Prompt::Text("boat: ".into())),
                Overrides { document_prompt: Some("boat: ".into()), ..Overrides::default() },
            ),
        ];
        let own = encoder(&model).fingerprint().unwrap();
        for (reading, overrides) in ways {
            let (read, loaded) = (model.reading(&reading).unwrap(), loaded_with(name, overrides));
            assert_eq!(bits(&read, &text), bits(&loaded, &text), "{name} {reading:?}");
            let fingerprint = encoder(&read).fingerprint().unwrap();
            assert_eq!(fingerprint, encoder(&loaded).fingerprint().unwrap(), "{name} {reading:?}");
            assert_ne!(fingerprint, own, "{name} {reading:?}");
        }
        assert_eq!(encoder(&model.reading(&Reading::new()).unwrap()).fingerprint().unwrap(), own);
    }
}

#[test]
fn a_reading_needs_no_file_of_the_model() {
    let text = long_text(90);
    let all = Reading::new()
        .max_tokens(20)
        .max_query_tokens(3)
        .max_document_tokens(11)
        .prompt(Role::Query, Prompt::Text("ask: ".into()))
        .truncate(Truncate::Start)
        .dim(5)
        .normalize(false);
    let folder = tempfile::tempdir().unwrap();
    for name in ["tiny-bert", "tiny-bert-dense", "cross-tiny-bert"] {
        let (path, kept) = (folder.path().join(name), load(name));
        copy(Path::new(&tiny_path(name)), &path);
        let model = Model::load(path.to_str().unwrap(), ModelOptions::default()).unwrap();
        // The weights are mapped; the names of the files are not needed.
        fs::remove_dir_all(&path).unwrap();
        if name == "cross-tiny-bert" {
            let reading = Reading::new().max_tokens(20).max_query_tokens(2).truncate(Truncate::Start);
            let rank = |model: &Model| {
                Reranker::new(model.reading(&reading).unwrap()).rank(QUERY, &[&text]).run().unwrap().pairs
            };
            assert_eq!(rank(&model), rank(&kept));
        } else {
            assert_eq!(bits(&model.reading(&all).unwrap(), &text), bits(&kept.reading(&all).unwrap(), &text));
        }
    }
}

#[test]
fn caps_read_that_many_tokens_of_either_end_in_every_kind_of_tokenizer() {
    let text = long_text(40);
    for name in ["tiny-bert", "tiny-roberta", "tiny-modernbert", "tiny-xlm-roberta"] {
        let model = load(name);
        for (truncate, of_end) in [(Truncate::End, false), (Truncate::Start, true)] {
            for cap in [1, 2, 7, 15] {
                let read = model.reading(&Reading::new().max_document_tokens(cap).truncate(truncate)).unwrap();
                // Half a word can have more tokens than it had in the whole: then one token fewer
                // is kept.
                let fits = |short: &String| model.count_tokens(&[short]).unwrap()[0] <= cap;
                let short = (0..=cap).rev().map(|kept| part(&model, &text, kept, of_end)).find(fits).unwrap();
                assert!(cap < 3 || model.count_tokens(&[&short]).unwrap()[0] + 2 >= cap);
                let said = format!("{name} {truncate} {cap}: {short:?}");
                assert_eq!(bits(&read, &text), bits(&model, &short), "{said}");
                let (found, truncated) = tokens(&read, &text, Role::Document);
                let (expected, _) = tokens(&model, &short, Role::Document);
                assert_eq!((found, truncated), (expected, true), "{said}");
                // Each role has its own cap.
                assert_eq!(tokens(&read, &text, Role::Query), tokens(&model, &text, Role::Query), "{said}");
                assert_eq!(tokens(&read, &short, Role::Document), (expected, false), "{said}");
            }
        }
        let wide = model.reading(&Reading::new().max_document_tokens(100_000)).unwrap();
        assert_eq!(bits(&wide, &text), bits(&model, &text), "{name}: more than the model takes is no limit");
    }
}

#[test]
fn a_cap_is_of_the_text_alone_and_leaves_the_prompt() {
    let model = load("tiny-bert");
    let text = long_text(40);
    for truncate in [Truncate::End, Truncate::Start] {
        let prompted = model.reading(&Reading::new().prompt(Role::Query, Prompt::Text("boat: ".into()))).unwrap();
        let read = prompted.reading(&Reading::new().max_query_tokens(3).truncate(truncate)).unwrap();
        let short = part(&model, &text, 3, truncate == Truncate::Start);
        let query = |model: &Model, text: &str| encoder(model).encode(&[text], Role::Query).unwrap().vectors;
        assert_eq!(query(&read, &text), query(&prompted, &short), "{truncate}");
    }
}

#[test]
fn vectors_are_normalised_as_asked() {
    let (model, length) = (load("tiny-bert"), |model: &Model| {
        encoder(model).encode(&[QUERY], Role::Query).unwrap().vectors.iter().map(|x| x * x).sum::<f32>().sqrt()
    });
    let raw = model.reading(&Reading::new().normalize(false)).unwrap();
    assert!((length(&model) - 1.0).abs() < 1e-5 && (length(&raw) - 1.0).abs() > 1e-2, "{}", length(&raw));
    let again = raw.reading(&Reading::new().normalize(true)).unwrap();
    assert_eq!(bits(&again, QUERY), bits(&model, QUERY));
    assert_eq!(encoder(&again).fingerprint().unwrap(), encoder(&model).fingerprint().unwrap());
    let cut = raw.reading(&Reading::new().dim(6)).unwrap();
    let cut_raw = model.reading(&Reading::new().dim(6).normalize(false)).unwrap();
    assert_eq!(bits(&cut_raw, QUERY), bits(&raw, QUERY)[..6]);
    assert!((length(&cut) - 1.0).abs() < 1e-5, "a dimension normalises, unless it is said otherwise");
    assert_eq!(encoder(&cut).dim(), 6);
}

#[test]
fn prompts_go_by_the_names_of_the_models_files() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(&tiny_path("tiny-bert")), folder.path());
    let prompts = r#"{"prompts": {"query": "ask: ", "sts": "boat: ", "none": ""}, "default_prompt_name": null}"#;
    fs::write(folder.path().join("config_sentence_transformers.json"), prompts).unwrap();
    let model = Model::load(folder.path().to_str().unwrap(), ModelOptions::default()).unwrap();
    let by = |prompt| model.reading(&Reading::new().prompt(Role::Document, prompt));
    let [named, text] = [Prompt::Named("sts".into()), Prompt::Text("boat: ".into())].map(|prompt| by(prompt).unwrap());
    assert_eq!(bits(&named, QUERY), bits(&text, QUERY));
    assert_ne!(bits(&named, QUERY), bits(&by(Prompt::Named("none".into())).unwrap(), QUERY));
    let error = by(Prompt::Named("stz".into())).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { option: "document_prompt", .. }), "{error}");
    assert!(error.to_string().contains("'stz' is not known: the model's files name none, query, sts"), "{error}");
    let error =
        load("tiny-bert").reading(&Reading::new().prompt(Role::Query, Prompt::Named("sts".into()))).unwrap_err();
    assert!(error.to_string().contains("name no prompts"), "{error}");
}

#[test]
fn what_is_too_long_is_named_with_its_tokens_and_the_limit() {
    let model = load("tiny-bert");
    let strict = |reading: Reading| model.reading(&reading.truncate(Truncate::Never)).unwrap();
    let count = |text: &str| model.count_tokens(&[text]).unwrap()[0];
    let (long, limit) = ((9..).map(long_text).find(|text| count(text) > 50).unwrap(), 48);
    let long_tokens = count(&long) + 2;
    let docs = [QUERY, "", QUERY, &long, &long];
    let cosine = |model: &Model| Reranker::with(model, RankOptions::by(Scoring::Cosine)).unwrap();
    let by_limit = strict(Reading::new());
    // The position is that of the list that was given, not of the distinct texts.
    assert_too_long(cosine(&by_limit).rank(QUERY, &docs).run(), TextName::Document(3), long_tokens, limit);
    assert_too_long(cosine(&by_limit).rank(&long, &docs[..1]).run(), TextName::Query(0), long_tokens, limit);
    assert_too_long(
        encoder(&by_limit).encode(&[QUERY, &long], Role::Document),
        TextName::Document(1),
        long_tokens,
        limit,
    );
    // Windows read all of it: nothing is cut.
    assert!(Reranker::new(&by_limit).rank(QUERY, &docs).run().is_ok());
    let by_cap = strict(Reading::new().max_document_tokens(5));
    assert_too_long(Reranker::new(&by_cap).rank("a", &["a b", &long]).run(), TextName::Document(1), long_tokens - 2, 5);
    assert_too_long(cosine(&by_cap).rank("a", &["a b", &long]).run(), TextName::Document(1), long_tokens - 2, 5);
    // A cascade asks its stages for a part of the list.
    let cheap = Model::from_fn(|_, text| text.len() as f32);
    let cascade = Reranker::cascade([(cheap.into(), 4), (by_limit.by(Scoring::Cosine), 1)]).unwrap();
    assert_too_long(cascade.rank(QUERY, &["a", "b", "c", &long]).run(), TextName::Document(3), long_tokens, limit);
    let cut = strict(Reading::new()).reading(&Reading::new().truncate(Truncate::End)).unwrap();
    assert!(cosine(&cut).rank(QUERY, &docs).run().unwrap().pairs[3].truncated);
}

#[test]
fn a_cache_keeps_readings_apart_and_does_not_hide_that_a_text_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let cache = EmbeddingCache::open(&CacheOptions { folder: folder.path().to_owned(), max_bytes: None }).unwrap();
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default().cache(cache)).unwrap();
    let (plain, long) = (load("tiny-bert"), long_text(60));
    let encode = |model: &Model| {
        let call = Call::new();
        let found = encoder(model).encode_with(&[QUERY, &long], Role::Document, &call);
        (found.map_err(|error| format!("{error:?}")), call.usage().cached)
    };
    assert_eq!((encode(&model).1, encode(&model).1), (0, 2));
    for reading in
        [Reading::new().max_document_tokens(2), Reading::new().dim(4), Reading::new().truncate(Truncate::Start)]
    {
        let read = model.reading(&reading).unwrap();
        assert_eq!(encode(&read), (encode(&plain.reading(&reading).unwrap()).0, 0), "{reading:?}");
        assert_eq!(encode(&read).1, 2);
    }
    let strict = model.reading(&Reading::new().truncate(Truncate::Never)).unwrap();
    let (found, _) = encode(&strict);
    assert!(found.unwrap_err().starts_with("TooLong { text: Document(1), tokens: "));
    assert_eq!(
        encoder(&strict).encode(&[QUERY], Role::Document).unwrap(),
        encoder(&plain).encode(&[QUERY], Role::Document).unwrap()
    );
}

#[test]
fn windows_are_of_the_part_that_is_read() {
    let model = load("tiny-bert");
    let text = format!("ß {} ü", long_text(200));
    let by = |reading: Reading| {
        let reranker = Reranker::with(
            model.reading(&reading).unwrap(),
            RankOptions::by(Scoring::MaxSim).long_text(LongText::Window),
        );
        reranker.unwrap().rank(QUERY, &[&text]).run().unwrap().pairs.swap_remove(0)
    };
    let all = by(Reading::new());
    assert!(!all.truncated);
    let first = part(&model, &text, 60, false);
    let read = by(Reading::new().max_document_tokens(60));
    let window = read.window.clone().unwrap();
    assert!(read.truncated && window.end <= first.len(), "{window:?} of {}", first.len());
    assert!(read.tokens < all.tokens && read.tokens > 60);
    let last = by(Reading::new().max_document_tokens(60).truncate(Truncate::Start));
    let window = last.window.clone().unwrap();
    assert!(last.truncated && window.start > text.len() / 2, "{window:?}");
    // What is explained is what was read.
    let reranker =
        Reranker::new(model.reading(&Reading::new().max_document_tokens(60).truncate(Truncate::Start)).unwrap());
    let explained = reranker.explain("boat", &text).unwrap().unwrap();
    assert!(explained.matches.iter().all(|found| found.candidate.start >= text.len() / 2), "{explained:?}");
}

#[test]
fn a_cross_encoder_reads_parts_of_query_and_document() {
    let text = long_text(60);
    for name in [
        "cross-tiny-bert",
        "cross-tiny-xlm-roberta",
        "cross-tiny-modernbert",
        "cross-tiny-qwen3",
        "cross-tiny-modular-bert",
    ] {
        let model = load(name);
        let logit = |model: &Model, query: &str, doc: &str| {
            let options = RankOptions::default().raw_scores(true);
            let mut answer = Reranker::with(model, options).unwrap().rank(query, &[doc]).run().unwrap();
            (answer.pairs.swap_remove(0), answer.query)
        };
        let words = |count: usize| text.split(' ').take(count).collect::<Vec<_>>().join(" ");
        // A cap of tokens keeps a beginning; which one, the number of tokens of the pair says.
        let read = model.reading(&Reading::new().max_document_tokens(4)).unwrap();
        let (cut, query) = logit(&read, QUERY, &text);
        let same = (1..=4).map(|count| logit(&model, QUERY, &words(count)).0).find(|pair| pair.tokens == cut.tokens);
        if let Some(same) = same {
            assert_eq!((cut.ranked_by, cut.truncated), (same.ranked_by, true), "{name}");
        }
        assert!(!query.truncated && cut.truncated && cut.tokens < logit(&model, QUERY, &text).0.tokens, "{name}");
        let read = model.reading(&Reading::new().max_query_tokens(2)).unwrap();
        let (cut, query) = logit(&read, &text, "a boat");
        assert!(query.truncated && cut.truncated && cut.tokens < logit(&model, &text, "a boat").0.tokens, "{name}");
        let pair = model.reading(&Reading::new().max_tokens(if name.ends_with("qwen3") { 200 } else { 16 })).unwrap();
        let limit = if name.ends_with("qwen3") { 200 } else { 16 };
        assert!(logit(&pair, QUERY, &long_text(400)).0.tokens as usize <= limit, "{name}");
        let loaded = Overrides { max_tokens: Some(limit), ..Overrides::default() };
        assert_eq!(logit(&pair, QUERY, &text), logit(&loaded_with(name, loaded), QUERY, &text), "{name}");
    }
}

#[test]
fn a_cross_encoder_cuts_either_end_and_refuses_by_name() {
    let (model, text) = (load("cross-tiny-bert"), long_text(300));
    let rank = |model: &Model, query: &str, docs: &[&str]| Reranker::new(model).rank(query, docs).run();
    let start = model.reading(&Reading::new().truncate(Truncate::Start).max_document_tokens(3)).unwrap();
    let short = rank(&model, QUERY, &[&part(&model, &text, 3, true)]).unwrap().pairs.swap_remove(0);
    let cut = rank(&start, QUERY, &[&text]).unwrap().pairs.swap_remove(0);
    assert_eq!((cut.ranked_by, cut.tokens, cut.truncated), (short.ranked_by, short.tokens, true));
    let count = |text: &str| model.count_tokens(&[text]).unwrap()[0];
    let (own, medium) = (count(&text), long_text(100));
    let caps = Reading::new().max_document_tokens(own - 1).max_query_tokens(own - 2);
    let strict = model.reading(&caps.truncate(Truncate::Never)).unwrap();
    assert_too_long(rank(&strict, QUERY, &["a", &text]), TextName::Document(1), own, own - 1);
    assert_too_long(rank(&strict, &text, &["a"]), TextName::Query(0), own, own - 2);
    let limit = model.info().unwrap().max_tokens;
    let together = TextName::Pair { query: 0, document: 1 };
    // Only one pair is read: with two that are too long, either may be named.
    assert_too_long(rank(&strict, &medium, &["", &medium]), together, 2 * count(&medium) + 3, limit);
    assert!(rank(&strict, QUERY, &["a"]).is_ok());
}

#[test]
fn an_instruction_is_of_the_request() {
    let name = "cross-tiny-qwen3";
    let (model, instruction) = (load(name), "find boats");
    let loaded = Model::load(&tiny_path(name), ModelOptions::default().instruction(instruction)).unwrap();
    let read = model.reading(&Reading::new().instruction(instruction)).unwrap();
    let [own, loaded, read] = [&model, &loaded, &read].map(Reranker::new);
    let rank = |reranker: &Reranker| reranker.rank(QUERY, &["a boat", "two"]).run().unwrap().pairs;
    assert_eq!(rank(&read), rank(&loaded));
    assert_ne!(rank(&read), rank(&own));
    assert_eq!(read.fingerprint().unwrap(), loaded.fingerprint().unwrap());
    assert_ne!(read.fingerprint().unwrap(), own.fingerprint().unwrap());
}

#[test]
fn caps_and_ends_decide_a_fingerprint_and_refusals_do_not() {
    for name in ["tiny-bert", "cross-tiny-bert"] {
        let model = load(name);
        let fingerprint =
            |reading: Reading| Reranker::new(model.reading(&reading).unwrap()).fingerprint().unwrap().unwrap();
        let own = fingerprint(Reading::new());
        assert_eq!(fingerprint(Reading::new().truncate(Truncate::Never)), own);
        assert_eq!(fingerprint(Reading::new().truncate(Truncate::End)), own);
        let others = [
            Reading::new().truncate(Truncate::Start),
            Reading::new().max_query_tokens(3),
            Reading::new().max_document_tokens(3),
            Reading::new().max_document_tokens(4),
            Reading::new().max_tokens(20),
        ];
        let mut all: Vec<String> = others.map(fingerprint).into_iter().chain([own]).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6, "{name}");
    }
}

#[test]
fn what_a_model_has_no_use_for_is_refused_by_the_options_name() {
    let prompt = || Prompt::Text("a: ".into());
    let judge = Model::from_fn(|_, _| 0.0);
    let cases: Vec<(&str, Reading, &str, &str)> = vec![
        ("tiny-bert", Reading::new().instruction("x"), "instruction", "embedding model"),
        ("tiny-bert", Reading::new().max_tokens(2), "max_tokens", "3 to 64"),
        ("tiny-bert", Reading::new().max_tokens(65), "max_tokens", "3 to 64"),
        ("tiny-bert", Reading::new().max_query_tokens(0), "max_query_tokens", "at least 1"),
        ("tiny-bert", Reading::new().max_document_tokens(0), "max_document_tokens", "at least 1"),
        ("tiny-bert", Reading::new().dim(0), "dim", "components"),
        ("tiny-bert", Reading::new().dim(100_000), "dim", "components"),
        ("cross-tiny-bert", Reading::new().dim(3), "dim", "cross-encoder"),
        ("cross-tiny-bert", Reading::new().normalize(true), "normalize", "cross-encoder"),
        ("cross-tiny-bert", Reading::new().prompt(Role::Query, prompt()), "query_prompt", "cross-encoder"),
        ("cross-tiny-bert", Reading::new().prompt(Role::Document, prompt()), "document_prompt", "cross-encoder"),
        ("cross-tiny-bert", Reading::new().instruction("x"), "instruction", "Qwen3-Reranker"),
        ("cross-tiny-bert", Reading::new().max_tokens(4), "max_tokens", "two at least"),
        ("cross-tiny-qwen3", Reading::new().truncate(Truncate::Start), "truncate", "question"),
        ("colbert-tiny-bert", Reading::new().dim(3), "dim", "ColBERT"),
        ("colbert-tiny-bert", Reading::new().normalize(false), "normalize", "ColBERT"),
        ("colbert-tiny-bert", Reading::new().truncate(Truncate::Start), "truncate", "ColBERT"),
        ("colbert-tiny-bert", Reading::new().max_tokens(3), "max_tokens", "at least 4"),
    ];
    for (name, reading, option, said) in cases {
        match load(name).reading(&reading) {
            Err(error @ Error::InvalidOption { option: found, .. }) => {
                assert!(found == option && error.to_string().contains(said), "{name} {reading:?}: {error}");
            }
            other => panic!("{name} {reading:?}: {other:?}"),
        }
    }
    let error = judge.reading(&Reading::new().dim(3)).unwrap_err().to_string();
    assert!(error.contains("dim is for local models"), "{error}");
    assert!(judge.reading(&Reading::new()).is_ok());
    let candle = Model::load(&tiny_path("tiny-bert"), ModelOptions::default().engine(Engine::Candle)).unwrap();
    let error = candle.reading(&Reading::new().max_tokens(60)).unwrap_err().to_string();
    assert!(error.contains("candle's tables are for the 48 tokens"), "{error}");
    assert!(candle.reading(&Reading::new().max_tokens(20)).is_ok());
}

#[test]
fn a_late_interaction_model_reads_parts_too() {
    let (model, text) = (load("colbert-tiny-bert"), long_text(40));
    let rank = |model: &Model, doc: &str| Reranker::new(model).rank(QUERY, &[doc]).run().unwrap().pairs.swap_remove(0);
    let cut = rank(&model.reading(&Reading::new().max_document_tokens(6)).unwrap(), &text);
    let read = rank(&model.reading(&Reading::new().max_tokens(12)).unwrap(), &text);
    let loaded = loaded_with("colbert-tiny-bert", Overrides { max_tokens: Some(12), ..Overrides::default() });
    assert_eq!(read, rank(&loaded, &text));
    assert!(cut.truncated && cut.tokens < rank(&model, &text).tokens);
}
