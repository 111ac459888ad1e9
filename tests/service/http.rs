//! What is tried again, what is not, and what is said: [`HttpService`] against the server's faults.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nearsort::Call;
use nearsort::service::{
    Account, HttpService, Meter, Origin, Price, Provider, Request, Secret, Service, ServiceError, ServiceOptions,
    TokenCount,
};
use serde_json::json;

use super::server::{Fault, Server, base64, vector_of};

pub const KEY: &str = "sk-test-0123456789abcdef";

/// Options with short patience.
pub fn options(server: &Server, provider: Provider) -> ServiceOptions {
    ServiceOptions {
        base_url: Some(server.url.clone()),
        key: Secret::new(KEY, "the test's key").ok(),
        retries: 3,
        min_pause: Duration::from_millis(1),
        max_pause: Duration::from_millis(400),
        timeout: Duration::from_secs(10),
        ..ServiceOptions::new(provider, "text-embedding-3-small")
    }
}

/// An account at $1 per million tokens.
pub fn account(budget: Option<f64>) -> Account {
    let price = Price { input: 1.0, output: 1.0, ..Price::default() };
    Account::new(Arc::new(Meter::new(budget)), "m", Some(price)).unwrap()
}

pub fn service(server: &Server) -> HttpService {
    HttpService::new(options(server, Provider::OpenAi), account(None)).unwrap()
}

pub fn embedding_of(text: &str) -> Request {
    let body = json!({"model": "text-embedding-3-small", "input": [text], "encoding_format": "base64"});
    Request { path: "/embeddings", body, at_most: TokenCount { input: 1, ..TokenCount::default() } }
}

#[test]
fn an_answer_comes_back_with_its_origin_and_is_counted() {
    let server = Server::start();
    let account = account(None);
    let service = HttpService::new(options(&server, Provider::OpenAi), account.clone()).unwrap();
    let reply = service.send(&embedding_of("the Eiffel Tower"), &Call::new()).unwrap();
    assert_eq!(reply.origin, Origin::Service);
    assert_eq!(reply.body["data"][0]["embedding"], base64(&vector_of("the Eiffel Tower", 8)));
    let seen = &server.requests()[0];
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(seen.headers["content-type"], "application/json");
    let usage = account.meter().usage();
    assert_eq!((usage.requests, usage.tries, usage.tokens.input, usage.dollars), (1, 1, 3, Some(3e-6)));
}

