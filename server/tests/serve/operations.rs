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
    // A lock that another process holds would do; a model that is large enough does not exist here. So: a gate.
    let (model, gate) = crate::support::gated();
    let options = Options::new(Settings { listen: Some("127.0.0.1:0".into()), ..Settings::default() }).unwrap();
    let server = Running::of(options.model("gate", model));
    assert_eq!((server.get("/livez").status, server.get("/readyz").status), (200, 200));
    drop(gate);
}

#[test]
fn fields_that_would_change_something_and_cannot_be_followed_are_named() {
    let server = Running::start(Settings::default());
    let refused = |more: Value| {
        let mut body = eiffel();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = server.post("/rerank", &body);
        (answer.status, answer.json()["error"]["param"].clone())
    };
    for (field, value) in [
        ("instruction", json!("find towers")),
        ("prompt_name", json!("query")),
        ("max_tokens_per_doc", json!(16)),
        ("truncate_prompt_tokens", json!(16)),
        ("truncation", json!(false)),
        ("truncation_side", json!("left")),
        ("on_deadline", json!("partial")),
    ] {
        assert_eq!(refused(json!({ field: value })), (400, json!(field)));
    }
}
