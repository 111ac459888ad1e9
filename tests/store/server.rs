//! A hub on 127.0.0.1: files, the list of files, redirects to a storage, ranges, and faults on
//! demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The commit that the server's `main` means.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[derive(Debug, Clone)]
pub enum Fault {
    Status(u16),
    RetryAfter(u16, u64),
    /// Says nothing until the client gives up.
    Hang,
    /// Announces the whole length and closes after so many bytes of the body.
    Cut(usize),
    /// Sends this instead.
    Wrong(Vec<u8>),
    /// Says no length and sends zeros until the client hangs up.
    Endless,
    /// Says no length and sends the file in chunks.
    Chunked,
    /// One more header.
    Header(&'static str, &'static str),
    /// Answers a range request with the whole file.
    IgnoreRange,
    /// Waits before the body, so that other requests can overlap.
    Slow(Duration),
    /// Waits before the body until this becomes true.
    Hold(Arc<AtomicBool>),
}

#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

struct State {
    repo: String,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    faults: Mutex<Vec<(String, Fault, usize)>>,
    log: Mutex<Vec<Request>>,
    /// Where large files lie: this server, or another one.
    storage: Mutex<String>,
    listing: Mutex<bool>,
}

#[derive(Clone)]
pub struct Hub {
    pub url: String,
    state: Arc<State>,
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for something that must happen; the end of patience shows as a failed assertion of the
/// caller.
pub fn wait_until(happened: impl Fn() -> bool) {
    for _ in 0..4000 {
        if happened() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

impl Hub {
    /// Serves `repo`. Files that end in `.safetensors` are redirected to `/storage/`, as large
    /// files are.
    pub fn start(repo: &str, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            repo: repo.to_owned(),
            files: Mutex::new(files.clone()),
            faults: Mutex::default(),
            log: Mutex::default(),
            storage: Mutex::default(),
            listing: Mutex::new(true),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { url, state }
    }

    /// The next `times` requests whose path contains `part` meet this fault.
    pub fn fault(&self, part: &str, fault: Fault, times: usize) {
        self.state.faults.lock().unwrap().push((part.to_owned(), fault, times));
    }

    pub fn put(&self, file: &str, content: &[u8]) {
        self.state.files.lock().unwrap().insert(file.to_owned(), content.to_owned());
    }

    pub fn remove(&self, file: &str) {
        self.state.files.lock().unwrap().remove(file);
    }

    /// Redirects large files to another server.
    pub fn store_at(&self, other: &Hub) {
        *self.state.storage.lock().unwrap() = other.url.clone();
        *other.state.files.lock().unwrap() = self.state.files.lock().unwrap().clone();
    }

    /// Switches the list of files off, as some mirrors have none.
    pub fn without_listing(&self) {
        *self.state.listing.lock().unwrap() = false;
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.log.lock().unwrap().clone()
    }

    /// The requests whose path contains `part`.
    pub fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|request| request.path.contains(part)).count()
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) {
        // One request per connection keeps the counting simple.
        if let Some(request) = read_request(&stream) {
            self.log.lock().unwrap().push(request.clone());
            let _ = self.answer(&mut stream, &request);
        }
    }

    fn take_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (_, fault, times) =
            faults.iter_mut().find(|(part, _, times)| path.contains(part.as_str()) && *times > 0)?;
        *times -= 1;
        Some(fault.clone())
    }

    fn answer(&self, stream: &mut TcpStream, request: &Request) -> std::io::Result<()> {
        let fault = self.take_fault(&request.path);
        match fault {
            Some(Fault::Status(status)) => return head(stream, status, &[], 0),
            Some(Fault::RetryAfter(status, seconds)) => {
                return head(stream, status, &[("retry-after", seconds.to_string())], 0);
            }
            Some(Fault::Hang) => {
                thread::sleep(Duration::from_secs(20));
                return Ok(());
            }
            _ => {}
        }
        let path = &request.path;
        if path.starts_with("/api/models/") {
            return self.list(stream, path);
        }
        let file = path.strip_prefix("/storage/").map(str::to_owned).or_else(|| self.resolved(path));
        let content = file.as_ref().and_then(|file| self.files.lock().unwrap().get(file).cloned());
        match (file, content) {
            (Some(file), Some(content)) if matches!(fault, Some(Fault::Chunked)) => {
                self.send(stream, &file, content, request, fault)
            }
            (Some(file), Some(content)) if file.ends_with(".safetensors") && !path.starts_with("/storage/") => {
                self.redirect(stream, &file, &content)
            }
            (Some(file), Some(content)) => self.send(stream, &file, content, request, fault),
            _ => head(stream, 404, &[], 0),
        }
    }

