//! Several models by name.

use nearsort::{Model, Reranker, Scoring};
use nearsort_server::{CascadeSettings, Options, Settings};
use serde_json::{Value, json};

use crate::support::{EIFFEL, Running, eiffel};

const CROSS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/cross-tiny-bert");

fn by(model: &str) -> Value {
    let mut body = eiffel();
    body["model"] = json!(model);
    body
}

fn two() -> Settings {
    Settings {
        model: Some(vec!["all-MiniLM-L6-v2=rerank-v3.5".into(), format!("{CROSS}=cross")]),
        ..Settings::default()
    }
}

#[test]
fn models_are_found_by_alias_and_by_name_and_others_are_404_with_the_names() {
    let server = Running::start(two());
    for (name, kind) in [
        ("rerank-v3.5", "hybrid_clamped"),
        ("all-MiniLM-L6-v2", "hybrid_clamped"),
        ("cross", "sigmoid"),
        (CROSS, "sigmoid"),
    ] {
        let answer = server.post("/rerank", &by(name)).json();
        assert_eq!(answer["score_kind"], kind, "{name}");
    }
    assert_eq!(server.post("/rerank", &eiffel()).json()["model"], "rerank-v3.5", "the first one");
    let unknown = server.post("/rerank", &by("gpt-9"));
    assert_eq!(unknown.status, 404);
    let message = unknown.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("gpt-9") && message.contains("rerank-v3.5, cross"), "{message}");
    let listed = server.get("/v1/models").json();
    let ids: Vec<&str> = listed["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rerank-v3.5", "cross"]);
}

#[test]
fn names_do_not_matter_where_they_are_ignored() {
    let server = Running::start(Settings { ignore_model: Some(true), ..Settings::default() });
    assert_eq!(server.post("/rerank", &by("rerank-english-v2.0")).json()["model"], "all-MiniLM-L6-v2");
}

#[test]
fn a_lazy_model_is_loaded_by_its_first_request_and_once() {
    let server = Running::start(Settings { lazy: Some(true), ..two() });
    let loaded = |model: &str| server.metric(&format!("nearsort_model_loaded{{model=\"{model}\"}}"));
    assert_eq!((loaded("rerank-v3.5"), loaded("cross")), (0.0, 0.0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(server.post("/rerank", &by("cross")).status, 200));
        }
    });
    assert_eq!((loaded("rerank-v3.5"), loaded("cross")), (0.0, 1.0));
}

#[test]
fn clients_that_hang_up_while_a_model_loads_do_not_have_it_loaded_again() {
    let server = Running::start(Settings { lazy: Some(true), ..two() });
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let mut client = server.client();
            client.begin("/rerank", &[], by("rerank-v3.5").to_string().as_bytes());
            client
        })
        .collect();
    clients.into_iter().for_each(|client| client.hang_up());
    assert_eq!(server.post("/rerank", &by("rerank-v3.5")).status, 200);
    assert_eq!(server.metric("nearsort_model_loads{model=\"rerank-v3.5\"}"), 1.0);
}

#[test]
fn an_idle_model_is_unloaded_and_comes_back() {
    let server = Running::start(Settings { unload_after: Some(0.0), ..Settings::default() });
    let loaded = || server.metric("nearsort_model_loaded{model=\"all-MiniLM-L6-v2\"}");
    server.wait_until("unloaded", || loaded() == 0.0);
    assert_eq!(server.post("/rerank", &eiffel()).status, 200);
}

#[test]
fn the_model_that_was_used_longest_ago_makes_room() {
    let bytes = |name: &str| Model::load(name, Default::default()).unwrap().memory().own;
    let (large, small) = (bytes("all-MiniLM-L6-v2"), bytes(CROSS));
    let server = Running::start(Settings { lazy: Some(true), max_model_bytes: Some(large + small - 1), ..two() });
    let loaded = |model: &str| server.metric(&format!("nearsort_model_loaded{{model=\"{model}\"}}"));
    for (asked, other) in [("cross", "rerank-v3.5"), ("rerank-v3.5", "cross"), ("cross", "rerank-v3.5")] {
        assert_eq!(server.post("/rerank", &by(asked)).status, 200);
        assert_eq!((loaded(asked), loaded(other)), (1.0, 0.0));
    }
    let none = Running::start(Settings { lazy: Some(true), max_model_bytes: Some(1), ..two() });
    let refused = none.post("/rerank", &by("cross"));
    assert!(refused.status == 503 && refused.text().contains("max_model_bytes"), "{}", refused.text());
}

#[test]
fn a_model_that_cannot_be_loaded_is_an_error_at_the_start_or_503_on_first_use() {
    let broken = |lazy| Settings {
        model: Some(vec!["./no-such-folder".into()]),
        listen: Some("127.0.0.1:0".into()),
        lazy: Some(lazy),
        ..Settings::default()
    };
    let ended = Running::loading(Options::new(broken(false)).unwrap()).join();
    assert!(ended.unwrap_err().to_string().contains("no-such-folder"));
    let server = Running::start(broken(true));
    let refused = server.post("/rerank", &eiffel());
    assert!(refused.status == 503 && refused.text().contains("no-such-folder"), "{}", refused.text());
}

#[test]
fn a_cascade_of_the_file_ranks_as_the_library_does() {
    let cascade =
        CascadeSettings { name: "deep".into(), stages: vec!["hybrid:3".into(), format!("{CROSS}:2")], model: None };
    let server = Running::start(Settings { cascade: Some(vec![cascade]), ..Settings::default() });
    let load = |name: &str| Model::load(name, Default::default()).unwrap();
    let stages = [(load("all-MiniLM-L6-v2").by(Scoring::Hybrid), 3), ((&load(CROSS)).into(), 2)];
    let expected = Reranker::cascade(stages).unwrap().rank(EIFFEL.0, &EIFFEL.1).run().unwrap();
    let answer = server.post("/rerank", &by("deep")).json();
    let found: Vec<(usize, f32)> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["index"].as_u64().unwrap() as usize, r["relevance_score"].as_f64().unwrap() as f32))
        .collect();
    assert_eq!(found, expected.hits.iter().map(|hit| (hit.index, hit.score)).collect::<Vec<_>>());
    let refused = server.post("/embed", &json!({ "inputs": "a", "model": "deep" }));
    assert!(refused.text().contains("cascade"), "{}", refused.text());
}

#[test]
fn a_service_is_served_where_that_is_allowed_only() {
    let judge = || Settings { model: Some(vec!["openai:gpt-4o=judge".into()]), ..Settings::default() };
    let refused = Options::new(judge()).err().unwrap().to_string();
    assert!(refused.contains("openai:gpt-4o") && refused.contains("allow_services"), "{refused}");
    assert!(Options::new(Settings { allow_services: Some(true), ..judge() }).is_ok());
    let staged = CascadeSettings { name: "c".into(), stages: vec!["openai:gpt-4o:3".into()], model: None };
    assert!(Options::new(Settings { cascade: Some(vec![staged]), ..Settings::default() }).is_err());
}

#[test]
fn two_models_of_one_name_are_refused() {
    let twice = Settings { model: Some(vec!["a/b=x".into(), "c/d=x".into()]), ..Settings::default() };
    assert!(Options::new(twice).err().unwrap().to_string().contains("'x'"));
}