#[test]
fn azure_and_anthropic_have_headers_and_addresses_of_their_own() {
    let server = Server::start();
    let base_url = Some(server.url.trim_end_matches("/v1").to_owned());
    let azure = ServiceOptions { base_url, ..options(&server, Provider::Azure) };
    HttpService::new(azure, account(None)).unwrap().send(&embedding_of("a"), &Call::new()).unwrap();
    let claude = HttpService::new(options(&server, Provider::Anthropic), account(None)).unwrap();
    let body = json!({"model": "claude", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    claude
        .send(
            &Request { path: "/messages", body, at_most: TokenCount { input: 9, output: 5, ..TokenCount::default() } },
            &Call::new(),
        )
        .unwrap();
    let seen = server.requests();
    assert_eq!(seen[0].path, "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21");
    assert_eq!((seen[0].headers["api-key"].as_str(), seen[0].headers.get("authorization")), (KEY, None));
    assert_eq!(
        (seen[1].headers["x-api-key"].as_str(), seen[1].headers["anthropic-version"].as_str()),
        (KEY, "2023-06-01")
    );
}

#[test]
fn what_may_pass_is_tried_again_until_it_passes() {
    let faults = [
        Fault::Status(429, r#"{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}"#.into()),
        Fault::Status(500, String::new()),
        Fault::Status(
            529,
            r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#.into(),
        ),
        Fault::Status(408, String::new()),
        Fault::Close,
        Fault::Cut(20),
        Fault::Text("{\"data\": [".into()),
    ];
    for fault in faults {
        let server = Server::start();
        server.fault("", fault, 2);
        let reply = service(&server).send(&embedding_of("a"), &Call::new());
        assert!(reply.is_ok(), "{reply:?}");
        assert_eq!(server.count(), 3);
    }
}

#[test]
fn tries_come_to_an_end_that_says_why() {
    let server = Server::start();
    server.fault("", Fault::Status(503, r#"{"error": {"message": "maintenance"}}"#.into()), 99);
    let error = service(&server).send(&embedding_of("a"), &Call::new()).unwrap_err();
    assert!(matches!(&error, ServiceError::Unavailable { tries: 4, .. }), "{error}");
    assert!(error.to_string().contains("503: maintenance") && error.to_string().contains("127.0.0.1"), "{error}");
    let server = Server::start();
    server.fault("", Fault::Text("<html>".into()), 99);
    let error = service(&server).send(&embedding_of("a"), &Call::new()).unwrap_err();
    assert!(matches!(&error, ServiceError::Malformed { .. }), "{error}");
    assert_eq!(server.count(), 4);
}

#[test]
fn a_name_that_nobody_knows_is_said_and_costs_nothing() {
    let server = Server::start();
    let nowhere = ServiceOptions {
        base_url: Some("http://nowhere.invalid/v1".into()),
        allow_insecure_base_url: true,
        proxy_from_env: false,
        ..options(&server, Provider::OpenAi)
    };
    // A lost answer would use the budget up.
    let most = embedding_of("a").at_most;
    let account = account(Some((most.input + most.output) as f64 * 1.5e-6));
    let error = HttpService::new(nowhere, account).unwrap().send(&embedding_of("a"), &Call::new()).unwrap_err();
    assert!(matches!(&error, ServiceError::Unavailable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("the name 'nowhere.invalid' cannot be resolved") && said.contains("`base_url=`"), "{said}");
}

#[test]
fn what_cannot_pass_is_sent_once() {
    let statuses = [400, 401, 402, 403, 404, 413, 422, 307];
    let quota = r#"{"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}}"#;
    let spend = r#"{"type": "error", "error": {"type": "enforced_spend_limit_reached", "message": "limit"}}"#;
    let plain = statuses.into_iter().map(|status| (status, r#"{"error": {"message": "no"}}"#));
    for (status, body) in plain.chain([(429, quota), (429, spend)]) {
        let server = Server::start();
        server.fault("", Fault::Status(status, body.into()), 99);
        let error = service(&server).send(&embedding_of("a"), &Call::new()).unwrap_err();
        assert!(matches!(&error, ServiceError::Refused { status: found, .. } if *found == status), "{status}: {error}");
        assert_eq!(server.count(), 1, "{status}");
    }
}

#[test]
fn a_refused_parameter_is_named() {
    let server = Server::start();
    server.fault("", Fault::Refuse("encoding_format"), 99);
    match service(&server).send(&embedding_of("a"), &Call::new()).unwrap_err() {
        ServiceError::Refused { param, code, .. } => {
            assert_eq!((param.as_deref(), code.as_deref()), (Some("encoding_format"), Some("invalid_request_error")));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_pause_that_a_service_asks_for_is_kept_and_capped() {
    for (name, value, least) in
        [("retry-after", "0.2", 200), ("retry-after-ms", "250", 250), ("retry-after", "3600", 400)]
    {
        let server = Server::start();
        server.fault("", Fault::Header(429, name, value.into()), 1);
        let started = Instant::now();
        service(&server).send(&embedding_of("a"), &Call::new()).unwrap();
        let waited = started.elapsed().as_millis();
        assert!((least..1_000_000).contains(&waited), "{name}: {value}: {waited} ms");
    }
    let server = Server::start();
    server.fault("", Fault::Header(503, "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT".into()), 1);
    service(&server).send(&embedding_of("a"), &Call::new()).unwrap();
}

#[test]
fn silence_ends_with_the_time_out_and_the_budget_pays_for_it() {
    let server = Server::start();
    server.fault("", Fault::Hang, 99);
    let account = account(Some(2.0));
    let patience = Duration::from_millis(150);
    let options = ServiceOptions { timeout: patience, retries: 5, ..options(&server, Provider::OpenAi) };
    let service = HttpService::new(options, account).unwrap();
    let mut request = embedding_of("a");
    request.at_most.input = 900_000;
    let error = service.send(&request, &Call::new()).unwrap_err();
    assert!(matches!(error, ServiceError::OverBudget { .. }), "{error}");
    assert_eq!(server.count(), 2, "two lost answers at $0.90 leave too little for a third");
}

#[test]
fn nobody_there_is_an_error_that_names_the_address() {
    let server = Server::start();
    let gone = ServiceOptions { base_url: Some("http://127.0.0.1:1/v1".into()), ..options(&server, Provider::OpenAi) };
    let error = HttpService::new(gone, account(None)).unwrap().send(&embedding_of("a"), &Call::new()).unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1") && error.to_string().contains("4 tries"), "{error}");
}

#[test]
fn the_key_is_in_no_message_even_when_the_server_echoes_it() {
    let echo =
        format!(r#"{{"error": {{"message": "Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}}}}"#);
    for status in [401, 500] {
        let server = Server::start();
        server.fault("", Fault::Status(status, echo.clone()), 99);
        let service = service(&server);
        let error = service.send(&embedding_of("a"), &Call::new()).unwrap_err();
        let said = format!("{error} {error:?} {service:?}");
        assert!(said.contains("[key]") && !said.contains("sk-test"), "{said}");
    }
    let server = Server::start();
    server.fault("", Fault::Text(format!(r#"{{"data": [], "echo": "{KEY}"}}"#)), 1);
    assert_eq!(service(&server).send(&embedding_of("a"), &Call::new()).unwrap().body["echo"], "[key]");
}

#[test]
fn no_encoding_and_no_header_brings_the_key_out() {
    let base64: String = "c2stdGVzdC0wMTIzNDU2Nzg5YWJjZGVm".into();
    for echo in [
        r"sk\u002dtest\u002d0123456789abcdef",
        r"sk\\u002dtest\\u002d0123456789abcdef",
        "sk%2Dtest%2D0123456789abcdef",
        "456789abcdef",
        "test-01234",
        "736b2d746573742d30313233343536373839616263646566",
        &base64,
        "SK-TEST-0123456789ABCDEF",
    ] {
        let server = Server::start();
        let body = format!(r#"{{"error": {{"message": "bad key {echo} ", "code": "{echo}", "param": "{echo}"}}}}"#);
        server.fault("refused", Fault::Status(401, body), 1);
        server.fault("plain", Fault::Status(403, format!("bad key {echo} ")), 1);
        server.fault("answered", Fault::Text(format!(r#"{{"{echo}": "it is {echo} "}}"#)), 1);
        let service = service(&server);
        for text in ["refused", "plain"] {
            let error = service.send(&embedding_of(text), &Call::new()).unwrap_err();
            let said = format!("{error} {error:?}").to_lowercase();
            assert!(said.contains("[key]") && !said.contains("01234") && !said.contains("9abcde"), "{echo}: {said}");
            assert!(!said.contains(&base64[8..24].to_lowercase()), "{said}");
        }
        let answer = service.send(&embedding_of("answered"), &Call::new()).unwrap().body;
        assert_eq!(answer.as_object().unwrap().values().next().unwrap(), "it is [key] ", "{echo}");
    }
    let server = Server::start();
    let place = format!("https://me:hunter2@elsewhere/{KEY}/v1?sig={KEY}&more=secret");
    server.fault("", Fault::Header(307, "location", place), 1);
    let error = service(&server).send(&embedding_of("a"), &Call::new()).unwrap_err().to_string();
    assert!(
        error.contains("https://elsewhere/[key]") && !error.contains("secret") && !error.contains("hunter2"),
        "{error}"
    );
    let server = Server::start();
    server.fault("", Fault::Header(200, "content-encoding", KEY.into()), 1);
    let error = service(&server).send(&embedding_of("a"), &Call::new()).unwrap_err().to_string();
    assert!(error.contains("a compressed body ([key])"), "{error}");
}

#[test]
fn an_error_in_a_success_is_an_error_and_a_web_page_is_named() {
    let server = Server::start();
    let of = |code: u16| Fault::Text(format!(r#"{{"error": {{"message": "no capacity", "code": {code}}}}}"#));
    server.fault("later", of(429), 2);
    server.fault("never", of(402), 1);
    server.fault("page", Fault::Text("<!doctype html><title>Login</title>".into()), 99);
    assert!(service(&server).send(&embedding_of("later"), &Call::new()).is_ok(), "tried again");
    let error = service(&server).send(&embedding_of("never"), &Call::new()).unwrap_err();
    assert!(
        matches!(&error, ServiceError::Refused { status: 402, message, .. } if message == "no capacity"),
        "{error}"
    );
    let error = service(&server).send(&embedding_of("page"), &Call::new()).unwrap_err().to_string();
    assert!(error.contains("web page") && error.contains("`base_url=`"), "{error}");
}

#[test]
fn an_answer_is_read_as_far_as_its_request_can_explain() {
    let server = Server::start();
    server.fault("grade", Fault::Text(format!("[{}0]", "0,".repeat(45_000_000))), 1);
    server.fault("values", Fault::Text(format!("[{}0]", "0,".repeat(100_000))), 1);
    server.fault("refused", Fault::Status(400, "x".repeat(30_000_000)), 1);
    server.fault("packed", Fault::Header(200, "content-encoding", "gzip".into()), 9);
    let service = service(&server);
    let error = |text: &str| {
        let body = json!({ "messages": [{ "role": "user", "content": text }] });
        let request = Request {
            path: "/chat/completions",
            body,
            at_most: TokenCount { input: 9, output: 64, ..TokenCount::default() },
        };
        service.send(&request, &Call::new()).unwrap_err().to_string()
    };
    assert!(error("grade").contains("more than 1052672 bytes"));
    assert!(error("values").contains("more than 65536 values"));
    let refused = error("refused");
    assert!(refused.contains("xxx") && refused.len() < 1000, "{}", refused.len());
    assert!(error("packed").contains("a compressed body (gzip)"));
}

#[test]
fn pauses_of_a_year_and_of_the_past_are_cut() {
    let server = Server::start();
    server.fault("year", Fault::Header(429, "retry-after", "31536000".into()), 1);
    server.fault("past", Fault::Header(503, "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT".into()), 1);
    server.fault("huge", Fault::Header(503, "retry-after", "1e400".into()), 1);
    for text in ["year", "past", "huge"] {
        assert!(service(&server).send(&embedding_of(text), &Call::new()).is_ok(), "{text}");
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let server = Server::start();
    server.fault("", Fault::Text(format!("\"{}\"", "x".repeat(100_000))), 99);
    let options = ServiceOptions { max_answer_bytes: 50_000, ..options(&server, Provider::OpenAi) };
    let error = HttpService::new(options, account(None)).unwrap().send(&embedding_of("a"), &Call::new()).unwrap_err();
    assert!(error.to_string().contains("50000 bytes"), "{error}");
    assert_eq!(server.count(), 1);
}

#[test]
fn a_key_is_asked_for_where_the_provider_needs_one() {
    let own = ServiceOptions::new(Provider::Anthropic, "claude");
    let error = HttpService::new(own, account(None)).unwrap_err().to_string();
    assert!(error.contains("ANTHROPIC_API_KEY") && error.contains("`api_key_file=`"), "{error}");
    let server = Server::start();
    let none = ServiceOptions { key: None, ..options(&server, Provider::OpenAi) };
    HttpService::new(none, account(None)).unwrap().send(&embedding_of("a"), &Call::new()).unwrap();
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}

#[test]
fn the_limit_of_requests_holds_for_all_threads() {
    let server = Server::start();
    // 300 a minute: 30 at once, then one every 0.22 s.
    let options = ServiceOptions { requests_per_minute: Some(300), ..options(&server, Provider::OpenAi) };
    let service = HttpService::new(options, account(None)).unwrap();
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..4).for_each(|_| drop(service.send(&embedding_of("a"), &Call::new()).unwrap())));
        }
    });
    assert_eq!(server.count(), 32);
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
}

#[test]
fn eight_threads_do_not_pass_the_budget() {
    let server = Server::start();
    let account = account(Some(20e-6));
    let service = HttpService::new(options(&server, Provider::OpenAi), account.clone()).unwrap();
    let refused = thread::scope(|scope| {
        let work = || {
            let asked = (0..5).map(|_| {
                let mut request = embedding_of("one two three");
                request.at_most.input = 4;
                service.send(&request, &Call::new())
            });
            asked.filter(|answer| matches!(answer, Err(ServiceError::OverBudget { .. }))).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    // $1 per million: six answers of 3 tokens leave $2e-6, less than the $4e-6 that another may
    // cost.
    assert_eq!((server.count(), refused), (6, 34));
    assert!((account.meter().usage().dollars.unwrap() - 18e-6).abs() < 1e-12);
}
