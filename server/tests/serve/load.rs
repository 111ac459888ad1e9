//! Admission, cancellation, and answers that do not depend on what else runs.

use nearsort_server::{Options, Settings};
use serde_json::{Value, json};

use crate::support::{Running, eiffel, gated};

/// A request that stops at the gate: some 2 + 3 tokens a document.
fn waiting(documents: usize) -> Value {
    json!({ "query": "wait", "documents": vec!["four"; documents] })
}

fn options(settings: Settings) -> Options {
    Options::new(Settings { listen: Some("127.0.0.1:0".into()), ..settings }).unwrap()
}

#[test]
fn a_request_is_admitted_whole_or_refused_with_the_time_to_wait() {
    let (model, gate) = gated();
    let server =
        Running::of(options(Settings { max_queue_tokens: Some(100), ..Settings::default() }).model("gate", model));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post("/rerank", &waiting(20)));
        gate.arrived();
        assert_eq!(server.metric("nearsort_queue_tokens"), 63.0);
        let refused = server.post("/rerank", &waiting(20));
        assert_eq!((refused.status, refused.json()["error"]["code"].clone()), (429, json!("rate_limit_exceeded")));
        let (seconds, milliseconds) = (refused.header("retry-after"), refused.header("retry-after-ms"));
        assert!(seconds.parse::<u64>().unwrap() >= 1 && milliseconds.parse::<u64>().unwrap() >= 1, "{refused:?}");
        assert_eq!(server.metric("nearsort_queue_tokens"), 63.0, "what was refused takes nothing");
        assert_eq!(server.metric("nearsort_requests_refused_total{reason=\"full\"}"), 1.0);
        let small = scope.spawn(|| server.post("/rerank", &waiting(5)));
        gate.arrived();
        (0..2).for_each(|_| gate.open());
        assert_eq!((first.join().unwrap().status, small.join().unwrap().status), (200, 200), "once in, never refused");
    });
    let large = server.post("/rerank", &waiting(50));
    assert!(large.status == 413 && large.text().contains("100"), "{}", large.text());
    server.wait_until("empty", || server.metric("nearsort_queue_tokens") == 0.0);
}

#[test]
fn a_request_of_lower_priority_waits_for_the_more_urgent_ones() {
    let (model, gate) = gated();
    let server = Running::of(options(Settings::default()).model("gate", model));
    let by = |priority: Value| {
        let mut body = waiting(5);
        body["priority"] = priority;
        body
    };
    let running = || server.metric("nearsort_requests_running");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post("/v2/rerank", &by(Value::Null)));
        gate.arrived();
        let later = scope.spawn(|| server.post("/v2/rerank", &by(json!(7))));
        server.wait_until("admitted", || server.metric("nearsort_queue_tokens") == 36.0);
        let second = scope.spawn(|| server.post("/v2/rerank", &by(json!(0))));
        gate.arrived();
        server.wait_until("both admitted", || server.metric("nearsort_queue_tokens") == 54.0);
        assert_eq!(running(), 2.0, "the one that came before is not there");
        // Its client can leave while it waits, and its time can pass.
        let mut gone = server.client();
        gone.begin("/v2/rerank", &[], by(json!(9)).to_string().as_bytes());
        server.wait_until("a fourth one", || server.metric("nearsort_queue_tokens") == 72.0);
        gone.hang_up();
        server.wait_until("gone", || server.metric("nearsort_queue_tokens") == 54.0);
        let mut short = by(json!(9));
        short["deadline_ms"] = json!(1);
        assert_eq!(server.post("/v2/rerank", &short).status, 504);
        (0..2).for_each(|_| gate.open());
        assert_eq!((first.join().unwrap().status, second.join().unwrap().status), (200, 200));
        gate.arrived();
        gate.open();
        let later = later.join().unwrap();
        assert_eq!(later.status, 200);
        let timing = later.header("server-timing").to_owned();
        assert!(timing.starts_with("queue;dur=") && timing.contains(", model;dur="), "{timing}");
    });
}

/// Texts whose tokens the estimate gets wrong: none is cut off in the middle of its work.
#[test]
fn a_request_that_is_in_is_answered_whole_whatever_the_estimate_missed() {
    let settings = Settings { max_queue_tokens: Some(20_000), ..Settings::default() };
    let server = Running::start(settings);
    for text in
        ["東京タワーは港区にある。", "б а ш н я 1889 ", "a . b , c ; ", " \t\n \u{3000} x", "🗼🗼🗼", "qzxvkjwpq"]
    {
        let documents: Vec<String> = (0..30).map(|n| format!("{n} {}", text.repeat(20))).collect();
        let answer = server.post("/rerank", &json!({ "query": text, "documents": documents }));
        assert_eq!((answer.status, answer.json()["results"].as_array().unwrap().len()), (200, 30), "{text}");
    }
    server.wait_until("empty", || server.metric("nearsort_queue_tokens") == 0.0);
}

