//! [`RemoteEncoder`], the cache before it and the reranker over it, against the server's faults.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nearsort::cache::{CacheOptions, CachedEncoder, EmbeddingCache};
use nearsort::remote::{KeptAnswers, RemoteEncoder, RemoteOptions, ask_dim};
use nearsort::service::{Account, HttpService, Origin, Provider, Service, ServiceKind, ServiceOptions};
use nearsort::{Call, Encoder, Engine, LongText, Model, ModelOptions, RankOptions, Reranker, Result, Role, Scoring};
use serde_json::{Value, json};

use super::http::{account, embedding_of, options, service};
use super::server::{DIM, Fault, Server, vector_of};

fn encoder_with(server: &Server, remote: RemoteOptions) -> RemoteEncoder {
    let dim = remote.dimensions.unwrap_or(DIM);
    RemoteEncoder::new(Arc::new(service(server)), dim, remote).unwrap()
}

/// Requests of at most 100 texts.
fn small() -> RemoteOptions {
    RemoteOptions { request_inputs: 100, concurrency: 4, ..RemoteOptions::default() }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("passage number {number}")).collect()
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
}

#[track_caller]
fn assert_every_text_has_its_vector(encoder: &dyn Encoder, texts: &[&str]) {
    let embeddings = encoder.encode(texts, Role::Document).unwrap();
    assert_eq!(embeddings.len(), texts.len());
    for (text, vector) in texts.iter().zip(embeddings.vectors.rows()) {
        assert!(near(&vector.to_vec(), &vector_of(text, vector.len())), "{text}");
    }
}

#[test]
fn twenty_thousand_texts_keep_their_vectors_whatever_the_order_of_answers_and_the_faults() {
    let server = Server::start();
    let shuffled = |mut body: Value| {
        body["data"].as_array_mut().unwrap().reverse();
        body
    };
    server.fault("", Fault::change(shuffled), 40);
    server.fault("", Fault::Status(429, String::new()), 5);
    server.fault("", Fault::Close, 3);
    server.fault("", Fault::Text("{".into()), 2);
    server.fault("", Fault::Slow(Duration::from_millis(20)), 20);
    let texts = texts(20_000);
    let retries = ServiceOptions { retries: 12, ..options(&server, Provider::OpenAi) };
    let service = Arc::new(HttpService::new(retries, account(None)).unwrap());
    let encoder = RemoteEncoder::new(service, DIM, small()).unwrap();
    assert_every_text_has_its_vector(&encoder, &refs(&texts));
    assert_eq!(server.count(), 200 + 10);
    assert!((2..=4).contains(&server.most_under_way()), "{} at once", server.most_under_way());
    let answered: HashSet<String> = server.requests().iter().flat_map(|seen| seen.input()).collect();
    assert_eq!(answered.len(), 20_000);
}

#[test]
fn the_order_of_a_list_of_20_000_is_that_of_the_cosines() {
    let server = Server::start().with_dim(1536);
    let reranker = over(options_over(&server), RankOptions::default()).unwrap();
    let texts = texts(20_000);
    let hits = reranker.rank("the query", &texts).run().unwrap().hits;
    let query = vector_of("the query", 1536);
    assert_eq!(hits.iter().map(|hit| hit.index).collect::<HashSet<_>>().len(), 20_000);
    for hit in hits.iter().step_by(97) {
        let expected: f32 = query.iter().zip(vector_of(&texts[hit.index], 1536)).map(|(a, b)| a * b).sum();
        assert!((hit.score - expected).abs() < 1e-5, "{}: {} {expected}", hit.index, hit.score);
    }
    assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
}

fn options_over(server: &Server) -> ModelOptions {
    ModelOptions::default().service(Arc::new(service(server)))
}

fn over(options: ModelOptions, rank: RankOptions) -> Result<Reranker> {
    Reranker::load("openai:text-embedding-3-small", options, rank)
}

#[test]
fn limits_of_requests_and_texts_hold() {
    let server = Server::start();
    let options = RemoteOptions { request_tokens: 1_000, max_tokens: Some(50), ..small() };
    let encoder = encoder_with(&server, options);
    let texts: Vec<String> = (0..300).map(|number| "tower ".repeat(number % 80)).collect();
    let embeddings = encoder.encode(&refs(&texts), Role::Document).unwrap();
    let counter = nearsort::service::TokenCounter::for_model(Provider::OpenAi, "text-embedding-3-small");
    for seen in server.requests() {
        let tokens: Vec<usize> = seen.input().iter().map(|text| counter.count(text)).collect();
        assert!(tokens.iter().sum::<usize>() <= 1_000 && tokens.iter().all(|&tokens| tokens <= 50 && tokens > 0));
        assert!(tokens.len() <= 100);
    }
    for (number, text) in texts.iter().enumerate() {
        let tokens = counter.count(text);
        assert_eq!(embeddings.tokens[number] as usize, tokens.min(50));
        assert_eq!(embeddings.truncated[number], tokens > 50, "{number}");
    }
}

