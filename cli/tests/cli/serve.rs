//! `nearsort serve`: the process around the server. What it answers is tested in `server/tests`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr};

use serde_json::{Value, json};

use crate::support::{Folder, KEY, TINY, command, run};

/// A server that runs, and its stderr.
struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

fn serve(args: &[&str], environment: &[(&str, &str)]) -> Serving {
    let mut command = command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    let mut child = command.envs(environment.iter().copied()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("http://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
    let serving = Serving { child, stderr, address };
    while serving.ask("GET /readyz", "", "").0 != 200 {
        std::thread::yield_now();
    }
    serving
}

impl Serving {
    /// Sends a request, and leaves its answer to be read.
    fn send(&self, line: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head =
            format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {length}");
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        stream
    }

    fn ask(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        answer(self.send(line, headers, body))
    }

    fn signal(&self, signal: libc::c_int) {
        send_signal(&self.child, signal);
    }

    /// Waits for the end: exit code, and the rest of stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

fn send_signal(child: &Child, signal: libc::c_int) {
    // SAFETY: the process is a child of ours that was not waited for.
    assert_eq!(unsafe { libc::kill(child.id().try_into().unwrap(), signal) }, 0);
}

/// Status and body.
fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn towers(documents: usize) -> Value {
    let documents: Vec<String> = (0..documents).map(|n| format!("Tower {n} has a secretword in it.")).collect();
    json!({ "query": "the tallest tower", "documents": documents })
}

#[test]
fn sigterm_and_ctrl_c_end_it_after_the_answers_and_the_log_has_no_texts_and_no_keys() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let serving = serve(&["--model", TINY], &[("NEARSORT_API_KEY", KEY)]);
        let key = format!("authorization: Bearer {KEY}\r\n");
        let wrong = json!({ "query": "q", "documents": "a secretword", "model": "secretword" });
        assert_eq!(serving.ask("POST /rerank", &key, &wrong.to_string()).0, 400);
        assert_eq!(serving.ask("POST /rerank", "", &towers(2).to_string()).0, 401);
        // Some thousand documents are still being scored when the signal comes; this one is
        // admitted, since it is seen to run.
        let waiting = serving.send("POST /rerank", &key, &towers(3000).to_string());
        let running = |text: &str| text.contains("\nnearsort_requests_running 1\n");
        while !running(&serving.ask("GET /metrics", &key, "").1) && !has_ended(&waiting) {
            std::thread::yield_now();
        }
        serving.signal(signal);
        let (status, body) = answer(waiting);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["results"].as_array().unwrap().len()), (200, 3000));
        let (code, log) = serving.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("status=200") && log.contains("texts=3000"), "{log}");
        assert!(log.contains("invalid_field documents"), "{log}");
        assert!(!log.contains("secretword") && !log.contains(KEY), "{log}");
    }
}

/// Every request that the server has seen has its answer: nobody who got a place is turned away or
/// cut off.
#[test]
fn sigterm_under_load_answers_every_request_that_the_server_has_seen() {
    let Serving { mut child, mut stderr, address } = serve(&["--model", TINY, "--drain-timeout", "3600"], &[]);
    let log = std::thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        said
    });
    let (says, said) = std::sync::mpsc::channel();
    let client = |_| {
        let (says, address) = (says.clone(), address.clone());
        std::thread::spawn(move || ask_until_nobody_listens(&address, &says))
    };
    let clients: Vec<_> = (0..8).map(client).collect();
    (0..40).for_each(|_| said.recv().unwrap());
    send_signal(&child, libc::SIGTERM);
    let statuses: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = log.join().unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("route=\"/rerank\"")).collect();
    for status in ["200", "503"] {
        let logged = lines.iter().filter(|line| line.contains(&format!("status={status}"))).count();
        assert_eq!(logged, statuses.iter().filter(|found| *found == status).count(), "{status}: {log}");
    }
    assert!(statuses.len() == lines.len() && statuses.len() >= 40, "{} answers to {}", statuses.len(), lines.len());
}

/// Asks on one connection after the other; the statuses of all answers.
fn ask_until_nobody_listens(address: &str, says: &std::sync::mpsc::Sender<()>) -> Vec<String> {
    let (mut statuses, body) = (Vec::new(), towers(20).to_string());
    let head = "POST /rerank HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    while let Ok(mut stream) = TcpStream::connect(address) {
        let mut answer = String::new();
        let is_read = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        // The system ends a connection that waited in its queue when the socket was closed: no
        // server has seen that one.
        if is_read.is_ok() && !answer.is_empty() {
            statuses.push(answer[9..12].to_owned());
            let _ = says.send(());
        }
    }
    statuses
}

/// Lines are lost then, and nothing else.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_below_the_log_does_not_stop_the_server() {
    let folder = Folder::new();
    let socket = folder.text("socket");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(&["serve", "--model", TINY, "--listen", &format!("unix:{socket}")]);
    let mut child = command.stderr(full).spawn().unwrap();
    let ask = |line: &str, body: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket)?;
        let head = format!("{line} HTTP/1.1\r\nconnection: close\r\nhost: localhost\r\ncontent-length: {}", body.len());
        write!(stream, "{head}\r\n\r\n{body}")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    while !ask("GET /readyz", "").is_ok_and(|text| text.starts_with("HTTP/1.1 200")) {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    for _ in 0..3 {
        assert!(ask("POST /rerank", &towers(3).to_string()).unwrap().starts_with("HTTP/1.1 200"));
    }
    send_signal(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Whether the answer is there already: a fast machine needs no signal to be quick.
fn has_ended(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let ended = stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
    stream.set_nonblocking(false).unwrap();
    ended
}

#[test]
fn flags_count_before_variables_and_variables_before_the_file() {
    let folder = Folder::new();
    let file =
        folder.with("serve.toml", format!("model = ['{TINY}=of-the-file']\nmax_texts = 2\nmax_body_bytes = 100000\n"));
    let variables = [("NEARSORT_MAX_TEXTS", "3"), ("NEARSORT_MODEL", "./models/tiny-bert=of-the-variable")];
    let serving = serve(&["--config", &file, "--max-body-bytes", "200"], &variables);
    let (status, models) = serving.ask("GET /v1/models", "", "");
    assert!(status == 200 && models.contains("of-the-variable") && !models.contains("of-the-file"), "{models}");
    let (status, refusal) =
        serving.ask("POST /rerank", "", &json!({ "query": "q", "documents": ["a", "b", "c", "d"] }).to_string());
    assert!(status == 400 && refusal.contains("the limit is 3"), "{refusal}");
    assert_eq!(serving.ask("POST /rerank", "", &towers(10).to_string()).0, 413);
    serving.signal(libc::SIGTERM);
    assert_eq!(serving.end().0, Some(0));
}

#[test]
fn what_cannot_be_served_is_said_before_anything_listens() {
    let open = run(&["serve", "--listen", "0.0.0.0:0"]).error();
    assert!(open.contains("--no-auth") && open.contains("other machines"), "{open}");
    let service = run(&["serve", "--model", "openai:gpt-4o"]).error();
    assert!(service.contains("--allow-services"), "{service}");
    let address = run(&["serve", "--listen", "8787"]).error();
    assert!(address.contains("127.0.0.1:8787"), "{address}");
    let model = run(&["serve", "--listen", "127.0.0.1:0", "--model", "./no-such-folder", "--log", "off"]);
    assert!(model.code == 2 && model.err.contains("no-such-folder"), "{}", model.err);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = run(&["serve", "--listen", &address]).error();
    assert!(error.contains(&address), "{error}");
}
