//! What broken and hostile clients send: never a panic, a hang, a 500, or an answer for another
//! request.

use nearsort_server::Settings;
use serde_json::json;

use crate::support::{Running, eiffel};

fn post(server: &Running, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let answer = server.client().post("/rerank", headers, body);
    (answer.status, answer.text())
}

#[test]
fn bodies_that_are_no_request_are_refused_with_what_is_wrong() {
    let server = Running::start(Settings::default());
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_document = format!("{{\"query\": \"q\", \"documents\": {deep}}}");
    let deep_objects = "{\"a\":".repeat(100_000);
    for (body, says) in [
        (&b""[..], "JSON"),
        (b"{\"query\": \"q\", \"documents\": [\"a\"", "JSON"),
        (b"null", "JSON object"),
        (b"{\"query\": \"\xff\xfe\", \"documents\": [\"a\"]}", "JSON"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (deep.as_bytes(), "JSON"),
        (deep_document.as_bytes(), "JSON"),
        (deep_objects.as_bytes(), "JSON"),
        (b"{\"query\": \"q\"}", "documents"),
        (b"{\"query\": \"q\", \"documents\": [1]}", "documents[0]"),
    ] {
        let (status, text) = post(&server, &[], body);
        assert!(status == 400 && text.contains(says), "{status} {text}");
    }
    assert_eq!(post(&server, &[], eiffel().to_string().as_bytes()).0, 200, "the server goes on");
}

#[test]
fn other_types_than_json_are_415_and_no_type_is_json() {
    let server = Running::start(Settings::default());
    let ask = |kind: &str| {
        let mut client = server.client();
        let (body, kind) =
            (eiffel().to_string(), if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") });
        client.send(
            format!("POST /rerank HTTP/1.1\r\nhost: localhost\r\n{kind}content-length: {}\r\n\r\n{body}", body.len())
                .as_bytes(),
        );
        client.receive().unwrap().status
    };
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"]
    {
        assert_eq!(ask(kind), 415, "{kind}");
    }
    for kind in ["", "application/json", "application/json; charset=utf-8"] {
        assert_eq!(ask(kind), 200, "{kind}");
    }
}

#[test]
fn a_gigabyte_is_refused_before_it_is_read() {
    let server = Running::start(Settings::default());
    let mut client = server.client();
    client.send(b"POST /rerank HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1073741824\r\n\r\n{");
    let answer = client.receive().unwrap();
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (413, json!("body_too_large")));
    assert_eq!(server.metric("nearsort_queue_bytes"), 0.0);
}

#[test]
fn chunks_count_as_they_come() {
    let server = Running::start(Settings { max_body_bytes: Some(1000), ..Settings::default() });
    let mut client = server.client();
    client.send(b"POST /rerank HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
    client.send(chunk.as_bytes());
    client.try_send(chunk.as_bytes());
    assert_eq!(client.receive().unwrap().status, 413);
}

#[test]
fn a_truncated_body_is_no_request() {
    let server = Running::start(Settings::default());
    let mut client = server.client();
    client.send(b"POST /rerank HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"query\": \"q\"");
    client.hang_up();
    server.wait_until("counted", || server.get("/metrics").text().contains("http_response_status_code=\"4"));
    assert_eq!((server.metric("nearsort_requests_running"), server.metric("nearsort_queue_bytes")), (0.0, 0.0));
}

#[test]
fn slow_headers_slow_bodies_and_idle_connections_time_out() {
    let quick = Some(0.05);
    let never = Some(3600.0);
    let headers = Settings { header_timeout: quick, body_timeout: never, idle_timeout: never, ..Settings::default() };
    let server = Running::start(headers);
    let mut slow = server.client();
    slow.send(b"POST /rerank HTTP/1.1\r\nhost: loc");
    assert!(slow.rest().is_empty(), "a head that never ends");
    assert!(server.client().rest().is_empty(), "not a byte");
    let mut preface = server.client();
    preface.send(b"PRI * HTTP/2.0\r\n");
    assert!(preface.rest().is_empty(), "half a preface of HTTP/2");

    let bodies = Settings { header_timeout: never, body_timeout: quick, idle_timeout: never, ..Settings::default() };
    let server = Running::start(bodies);
    let mut slow = server.client();
    slow.send(b"POST /rerank HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{");
    let answer = slow.receive().unwrap();
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (408, json!("body_timeout")));

    let idle = Settings { header_timeout: never, body_timeout: never, idle_timeout: quick, ..Settings::default() };
    let server = Running::start(idle);
    let mut kept = server.client();
    assert_eq!(kept.get("/livez").status, 200);
    assert!(kept.rest().is_empty(), "an idle connection");
}

/// Two lengths for one body: who believes the other one sees a second request, of somebody else's.
#[test]
fn requests_with_two_lengths_smuggle_nothing() {
    let server = Running::start(Settings::default());
    let smuggled = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let rest = |bytes: String| {
        let mut client = server.client();
        client.send(bytes.as_bytes());
        client.try_send(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        String::from_utf8_lossy(&client.rest()).into_owned()
    };
    let head = "POST /rerank HTTP/1.1\r\nhost: localhost\r\n";
    for (what, bytes) in [
        ("CL.CL", format!("{head}content-length: 0\r\ncontent-length: {}\r\n\r\n{smuggled}", smuggled.len())),
        (
            "two codings",
            format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        ("obscure coding", format!("{head}transfer-encoding: xchunked\r\ncontent-length: 0\r\n\r\n{smuggled}")),
        ("signed length", format!("{head}content-length: +0\r\n\r\n{smuggled}")),
        ("list of lengths", format!("{head}content-length: 0, {}\r\n\r\n{smuggled}", smuggled.len())),
        ("space before colon", format!("{head}content-length : 0\r\n\r\n{smuggled}")),
        ("folded", format!("{head}x: a\r\n transfer-encoding: chunked\r\ncontent-length : 3\r\n\r\n{smuggled}")),
        ("chunk size", format!("{head}transfer-encoding: chunked\r\n\r\n-1\r\n{smuggled}")),
        ("chunk overflow", format!("{head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{smuggled}")),
        ("NUL", format!("{head}x: a\0b\r\ncontent-length: 0\r\n\r\n{smuggled}")),
    ] {
        let rest = rest(bytes);
        assert!(!rest.contains("nearsort_queue_tokens"), "{what}: {rest}");
        assert!(!rest.contains("HTTP/1.1 2") && !rest.contains("HTTP/1.1 5"), "{what}: {rest}");
    }
    // RFC 9112: the coding counts, whatever the length says, and the connection is closed.
    let both = format!("{head}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", smuggled.len() + 5);
    let answers = rest(both);
    assert!(answers.starts_with("HTTP/1.1 400") && answers.matches("HTTP/1.1 ").count() == 1, "{answers}");
}

#[test]
fn requests_that_are_no_http_and_heads_without_end_are_cut_off() {
    let server = Running::start(Settings::default());
    let mut garbage = server.client();
    garbage.try_send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n");
    let said = String::from_utf8_lossy(&garbage.rest()).into_owned();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
    let mut endless = server.client();
    endless.try_send(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n");
    for _ in 0..4 {
        endless.try_send(format!("x-header: {}\r\n", "x".repeat(60_000)).as_bytes());
    }
    let said = String::from_utf8_lossy(&endless.rest()).into_owned();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn unknown_paths_and_methods_say_so() {
    let server = Running::start(Settings::default());
    let ask = |line: &str| {
        let mut client = server.client();
        client.send(
            format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").as_bytes(),
        );
        let said = String::from_utf8(client.rest()).unwrap();
        said.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    for (line, status) in [
        ("GET /rerank", 405),
        ("DELETE /v1/rerank", 405),
        ("HEAD /livez", 200),
        ("GET /nothing", 404),
        ("POST /embed_sparse", 501),
        ("GET /../etc/passwd", 404),
        ("GET //rerank", 404),
        ("POST /rerank/", 400),
        ("POST /metrics", 405),
    ] {
        assert_eq!(ask(line), status, "{line}");
    }
}