    /// `/<repo>/resolve/<revision>/<file>`
    fn resolved(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&format!("/{}/resolve/", self.repo))?;
        let (revision, file) = rest.split_once('/')?;
        ["main", COMMIT, "refs%2Fpr%2F1"].contains(&revision).then(|| file.to_owned())
    }

    fn list(&self, stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
        if !*self.listing.lock().unwrap() || !path.starts_with(&format!("/api/models/{}/revision/", self.repo)) {
            return head(stream, 404, &[], 0);
        }
        let names: Vec<String> =
            self.files.lock().unwrap().keys().map(|name| format!("{{\"rfilename\": \"{name}\"}}")).collect();
        let body = format!("{{\"id\": \"x\", \"sha\": \"{COMMIT}\", \"siblings\": [{}]}}", names.join(", "));
        head(stream, 200, &[("content-type", "application/json".to_owned())], body.len())?;
        stream.write_all(body.as_bytes())
    }

    fn redirect(&self, stream: &mut TcpStream, file: &str, content: &[u8]) -> std::io::Result<()> {
        let headers = [
            ("x-repo-commit", COMMIT.to_owned()),
            ("x-linked-etag", format!("\"{}\"", sha256(content))),
            ("x-linked-size", content.len().to_string()),
            // Relative when the storage is this very server, as the hub does it.
            ("location", format!("{}/storage/{file}", self.storage.lock().unwrap())),
        ];
        head(stream, 302, &headers, 0)
    }

    fn send(
        &self,
        stream: &mut TcpStream,
        file: &str,
        content: Vec<u8>,
        request: &Request,
        fault: Option<Fault>,
    ) -> std::io::Result<()> {
        // The storage has etags of its own, which say nothing about the content.
        let etag = if request.path.starts_with("/storage/") {
            format!("\"storage-{file}\"")
        } else {
            format!("W/\"{}\"", &sha256(&content)[..40])
        };
        let mut headers = vec![("etag", etag), ("x-repo-commit", COMMIT.to_owned())];
        let total = content.len();
        let from = match (&request.range, &fault) {
            (Some(range), fault) if !matches!(fault, Some(Fault::IgnoreRange)) => {
                range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap()
            }
            _ => 0,
        };
        if from > 0 && from >= total {
            return head(stream, 416, &headers, 0);
        }
        let mut body = content[from..].to_owned();
        if let Some(Fault::Wrong(other)) = &fault {
            body = other.clone();
        }
        let status = if from > 0 { 206 } else { 200 };
        if from > 0 {
            headers.push(("content-range", format!("bytes {from}-{}/{total}", total - 1)));
        }
        match &fault {
            Some(Fault::Slow(pause)) => thread::sleep(*pause),
            Some(Fault::Hold(open)) => wait_until(|| open.load(Ordering::SeqCst)),
            _ => {}
        }
        if let Some(Fault::Endless) = fault {
            stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0; 1 << 16])?;
            }
        }
        if let Some(Fault::Chunked) = fault {
            return chunked(stream, &headers, &body);
        }
        if let Some(Fault::Header(name, value)) = fault {
            headers.push((name, value.to_owned()));
        }
        head(stream, status, &headers, body.len())?;
        let end = if let Some(Fault::Cut(after)) = fault { after.min(body.len()) } else { body.len() };
        stream.write_all(&body[..end])
    }
}

fn head(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], length: usize) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all((text + "\r\n").as_bytes())
}

fn chunked(stream: &mut TcpStream, headers: &[(&str, String)], body: &[u8]) -> std::io::Result<()> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "HTTP/1.1 200 X\r\nconnection: close\r\ntransfer-encoding: chunked\r\n{headers}\r\n")?;
    for chunk in body.chunks(1000) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut request = Request { path, range: None, authorization: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.to_owned()),
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(request)
}
