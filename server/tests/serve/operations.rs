//! Probes, metrics, and the fields that are refused for now.

use nearsort_server::{Options, Settings};
use serde_json::{Value, json};

use crate::support::{Running, eiffel};

#[test]
fn metrics_count_requests_texts_and_refusals() {
    let server = Running::start(Settings::default());
    let texts = || server.metric("nearsort_texts_total{model=\"all-MiniLM-L6-v2\"}");
    let before = texts();
    assert_eq!(server.post("/rerank", &eiffel()).status, 200);
    assert_eq!(server.post("/rerank", &json!({})).status, 400);
    assert_eq!(texts() - before, 4.0, "a query and three documents");
    let all = server.get("/metrics");
    assert!(all.header("content-type").starts_with("application/openmetrics-text"));
    let count = |status: u16| {
        let labels = format!("http_route=\"/rerank\",http_response_status_code=\"{status}\",dialect=\"union\"");
        crate::support::metric(&all.text(), &format!("http_server_request_duration_seconds_count{{{labels}}}"))
    };
    assert_eq!((count(200), count(400)), (1.0, 1.0), "{}", all.text());
    assert!(server.metric("process_resident_memory_bytes") > 1e6 && server.metric("process_threads") >= 2.0);
    assert!(all.text().ends_with("# EOF\n"));
}

#[test]
fn unknown_paths_make_no_labels_of_their_own() {
    let server = Running::start(Settings::default());
    (0..20).for_each(|n| assert_eq!(server.get(&format!("/random/{n}")).status, 404));
    let text = server.get("/metrics").text();
    assert!(!text.contains("random") && text.contains("http_route=\"other\""), "{text}");
}

#[test]
fn a_server_that_loads_is_alive_and_not_ready() {
    // A lock that another process holds would do; a model that is large enough does not exist here.
    // So: a gate.
    let (model, gate) = crate::support::gated();
    let options = Options::new(Settings { listen: Some("127.0.0.1:0".into()), ..Settings::default() }).unwrap();
    let server = Running::of(options.model("gate", model));
    assert_eq!((server.get("/livez").status, server.get("/readyz").status), (200, 200));
    drop(gate);
}

#[test]
fn fields_that_say_how_texts_are_read_are_followed() {
    use nearsort::{Model, ModelOptions, Reading, Reranker, Truncate};
    let server = Running::start(Settings::default());
    let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default()).unwrap();
    let (query, text) = ("Where is the Eiffel Tower?", "Bananas are yellow, and the Eiffel Tower stands in Paris.");
    for (more, reading) in [
        (json!({ "max_tokens_per_doc": 4 }), Reading::new().max_document_tokens(4)),
        (json!({ "max_tokens_per_query": 2 }), Reading::new().max_query_tokens(2)),
        (json!({ "truncate_prompt_tokens": 8 }), Reading::new().max_tokens(8)),
        (
            json!({ "max_tokens_per_doc": 6, "truncation_side": "left" }),
            Reading::new().max_document_tokens(6).truncate(Truncate::Start),
        ),
        (json!({ "max_tokens_per_doc": 4096, "truncation": true }), Reading::new()),
    ] {
        let mut body = json!({ "query": query, "documents": [text], "raw_scores": true });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reranker = Reranker::new(model.reading(&reading).unwrap());
        let expected = reranker.score(query, &[text]).unwrap().scores()[0];
        let found = server.post("/rerank", &body).json();
        assert_eq!(found["results"][0]["relevance_score"].as_f64(), Some(f64::from(expected)), "{more} {found}");
    }
    let long = json!({ "query": query, "documents": ["short", text], "max_tokens_per_doc": 4, "truncation": false });
    let refused = server.post("/rerank", &long);
    let param = refused.json()["error"]["param"].clone();
    assert_eq!((refused.status, param), (400, json!("documents[1]")), "{}", refused.text());
}

#[test]
fn fields_that_a_model_has_no_use_for_are_named() {
    let server = Running::start(Settings::default());
    for (field, value) in [("instruction", json!("find towers")), ("prompt_name", json!("no-such-prompt"))] {
        let mut body = eiffel();
        body[field] = value;
        let refused = server.post("/rerank", &body);
        assert_eq!(
            (refused.status, refused.json()["error"]["param"].clone()),
            (400, json!(field)),
            "{}",
            refused.text()
        );
    }
}

#[test]
fn a_partial_answer_says_how_much_was_scored() {
    let server = Running::start(Settings::default());
    let documents: Vec<String> = (0..3000).map(|n| format!("document number {n} about towers")).collect();
    let body = json!({ "query": "towers", "documents": documents, "deadline_ms": 1, "on_deadline": "partial" });
    let answer = server.post("/rerank", &body);
    let (scored, all) =
        answer.header("x-nearsort-scored").split_once('/').unwrap_or_else(|| panic!("{:?}", answer.headers));
    assert!(answer.status == 200 && scored.parse::<usize>().unwrap() < 3000 && all == "3000", "{scored}/{all}");
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 3000);
    let warning = answer.json()["meta"]["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains(&format!("{scored} of 3000")), "{warning}");
}

#[test]
fn tokens_have_their_places_in_code_points() {
    let server = Running::start(Settings::default());
    let tokens = server.post("/tokenize", &json!({ "inputs": ["Ünter der Brücke", "a"] })).json();
    let first = tokens[0].as_array().unwrap();
    assert_eq!(
        (first[0]["text"].clone(), first[0]["special"].clone(), first[0]["start"].clone()),
        (json!("[CLS]"), json!(true), Value::Null)
    );
    let text: Vec<char> = "Ünter der Brücke".chars().collect();
    for token in first.iter().filter(|token| token["special"] == false) {
        let at = |key: &str| token[key].as_u64().unwrap() as usize;
        let own: String = text[at("start")..at("stop")].iter().collect();
        assert_eq!(token["text"], json!(own));
    }
    let bare = server.post("/tokenize", &json!({ "inputs": "a", "add_special_tokens": false })).json();
    assert_eq!(bare[0].as_array().unwrap().len(), 1);
}
