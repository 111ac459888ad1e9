//! A client of plain sockets: what it sends is exactly what a test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nearsort_server::Listen;
use serde_json::{Value, json};

/// A test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(120);

/// The query of the example, and its documents; the second answers it.
pub const EIFFEL: (&str, [&str; 3]) = (
    "Where is the Eiffel Tower?",
    ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "Bananas are yellow."],
);

/// The example as a body.
pub fn eiffel() -> Value {
    json!({ "query": EIFFEL.0, "documents": EIFFEL.1 })
}

trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

/// One connection.
pub struct Client {
    socket: BufReader<Box<dyn Socket + Send>>,
    hang_up: Box<dyn FnOnce() + Send>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub fn connect(listen: &Listen) -> Self {
        match listen {
            Listen::Tcp(address) => {
                let socket = TcpStream::connect(address.as_str()).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                let other = socket.try_clone().unwrap();
                let hang_up = Box::new(move || other.shutdown(std::net::Shutdown::Both).unwrap_or(()));
                Self { socket: BufReader::new(Box::new(socket)), hang_up }
            }
            Listen::Unix(path) => {
                let socket = std::os::unix::net::UnixStream::connect(path).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                let other = socket.try_clone().unwrap();
                let hang_up = Box::new(move || other.shutdown(std::net::Shutdown::Both).unwrap_or(()));
                Self { socket: BufReader::new(Box::new(socket)), hang_up }
            }
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).unwrap();
    }

    /// As [`Client::send`], where the server may have closed the connection already.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.socket.get_mut().write_all(bytes);
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes());
        self.receive().expect("no answer")
    }

    pub fn begin(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        self.send(head.as_bytes());
        self.try_send(body);
    }

    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.begin(path, headers, body);
        self.receive().expect("no answer")
    }

    /// The next response; `None` where the connection is closed instead.
    pub fn receive(&mut self) -> Option<Answer> {
        let mut line = String::new();
        match self.socket.read_line(&mut line) {
            Ok(0) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            read => read.unwrap(),
        };
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no response: {line:?}")).parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            self.socket.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        self.socket.read_exact(&mut body).unwrap();
        Some(Answer { status, headers, body })
    }

    /// Waits until the server closes the connection; what it says before that.
    pub fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.socket.read_to_end(&mut rest) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => (),
            read => drop(read.unwrap()),
        }
        rest
    }

    pub fn hang_up(self) {
        (self.hang_up)();
    }
}
