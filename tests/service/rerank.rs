//! Services that rerank, in each provider's form, against the server's faults.

use std::sync::Arc;
use std::time::Duration;

use nearsort::cache::{CacheOptions, EmbeddingCache};
use nearsort::remote::{KeptAnswers, RerankScorer, RerankServiceOptions};
use nearsort::service::{
    Account, HttpService, Meter, Origin, Price, Provider, Recording, Service, ServiceError, ServiceKind, ServiceOptions,
};
use nearsort::{Call, DEFAULT_MODEL, ModelOptions, RankOptions, Reranker, Result, ScoreKind, Scorer, Scoring};
use serde_json::{Value, json};

use super::http::{KEY, account, options};
use super::server::{Fault, Server, score_of};

/// The rerank providers, each with a model of its own.
const ALL: [(Provider, &str); 4] = [
    (Provider::Cohere, "rerank-v4.0-pro"),
    (Provider::Jina, "jina-reranker-v2-base-multilingual"),
    (Provider::Voyage, "rerank-2.5"),
    (Provider::Tei, "bge-reranker"),
];

fn service_with(server: &Server, (provider, model): (Provider, &str), account: Account) -> HttpService {
    let options = ServiceOptions { model: model.into(), ..options(server, provider) };
    HttpService::new(options, account).unwrap()
}

fn service(server: &Server, of: (Provider, &str)) -> Arc<dyn Service> {
    Arc::new(service_with(server, of, account(None)))
}

fn scorer(server: &Server, of: (Provider, &str)) -> RerankScorer {
    RerankScorer::new(service(server, of), RerankServiceOptions::default()).unwrap()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("tower {}", number * 7 % 1000)).collect()
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[test]
fn every_form_gives_the_services_scores_in_the_candidates_order() {
    for of in ALL {
        let server = Server::start();
        let scorer = scorer(&server, of);
        let texts = texts(70);
        let scores = scorer.score("which tower", &refs(&texts)).unwrap();
        let expected: Vec<f32> = texts.iter().map(|text| score_of("which tower", text) as f32).collect();
        assert_eq!(scores.scores(), expected, "{of:?}");
        let promises = matches!(of.0, Provider::Cohere | Provider::Tei);
        assert_eq!(scorer.kind(), if promises { ScoreKind::Probability } else { ScoreKind::Custom });
        let seen = &server.requests()[0];
        assert!(seen.path.ends_with("/rerank") && seen.body["query"] == "which tower");
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(seen.body.get("model").is_some(), of.0 != Provider::Tei);
        let model = scorer.model().unwrap();
        assert_eq!((model.name, model.engine), (format!("{}:{}", of.0, of.1), of.0.to_string()));
    }
}

#[test]
fn a_long_list_is_cut_into_requests_and_keeps_its_scores_whatever_the_faults() {
    let server = Server::start();
    server.fault("", Fault::Header(429, "Retry-After", "0.01".into()), 2);
    server.fault("", Fault::Status(500, String::new()), 2);
    server.fault("", Fault::Cut(30), 2);
    let scorer = scorer(&server, ALL[3]);
    let texts = texts(1000);
    let scores = scorer.score("q", &refs(&texts)).unwrap();
    let expected: Vec<f32> = texts.iter().map(|text| score_of("q", text) as f32).collect();
    assert_eq!(scores.scores(), expected);
    let sizes: Vec<usize> = server.requests().iter().map(|seen| seen.documents().len()).collect();
    assert_eq!((sizes.len(), sizes.iter().max()), (32 + 6, Some(&32)), "TEI takes 32 texts, and 6 tries failed");

    let server = Server::start();
    let options = RerankServiceOptions { request_documents: Some(300), ..RerankServiceOptions::default() };
    let few = RerankScorer::new(service(&server, ALL[0]), options).unwrap();
    assert_eq!(few.score("q", &refs(&texts)).unwrap().scores(), expected);
    let mut sizes: Vec<usize> = server.requests().iter().map(|seen| seen.documents().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [100, 300, 300, 300]);
}

