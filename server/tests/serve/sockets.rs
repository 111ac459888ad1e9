//! Kinds of sockets and of HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nearsort_server::{Listen, Settings};

use crate::support::{Running, eiffel};

fn address(listen: &Listen) -> String {
    let Listen::Tcp(address) = listen else { panic!("no port: {listen}") };
    address.clone()
}

#[test]
fn a_unix_socket_serves_and_is_removed_with_the_server_and_replaced_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nearsort.sock");
    // What a crash leaves: a socket that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let settings = || Settings { listen: Some(format!("unix:{}", path.display())), ..Settings::default() };
    let server = Running::start(settings());
    assert_eq!(server.post("/rerank", &eiffel()).json()["results"][0]["index"], 1);
    drop(server);
    assert!(!path.exists());
    std::fs::write(&path, "a file of somebody's").unwrap();
    let refused = Running::start_fails(settings());
    assert!(refused.contains("nearsort.sock"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file of somebody's");
}

#[test]
fn http_2_with_prior_knowledge_answers_many_requests_on_one_connection() {
    let server = Running::start(Settings::default());
    let address = address(&server.listen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let ask = || {
            let mut sender = sender.clone();
            let request = hyper::Request::post(format!("http://{address}/rerank"))
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(eiffel().to_string())))
                .unwrap();
            async move {
                let answer = sender.send_request(request).await.unwrap();
                assert_eq!((answer.status(), answer.version()), (hyper::StatusCode::OK, hyper::Version::HTTP_2));
                answer.into_body().collect().await.unwrap().to_bytes()
            }
        };
        let answers = tokio::join!(ask(), ask(), ask());
        for answer in [answers.0, answers.1, answers.2] {
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["results"][0]["index"], 1);
        }
    });
}

#[test]
fn a_connection_is_kept_and_pipelined_requests_are_answered_in_order() {
    let server = Running::start(Settings::default());
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.post("/rerank", &[], eiffel().to_string().as_bytes()).status, 200);
    }
    client.begin("/rerank", &[("x-request-id", "one")], eiffel().to_string().as_bytes());
    client.begin("/rerank", &[("x-request-id", "two")], b"not json");
    client.begin("/rerank", &[("x-request-id", "three")], eiffel().to_string().as_bytes());
    let answers: Vec<_> = (0..3).map(|_| client.receive().unwrap()).collect();
    let ids: Vec<&str> = answers.iter().map(|answer| answer.header("x-request-id")).collect();
    assert_eq!(ids, ["one", "two", "three"]);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 400, 200]);
}

#[test]
fn metrics_and_probes_have_an_address_of_their_own_without_keys() {
    let server = Running::start(Settings {
        api_key: Some(vec!["key".into()]),
        metrics_listen: Some("127.0.0.1:0".into()),
        ..Settings::default()
    });
    let ask = |path: &str| crate::support::Client::connect(server.metrics.as_ref().unwrap()).get(path);
    assert!(ask("/metrics").text().contains("nearsort_queue_tokens"));
    assert_eq!((ask("/livez").status, ask("/readyz").status, ask("/info").status), (200, 200, 404));
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Running::start(Settings { max_connections: Some(1), ..Settings::default() });
    let mut first = server.client();
    assert_eq!(first.get("/livez").status, 200);
    // The second one is in the system's queue: its request is sent, and answered once the first is
    // gone.
    let mut second = TcpStream::connect(address(&server.listen)).unwrap();
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    assert_eq!(first.get("/livez").status, 200, "still the first one's");
    first.hang_up();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
