//! The rules that real clients make, one test each, named after what it says.

use std::time::Duration;

use nearsort_server::wire::*;
use serde_json::{Value, json};

fn read_as(dialect: Option<Dialect>, body: &Value) -> Result<RerankRequest, (WireError, Dialect)> {
    read_rerank(body.to_string().as_bytes(), &Reading { dialect, ..Reading::default() })
}

fn read(body: &Value) -> RerankRequest {
    read_as(None, body).unwrap()
}

fn refusal(body: &Value) -> String {
    read_as(None, body).unwrap_err().0.to_string()
}

/// Scores by position: 0.5, 2.0, 2.0, -1.0.
fn answer(native: Native) -> RerankAnswer {
    let candidate = |(index, native)| Candidate { index, native, spans: Vec::new() };
    let candidates = [0.5, 2.0, 2.0, -1.0].into_iter().enumerate().map(candidate).collect();
    let mut answer = RerankAnswer::new("r1".into(), "m".into(), native, candidates).unwrap();
    answer.usage = Usage { tokens: 7 };
    answer
}

fn reply_to(request: &RerankRequest, native: Native) -> Value {
    serde_json::from_slice(&rerank_reply(request, &answer(native)).unwrap().body).unwrap()
}

fn with(more: Value) -> Value {
    let mut body = json!({ "model": "m", "query": "q", "documents": ["a", "b", "c", "d"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn indexes(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|result| result["index"].as_u64().unwrap()).collect()
}

#[test]
fn keys_tell_the_dialect() {
    let of = |body: Value| Dialect::detect(body.as_object().unwrap());
    assert_eq!(of(json!({ "query": "q", "texts": ["a"] })), Dialect::Tei);
    assert_eq!(of(json!({ "query": "q", "documents": ["a"], "property": "" })), Dialect::Weaviate);
    assert_eq!(of(json!({ "query": { "text": "q" }, "passages": [{ "text": "a" }] })), Dialect::Nim);
    assert_eq!(of(json!({ "query": { "text": "q" } })), Dialect::Nim);
    assert_eq!(of(json!({ "query": { "text": "q" }, "documents": ["a"] })), Dialect::Union);
    assert_eq!(of(with(json!({ "texts": null, "passages": null, "property": null }))), Dialect::Union);
    assert_eq!(of(json!({ "query": "q", "documents": ["a"], "top_k": null, "truncation": true })), Dialect::Union);
}

#[test]
fn a_prefix_forces_the_dialect() {
    let forced = [
        ("/cohere/v2/rerank", Dialect::Cohere),
        ("/jina/v1/rerank", Dialect::Jina),
        ("/voyage/rerank", Dialect::Voyage),
        ("/tei/rerank", Dialect::Tei),
        ("/infinity/rerank", Dialect::Infinity),
        ("/vllm/v1/rerank", Dialect::Vllm),
        ("/nim/v1/ranking", Dialect::Nim),
        ("/v1/ranking", Dialect::Nim),
    ];
    for (path, dialect) in forced {
        assert_eq!(route("POST", path).unwrap().dialect, Some(dialect), "{path}");
    }
    assert_eq!(route("POST", "/v1/rerank").unwrap().dialect, None);
    assert_eq!(route("POST", "/v1/rerank").unwrap().api_version, ApiVersion::V1);
    assert_eq!(route("POST", "/v2/rerank/").unwrap().endpoint, Endpoint::Rerank);
    assert_eq!(route("GET", "/info").unwrap().endpoint, Endpoint::Info);
    assert_eq!(route("POST", "/").unwrap().endpoint, Endpoint::Root);
    assert!(matches!(route("POST", "/jinarerank"), Err(WireError::UnknownPath { .. })));
    assert!(matches!(route("GET", "/rerank"), Err(WireError::WrongMethod { .. })));
}

#[test]
fn what_tei_has_and_nearsort_has_not_is_501_with_a_reason() {
    for path in ["/embed_sparse", "/embed_all", "/decode"] {
        let error = route("POST", path).unwrap_err();
        assert_eq!(error_reply(&error, Dialect::Tei, "r").status, 501);
        assert!(error.to_string().contains("nearsort"), "{error}");
    }
}

#[test]
fn the_union_answers_cohere_voyage_and_infinity_at_once() {
    let body = reply_to(&read(&with(json!({}))), Native::Logit);
    assert_eq!(body["results"], body["data"]);
    assert_eq!(body["usage"], json!({ "prompt_tokens": 7, "total_tokens": 7 }));
    assert_eq!(body["meta"]["api_version"]["version"], "2");
    assert_eq!(body["meta"]["billed_units"]["search_units"], 1);
    assert_eq!(body["meta"]["tokens"]["input_tokens"], 7);
    assert_eq!((&body["id"], &body["model"], &body["score_kind"]), (&json!("r1"), &json!("m"), &json!("sigmoid")));
    assert!(body.get("object").is_none() && body["meta"].get("warnings").is_none());
}

#[test]
fn data_is_left_out_when_documents_return_to_a_request_with_top_n() {
    let keys = |more: Value| reply_to(&read(&with(more)), Native::Logit).get("data").is_some();
    assert!(!keys(json!({ "return_documents": true, "top_n": 2 })));
    assert!(!keys(json!({ "return_documents": true, "top_n": null })));
    assert!(keys(json!({ "return_documents": true, "top_k": 2 })));
    assert!(keys(json!({ "top_n": 2 })));
}

#[test]
fn null_is_accepted_for_every_optional_field() {
    let nulls = [
        "model",
        "top_n",
        "top_k",
        "return_documents",
        "raw_scores",
        "rank_fields",
        "max_tokens_per_doc",
        "priority",
        "max_tokens_per_query",
        "instruction",
        "prompt_name",
        "truncation",
        "truncation_side",
        "relevant_spans",
        "deadline_ms",
        "on_deadline",
        "truncate_prompt_tokens",
        "output_dtype",
        "max_chunks_per_doc",
        "user",
    ];
    let body: serde_json::Map<String, Value> = nulls.iter().map(|key| (key.to_string(), Value::Null)).collect();
    let request = read(&with(Value::Object(body)));
    let expected = read(&json!({ "query": "q", "documents": ["a", "b", "c", "d"], "top_n": null }));
    assert_eq!(request, expected);
}

#[test]
fn booleans_may_be_strings() {
    let form = |value: Value| read(&with(json!({ "return_documents": value, "return_len": "true" }))).return_documents;
    assert_eq!(form(json!("true")), Some(DocumentForm::Object));
    assert_eq!(form(json!("True")), Some(DocumentForm::Object));
    assert_eq!(form(json!("false")), None);
    let error = refusal(&with(json!({ "return_documents": "yes" })));
    assert_eq!(error, "'return_documents' is the string \"yes\"; expected: true or false");
}

#[test]
fn a_document_is_an_object_for_most_a_string_for_infinity_and_never_null() {
    let first = |dialect, more: Value| {
        let body = reply_to(&read_as(dialect, &with(more)).unwrap(), Native::Logit);
        let list = body.get("results").or(body.get("data")).unwrap();
        list[0].get("document").cloned()
    };
    let asked = json!({ "return_documents": true });
    assert_eq!(first(None, asked.clone()), Some(json!({ "text": "b" })));
    assert_eq!(first(None, json!({ "return_documents": true, "raw_scores": false })), Some(json!("b")));
    assert_eq!(first(Some(Dialect::Infinity), asked.clone()), Some(json!("b")));
    assert_eq!(first(Some(Dialect::Voyage), asked.clone()), Some(json!("b")));
    assert_eq!(first(Some(Dialect::Cohere), asked), Some(json!({ "text": "b" })));
    for dialect in [None, Some(Dialect::Cohere), Some(Dialect::Infinity), Some(Dialect::Voyage)] {
        assert_eq!(first(dialect, json!({ "return_documents": null })), None);
    }
    assert_eq!(first(Some(Dialect::Vllm), json!({})), Some(json!({ "text": "b" })));
}

#[test]
fn top_n_cuts_in_every_dialect_and_0_or_too_many_means_all() {
    for dialect in [Dialect::Union, Dialect::Cohere, Dialect::Jina, Dialect::Infinity, Dialect::Vllm] {
        let count = |n: Value| {
            let request = read_as(Some(dialect), &with(json!({ "top_n": n }))).unwrap();
            reply_to(&request, Native::Logit)["results"].as_array().unwrap().len()
        };
        assert_eq!([json!(2), json!(2.0), json!(0), json!(9), json!(null)].map(count), [2, 2, 4, 4, 4]);
    }
    let tei = json!({ "query": "q", "texts": ["a", "b", "c", "d"], "top_n": 1 });
    assert_eq!(reply_to(&read(&tei), Native::Logit).as_array().unwrap().len(), 1);
    let voyage = read_as(Some(Dialect::Voyage), &with(json!({ "top_k": 3 }))).unwrap();
    assert_eq!(indexes(&reply_to(&voyage, Native::Logit)["data"]), [1, 2, 0]);
    let nim = json!({ "query": { "text": "q" }, "passages": ["a", "b", "c", "d"], "top_n": 2 });
    assert_eq!(indexes(&reply_to(&read(&nim), Native::Logit)["rankings"]), [1, 2]);
    assert!(refusal(&with(json!({ "top_n": -1 }))).contains("'top_n' is the number -1; expected: an integer"));
}

#[test]
fn order_is_by_score_then_input() {
    let tei = read(&json!({ "query": "q", "texts": ["a", "b", "c", "d"] }));
    assert_eq!(indexes(&reply_to(&tei, Native::Logit)), [1, 2, 0, 3]);
    let zeros = [-0.0, 0.0].into_iter().enumerate();
    let zeros = zeros.map(|(index, native)| Candidate { index, native, spans: vec![] }).collect();
    let answer = RerankAnswer::new(String::new(), String::new(), Native::Logit, zeros).unwrap();
    assert_eq!(answer.ranked()[0].index, 0);
}

#[test]
fn a_score_that_is_not_finite_is_an_error_that_names_the_document() {
    let bad = vec![Candidate { index: 5, native: f64::NAN, spans: vec![] }];
    let error = RerankAnswer::new(String::new(), String::new(), Native::Logit, bad).unwrap_err();
    assert_eq!(error, WireError::NotFinite { index: 5 });
    assert_eq!(error_reply(&error, Dialect::Tei, "r").status, 424);
}

#[test]
fn scores_are_in_0_to_1_by_one_named_map() {
    let scores = |native, more: Value| {
        let body = reply_to(&read(&with(more)), native);
        let list = body["results"].as_array().unwrap().iter();
        (body["score_kind"].clone(), list.map(|r| r["relevance_score"].as_f64().unwrap()).collect::<Vec<_>>())
    };
    let (kind, sigmoid) = scores(Native::Logit, json!({}));
    assert_eq!(kind, "sigmoid");
    assert!((sigmoid[0] - 0.880797).abs() < 1e-6 && sigmoid.iter().all(|s| (0.0..=1.0).contains(s)));
    assert_eq!(scores(Native::Logit, json!({ "raw_scores": true })), (json!("logit"), vec![2.0, 2.0, 0.5, -1.0]));
    assert_eq!(scores(Native::Cosine, json!({})), (json!("cosine_clamped"), vec![1.0, 1.0, 0.5, 0.0]));
    assert_eq!(scores(Native::Cosine, json!({ "raw_scores": "true" })).0, "cosine");
    let map = ScoreMap::choose(Native::Logit, Contract::Unit);
    assert!(map.apply(20.0) < map.apply(21.0), "f32 and f16 round both to 1");
}

#[test]
fn nim_gets_logits() {
    let nim = read(&json!({ "model": "m", "query": { "text": "q" }, "passages": [{ "text": "a" }, { "text": "b" },
        { "text": "c" }, { "text": "d" }], "truncate": "END" }));
    assert_eq!((nim.truncation, nim.truncation_side), (Some(true), Some(Side::Right)));
    assert_eq!(reply_to(&nim, Native::Logit)["rankings"][3], json!({ "index": 3, "logit": -1.0 }));
}

#[test]
fn weaviate_gets_all_scores_in_the_order_of_its_documents() {
    let request = read(&with(json!({ "property": "" })));
    let body = reply_to(&request, Native::Cosine);
    assert_eq!(body["query"], "q");
    let scores: Vec<Value> = body["scores"].as_array().unwrap().clone();
    assert_eq!(scores[0], json!({ "document": "a", "score": 0.5 }));
    assert_eq!(scores[3], json!({ "document": "d", "score": 0.0 }));
    let error = error_reply(&WireError::Unauthorized, Dialect::Weaviate, "r");
    assert!(serde_json::from_slice::<Value>(&error.body).unwrap()["error"].is_string());
}

#[test]
fn tei_gets_a_bare_list_with_text_on_request() {
    let plain = json!({ "query": "q", "texts": ["a", "b", "c", "d"], "raw_scores": true, "return_text": true,
        "truncate": null, "truncation_direction": "Right" });
    let request = read(&plain);
    assert_eq!(request.truncation_side, Some(Side::Right));
    assert_eq!(reply_to(&request, Native::Logit)[0], json!({ "index": 1, "text": "b", "score": 2.0 }));
    let reply = rerank_reply(&request, &answer(Native::Logit)).unwrap();
    assert_eq!(reply.headers, [("x-nearsort-score-kind", "logit".to_owned())]);
}

#[test]
fn documents_are_strings_or_objects_and_say_which_field_is_the_text() {
    let objects = json!([{ "text": "a" }, { "content": "b" }, "c", ""]);
    let request = read(&with(json!({ "documents": objects })));
    let texts: Vec<&str> = request.documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!(texts, ["a", "b", "c", ""]);
    assert_eq!(request.documents[1].fields, ["content"]);
    let ranked =
        json!({ "documents": [{ "title": "t", "body": "b", "year": 1999 }], "rank_fields": ["title", "year", "x"] });
    assert_eq!(
        read(&with(ranked)).documents[0],
        Document { text: "t\n1999".into(), fields: vec!["title".into(), "year".into()] }
    );
    let error = refusal(&with(json!({ "documents": ["a", { "title": "t" }] })));
    assert!(
        error.starts_with("'documents[1]' is an object with the keys [title]; expected: a field 'text'"),
        "{error}"
    );
}

#[test]
fn an_unknown_field_is_a_warning_and_a_misspelt_one_is_named() {
    let request = read(&with(json!({ "top_m": 1, "colour": "red" })));
    let expected = ["unknown field 'top_m' is ignored; did you mean 'top_n'?", "unknown field 'colour' is ignored"];
    assert_eq!(request.warnings, expected);
    assert_eq!(reply_to(&request, Native::Logit)["meta"]["warnings"], json!(expected));
    let twice = read(&with(json!({ "top_n": 1, "top_k": 2 })));
    assert_eq!((twice.top_n, twice.warnings.len()), (Some(1), 1));
}

#[test]
fn the_placeholder_of_infinity_client_is_no_model() {
    assert_eq!(read(&with(json!({ "model": "default/not-specified" }))).model, None);
}

#[test]
fn options_of_the_engine_are_read() {
    let request = read(&with(json!({ "instruction": "i", "prompt_name": "p", "max_tokens_per_doc": 10,
        "max_tokens_per_query": 5, "truncation_side": "left", "truncate_prompt_tokens": -1, "deadline_ms": 50,
        "on_deadline": "partial", "priority": 3, "truncation": false })));
    assert_eq!((request.instruction.as_deref(), request.prompt_name.as_deref()), (Some("i"), Some("p")));
    assert_eq!(request.max_tokens_per_doc.map(|n| n.get()), Some(10));
    assert_eq!(request.max_tokens_per_query.map(|n| n.get()), Some(5));
    assert_eq!((request.max_tokens_per_pair, request.deadline_ms, request.priority), (None, Some(50), 3));
    assert_eq!((request.on_deadline, request.truncation), (OnDeadline::Partial, Some(false)));
    assert_eq!(request.truncation_side, Some(Side::Left));
}

#[test]
fn relevant_spans_have_coheres_form_in_code_points() {
    let request = read(&with(json!({ "relevant_spans": { "mode": "enabled", "max_spans": 1 } })));
    assert_eq!(request.relevant_spans, Some(SpanOptions { threshold: 0.1, max_spans: Some(1) }));
    let text = "é日本x";
    let at = span(text, 2..8, 0.75).unwrap();
    assert_eq!((at.start, at.end), (1, 3));
    assert_eq!(span(text, 1..8, 0.75), None);
    let low = Span { start: 0, end: 1, score: 0.1 };
    let candidates = vec![Candidate { index: 0, native: 1.0, spans: vec![low, at, at] }];
    let answer = RerankAnswer::new("r".into(), "m".into(), Native::Logit, candidates).unwrap();
    let body: Value = serde_json::from_slice(&rerank_reply(&request, &answer).unwrap().body).unwrap();
    let expected = json!([{ "start": 1, "end": 3, "score": 0.75 }]);
    assert_eq!(body["results"][0]["relevant_spans"], expected);
    let off = read(&with(json!({ "relevant_spans": { "mode": "disabled" } })));
    assert_eq!(off.relevant_spans, None);
}

#[test]
fn a_key_is_found_in_every_form_that_clients_send() {
    let keys =
        |headers: &[(&str, &str)]| presented_keys(headers.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
    for value in ["Bearer k", "bearer k", "BEARER  k", "k", " k "] {
        assert_eq!(keys(&[("host", "x"), ("authorization", value)]), ["k"], "{value}");
    }
    assert_eq!(keys(&[("x-api-key", "k")]), ["k"]);
    assert_eq!(keys(&[("api-key", "k")]), ["k"]);
    assert_eq!(keys(&[("authorization", "Bearer hf_token"), ("x-api-key", "k")]), ["hf_token", "k"]);
    assert!(keys(&[("authorization", "Bearer "), ("x-api-key", ""), ("cookie", "k")]).is_empty());
}

#[test]
fn a_partial_answer_says_so_in_every_dialect() {
    let text = "the deadline has passed: 2 of 4 documents are scored";
    let mut partial = answer(Native::Logit);
    partial.scored = Some(2);
    for dialect in [Dialect::Union, Dialect::Cohere, Dialect::Jina, Dialect::Voyage, Dialect::Infinity, Dialect::Vllm] {
        let request = read_as(Some(dialect), &with(json!({}))).unwrap();
        let reply = rerank_reply(&request, &partial).unwrap();
        assert!(reply.headers.contains(&("x-nearsort-scored", "2/4".to_owned())), "{dialect:?}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let warned = reply.headers.contains(&("x-nearsort-warnings", text.to_owned()));
        assert!(warned || body["meta"]["warnings"] == json!([text]), "{dialect:?}");
        assert!(body["meta"].get("scored").is_none(), "LiteLLM's model of meta knows no such key");
    }
    let bodies = [
        json!({ "query": "q", "texts": ["a", "b", "c", "d"] }),
        json!({ "query": { "text": "q" }, "passages": ["a", "b", "c", "d"] }),
        with(json!({ "property": "" })),
    ];
    for body in bodies {
        let reply = rerank_reply(&read(&body), &partial).unwrap();
        assert!(reply.headers.contains(&("x-nearsort-scored", "2/4".to_owned())), "{body}");
        assert!(reply.headers.contains(&("x-nearsort-warnings", text.to_owned())), "{body}");
    }
}

/// The library gives minus infinity to a document without text, and to one that a judge refuses.
#[test]
fn a_document_without_a_score_comes_last_with_the_least_number() {
    let last = |native, more: Value| {
        let candidates = [f64::NEG_INFINITY, 0.5].into_iter().enumerate();
        let candidates = candidates.map(|(index, native)| Candidate { index, native, spans: vec![] }).collect();
        let answer = RerankAnswer::new("r".into(), "m".into(), native, candidates).unwrap();
        let body: Value = serde_json::from_slice(&rerank_reply(&read(&with(more)), &answer).unwrap().body).unwrap();
        assert_eq!(indexes(&body["results"]), [1, 0]);
        body["results"][1]["relevance_score"].as_f64().unwrap()
    };
    for native in [Native::Logit, Native::Cosine, Native::Hybrid, Native::Rating, Native::Unit] {
        assert_eq!(last(native, json!({})), 0.0, "{native:?}");
    }
    assert_eq!(last(Native::Logit, json!({ "raw_scores": true })), f64::from(f32::MIN));
}

/// Probabilities near 1 are one number in f32, but the library ranks by their logits.
#[test]
fn equal_numbers_keep_the_order_they_come_in() {
    let candidates = [2, 0, 1].map(|index| Candidate { index, native: 1.0, spans: vec![] }).to_vec();
    let answer = RerankAnswer::new("r".into(), "m".into(), Native::Unit, candidates).unwrap();
    assert_eq!(answer.ranked().iter().map(|c| c.index).collect::<Vec<_>>(), [2, 0, 1]);
}

#[test]
fn every_kind_of_score_has_a_named_map() {
    let maps = [
        (Native::Hybrid, Contract::Unit, -0.5, "hybrid_clamped", 0.0),
        (Native::Hybrid, Contract::Similarity, -0.5, "hybrid", -0.5),
        (Native::MaxSim, Contract::Unit, 0.5, "maxsim_clamped", 0.5),
        (Native::MaxSim, Contract::Raw, -0.5, "maxsim", -0.5),
        (Native::Cosine, Contract::Similarity, -0.5, "cosine", -0.5),
        (Native::Rating, Contract::Unit, 7.5, "rating_tenth", 0.75),
        (Native::Rating, Contract::Raw, 7.5, "rating", 7.5),
        (Native::Unit, Contract::Raw, 0.25, "unit", 0.25),
        (Native::Logit, Contract::Similarity, 0.0, "sigmoid", 0.5),
    ];
    for (native, contract, number, name, score) in maps {
        let map = ScoreMap::choose(native, contract);
        assert_eq!((map.name(), map.apply(number)), (name, score), "{native:?} {contract:?}");
    }
}

#[test]
fn probes_and_models_have_the_paths_that_clients_ask() {
    let ready = ["/health", "/healthz", "/readyz", "/ping", "/.well-known/ready", "/v1/health/ready"];
    assert!(ready.iter().all(|path| route("GET", path).unwrap().endpoint == Endpoint::Ready));
    for path in ["/livez", "/.well-known/live", "/v1/health/live"] {
        assert_eq!(route("GET", path).unwrap().endpoint, Endpoint::Live);
    }
    assert_eq!(route("GET", "/nim/v1/models").unwrap().endpoint, Endpoint::Models);
    assert_eq!(route("POST", "/search").unwrap().endpoint, Endpoint::Search);
    assert_eq!(health_reply(Ok(())).status, 200);
    let down = health_reply(Err("the model is loading"));
    let body: Value = serde_json::from_slice(&down.body).unwrap();
    assert_eq!((down.status, &body["error"]), (503, &json!("the model is loading")));
    let alias = ModelEntry { id: "rerank".into(), root: Some("m".into()), created: 1 };
    let body: Value = serde_json::from_slice(&models_reply(&[alias]).body).unwrap();
    let expected = json!({ "id": "rerank", "object": "model", "created": 1, "owned_by": "nearsort", "root": "m" });
    assert_eq!(body, json!({ "object": "list", "data": [expected] }));
}

#[test]
fn refusals_before_the_body_is_read_have_the_dialect_of_their_path() {
    let dialect = |method, path| route(method, path).unwrap().error_dialect();
    assert_eq!(dialect("POST", "/rerank"), Dialect::Union);
    assert_eq!(dialect("POST", "/tei/rerank"), Dialect::Tei);
    assert_eq!(dialect("POST", "/embed"), Dialect::Tei);
    assert_eq!(dialect("GET", "/info"), Dialect::Tei);
    assert_eq!(dialect("POST", "/v1/embeddings"), Dialect::Union);
}

#[test]
fn one_error_body_that_all_sdks_show_as_text() {
    let error = read_as(None, &json!({ "documents": ["a"] })).unwrap_err().0;
    let reply = error_reply(&error, Dialect::Union, "r9");
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let text = "'query' is missing; expected: a string, or an object {\"text\": …}";
    assert_eq!(
        (&body["message"], &body["detail"], &body["error"]["message"]),
        (&json!(text), &json!(text), &json!(text))
    );
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert_eq!((&body["error"]["param"], &body["id"]), (&json!("query"), &json!("r9")));
    assert!(body.get("results").is_none() && body.get("data").is_none() && body.get("rankings").is_none());
}

#[test]
fn validation_is_400_but_422_on_tei_requests() {
    let status = |body: Value| {
        let (error, dialect) = read_as(None, &body).unwrap_err();
        let reply = error_reply(&error, dialect, "r");
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap()["error_type"].clone())
    };
    assert_eq!(status(json!({ "query": "q" })), (400, Value::Null));
    assert_eq!(status(json!({ "query": 1, "documents": ["a"] })), (400, Value::Null));
    assert_eq!(status(json!({ "query": 1, "texts": ["a"] })), (422, json!("Validation")));
    assert_eq!(status(json!({ "query": "q", "texts": [] })), (400, json!("Empty")));
}

#[test]
fn overload_says_when_to_come_back_in_both_headers() {
    let error = WireError::Overloaded { retry_after: Duration::from_millis(1200) };
    for dialect in [Dialect::Union, Dialect::Tei] {
        let reply = error_reply(&error, dialect, "r");
        assert_eq!(reply.status, 429);
        assert_eq!(reply.headers, [("retry-after", "2".to_owned()), ("retry-after-ms", "1200".to_owned())]);
    }
}

#[test]
fn an_unknown_model_is_404_with_the_names() {
    let error = WireError::UnknownModel { model: "x".into(), known: vec!["a".into(), "b".into()] };
    assert_eq!(error_reply(&error, Dialect::Union, "r").status, 404);
    assert_eq!(error.to_string(), "unknown model 'x'; this server has: a, b");
}

#[test]
fn limits_are_parameters() {
    let limits = RequestLimits { body_bytes: 60, texts: 2 };
    let read = |body: &str| read_rerank(body.as_bytes(), &Reading { limits, ..Reading::default() }).unwrap_err().0;
    let many = read(r#"{"query":"q","documents":["a","b","c"]}"#);
    assert_eq!(many, WireError::TooMany { key: "documents".into(), found: 3, limit: 2 });
    let large = read(&" ".repeat(61));
    assert_eq!(error_reply(&large, Dialect::Union, "r").status, 413);
}

#[test]
fn broken_bodies_are_refused_in_words() {
    let read = |bytes: &[u8]| read_rerank(bytes, &Reading::default()).unwrap_err().0.to_string();
    assert!(read(b"{\"query\": ").starts_with("the body is not valid JSON"));
    assert!(read(b"{\"query\": \"\xff\"}").starts_with("the body is not valid JSON"));
    assert!(read("[".repeat(100_000).as_bytes()).starts_with("the body is not valid JSON"));
    assert_eq!(read(b"[1]"), "the body is a list of 1; expected: a JSON object");
    assert!(read(b"").starts_with("the body is not valid JSON"));
}