fn over(server: &Server, (provider, model): (Provider, &'static str), rank: RankOptions) -> Result<Reranker> {
    let service = service(server, (provider, model));
    Reranker::load(&format!("{provider}:{model}"), ModelOptions::default().service(service), rank)
}

#[test]
fn the_order_is_that_of_the_scores_and_ties_stay_in_the_inputs_order() {
    for of in ALL {
        let server = Server::start();
        let reranker = over(&server, of, RankOptions::default()).unwrap();
        let texts = ["tower 3", "tower 9", " \t", "a tower 3", "", "tower 9"];
        let hits = reranker.rank("q", &texts).run().unwrap().hits;
        assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 5, 0, 3, 2, 4], "{of:?}");
        assert_eq!(server.requests()[0].documents(), ["tower 3", "tower 9", "a tower 3"], "no blank one, none twice");
        let mixed = reranker.rank("q", &texts).first_stage(|_| 9.0).run().unwrap().hits;
        assert_eq!(mixed.iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 5, 0, 3, 2, 4], "no blend by default");
        let zero = reranker.rank("q", &["", "nothing"]).run().unwrap().hits;
        assert_eq!((zero[0].index, zero[0].score), (1, 0.0), "a score of 0 is above no text");
        let blank = reranker.rank("q", &["", " "]).run().unwrap().hits;
        assert_eq!((blank.len(), server.count()), (2, 3), "nothing is sent for blank texts alone");
    }
}

