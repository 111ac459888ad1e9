//! Running the binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::server::Server;

/// What the services of tests take for a key; nothing may show it.
pub const KEY: &str = "sk-cli-0123456789abcdef";

pub const TINY: &str = "./models/tiny-bert";
pub const EIFFEL: &str = "Where is the Eiffel Tower located?";

/// What a run of the command came to.
#[derive(Debug, PartialEq)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The standard output of a run that must have succeeded and had nothing to say.
    #[track_caller]
    pub fn quietly(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "stdout: {}", self.out);
        self.out
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.quietly()).unwrap()
    }

    /// The rows of a TSV answer, split into columns.
    #[track_caller]
    pub fn rows(self) -> Vec<Vec<String>> {
        self.quietly().lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// The message of a run that must have failed with exit code 2, without a panic and with
    /// nothing on stdout.
    #[track_caller]
    pub fn error(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "stderr: {}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// The repository's root, where every run starts.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearsort"));
    command.args(args).current_dir(root()).env_remove("NEARSORT_OFFLINE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn finish(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or_else(|| panic!("ended by {}", output.status)),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn run(args: &[&str]) -> Ran {
    finish(command(args).spawn().unwrap())
}

pub fn run_with_stdin(args: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
    let mut child = command(args).stdin(Stdio::piped()).spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
    finish(child)
}

/// `nearsort rerank` with a tiny model over `candidates` on standard input.
pub fn rerank(args: &[&str], candidates: impl AsRef<[u8]>) -> Ran {
    run_with_stdin(&[&["rerank", "--model", TINY, "--query", "tower"], args].concat(), candidates)
}

/// The same with the default model, in f32, and the three sentences whose cosines are promised.
pub fn eiffel(args: &[&str]) -> Ran {
    let landmarks = std::fs::read_to_string(root().join("examples/landmarks.txt")).unwrap();
    let three: String = landmarks.split_inclusive('\n').take(3).collect();
    run_with_stdin(&[&["rerank", "--precision", "f32", "--scoring", "cosine", "--query", EIFFEL], args].concat(), three)
}

/// A folder for one test, with files in it.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn with(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    /// What lies in the folder, hidden files included.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The command with every service at a test's server, and a cache of its own in the folder.
pub fn nearsort_by(folder: &Folder, server: &Server, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("NEARSORT_CACHE", folder.path("cache"));
    for provider in ["OPENAI", "ANTHROPIC", "COHERE", "JINA", "VOYAGE", "TEI"] {
        command.env(format!("{provider}_API_KEY"), KEY).env(format!("{provider}_BASE_URL"), &server.url);
    }
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env_remove(proxy);
    }
    command
}

/// Runs [`nearsort_by`]; the key must not be shown.
pub fn run_by(folder: &Folder, server: &Server, args: &[&str]) -> Ran {
    let ran = finish(nearsort_by(folder, server, args).spawn().unwrap());
    assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "the key is shown: {} {}", ran.out, ran.err);
    ran
}

/// Kills the command whenever its journal has grown, until it gets through; how often it was
/// killed. Tests of the library stop it at every point.
pub fn killed_until_done(args: &[&str], journal: &Path) -> usize {
    let length = || journal.metadata().map_or(0, |journal| journal.len());
    for kills in 0.. {
        let before = length();
        let mut child = command(args).stderr(Stdio::null()).spawn().unwrap();
        while length() == before || length() == 0 {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                return kills;
            }
            std::thread::yield_now();
        }
        child.kill().unwrap();
        // It may have been done when the kill came.
        if child.wait().unwrap().success() {
            return kills;
        }
    }
    unreachable!()
}
