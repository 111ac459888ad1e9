//! Recording and replaying, with real requests to the server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nearsort::Call;
use nearsort::service::{Origin, Provider, Recording, Service, ServiceError};

use super::http::{KEY, account, embedding_of, options, service};
use super::server::{Fault, Server};

fn record(folder: &Path, server: &Server) -> Recording {
    Recording::record(folder, Box::new(service(server)), account(None)).unwrap()
}

fn lines(folder: &Path) -> usize {
    fs::read_to_string(folder.join("exchanges.jsonl")).unwrap().lines().count()
}

#[test]
fn a_replay_gives_bodies_latencies_and_refusals_as_they_were_and_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.fault("slow", Fault::Slow(Duration::from_millis(30)), 1);
    server.fault("refused", Fault::Status(400, r#"{"error": {"message": "no", "param": "input"}}"#.into()), 1);
    let recording = record(folder.path(), &server);
    let first: Vec<_> =
        ["slow", "refused", "a"].map(|text| recording.send(&embedding_of(text), &Call::new())).into_iter().collect();
    assert!(first[0].as_ref().unwrap().latency >= Duration::from_millis(30));
    let mut elsewhere = options(&server, Provider::OpenAi);
    elsewhere.base_url = Some("http://127.0.0.1:1/v1".into());
    let account = account(None);
    let replay = Recording::replay(folder.path(), &elsewhere, account.clone()).unwrap();
    assert_eq!(replay.host(), recording.host(), "where it was recorded");
    for (text, first) in ["slow", "refused", "a"].into_iter().zip(first) {
        match (replay.send(&embedding_of(text), &Call::new()), first) {
            (Ok(again), Ok(first)) => {
                assert_eq!((again.body, again.latency), (first.body, first.latency));
                assert_eq!((again.origin, first.origin), (Origin::Recording, Origin::Service));
            }
            (again, first) => assert_eq!(again, first),
        }
    }
    let usage = account.meter().usage();
    assert_eq!((usage.requests, usage.tries, usage.dollars), (2, 0, Some(2e-6)));
    let missing = replay.send(&embedding_of("b"), &Call::new()).unwrap_err();
    assert!(matches!(missing, ServiceError::NotRecorded(_)), "{missing}");
    assert_eq!(server.count(), 3);
}

#[test]
fn a_recording_goes_on_where_it_stopped_and_cuts_off_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    record(folder.path(), &server).send(&embedding_of("a"), &Call::new()).unwrap();
    let file = folder.path().join("exchanges.jsonl");
    let mut torn = fs::read(&file).unwrap();
    torn.extend(b"{\"hash\": \"half of a li");
    fs::write(&file, torn).unwrap();
    let replay = Recording::replay(folder.path(), &options(&server, Provider::OpenAi), account(None)).unwrap();
    assert!(replay.send(&embedding_of("a"), &Call::new()).is_ok(), "a torn line is not read");
    let again = record(folder.path(), &server);
    assert_eq!(again.send(&embedding_of("a"), &Call::new()).unwrap().origin, Origin::Recording);
    assert_eq!(again.send(&embedding_of("b"), &Call::new()).unwrap().origin, Origin::Service);
    assert_eq!((server.count(), lines(folder.path())), (2, 2));
}

#[test]
fn the_answers_to_one_question_come_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.fault("", Fault::Text("{\"number\": 1}".into()), 1);
    server.fault("", Fault::Text("{\"number\": 2}".into()), 1);
    let recording = record(folder.path(), &server);
    (0..2).for_each(|_| drop(recording.send(&embedding_of("a"), &Call::new()).unwrap()));
    let replay = Recording::replay(folder.path(), &options(&server, Provider::OpenAi), account(None)).unwrap();
    let numbers = (0..2).map(|_| replay.send(&embedding_of("a"), &Call::new()).unwrap().body["number"].as_u64());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn a_recording_has_no_key_and_no_refusal_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.fault("mirror", Fault::Text(format!("{{\"echo\": \"{KEY}\"}}")), 1);
    server.fault("denied", Fault::Status(401, format!("{{\"error\": {{\"message\": \"bad key {KEY}\"}}}}")), 1);
    let recording = record(folder.path(), &server);
    recording.send(&embedding_of("denied"), &Call::new()).unwrap_err();
    recording.send(&embedding_of("mirror"), &Call::new()).unwrap();
    let text = fs::read_to_string(folder.path().join("exchanges.jsonl")).unwrap();
    assert!(text.contains("[key]") && !text.contains("sk-test") && !text.contains("denied"), "{text}");
}

#[test]
fn what_is_no_recording_is_an_error_that_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let replay = || {
        Recording::replay(folder.path(), &options(&server, Provider::OpenAi), account(None)).err().unwrap().to_string()
    };
    assert!(replay().contains("exchanges.jsonl"));
    fs::write(folder.path().join("exchanges.jsonl"), "{\"text\": \"mine\"}\n").unwrap();
    assert!(replay().contains("line 1"), "{}", replay());
}
