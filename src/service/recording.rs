//! Records requests and answers in a file, to run again without the service.
//!
//! A recording is a folder with `exchanges.jsonl`. It has one line per exchange: the hash of the
//! question, the request, and the answer, or a refusal that counts as an answer. It has no headers,
//! so no key. Each line is written and synced as a whole, under a lock, so that several processes
//! can record into one folder. A line torn by a crash is not read; the next recording process cuts
//! it off.
//!
//! An answer that could not be read is recorded like any other, because a replay gives what the run
//! saw. A run that continues the recording asks again, and the new answer replaces the old one
//! (`instead_of`: the position of the old line). The file holds texts and answers, so only its
//! owner may read it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Account, Origin, Provider, Reply, Request, Service, ServiceError, ServiceOptions, ServiceTokens};
use crate::call::Call;
use crate::hex::hex;

const FILE: &str = "exchanges.jsonl";
/// Refusals that the request itself causes. Others, such as a wrong key, may be gone tomorrow.
const ANSWERS: [u16; 3] = [400, 413, 422];

/// Returns the hash of a question. Equal hashes are equal questions. The address is not part of it.
pub fn question_hash(provider: Provider, model: &str, request: &Request) -> String {
    let mut body = request.body.clone();
    body.sort_all_objects();
    let mut hash = Sha256::new();
    for field in [&provider.to_string(), model, request.path, &body.to_string()] {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    hex(hash.finalize())
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Exchange {
    hash: String,
    provider: String,
    model: String,
    host: String,
    path: String,
    request: Value,
    latency_us: u64,
    /// Position of the line with the answer that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instead_of: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    status: u16,
    code: Option<String>,
    param: Option<String>,
    message: String,
}

/// The fields that are read of every line when a recording is opened.
#[derive(Deserialize)]
struct LineHead {
    hash: String,
    provider: String,
    model: String,
    host: String,
    #[serde(default)]
    instead_of: Option<u64>,
}

/// The unused answers to each question, by its hash, the next one last.
type UnusedAnswers = HashMap<String, Vec<LinePlace>>;

/// A line's place in the file.
#[derive(Clone, Copy)]
struct LinePlace {
    offset: u64,
    bytes: usize,
}

/// A service with a recording in front of it, or a recording alone.
///
/// Answers in the recording are returned from it, with their recorded latency. If a question was
/// asked several times, its answers are returned in their order. Other questions go to the service
/// and into the recording; without a service they are [`ServiceError::NotRecorded`].
pub struct Recording {
    folder: PathBuf,
    provider: Provider,
    model: String,
    host: String,
    account: Account,
    inner: Option<Box<dyn Service>>,
    state: Mutex<RecordingState>,
}

struct RecordingState {
    file: File,
    left: UnusedAnswers,
    /// Position of the line with the last answer to each question, by its hash.
    given: HashMap<String, u64>,
}

impl Recording {
    /// Records the answers of a service into a folder. Creates the folder if it does not exist.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] if the folder cannot be written or has an invalid line.
    pub fn record(folder: &Path, inner: Box<dyn Service>, account: Account) -> Result<Self, ServiceError> {
        make_private_folder(folder).map_err(|error| failed(folder, "made", &error))?;
        let path = folder.join(FILE);
        let mut file = open_private(&path);
        let file = file.as_mut().map_err(|error| failed(&path, "opened", error))?;
        cut_torn_line(file).map_err(|error| failed(&path, "written", &error))?;
        let file = file.try_clone().map_err(|error| failed(&path, "opened", &error))?;
        let (provider, model, host) = (inner.provider(), inner.model().to_owned(), inner.host());
        Self::of(folder, file, (provider, model, host), account, Some(inner))
    }

    /// Answers from a recording alone. Opens no connection.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] if there is no recording in the folder, or if it has an invalid
    /// line.
    pub fn replay(folder: &Path, options: &ServiceOptions, account: Account) -> Result<Self, ServiceError> {
        let path = folder.join(FILE);
        let file = File::open(&path).map_err(|error| failed(&path, "opened", &error))?;
        Self::of(folder, file, (options.provider, options.model.clone(), options.host()), account, None)
    }

    fn of(
        folder: &Path,
        file: File,
        (provider, model, host): (Provider, String, String),
        account: Account,
        inner: Option<Box<dyn Service>>,
    ) -> Result<Self, ServiceError> {
        let path = folder.join(FILE);
        let (left, recorded_host) = read_heads(&path, &file, provider, &model)?;
        let host = match inner {
            Some(_) => host,
            None => recorded_host.unwrap_or(host),
        };
        let state = Mutex::new(RecordingState { file, left, given: HashMap::new() });
        Ok(Self { folder: folder.to_owned(), provider, model, host, account, inner, state })
    }

    /// Returns the next recorded answer to a question.
    fn recorded(&self, hash: &str) -> Result<Option<Exchange>, ServiceError> {
        let path = self.folder.join(FILE);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = state.left.get_mut(hash).and_then(Vec::pop) else { return Ok(None) };
        let mut line = vec![0; place.bytes];
        let read = state.file.seek(SeekFrom::Start(place.offset)).and_then(|_| state.file.read_exact(&mut line));
        read.map_err(|error| failed(&path, "read", &error))?;
        state.given.insert(hash.to_owned(), place.offset);
        drop(state);
        serde_json::from_slice(&line).map(Some).map_err(|error| failed(&path, "read", &error))
    }

    fn append(&self, exchange: &Exchange) -> Result<(), ServiceError> {
        let path = self.folder.join(FILE);
        let mut line = serde_json::to_vec(exchange).map_err(|error| failed(&path, "written", &error))?;
        line.push(b'\n');
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let file = &mut state.file;
        let write = |file: &mut File| {
            file.lock()?;
            let written = file.write_all(&line).and_then(|()| file.sync_data());
            file.unlock()?;
            written
        };
        write(file).map_err(|error| failed(&path, "written", &error))
    }

    /// Asks the service and records its answer.
    fn ask(
        &self,
        inner: &dyn Service,
        hash: String,
        request: &Request,
        instead_of: Option<u64>,
        call: &Call<'_>,
    ) -> Result<Reply, ServiceError> {
        // Replayed latencies are whole microseconds, so the recording run rounds them too.
        let answer = inner.send(request, call).map(|reply| {
            let latency = Duration::from_micros(microseconds(reply.latency));
            Reply { latency, ..reply }
        });
        if let Some(exchange) = self.exchange(hash, request, &answer) {
            self.append(&Exchange { instead_of, ..exchange })?;
        }
        answer
    }

    fn exchange(&self, hash: String, request: &Request, answer: &Result<Reply, ServiceError>) -> Option<Exchange> {
        let mut exchange = Exchange {
            hash,
            provider: self.provider.to_string(),
            model: self.model.clone(),
            host: self.host.clone(),
            path: request.path.to_owned(),
            request: request.body.clone(),
            latency_us: 0,
            instead_of: None,
            reply: None,
            refused: None,
        };
        match answer {
            Ok(reply) => {
                exchange.latency_us = microseconds(reply.latency);
                exchange.reply = Some(reply.body.clone());
            }
            Err(ServiceError::Refused { status, code, param, message, .. }) if ANSWERS.contains(status) => {
                let (code, param, message) = (code.clone(), param.clone(), message.clone());
                exchange.refused = Some(Refused { status: *status, code, param, message });
            }
            Err(_) => return None,
        }
        Some(exchange)
    }

    fn replayed(&self, exchange: Exchange, call: &Call<'_>) -> Result<Reply, ServiceError> {
        match (exchange.reply, exchange.refused) {
            (Some(body), _) => {
                self.account.recorded(ServiceTokens::of(self.provider, &body), call);
                let latency = Duration::from_micros(exchange.latency_us);
                Ok(Reply { body, latency, origin: Origin::Recording })
            }
            (None, Some(Refused { status, code, param, message })) => {
                Err(ServiceError::Refused { host: self.host.clone(), status, code, param, message })
            }
            (None, None) => {
                let message = "an exchange has neither reply nor refusal".to_owned();
                Err(ServiceError::Malformed { host: self.folder.display().to_string(), message })
            }
        }
    }
}

impl Service for Recording {
    fn provider(&self) -> Provider {
        self.provider
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn send(&self, request: &Request, call: &Call<'_>) -> Result<Reply, ServiceError> {
        call.check()?;
        let hash = question_hash(self.provider, &self.model, request);
        if let Some(exchange) = self.recorded(&hash)? {
            return self.replayed(exchange, call);
        }
        let Some(inner) = &self.inner else {
            return Err(ServiceError::NotRecorded(format!("the recording {}", self.folder.display())));
        };
        self.ask(&**inner, hash, request, None, call)
    }

    fn ask_anew(&self, request: &Request, call: &Call<'_>) -> Option<Result<Reply, ServiceError>> {
        let inner = self.inner.as_ref()?;
        let hash = question_hash(self.provider, &self.model, request);
        let instead_of = self.state.lock().unwrap_or_else(PoisonError::into_inner).given.get(&hash).copied();
        Some(self.ask(&**inner, hash, request, instead_of, call))
    }

    fn keep(&self, request: &Request, reply: &Reply) -> Result<(), ServiceError> {
        self.inner.as_ref().map_or(Ok(()), |inner| inner.keep(request, reply))
    }

    fn count_kept(&self, call: &Call<'_>) {
        self.account.kept(call);
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn failed(path: &Path, what: &str, error: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::Setup(format!("the recording {} cannot be {what}: {error}", path.display()))
}

/// Creates a folder for its owner alone. An existing folder keeps its permissions.
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens the recording's file for its owner alone, even if an earlier release created it for all.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(permissions.mode() & !0o077);
            file.set_permissions(permissions)?;
        }
    }
    Ok(file)
}

/// Cuts off the torn line that a crash left after the last whole one.
fn cut_torn_line(file: &mut File) -> std::io::Result<()> {
    file.lock()?;
    let length = file.metadata()?.len();
    let (mut end, mut block) = (length, [0; 4096]);
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = memchr::memrchr(b'\n', block) {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    file.unlock()
}

/// Returns the positions of the answers to a model's questions, and the host that gave them.
fn read_heads(
    path: &Path,
    file: &File,
    provider: Provider,
    model: &str,
) -> Result<(UnusedAnswers, Option<String>), ServiceError> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(|error| failed(path, "read", &error))?;
    let (mut places, mut host) = (UnusedAnswers::new(), None);
    let (mut line, mut offset) = (Vec::new(), 0);
    for number in 1.. {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line).map_err(|error| failed(path, "read", &error))?;
        if !line.ends_with(b"\n") {
            break;
        }
        let head: LineHead =
            serde_json::from_slice(&line).map_err(|error| failed(path, &format!("read: line {number}"), &error))?;
        if head.provider == provider.to_string() && head.model == model {
            host.get_or_insert(head.host);
            let of_question: &mut Vec<LinePlace> = places.entry(head.hash).or_default();
            let old = |instead_of| of_question.iter().position(|place| place.offset == instead_of);
            match head.instead_of.and_then(old) {
                Some(at) => of_question[at] = LinePlace { offset, bytes },
                None => of_question.push(LinePlace { offset, bytes }),
            }
        }
        offset += bytes as u64;
    }
    places.values_mut().for_each(|places| places.reverse());
    Ok((places, host))
}
