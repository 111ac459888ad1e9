//! Calls to services that end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nearsort::remote::judge::{JudgeMethod, JudgeOptions, Windows};
use nearsort::service::{HttpService, Provider, Service, ServiceError, ServiceOptions};
use nearsort::{Call, CancelToken, Error, Model, ModelOptions, RankOptions, Reranker};
use serde_json::json;

use super::http::{account, embedding_of, options, service};
use super::server::{Fault, Server, candidates, chat};

fn grading() -> Server {
    Server::answering(|_, body| match candidates(body).len() {
        1 => chat(None, "{\"score\": 3}"),
        _ => chat(None, "{\"ranking\": [1]}"),
    })
}

fn judge(server: &Server, concurrency: usize) -> Model {
    let options = ServiceOptions { model: "gpt-4o".into(), ..options(server, Provider::OpenAi) };
    let service = Arc::new(HttpService::new(options, account(None)).unwrap());
    let options = JudgeOptions { concurrency, ..JudgeOptions::default() };
    Model::from_judge(service, JudgeMethod::Pointwise, options).unwrap()
}

#[test]
fn a_cancelled_judge_asks_nothing_more_and_can_be_asked_again() {
    let server = grading();
    let reranker = Reranker::new(judge(&server, 1));
    let token = CancelToken::new();
    let docs = ["a", "b", "c"];
    let ended = reranker.rank("q", &docs).cancel(&token).progress(|_| token.cancel()).run();
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    assert_eq!(server.count(), 1);
    let late = reranker.rank("q", &docs).deadline(Instant::now()).run();
    assert!(matches!(late, Err(Error::DeadlineExceeded)), "{late:?}");
    assert_eq!(server.count(), 1);
    let answer = reranker.rank("q", &docs).run().unwrap();
    assert_eq!((answer.usage.service.requests, answer.usage.judge.questions, answer.usage.texts), (3, 3, 3));
    assert!(answer.usage.service.tokens.input > 0 && answer.usage.service.dollars > Some(0.0));
}

#[test]
fn a_request_is_not_tried_again_once_its_call_is_cancelled() {
    let token = CancelToken::new();
    let switch = token.clone();
    let server = Server::start();
    // A trouble that may pass, so that another try would follow.
    let later = Fault::change(move |_| {
        switch.cancel();
        json!({ "error": { "message": "later", "code": "503" } })
    });
    server.fault("", later, usize::MAX);
    let call = Call::new().cancel(&token);
    for _ in 0..2 {
        let ended = service(&server).send(&embedding_of("a"), &call).unwrap_err();
        assert!(matches!(ended, ServiceError::Stopped(_)), "{ended}");
        assert_eq!((server.count(), call.usage().service.tries), (1, 1), "nothing more is sent");
    }
}

#[test]
fn a_limit_is_not_waited_for_beyond_the_deadline() {
    let server = Server::start();
    let options = ServiceOptions { requests_per_minute: Some(1), ..options(&server, Provider::OpenAi) };
    let service = HttpService::new(options, account(None)).unwrap();
    service.send(&embedding_of("a"), &Call::new()).unwrap();
    let call = Call::new().timeout(Duration::from_secs(30));
    let ended = service.send(&embedding_of("b"), &call).unwrap_err();
    assert_eq!(nearsort::Error::from(ended).to_string(), "the call's deadline has passed");
    assert_eq!(server.count(), 1);
}

#[test]
fn one_judge_is_a_stage_in_two_ways_and_each_call_knows_what_it_used() {
    let server = grading();
    let (judge, asked) = (judge(&server, 4), AtomicUsize::new(0));
    let docs: Vec<String> = (0..30).map(|at| format!("text {at}")).collect();
    let cascade = [(judge.listwise(Windows::default()), 30), (judge.pointwise(), 5)];
    let cascade = Reranker::cascade(cascade).unwrap();
    let count = |texts| {
        asked.fetch_add(texts, Ordering::SeqCst);
    };
    let answer = cascade.rank("q", &docs).progress(count).run().unwrap();
    assert_eq!(answer.usage.judge.questions, 2 + 5, "two windows, five candidates");
    assert_eq!((answer.usage.service.requests, server.count()), (7, 7));
    assert_eq!((answer.hits.len(), asked.into_inner()), (30, 35));
    let overlap = Model::from_fn(|_, _| 1.0);
    assert!(Reranker::cascade([(overlap.pointwise(), 5)]).is_err(), "it does not judge");
}

#[test]
fn key_address_and_budget_are_options_of_the_model() {
    let server = grading();
    let options = || ModelOptions::default().base_url(&server.url).api_key("a-key-of-ones-own");
    let rich = Model::load("openai:gpt-4o-mini", options().budget(2.00)).unwrap();
    let answer = Reranker::new(&rich).rank("q", &["a", "b"]).run().unwrap();
    assert!(answer.usage.service.dollars.is_some_and(|dollars| dollars > 0.0));
    let poor = Model::load("openai:gpt-4o-mini", options().budget(0.00)).unwrap();
    let error = Reranker::new(&poor).rank("q", &["a"]).run().unwrap_err();
    assert!(matches!(error, Error::Service(ServiceError::OverBudget { .. })), "{error}");
    let error = Model::load("openai:gpt-4o-mini", options().budget(f64::NAN)).unwrap_err().to_string();
    assert!(error.contains("the budget is NaN dollars"), "{error}");
    let error = Model::load("all-MiniLM-L6-v2", options()).err().unwrap().to_string();
    assert!(error.contains("is local"), "{error}");
    let pointless = RankOptions::default().judge(JudgeMethod::Pointwise);
    let error = Reranker::with(Model::from_fn(|_, _| 1.0), pointless).err().unwrap().to_string();
    assert!(error.contains("a judge method"), "{error}");
}
