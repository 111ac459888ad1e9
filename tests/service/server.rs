//! A service on 127.0.0.1 that embeds, reranks and answers in the formats of OpenAI, Anthropic,
//! Cohere, Jina, Voyage and TEI, writes down what it is asked, and fails on demand.

// Not every test program uses all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Components of a vector unless the request or the test says otherwise.
pub const DIM: usize = 8;

/// A whole answer's body, made of the path and the request's body.
pub type AnswerFn = Arc<dyn Fn(&str, &Value) -> Value + Send + Sync>;

#[derive(Clone)]
pub enum Fault {
    /// A status with a body.
    Status(u16, String),
    /// A status with one header (name and value) and an empty body.
    Header(u16, &'static str, String),
    /// Answers after a pause.
    Slow(Duration),
    /// Says nothing until the client gives up.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// Announces the whole length and closes after so many bytes of the body.
    Cut(usize),
    /// Answers 200 with this text.
    Text(String),
    /// Changes the answer.
    Change(Arc<dyn Fn(Value) -> Value + Send + Sync>),
    /// 400 in OpenAI's form where the request has this parameter.
    Refuse(&'static str),
}

impl Fault {
    pub fn change(change: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(change))
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// With what stands behind the question mark.
    pub path: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub at: Instant,
}

impl Seen {
    /// The documents of a request for scores.
    pub fn documents(&self) -> Vec<String> {
        documents(&self.body).into_iter().map(str::to_owned).collect()
    }

    /// The texts of a request for embeddings.
    pub fn input(&self) -> Vec<String> {
        self.body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

struct State {
    answer: AnswerFn,
    faults: Mutex<Vec<(String, Fault, usize)>>,
    log: Mutex<Vec<Seen>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    dim: AtomicUsize,
}

#[derive(Clone)]
pub struct Server {
    /// `http://127.0.0.1:port/v1`
    pub url: String,
    state: Arc<State>,
}

impl Server {
    /// A server that embeds, and whose chat models always answer "7".
    pub fn start() -> Self {
        Self::answering(|path, body| if path == "/messages" { message("7") } else { chat(body["model"].as_str(), "7") })
    }

    /// A server that embeds, and answers everything else with the body that a closure makes of path
    /// (`/chat/completions`, `/messages`) and request.
    pub fn answering(answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(State {
            answer: Arc::new(answer),
            faults: Mutex::default(),
            log: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            dim: AtomicUsize::new(DIM),
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

    /// Gives vectors of so many components.
    pub fn with_dim(self, dim: usize) -> Self {
        self.state.dim.store(dim, Ordering::SeqCst);
        self
    }

    /// The next `times` requests that have `part` in their path or body meet this fault.
    pub fn fault(&self, part: &str, fault: Fault, times: usize) {
        self.state.faults.lock().unwrap().push((part.to_owned(), fault, times));
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.state.log.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.state.log.lock().unwrap().len()
    }

    /// The most requests that were answered at the same time.
    pub fn most_under_way(&self) -> usize {
        self.state.most_under_way.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) {
        // One request per connection keeps the counting simple.
        if let Some(seen) = read_request(&stream) {
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(now, Ordering::SeqCst);
            self.log.lock().unwrap().push(seen.clone());
            let fault = self.take_fault(&seen);
            if let Some(Fault::Slow(pause)) = &fault {
                thread::sleep(*pause);
            }
            // Before the answer is out: who has it may ask again at once.
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            let _ = self.answer(&mut stream, &seen, fault);
        }
    }

    fn take_fault(&self, seen: &Seen) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let body = seen.body.to_string();
        let meets = |part: &str, fault: &Fault| {
            let refused = !matches!(fault, Fault::Refuse(name) if seen.body.get(name).is_none());
            refused && (seen.path.contains(part) || body.contains(part))
        };
        let (_, fault, times) = faults.iter_mut().find(|(part, fault, times)| *times > 0 && meets(part, fault))?;
        *times -= 1;
        Some(fault.clone())
    }

    fn answer(&self, stream: &mut TcpStream, seen: &Seen, fault: Option<Fault>) -> std::io::Result<()> {
        let mut answer = self.body_of(seen);
        let mut end = usize::MAX;
        match fault {
            Some(Fault::Status(status, body)) => return send(stream, status, None, &body, usize::MAX),
            Some(Fault::Header(status, name, value)) => return send(stream, status, Some((name, &value)), "", 0),
            Some(Fault::Text(text)) => return send(stream, 200, None, &text, usize::MAX),
            Some(Fault::Close) => return Ok(()),
            Some(Fault::Hang) => {
                thread::sleep(Duration::from_secs(20));
                return Ok(());
            }
            Some(Fault::Refuse(name)) => return send(stream, 400, None, &unsupported(name).to_string(), usize::MAX),
            Some(Fault::Cut(after)) => end = after,
            Some(Fault::Change(change)) => answer = answer.map(|answer| change(answer)),
            Some(Fault::Slow(_)) | None => {}
        }
        match answer {
            Some(answer) => send(stream, 200, None, &answer.to_string(), end),
            None => send(stream, 404, None, r#"{"error": {"message": "no such path"}}"#, end),
        }
    }

    fn body_of(&self, seen: &Seen) -> Option<Value> {
        let path = seen.path.split('?').next()?;
        let known = ["/embeddings", "/chat/completions", "/messages", "/rerank"]
            .into_iter()
            .find(|known| path.ends_with(known))?;
        match known {
            "/rerank" => Some(reranked(&seen.body)),
            "/embeddings" => Some(embeddings(&seen.body, self.dim.load(Ordering::SeqCst))),
            other => Some((self.answer)(other, &seen.body)),
        }
    }
}

/// OpenAI's complaint about a parameter.
pub fn unsupported(name: &str) -> Value {
    json!({"error": {"message": format!("Unsupported parameter: '{name}' is not supported with this model."),
        "type": "invalid_request_error", "param": name, "code": null}})
}

/// An answer of `/chat/completions` in 50 and 1 tokens.
pub fn chat(model: Option<&str>, content: &str) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": null}, "finish_reason": "stop", "logprobs": null}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 1, "total_tokens": 51}})
}

/// An answer of `/messages` in 50 and 1 tokens.
pub fn message(content: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": content}], "model": "claude",
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 50, "output_tokens": 1}})
}

/// The texts between the markers of a judge's question, in either format.
pub fn candidates(body: &Value) -> Vec<String> {
    let question = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    let marker = question.split("=== ").nth(1).unwrap().split(' ').next().unwrap();
    let line = format!("=== {marker} ===");
    question.split(&line).skip(1).step_by(2).map(|text| text.trim_matches('\n').to_owned()).collect()
}

/// The answer of `/embeddings`: base64 where that is asked for, one token per word.
fn embeddings(body: &Value, own_dim: usize) -> Value {
    let inputs: Vec<&str> = match &body["input"] {
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap()).collect(),
        text => vec![text.as_str().unwrap()],
    };
    let dim = body["dimensions"].as_u64().map_or(own_dim, |dim| dim as usize);
    let vector = |text: &str| {
        let vector = vector_of(text, dim);
        if body["encoding_format"] == "base64" { json!(base64(&vector)) } else { json!(vector) }
    };
    let data: Vec<Value> = (0..)
        .zip(&inputs)
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)}))
        .collect();
    let tokens: usize = inputs.iter().map(|text| text.split_whitespace().count()).sum();
    json!({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

fn documents(body: &Value) -> Vec<&str> {
    let texts = body.get("documents").or(body.get("texts")).unwrap().as_array().unwrap();
    texts.iter().map(|text| text.as_str().unwrap()).collect()
}

/// The score of a pair: the number that the document ends with of 1000, or for a query of the word
/// `raw` a logit; 0 without one.
pub fn score_of(query: &str, document: &str) -> f64 {
    let number: f64 = document.rsplit(' ').next().unwrap().parse().unwrap_or(0.0);
    if query == "raw" { number - 500.0 } else { number / 1000.0 }
}

/// The answer of `/rerank`, the best first and equal scores in reverse as TEI gives them. Who asks
/// tells the form: TEI by `texts`, Voyage by its model, Cohere and Jina share one but for the
/// usage.
fn reranked(body: &Value) -> Value {
    let query = body["query"].as_str().unwrap();
    let texts = documents(body);
    let mut scored: Vec<(usize, f64)> = texts.iter().map(|text| score_of(query, text)).enumerate().collect();
    scored.sort_by(|a, b| a.1.total_cmp(&b.1));
    scored.reverse();
    let named =
        |name: &str| scored.iter().map(|(index, score)| json!({"index": index, name: score})).collect::<Value>();
    let words = |text: &str| text.split_whitespace().count();
    let tokens: usize = texts.iter().map(|text| words(text) + words(query)).sum();
    let model = body["model"].as_str().unwrap_or_default();
    if body.get("texts").is_some() {
        return named("score");
    }
    let results = named("relevance_score");
    let usage = json!({"total_tokens": tokens});
    if model.starts_with("rerank-2") {
        return json!({"object": "list", "data": results, "model": model, "usage": usage});
    }
    if body.get("return_documents").is_some() {
        return json!({"model": model, "object": "list", "usage": usage, "results": results});
    }
    let units = texts.len().div_ceil(100);
    json!({"id": "07734bd2", "results": results, "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": units}}})
}

/// The vector of a text: another one for every text, of length 1.
pub fn vector_of(text: &str, dim: usize) -> Vec<f32> {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut state = hash | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let vector: Vec<f32> = (0..dim).map(|_| next()).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

/// Little-endian numbers in base64.
pub fn base64(vector: &[f32]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { letter as char } else { '=' });
        }
    }
    text
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    header: Option<(&str, &str)>,
    body: &str,
    end: usize,
) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    if let Some((name, value)) = header {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    stream.write_all(&body.as_bytes()[..end.min(body.len())])
}

fn read_request(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { path, headers, body: serde_json::from_slice(&body).ok()?, at: Instant::now() })
}
