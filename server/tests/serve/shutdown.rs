//! The end: requests that are there are answered, until the time-out.

use nearsort_server::{Options, Settings};
use serde_json::json;

use crate::support::{Running, eiffel, gated};

fn options(drain: f64) -> Options {
    let listen = Some("127.0.0.1:0".into());
    Options::new(Settings { listen, drain_timeout: Some(drain), ..Settings::default() }).unwrap()
}

fn waiting() -> Vec<u8> {
    json!({ "query": "wait", "documents": ["a"] }).to_string().into_bytes()
}

#[test]
fn a_shutdown_answers_what_is_there_and_takes_nothing_new() {
    let (model, gate) = gated();
    let mut server = Running::of(options(3600.0).model("gate", model));
    let (mut first, mut kept) = (server.client(), server.client());
    assert_eq!(kept.get("/livez").status, 200);
    first.begin("/rerank", &[], &waiting());
    gate.arrived();
    let mut other = server.client();
    other.begin("/rerank", &[], &waiting());
    gate.arrived();
    server.shut_down();
    assert!(kept.rest().is_empty(), "an idle connection is closed");
    (0..2).for_each(|_| gate.open());
    let answer = first.receive().expect("the answer to an admitted request");
    assert_eq!((answer.status, answer.json()["results"][0]["index"].clone()), (200, json!(0)));
    assert_eq!(other.receive().unwrap().status, 200);
    server.join().unwrap();
}

#[test]
fn after_the_drain_time_out_requests_are_cancelled_and_told_so() {
    let (model, gate) = gated();
    let mut server = Running::of(options(0.05).model("gate", model));
    let mut client = server.client();
    client.begin("/rerank", &[], &waiting());
    gate.arrived();
    server.shut_down();
    let answer = client.receive().expect("a refusal");
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (503, json!("unavailable")));
    assert!(gate.left_cancelled());
    server.join().unwrap();
}

#[test]
fn who_is_asked_to_hurry_does_not_wait_for_the_drain_time_out() {
    let (model, gate) = gated();
    let mut server = Running::of(options(3600.0).model("gate", model));
    let (mut client, mut kept) = (server.client(), server.client());
    assert_eq!(kept.get("/livez").status, 200);
    client.begin("/rerank", &[], &waiting());
    gate.arrived();
    server.shut_down();
    assert!(kept.rest().is_empty(), "it drains");
    server.hurry();
    let answer = client.receive().expect("a refusal");
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (503, json!("unavailable")));
    assert!(gate.left_cancelled());
    server.join().unwrap();
}

/// The program itself, by a signal under load: every request that got its place gets its answer.
#[cfg(unix)]
#[test]
fn sigterm_under_load_loses_no_admitted_request() {
    let mut server = Running::of(options(60.0));
    let (says, said) = std::sync::mpsc::channel();
    let listen = server.listen.clone();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (says, listen) = (says.clone(), listen.clone());
            std::thread::spawn(move || {
                let mut answered = 0;
                loop {
                    // A connection that is refused, or closed before anything was read, was never admitted.
                    let Ok(stream) = std::panic::catch_unwind(|| crate::support::Client::connect(&listen)) else {
                        break;
                    };
                    let mut client = stream;
                    client.try_send(head(eiffel().to_string().len()).as_bytes());
                    client.try_send(eiffel().to_string().as_bytes());
                    match client.receive() {
                        Some(answer) if answer.status == 200 => answered += 1,
                        Some(answer) => {
                            assert_eq!(answer.status, 503, "{}", answer.text());
                            break;
                        }
                        None => break,
                    }
                    let _ = says.send(());
                }
                answered
            })
        })
        .collect();
    (0..40).for_each(|_| said.recv().unwrap());
    server.shut_down();
    let answered: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    server.join().unwrap();
    assert!(answered >= 40);
}

fn head(length: usize) -> String {
    format!("POST /rerank HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
}
