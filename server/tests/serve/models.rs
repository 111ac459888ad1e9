//! Several models by name.

use std::sync::Arc;
use std::time::Duration;

use nearsort::remote::judge::{JudgeMethod, JudgeOptions};
use nearsort::service::{Origin, Provider, Reply, Request, Service, ServiceError};
use nearsort::{Call, Model, ModelOptions, RankOptions, Reading, Reranker, Scoring};
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

/// A service that likes one candidate.
struct Grades;

impl Service for Grades {
    fn provider(&self) -> Provider {
        Provider::OpenAi
    }

    fn model(&self) -> &str {
        "gpt-4o"
    }

    fn host(&self) -> String {
        "nowhere".into()
    }

    fn send(&self, request: &Request, _: &Call<'_>) -> Result<Reply, ServiceError> {
        let is_good = request.body.to_string().contains(EIFFEL.1[1]);
        let said = format!("{{\"score\": {}}}", if is_good { 9 } else { 2 });
        let body = json!({
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": said }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 50, "completion_tokens": 5 },
        });
        Ok(Reply { body, latency: Duration::ZERO, origin: Origin::Service })
    }
}

#[test]
fn a_judge_ranks_by_its_grades_in_0_to_1() {
    let judge = Model::from_judge(Arc::new(Grades), JudgeMethod::Pointwise, JudgeOptions::default()).unwrap();
    let options = Options::new(Settings { listen: Some("127.0.0.1:0".into()), ..Settings::default() }).unwrap();
    let server = Running::of(options.model("judge", judge));
    for (raw, kind, scores) in [(false, "rating_tenth", [0.9, 0.2, 0.2]), (true, "rating", [9.0, 2.0, 2.0])] {
        let mut body = by("judge");
        body["raw_scores"] = json!(raw);
        let answer = server.post("/v2/rerank", &body).json();
        assert_eq!(answer["score_kind"], kind, "{answer}");
        let results = answer["results"].as_array().unwrap();
        let found: Vec<f64> = results.iter().map(|r| r["relevance_score"].as_f64().unwrap()).collect();
        assert!(found.iter().zip(scores).all(|(found, score)| (found - score).abs() < 1e-6), "{found:?}");
        assert_eq!(results.iter().map(|r| r["index"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 0, 2]);
    }
}

#[test]
fn a_server_ranks_by_the_reranker_of_another_server() {
    let first = Running::start(Settings::default());
    let options = ModelOptions::default().base_url(format!("http://{}", first.listen)).api_key("key");
    let remote = Model::load("tei:first", options).unwrap();
    let options = Options::new(Settings { listen: Some("127.0.0.1:0".into()), ..Settings::default() }).unwrap();
    let server = Running::of(options.model("remote", remote));
    let (near, far) = (first.post("/rerank", &eiffel()).json(), server.post("/rerank", &by("remote")).json());
    assert_eq!(far["score_kind"], "unit");
    let scores = |answer: &Value| -> Vec<(u64, f32)> {
        let one = |r: &Value| (r["index"].as_u64().unwrap(), r["relevance_score"].as_f64().unwrap() as f32);
        answer["results"].as_array().unwrap().iter().map(one).collect()
    };
    assert_eq!(scores(&far), scores(&near));
}

#[test]
fn a_late_interaction_model_ranks_as_the_library_does() {
    let name = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/colbert-tiny-bert");
    let server = Running::start(Settings { model: Some(vec![format!("{name}=colbert")]), ..Settings::default() });
    let expected = Reranker::new(Model::load(name, Default::default()).unwrap()).score(EIFFEL.0, &EIFFEL.1).unwrap();
    for (raw, kind) in [(true, "maxsim"), (false, "maxsim_clamped")] {
        let mut body = by("colbert");
        body["raw_scores"] = json!(raw);
        let answer = server.post("/v2/rerank", &body).json();
        assert_eq!(answer["score_kind"], kind);
        for result in answer["results"].as_array().unwrap() {
            let score = f64::from(expected.scores()[result["index"].as_u64().unwrap() as usize]);
            let score = if raw { score } else { score.clamp(0.0, 1.0) };
            assert_eq!(result["relevance_score"].as_f64(), Some(score), "{raw}: {answer}");
        }
    }
    let refused = server.post("/embed", &json!({ "inputs": "a" }));
    assert!(refused.status == 422 && refused.text().contains("late-interaction"), "{}", refused.text());
}

#[test]
fn a_request_has_an_instruction_of_its_own() {
    let name = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/cross-tiny-qwen3");
    let server = Running::start(Settings { model: Some(vec![format!("{name}=qwen")]), ..Settings::default() });
    let model = Model::load(name, Default::default()).unwrap();
    let logits = |instruction: Option<&str>| -> Vec<f64> {
        let mut body = by("qwen");
        (body["raw_scores"], body["instruction"]) = (json!(true), json!(instruction));
        let answer = server.post("/v2/rerank", &body).json();
        let mut logits = vec![0.0; 3];
        for result in answer["results"].as_array().unwrap_or_else(|| panic!("{answer}")) {
            logits[result["index"].as_u64().unwrap() as usize] = result["relevance_score"].as_f64().unwrap();
        }
        logits
    };
    let reading = Reading::new().instruction("Find towers");
    let own = Reranker::with(model.reading(&reading).unwrap(), RankOptions::default().raw_scores(true)).unwrap();
    let expected: Vec<f64> =
        own.score(EIFFEL.0, &EIFFEL.1).unwrap().scores().iter().map(|score| f64::from(*score)).collect();
    assert_eq!(logits(Some("Find towers")), expected);
    assert_ne!(logits(None), expected, "the model's own");
    assert_eq!(logits(Some("Find towers")), expected, "no request changes another");
}