#[test]
fn logits_of_servers_in_jinas_form_are_taken_as_they_are() {
    let server = Server::start();
    let scores = scorer(&server, ALL[1]).score("raw", &["tower 3", "tower 900", "tower 500"]).unwrap();
    assert_eq!(scores.scores(), [-497.0, 400.0, 0.0]);
    let server = Server::start();
    let error = scorer(&server, ALL[0]).score("raw", &["tower 900", "tower 3"]).unwrap_err().to_string();
    for said in ["is not between 0 and 1, as Cohere promises", "jina:MODEL", "counted from 0: 'tower 900'"] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Changes the list of results.
type Change = fn(&mut Vec<Value>);

#[test]
fn what_is_wrong_with_a_result_is_said_and_names_the_document() {
    let in_list = |change: Change| {
        move |mut body: Value| {
            let named = ["results", "data"].into_iter().find(|name| body.get(name).is_some());
            let results = match named {
                Some(name) => &mut body[name],
                None => &mut body,
            };
            change(results.as_array_mut().unwrap());
            body
        }
    };
    let cases: [(Change, &str); 7] = [
        (|results| drop(results.pop()), "2 results for 3 documents"),
        (|results| results.push(results[0].clone()), "4 results for 3 documents"),
        (|results| results[0] = results[1].clone(), "two results have the index"),
        (|results| results[0]["index"] = json!(3), "the index 3, and the documents have 0 to 2"),
        (|results| drop(results[0].as_object_mut().unwrap().remove("index")), "no 'index'"),
        (
            |results| {
                let score = if results[0].get("score").is_some() { "score" } else { "relevance_score" };
                results[0][score] = Value::Null;
            },
            "not a finite number: null (text 2, counted from 0: 'tower 5')",
        ),
        (|results| results[0] = json!("x"), "no 'index'"),
    ];
    for of in ALL {
        for (change, said) in cases {
            let server = Server::start();
            server.fault("", Fault::change(in_list(change)), 1);
            let error = scorer(&server, of).score("q", &["tower 3", "tower 1", "tower 5"]).unwrap_err().to_string();
            assert!(error.contains("127.0.0.1") && error.contains(said), "{of:?}, {said}: {error}");
            assert_eq!(server.count(), 1, "it is not asked again");
        }
        let server = Server::start();
        server.fault("", Fault::Text("{}".into()), 1);
        let error = scorer(&server, of).score("q", &["a"]).unwrap_err().to_string();
        assert!(error.contains("list"), "{of:?}: {error}");
        let server = Server::start();
        server.fault("", Fault::Text("[{\"index\": 0, \"score\": NaN}]".into()), 9);
        let error = scorer(&server, of).score("q", &["a"]).unwrap_err().to_string();
        assert!(error.contains("invalid JSON"), "{of:?}: {error}");
    }
}

#[test]
fn refusals_are_read_in_every_form_and_never_show_the_key() {
    for (status, body, said) in [
        (401, json!({"message": format!("invalid api token {KEY}"), "id": "1"}), "401: invalid api token [key]"),
        (
            422,
            json!({"error": "batch size 40 > maximum allowed batch size 32", "error_type": "Validation"}),
            "batch size",
        ),
        (400, json!({"detail": "model x is not supported"}), "400: model x is not supported"),
    ] {
        let server = Server::start();
        server.fault("", Fault::Status(status, body.to_string()), 1);
        let error = scorer(&server, ALL[0]).score("q", &["a"]).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains(KEY), "{error}");
        assert_eq!(server.count(), 1);
    }
    let server = Server::start();
    server.fault(
        "",
        Fault::change(|mut body| {
            body["results"][0]["document"] = json!({ "text": KEY });
            body["results"][0]["index"] = json!(KEY);
            body
        }),
        1,
    );
    let error = scorer(&server, ALL[0]).score("q", &["a"]).unwrap_err().to_string();
    assert!(!error.contains(KEY) && error.contains("[key]"), "{error}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_on() {
    let server = Server::start();
    server.fault("", Fault::Hang, 9);
    let options = ServiceOptions {
        model: "m".into(),
        timeout: Duration::from_millis(100),
        retries: 1,
        ..options(&server, Provider::Cohere)
    };
    let service = Arc::new(HttpService::new(options, account(None)).unwrap());
    let scorer = RerankScorer::new(service, RerankServiceOptions::default()).unwrap();
    let error = scorer.score("q", &["a"]).unwrap_err().to_string();
    assert!(error.contains("gave up after 2 tries"), "{error}");
}

#[test]
fn searches_and_tokens_go_through_the_meter_and_keep_the_budget() {
    let price = Price { searches: 2.0, ..Price::default() };
    let account_of = |budget| Account::new(Arc::new(Meter::new(budget)), "m", Some(price.clone())).unwrap();
    let (server, account) = (Server::start(), account_of(None));
    let scored = |account: Account, server: &Server, count: usize| {
        let service = Arc::new(service_with(server, ALL[0], account));
        RerankScorer::new(service, RerankServiceOptions::default()).unwrap().score("q", &refs(&texts(count)))
    };
    scored(account.clone(), &server, 950).unwrap();
    let usage = account.meter().usage();
    assert_eq!((usage.requests, usage.tokens.search_units, usage.tokens.input), (1, 10, 0));
    assert!((usage.dollars.unwrap() - 0.02).abs() < 1e-12);
    let error = scored(account_of(Some(0.019)), &server, 950).unwrap_err();
    assert!(error.to_string().contains("budget of $0.02"), "{error}");
    assert_eq!(server.count(), 1, "what may cost more than is left is not sent");
    let tokens = |of| {
        let (server, account) = (Server::start(), self::account(None));
        let service = Arc::new(service_with(&server, of, account.clone()));
        let scorer = RerankScorer::new(service, RerankServiceOptions::default()).unwrap();
        scorer.score("the query", &["one two", "three"]).unwrap();
        account.meter().usage().tokens.input
    };
    assert_eq!((tokens(ALL[1]), tokens(ALL[2])), (7, 7), "as the services count them");
    assert!(tokens(ALL[3]) > 7, "who counts nothing may have taken as much as was reckoned");
}

#[test]
fn long_candidates_are_cut_where_that_is_asked_for_and_it_is_said() {
    let server = Server::start();
    let options = RerankServiceOptions { max_tokens: Some(8), ..RerankServiceOptions::default() };
    let cutting = RerankScorer::new(service(&server, ALL[0]), options).unwrap();
    let long = "tower ".repeat(50) + "9";
    let scores = cutting.score("q", &[&long, "tower 9"]).unwrap();
    assert_eq!((scores.pairs[0].truncated, scores.pairs[1].truncated, scores.pairs[1].score), (true, false, 0.009));
    assert!(server.requests()[0].documents()[0].len() < 60);
    assert_ne!(cutting.fingerprint().unwrap(), scorer(&server, ALL[0]).fingerprint().unwrap());
    for wrong in [
        RerankServiceOptions { max_tokens: Some(0), ..RerankServiceOptions::default() },
        RerankServiceOptions { concurrency: 0, ..RerankServiceOptions::default() },
        RerankServiceOptions { request_documents: Some(0), ..RerankServiceOptions::default() },
    ] {
        assert!(RerankScorer::new(service(&server, ALL[0]), wrong).is_err());
    }
}

#[test]
fn an_answer_is_kept_when_its_scores_were_read_and_only_then() {
    for of in ALL {
        let folder = tempfile::tempdir().unwrap();
        let cache = EmbeddingCache::open(&CacheOptions { folder: folder.path().into(), max_bytes: None }).unwrap();
        let server = Server::start();
        let kept = || Arc::new(KeptAnswers::new(Box::new(service(&server, of)), cache.clone()));
        let score = || RerankScorer::new(kept(), RerankServiceOptions::default()).unwrap().score("q", &["tower 3"]);
        server.fault("", Fault::Text("{\"results\": [], \"data\": []}".into()), 1);
        assert!(score().is_err());
        assert_eq!(score().unwrap().scores(), [0.003], "{of:?}: the server's bad day is not kept");
        assert_eq!((score().unwrap().scores(), server.count()), (vec![0.003], 2), "{of:?}: the answer is");
    }
}

#[test]
fn a_recording_replays_the_scores_without_the_server() {
    let folder = tempfile::tempdir().unwrap();
    for of in ALL {
        let server = Server::start();
        let recording = Recording::record(folder.path(), Box::new(service(&server, of)), account(None)).unwrap();
        let scored = |service: Arc<dyn Service>| {
            RerankScorer::new(service, RerankServiceOptions::default()).unwrap().score("q", &refs(&texts(40)))
        };
        let first = scored(Arc::new(recording)).unwrap();
        let sent = server.count();
        let options = ServiceOptions { model: of.1.into(), ..options(&server, of.0) };
        let account = account(None);
        let replay = Recording::replay(folder.path(), &options, account.clone()).unwrap();
        assert_eq!((scored(Arc::new(replay)).unwrap(), server.count()), (first, sent), "{of:?}");
        assert_eq!(account.meter().usage().from_recording as usize, sent);
    }
}

#[test]
fn a_stage_may_be_a_service_that_reranks() {
    let server = Server::start();
    let service = service(&server, ALL[0]);
    let stages = ["jina:own:4", "cohere:rerank-v4.0-pro:2"].map(|stage| stage.parse().unwrap());
    let options = ModelOptions::default().connect(Arc::new(move |_, _| Ok(Arc::clone(&service))));
    let reranker = Reranker::load_stages(&stages, DEFAULT_MODEL, options, RankOptions::default()).unwrap();
    let hits = reranker.rank("q", &["tower 3", "tower 9", "tower 5"]).run().unwrap().hits;
    assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 2, 0]);
    let asked: Vec<usize> = server.requests().iter().map(|seen| seen.documents().len()).collect();
    assert_eq!(asked, [3, 2]);
    assert_eq!(reranker.stages()[1].name, "cohere:rerank-v4.0-pro");
}

