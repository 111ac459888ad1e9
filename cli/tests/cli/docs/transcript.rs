//! Running examples in a copy of examples/, and comparing what they print.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Folder, root, run};

/// How far decimals may differ in a loose transcript, and whole numbers: scores depend on the
/// processor.
const NEAR: f64 = 0.05;
const NEAR_WHOLE: f64 = 1.0;
/// A line that stands for any lines.
const ANY: &str = "...";
/// `cargo run --release -- ...` is the program that is tested.
const PREAMBLE: &str = "cargo() { [ \"$1 $2 $3\" = \"run --release --\" ] || return 1; shift 3; nearsort \"$@\"; }\n";

/// A shell in a folder of its own, with the files of examples/ and the program on its path.
pub struct Shell(Folder);

impl Shell {
    pub fn new() -> Self {
        let folder = Folder::new();
        for entry in fs::read_dir(root().join("examples")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension != "rs") {
                fs::copy(&path, folder.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
            }
        }
        symlink(root().join("examples"), folder.path("examples")).unwrap();
        // A cache of its own, but the models that are there.
        run(&["models", "pull", "all-MiniLM-L6-v2"]);
        let model = run(&["models", "path", "all-MiniLM-L6-v2"]).quietly();
        fs::create_dir_all(folder.path("cache/models")).unwrap();
        symlink(model.trim_end(), folder.path("cache/models/all-MiniLM-L6-v2")).unwrap();
        Self(folder)
    }

    /// Whether a script succeeds, and its standard output and error as a terminal shows them.
    fn run(&self, script: &str) -> (bool, String) {
        let binary = Path::new(env!("CARGO_BIN_EXE_nearsort")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-euc", &format!("exec 2>&1\n{PREAMBLE}{script}\n")]).current_dir(self.0.0.path());
        command.env("PATH", path).env("NEARSORT_CACHE", self.0.path("cache"));
        for name in ["NEARSORT_OFFLINE", "COLUMNS", "OPENAI_API_KEY"] {
            command.env_remove(name);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// Runs a script that must succeed.
    pub fn run_all(&self, lines: &[String]) -> Result<(), String> {
        match self.run(&lines.join("\n")) {
            (true, _) => Ok(()),
            (false, printed) => Err(format!("the example fails:\n{}\n{printed}", lines.join("\n"))),
        }
    }

    /// Runs each command of a transcript and compares what it prints.
    pub fn follow(&self, lines: &[String], loose: bool) -> Result<(), String> {
        for (command, expected) in commands(lines)? {
            let (_, printed) = self.run(&command);
            let printed: Vec<&str> = printed.lines().collect();
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            if !matches(&expected, &printed, loose) {
                return Err(format!("$ {command}\nprints\n{}\nand not\n{}", printed.join("\n"), expected.join("\n")));
            }
        }
        Ok(())
    }

    /// Runs each command of a transcript. `None` if they print what stands there, numbers aside;
    /// otherwise what the first of them prints instead, and the transcript as it goes.
    pub fn as_it_goes(&self, lines: &[String]) -> Result<Option<(String, String)>, String> {
        let (mut complaint, mut session) = (None, Vec::new());
        for (command, mut expected) in commands(lines)? {
            let (_, printed) = self.run(&command);
            let printed: Vec<String> = printed.lines().map(|line| line.trim_end().to_owned()).collect();
            let texts = |lines: &[String]| lines.join("\n");
            let is_as_expected = {
                let [expected, printed] =
                    [&expected, &printed].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
                matches(&expected, &printed, true)
            };
            if !is_as_expected {
                let said = format!("$ {command}\nprints\n{}\nand not\n{}", texts(&printed), texts(&expected));
                complaint.get_or_insert(said);
                expected = printed;
            }
            session.push(format!("$ {command}\n{}", texts(&expected)).trim_end().to_owned());
        }
        Ok(complaint.map(|said| (said, session.join("\n\n") + "\n")))
    }

    /// What the program says of the options of commands that are not run.
    pub fn unknown_options(&self, lines: &[String]) -> Vec<String> {
        let script =
            lines.iter().map(|line| line.split(" #").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        let script = script.replace("\\\n", " ").replace("cargo run --release -- ", "nearsort ");
        let pieces = script.split(['\n', '|', '&', ';']).map(str::trim).filter(|piece| piece.starts_with("nearsort "));
        let complaint = |piece: &str| match self.run(&format!("{piece} --help")) {
            (true, _) => None,
            (false, printed) => Some(format!("{piece}\n{printed}")),
        };
        pieces.filter_map(complaint).collect()
    }
}

/// Commands of a transcript, each with the lines below it.
fn commands(lines: &[String]) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.to_owned(), Vec::new())),
            (None, Some((command, printed))) if command.ends_with('\\') && printed.is_empty() => {
                command.pop();
                command.push_str(line.trim_start());
            }
            (None, Some((_, printed))) => printed.push(line.clone()),
            (None, None) => return Err(format!("a transcript begins with '$ ', not with '{line}'")),
        }
    }
    // A blank line before the next command is there for the eye.
    for (_, printed) in &mut found {
        while printed.last().is_some_and(String::is_empty) {
            printed.pop();
        }
    }
    Ok(found)
}

/// Whether lines are as expected, where a line `...` stands for any number of them.
fn matches(expected: &[&str], printed: &[&str], loose: bool) -> bool {
    match expected {
        [] => printed.is_empty(),
        [first, rest @ ..] if *first == ANY => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..], loose))
        }
        [first, rest @ ..] => match printed {
            [line, others @ ..] => is_like(first, line, loose) && matches(rest, others, loose),
            [] => false,
        },
    }
}

fn is_like(expected: &str, printed: &str, loose: bool) -> bool {
    if !loose {
        return expected == printed.trim_end();
    }
    let (expected, printed) = (pieces(expected), pieces(printed));
    expected.len() == printed.len()
        && expected.iter().zip(&printed).all(|(expected, printed)| is_near(expected, printed))
}

/// Numbers, and what stands between them without its spaces.
fn pieces(line: &str) -> Vec<String> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut pieces: Vec<String> = vec![String::new()];
    let mut in_number = false;
    for c in line.chars().filter(|c| !c.is_whitespace()) {
        if is_digit(c) != in_number {
            pieces.push(String::new());
            in_number = is_digit(c);
        }
        pieces.last_mut().unwrap().push(c);
    }
    pieces
}

fn is_near(expected: &str, printed: &str) -> bool {
    match (expected.parse::<f64>(), printed.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= if expected.contains('.') { NEAR } else { NEAR_WHOLE },
        _ => expected == printed,
    }
}

#[test]
fn transcripts_are_compared_line_by_line_and_dots_stand_for_any_lines() {
    assert!(matches(&["a", "..."], &["a", "b", "c"], false) && matches(&["...", "c"], &["a", "b", "c"], false));
    assert!(matches(&["a", "...", "c"], &["a", "c"], false) && matches(&["a 0.80"], &["a  0.83"], true));
    for (expected, printed) in [("a", "b"), ("a 0.80", "a 0.86"), ("a 3", "a 5"), ("a -0.1", "a 0.1"), ("a", "a 1")] {
        assert!(!matches(&[expected], &[printed], true), "{expected} {printed}");
    }
    assert!(!matches(&["a 0.80"], &["a 0.81"], false) && !matches(&["a"], &[], false) && !matches(&[], &["a"], false));
}