#[test]
fn empty_texts_are_never_sent_and_have_no_vector() {
    let server = Server::start();
    let encoder = encoder_with(&server, small());
    let embeddings = encoder.encode(&["", "a", ""], Role::Query).unwrap();
    assert_eq!(server.requests()[0].input(), ["a"]);
    assert!(embeddings.vectors.row(0).iter().all(|x| *x == 0.0));
    assert!(near(&embeddings.vectors.row(1).to_vec(), &vector_of("a", DIM)));
    encoder.encode(&["", ""], Role::Query).unwrap();
    assert_eq!(server.count(), 1);
}

#[test]
fn dimensions_prompts_and_floats_where_base64_is_refused() {
    let server = Server::start();
    server.fault("base64", Fault::Refuse("encoding_format"), 1);
    let options = RemoteOptions { dimensions: Some(5), query_prompt: "query: ".into(), ..small() };
    let encoder = encoder_with(&server, options);
    let embeddings = encoder.encode(&["a"], Role::Query).unwrap();
    assert!(near(&embeddings.vectors.row(0).to_vec(), &vector_of("query: a", 5)));
    encoder.encode(&["b"], Role::Document).unwrap();
    let formats: Vec<_> = server.requests().iter().map(|seen| seen.body["encoding_format"].clone()).collect();
    assert_eq!(formats, ["base64", "float", "float"], "a refusal is learnt");
    assert_eq!(server.requests()[1].body["dimensions"], 5);
}

#[test]
fn what_is_wrong_with_a_vector_is_said_with_its_text() {
    let of_second = |vector: Value| {
        move |mut body: Value| {
            body["data"][1]["embedding"] = vector.clone();
            body
        }
    };
    let count = |mut body: Value| {
        body["data"].as_array_mut().unwrap().pop();
        body
    };
    let twice = |mut body: Value| {
        body["data"][0]["index"] = json!(1);
        body
    };
    let cases: Vec<(Fault, &str, bool)> = vec![
        (Fault::change(of_second(json!([0.5, null, 1, 1, 1, 1, 1, 1]))), "not a number", true),
        (Fault::change(of_second(json!(super::server::base64(&[f32::INFINITY; 8])))), "inf", true),
        (Fault::change(of_second(json!(null))), "missing", true),
        (Fault::change(of_second(json!([1, 2]))), "2 components instead of 8", true),
        (Fault::change(of_second(json!([0, 0, 0, 0, 0, 0, 0, 0]))), "all components are 0", true),
        (Fault::change(twice), "same index", true),
        (Fault::change(count), "2 vectors for 3 texts", false),
        (Fault::Text("{\"object\": \"list\"}".into()), "the list 'data' is missing", false),
    ];
    for (fault, said, names_text) in cases {
        let server = Server::start();
        server.fault("", fault, 1);
        let error = encoder_with(&server, small()).encode(&["first", "the second text", "third"], Role::Document);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("127.0.0.1"), "{said}: {error}");
        assert_eq!(error.contains("'the second text'"), names_text, "{error}");
    }
}

fn cache_in(folder: &tempfile::TempDir) -> EmbeddingCache {
    EmbeddingCache::open(&CacheOptions { folder: folder.path().join("embeddings"), max_bytes: None }).unwrap()
}

#[test]
fn a_second_run_sends_nothing_and_a_failed_one_keeps_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    // After five requests the account is empty.
    let quota = r#"{"error": {"message": "quota", "code": "insufficient_quota"}}"#;
    server.fault("", Fault::Slow(Duration::from_millis(1)), 5);
    server.fault("", Fault::Status(429, quota.into()), 99);
    let texts = texts(2_000);
    let cached = |server: &Server, concurrency| {
        let encoder = encoder_with(server, RemoteOptions { concurrency, ..small() });
        CachedEncoder::new(Arc::new(encoder), cache_in(&folder), "openai:m").unwrap()
    };
    let error = cached(&server, 1).encode(&refs(&texts), Role::Document).unwrap_err();
    assert!(error.to_string().contains("quota"), "{error}");
    assert_eq!(cache_in(&folder).info().unwrap().entries, 500, "what was paid is kept");
    // The host is part of a vector's key, so the same server goes on.
    let healed = Server::start();
    assert_every_text_has_its_vector(&cached(&healed, 4), &refs(&texts));
    let sent = healed.count();
    assert_every_text_has_its_vector(&cached(&healed, 4), &refs(&texts));
    assert_eq!(healed.count(), sent, "a second run sends nothing");
}

