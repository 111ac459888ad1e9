//! Keys, hosts, origins, ids.

use nearsort_server::{Error, Options, Server, Settings};
use serde_json::json;

use crate::support::{Client, Running, eiffel};

fn keys(keys: &[&str]) -> Settings {
    Settings { api_key: Some(keys.iter().map(|key| (*key).to_owned()).collect()), ..Settings::default() }
}

fn asked(server: &Running, headers: &[(&str, &str)]) -> u16 {
    server.client().post("/rerank", headers, eiffel().to_string().as_bytes()).status
}

#[test]
fn every_form_of_a_key_is_taken_and_nothing_else() {
    let server = Running::start(keys(&["first-key", "second-key"]));
    for (name, value) in [
        ("authorization", "Bearer second-key"),
        ("authorization", "bearer first-key"),
        ("authorization", "first-key"),
        ("x-api-key", "second-key"),
        ("api-key", "first-key"),
    ] {
        assert_eq!(asked(&server, &[(name, value)]), 200, "{name}: {value}");
    }
    for headers in [
        &[][..],
        &[("authorization", "Bearer first-ke")],
        &[("authorization", "Bearer first-key2")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic first-key")],
        &[("x-api-key", "")],
    ] {
        assert_eq!(asked(&server, headers), 401, "{headers:?}");
    }
    let both = [("authorization", "Bearer hub-token"), ("x-api-key", "first-key")];
    assert_eq!(asked(&server, &both), 200, "a client may send a token of its own beside");
    let refused = server.post("/rerank", &eiffel());
    assert!(refused.json()["message"].as_str().unwrap().contains("Bearer"), "{}", refused.text());
}

#[test]
fn probes_need_no_key_and_all_else_does() {
    let server = Running::start(keys(&["key"]));
    for path in ["/livez", "/readyz", "/health", "/healthz", "/ping", "/.well-known/ready"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for path in ["/info", "/metrics", "/v1/models", "/unknown"] {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    assert_eq!(server.client().post("/livez", &[], b"{}").status, 401, "a probe by another method is no probe");
}

#[test]
fn keys_come_from_a_file_whose_text_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, "# keys\n\n  one \ntwo\n").unwrap();
    let server = Running::start(Settings { api_key_file: Some(path.clone()), ..Settings::default() });
    assert_eq!((asked(&server, &[("api-key", "one")]), asked(&server, &[("api-key", "two")])), (200, 200));
    std::fs::write(&path, "a s3cret with spaces").unwrap();
    let wrong = Options::new(Settings { api_key_file: Some(path.clone()), ..Settings::default() }).err().unwrap();
    assert!(wrong.to_string().contains("keys") && !wrong.to_string().contains("s3cret"), "{wrong}");
    std::fs::write(&path, "# none\n").unwrap();
    let none = Options::new(Settings { api_key_file: Some(path), ..Settings::default() }).err().unwrap();
    assert!(none.to_string().contains("no key"), "{none}");
    let shown = format!("{:?}", Options::new(keys(&["s3cret"])).unwrap().api_keys);
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn other_machines_are_let_in_by_key_or_by_word_only() {
    let open = |settings: Settings| Options::new(Settings { listen: Some("0.0.0.0:0".into()), ..settings }).unwrap();
    let refused = Server::bind(open(Settings::default())).await.err().unwrap();
    assert!(matches!(refused, Error::Open(_)) && refused.to_string().contains("api_key_file"), "{refused}");
    assert!(Server::bind(open(keys(&["key"]))).await.is_ok());
    assert!(Server::bind(open(Settings { no_auth: Some(true), ..Settings::default() })).await.is_ok());
}

#[test]
fn without_keys_a_name_that_somebody_else_can_direct_here_is_refused() {
    let server = Running::start(Settings { allowed_host: Some(vec!["rerank.lan".into()]), ..Settings::default() });
    let asked = |host: &str| {
        let mut client = server.client();
        let body = eiffel().to_string();
        client.send(
            format!("POST /rerank HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
        );
        client.receive().unwrap()
    };
    for here in ["localhost", "127.0.0.1:8787", "[::1]:1", "rerank.lan:80"] {
        assert_eq!(asked(here).status, 200, "{here}");
    }
    let refused = asked("evil.example");
    assert!(refused.status == 403 && refused.text().contains("evil.example"), "{}", refused.text());
}

#[test]
fn cors_is_off_unless_origins_are_named() {
    let preflight = |client: &mut Client, origin: &str| {
        client.send(
            format!(
                "OPTIONS /rerank HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
                 access-control-request-headers: authorization,content-type\r\n\r\n"
            )
            .as_bytes(),
        );
        client.receive().unwrap()
    };
    let off = Running::start(Settings::default());
    assert_eq!(preflight(&mut off.client(), "http://a.example").header("access-control-allow-origin"), "");
    let on = Running::start(Settings { cors_origin: Some(vec!["http://a.example".into()]), ..keys(&["key"]) });
    let answer = preflight(&mut on.client(), "http://a.example");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "http://a.example"));
    assert!(answer.header("access-control-allow-headers").contains("authorization"), "{answer:?}");
    assert_eq!(preflight(&mut on.client(), "http://b.example").header("access-control-allow-origin"), "");
}

#[test]
fn a_request_id_is_given_back_or_made() {
    let server = Running::start(Settings::default());
    let body = eiffel().to_string();
    let own = server.client().post("/rerank", &[("x-request-id", "my-id")], body.as_bytes());
    assert_eq!((own.header("x-request-id"), own.json()["id"].clone()), ("my-id", json!("my-id")));
    let made = [server.post("/rerank", &eiffel()), server.post("/rerank", &eiffel())];
    assert_eq!(made[0].header("x-request-id").len(), 16);
    assert_ne!(made[0].header("x-request-id"), made[1].header("x-request-id"));
    let wrong = server.client().post("/rerank", &[("x-request-id", &"x".repeat(200))], body.as_bytes());
    assert_eq!(wrong.header("x-request-id").len(), 16);
}