#[test]
fn a_full_queue_is_not_ready_but_alive() {
    let (model, gate) = gated();
    let server =
        Running::of(options(Settings { max_queue_tokens: Some(63), ..Settings::default() }).model("gate", model));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post("/rerank", &waiting(20)));
        gate.arrived();
        let ready = server.get("/readyz");
        assert!(ready.status == 503 && ready.text().contains("full"), "{}", ready.text());
        assert_eq!(server.get("/livez").status, 200);
        gate.open();
        assert_eq!(first.join().unwrap().status, 200);
    });
}

#[test]
fn clients_that_hang_up_leave_no_work_behind() {
    let (model, gate) = gated();
    let server = Running::of(options(Settings::default()).model("gate", model));
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let mut client = server.client();
            client.begin("/rerank", &[], waiting(10).to_string().as_bytes());
            client
        })
        .collect();
    (0..64).for_each(|_| gate.arrived());
    assert_eq!(server.metric("nearsort_requests_running"), 64.0);
    clients.into_iter().for_each(|client| client.hang_up());
    assert!((0..64).all(|_| gate.left_cancelled()));
    server.wait_until("idle", || server.metric("nearsort_requests_running") == 0.0);
    assert_eq!(server.metric("nearsort_requests_cancelled_total"), 64.0);
    assert_eq!((server.metric("nearsort_queue_tokens"), server.metric("nearsort_queue_bytes")), (0.0, 0.0));
    assert_eq!(server.post("/rerank", &json!({ "query": "q", "documents": ["a"] })).status, 200);
}

#[test]
fn the_real_model_stops_when_its_client_hangs_up() {
    let server = Running::start(Settings::default());
    let documents: Vec<String> = (0..20_000).map(|n| format!("Document {n} is about towers and museums.")).collect();
    let mut client = server.client();
    client.begin("/rerank", &[], json!({ "query": "towers", "documents": documents }).to_string().as_bytes());
    server.wait_until("running", || server.metric("nearsort_requests_running") == 1.0);
    client.hang_up();
    server.wait_until("cancelled", || server.metric("nearsort_requests_cancelled_total") == 1.0);
    assert_eq!(server.metric("nearsort_texts_total{model=\"all-MiniLM-L6-v2\"}"), 4.0, "only the self-test was done");
}

#[test]
fn answers_do_not_depend_on_what_else_runs() {
    let server = Running::start(Settings::default());
    let body = |n: usize| {
        let documents: Vec<String> =
            (0..20).map(|at| format!("{} number {at} of {n} in Paris", ["Tower", "Museum", "River"][at % 3])).collect();
        json!({ "query": format!("Where is tower {n}?"), "documents": documents })
    };
    let scores = |n| server.post("/v1/rerank", &body(n)).json()["results"].clone();
    let alone: Vec<Value> = (0..8).map(scores).collect();
    let together: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|n| scope.spawn(move || scores(n % 8))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (n, results) in together.iter().enumerate() {
        assert_eq!(results, &alone[n % 8], "bit-equal");
    }
    assert_eq!(server.post("/rerank", &eiffel()).json()["results"][0]["index"], 1);
}

#[test]
fn bodies_are_bounded_together() {
    let (model, gate) = gated();
    let bytes = waiting(20).to_string().len() as u64;
    let settings = Settings { max_queue_bytes: Some(bytes + 10), ..Settings::default() };
    let server = Running::of(options(settings).model("gate", model));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post("/rerank", &waiting(20)));
        gate.arrived();
        let refused = server.post("/rerank", &waiting(20));
        assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
        gate.open();
        assert_eq!(first.join().unwrap().status, 200);
    });
    server.wait_until("empty", || server.metric("nearsort_queue_bytes") == 0.0);
}

#[test]
fn long_requests_of_one_size_are_computed_one_after_the_other() {
    let server = Running::start(Settings { threads: Some(1), ..Settings::default() });
    let documents: Vec<String> = (0..200).map(|n| format!("Document {n} is about towers and museums.")).collect();
    let body = json!({ "query": "towers", "documents": documents });
    let most = std::thread::scope(|scope| {
        let requests: Vec<_> = (0..6).map(|_| scope.spawn(|| server.post("/rerank", &body).status)).collect();
        let mut most = 0.0_f64;
        while !requests.iter().all(|request| request.is_finished()) {
            most = most.max(server.metric("nearsort_requests_running"));
        }
        assert!(requests.into_iter().all(|request| request.join().unwrap() == 200));
        most
    });
    assert!((1.0..=2.0).contains(&most), "{most} were computed at once");
}