#[test]
fn answers_are_kept_beside_the_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let account = account(None);
    let kept = || {
        let http = HttpService::new(options(&server, Provider::OpenAi), account.clone()).unwrap();
        KeptAnswers::new(Box::new(http), cache_in(&folder))
    };
    let first = kept().send(&embedding_of("a"), &Call::new()).unwrap();
    let again = kept().send(&embedding_of("a"), &Call::new()).unwrap();
    assert_eq!((first.origin, again.origin, &first.body), (Origin::Service, Origin::Cache, &again.body));
    kept().send(&embedding_of("b"), &Call::new()).unwrap();
    assert_eq!(server.count(), 2);
    assert_eq!(account.meter().usage().from_cache, 1);
    let info = cache_in(&folder).info().unwrap();
    assert_eq!((info.entries, info.models[0].name.as_str()), (2, "openai:text-embedding-3-small"));
}

#[test]
fn an_unknown_dimension_is_asked_for_once() {
    let server = Server::start();
    assert_eq!(ask_dim(&service(&server)).unwrap(), DIM);
    let folder = tempfile::tempdir().unwrap();
    let own = |server: &Server| {
        let options = ServiceOptions { model: "own/model".into(), ..options(server, Provider::OpenAi) };
        let account = Account::new(Arc::default(), "own/model", None).unwrap();
        let service = Arc::new(HttpService::new(options, account).unwrap());
        Reranker::load(
            "openai:own/model",
            ModelOptions::default().kind(ServiceKind::Embeddings).service(service).cache(cache_in(&folder)),
            RankOptions::default(),
        )
        .unwrap()
    };
    let server = Server::start();
    for _ in 0..2 {
        let hits = own(&server).rank("q", &["a", "b"]).run().unwrap().hits;
        assert_eq!(hits.len(), 2);
    }
    assert_eq!(server.count(), 3, "dimension, query and candidates once");
}

#[test]
fn what_a_service_cannot_do_is_an_error_that_says_so() {
    let server = Server::start();
    let refused = |options, rank| over(options, rank).err().unwrap().to_string();
    let by_tokens = refused(options_over(&server), RankOptions::by(Scoring::Hybrid));
    assert!(by_tokens.contains("token"), "{by_tokens}");
    assert!(!refused(options_over(&server), RankOptions::default().long_text(LongText::Window)).is_empty());
    let by_engine = refused(options_over(&server).engine(Engine::Native), RankOptions::default());
    assert!(by_engine.contains("local models"), "{by_engine}");
    let http = HttpService::new(options(&server, Provider::Anthropic), account(None)).unwrap();
    let claude = ModelOptions::default()
        .service(Arc::new(http))
        .kind(ServiceKind::Embeddings)
        .overrides(nearsort::Overrides { dim: Some(8), ..Default::default() });
    let error = Model::load("anthropic:claude-3-5-sonnet-20241022", claude).unwrap_err().to_string();
    assert!(error.contains("no embeddings"), "{error}");
    assert_eq!(server.count(), 0);
}

#[test]
fn the_reranker_says_what_computes_and_tells_models_apart() {
    let server = Server::start().with_dim(1536);
    let reranker = over(options_over(&server), RankOptions::default()).unwrap();
    let model = reranker.model().unwrap();
    assert_eq!((model.name.as_str(), model.engine.as_str()), ("openai:text-embedding-3-small", "openai"));
    assert!(model.device.starts_with("127.0.0.1:") && model.max_tokens == 8192);
    let smaller = options_over(&server).overrides(nearsort::Overrides { dim: Some(256), ..Default::default() });
    let smaller = over(smaller, RankOptions::default());
    assert_ne!(reranker.fingerprint().unwrap(), smaller.unwrap().fingerprint().unwrap());
    let counted = AtomicUsize::new(0);
    let ticks = |texts| {
        counted.fetch_add(texts, Ordering::SeqCst);
    };
    reranker.rank("q", &["a", "b", "", "c"]).progress(ticks).run().unwrap();
    assert_eq!(counted.load(Ordering::SeqCst), 4, "the query and three candidates");
}