#[test]
fn the_kind_of_a_model_is_a_guess_that_a_setting_overrides() {
    let server = Server::start();
    let refused = |name: &str, kind: ServiceKind| {
        let (provider, model) = Provider::of_name(name).unwrap();
        let service = service(&server, (provider, model));
        let built = Reranker::load(name, ModelOptions::default().service(service).kind(kind), RankOptions::default());
        built.err().expect(name).to_string()
    };
    for (name, kind, said) in [
        ("cohere:rerank-v4.0-pro", ServiceKind::Embeddings, "Cohere has no embeddings; use openai:, azure: or a local"),
        ("jina:x", ServiceKind::Judge, "Jina has no language models that judge; use openai:"),
        ("openai:gpt-4o", ServiceKind::Rerank, "OpenAI has no rerank models; use cohere:, jina:, voyage:, tei:"),
        ("anthropic:claude", ServiceKind::Embeddings, "Anthropic has no embeddings"),
    ] {
        let error = refused(name, kind);
        assert!(error.contains(said), "{error}");
    }
    let error = over(&server, ALL[0], RankOptions::by(Scoring::Cosine)).err().unwrap().to_string();
    assert!(error.contains("a scoring is for models that embed, and a rerank service"), "{error}");
    let error = over(&server, ALL[0], RankOptions::default().raw_scores(true)).err().unwrap().to_string();
    assert!(error.contains("`raw_scores=` is for local models"), "{error}");
    assert_eq!(server.count(), 0, "all of it is said before anything is sent");
}

#[test]
fn keys_go_to_their_providers_hosts_only_and_tei_needs_none() {
    let at = |provider, base: Option<&str>| {
        let options = ServiceOptions { base_url: base.map(str::to_owned), ..ServiceOptions::new(provider, "m") };
        HttpService::new(options, account(None)).map(drop)
    };
    let said = |provider| at(provider, None).unwrap_err().to_string();
    assert!(said(Provider::Cohere).contains("set COHERE_API_KEY or CO_API_KEY"), "{}", said(Provider::Cohere));
    assert!(said(Provider::Jina).contains("JINA_API_KEY") && said(Provider::Voyage).contains("VOYAGE_API_KEY"));
    assert!(said(Provider::Tei).contains("TEI_BASE_URL"), "{}", said(Provider::Tei));
    assert_eq!(at(Provider::Tei, Some("http://localhost:8080")), Ok(()));
    assert_eq!(at(Provider::Jina, Some("http://localhost:8080/v1")), Ok(()), "another server may need none");
    let keyed = |base: &str| {
        let key = nearsort::service::Secret::new(KEY, "COHERE_API_KEY").ok();
        let options = ServiceOptions {
            base_url: Some(base.into()),
            key,
            key_host: Some("api.cohere.com".into()),
            ..ServiceOptions::new(Provider::Cohere, "m")
        };
        HttpService::new(options, account(None)).map(drop)
    };
    assert_eq!(keyed("https://api.cohere.com/v2"), Ok(()));
    let error = keyed("https://elsewhere/v2").unwrap_err();
    assert!(matches!(&error, ServiceError::Setup(said) if said.contains("is not sent to elsewhere")), "{error}");
}

#[test]
fn an_error_with_a_success_is_a_refusal() {
    let server = Server::start();
    server.fault("", Fault::Text(json!({"error": {"message": "no such model", "code": 404}}).to_string()), 1);
    let error = scorer(&server, ALL[1]).score("q", &["a"]).unwrap_err().to_string();
    assert!(error.contains("404: no such model"), "{error}");
    let reply = service(&server, ALL[3]).send(
        &nearsort::service::Request {
            path: "/rerank",
            body: json!({"query": "q", "texts": ["tower 3"]}),
            at_most: nearsort::service::TokenCount::default(),
        },
        &Call::new(),
    );
    assert_eq!(reply.unwrap().origin, Origin::Service);
}
