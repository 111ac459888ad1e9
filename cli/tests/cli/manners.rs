//! What a good citizen of the shell does: closed pipes, signals, full disks.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::support::{Folder, TINY, command, finish, rerank};

const RERANK: [&str; 5] = ["rerank", "--model", TINY, "--query", "tower"];

/// The end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let verbs: [&[&str]; 8] = [
        &["rerank", "--model", TINY, "--query", "tower", "examples/landmarks.txt"],
        &["rerank", "--model", TINY, "--query", "tower", "examples/landmarks.txt", "--format", "json"],
        &["eval", "-q", "--qrels", "tests/eval/binary.qrels", "tests/eval/binary.run"],
        &["eval", "-q", "--qrels", "tests/eval/binary.qrels", "tests/eval/binary.run", "--format", "json"],
        &["models", "list"],
        &["models", "list", "--json"],
        &["completions", "bash"],
        &["man"],
    ];
    for args in verbs {
        let ran = finish(command(args).stdout(closed_pipe()).spawn().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn a_stderr_that_nobody_reads_changes_nothing() {
    let mut child = command(&[&RERANK[..], &["-v"]].concat());
    let mut child = child.stdin(Stdio::piped()).stderr(closed_pipe()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a tower\n\n").unwrap();
    assert_eq!(
        (child.wait_with_output().unwrap().status.code(), 2),
        (Some(0), rerank(&["-q"], "a tower\n\n").rows().len())
    );
    let failing = command(&["rerank", "--query", "x", "no-such-file"]).stderr(closed_pipe()).status().unwrap();
    assert_eq!(failing.code(), Some(2));
}

/// What a name, an id or a text of others may hold to act on a terminal.
const ACTS: &str = "\u{1b}[2J\u{7}\u{9b}31m\u{202e}txt\u{2066}\u{200f}\u{2028}\u{7f}";

#[track_caller]
fn assert_harmless(shown: &str) {
    let acts =
        |c: char| (c.is_control() && !"\n\t".contains(c)) || "\u{202e}\u{2066}\u{200f}\u{2028}\u{61c}".contains(c);
    assert!(!shown.contains(acts), "{shown:?}");
}

#[test]
fn names_ids_and_texts_of_others_do_not_act_on_the_terminal() {
    let folder = Folder::new();
    let text = serde_json::json!({ "id": ACTS, "text": format!("tower {ACTS}") });
    let mut with_score = text.clone();
    with_score["score"] = ACTS.into();
    let rows = folder.with("rows.jsonl", format!("{text}\n"));
    let odd = folder.with(&format!("{ACTS}.jsonl"), "{\"text\": 7\n");
    let scored = folder.with("scored.jsonl", format!("{with_score}\n"));
    let field = format!("field{ACTS}");
    let model = folder.path("model");
    std::fs::create_dir(&model).unwrap();
    let config = serde_json::json!({ "model_type": ACTS, "architectures": [ACTS] });
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
    let (model, absent) = (model.display().to_string(), format!("no{ACTS}"));
    let calls: [&[&str]; 9] = [
        &["rerank", "--model", TINY, "--query", ACTS, &rows, "--format", "table"],
        &["rerank", "--model", TINY, "--query", ACTS, &scored, "--format", "table", "--explain"],
        &["rerank", "--model", TINY, "--query", "q", &odd],
        &["rerank", "--model", TINY, "--query", "q", &rows, "--text-field", &field],
        &["rerank", "--model", &absent, "--query", "q", &rows],
        &["rerank", "--model", &model, "--query", "q", &rows],
        &["models", "verify", &model],
        &["rerank", "--no-such-option", ACTS, &format!("--{ACTS}")],
        &["rerank", "--top-k", ACTS],
    ];
    for args in calls {
        let ran = finish(command(args).spawn().unwrap());
        assert_harmless(&ran.out);
        assert_harmless(&ran.err);
    }
    let table = finish(command(calls[0]).spawn().unwrap());
    assert!(table.out.contains("\\u{202e}") && !table.out.contains("\\u{1b}"), "{}", table.out);
    let refused = finish(command(calls[8]).spawn().unwrap());
    assert!(refused.code == 2 && refused.err.contains("\\u{1b}[2J"), "{}", refused.err);
    let tsv =
        finish(command(&["rerank", "--model", TINY, "--query", "q", &rows, "--format", "jsonl"]).spawn().unwrap());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&tsv.out).unwrap()["id"], ACTS, "machines get what was there");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    for args in [&["rerank", "--model", TINY, "--query", "x", "examples/landmarks.txt"][..], &["completions", "zsh"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = finish(command(args).stdout(full).spawn().unwrap());
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("cannot write to standard output"), "{}", ran.err);
    }
}

/// Runs `setup` in the child before the program. `setup` may only do what is safe between fork and
/// exec.
fn with_setup(command: &mut Command, setup: fn()) -> &mut Command {
    let setup = move || {
        setup();
        Ok(())
    };
    // SAFETY: the two setups below make one system call each, which is safe between fork and exec.
    unsafe { command.pre_exec(setup) }
}

#[test]
fn a_disk_that_fills_up_leaves_neither_a_file_nor_a_part_of_one() {
    const LIMIT: libc::rlimit = libc::rlimit { rlim_cur: 16 << 10, rlim_max: 16 << 10 };
    let folder = Folder::new();
    let (out, stats) = (folder.text("out.npy"), folder.text("stats.json"));
    let input = folder.with("in.txt", "a tower\n".repeat(1000));
    let mut command = command(&["embed", "--model", TINY, &input, "-o", &out, "--stats", &stats]);
    with_setup(&mut command, || {
        // SAFETY: reads one constant. Should it fail, so does the test.
        unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &LIMIT) };
    });
    let message = finish(command.spawn().unwrap()).error();
    assert!(message.contains(&format!("cannot write {out}")), "{message}");
    assert_eq!(folder.names(), ["in.txt"]);
}

/// An `embed` that has begun its output and waits for more input.
fn embedding(folder: &Folder) -> Child {
    let out = folder.text("out.npy");
    let mut command = command(&["embed", "--model", TINY, "-", "-o", &out]);
    // Whoever runs the tests may ignore signals, as a shell does for what it starts in the
    // background.
    with_setup(&mut command, || {
        // SAFETY: restores what signals do by default; no handler of ours runs.
        [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].iter().for_each(|&signal| unsafe {
            libc::signal(signal, libc::SIG_DFL);
        });
    });
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // More than fits into the pipe and the buffer that tells the format: when all of it is taken,
    // rows are being read, and so the output has been begun.
    child.stdin.as_mut().unwrap().write_all("tower ".repeat(500_000).as_bytes()).unwrap();
    child
}

#[test]
fn a_signal_ends_it_quietly_and_leaves_nothing_behind() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let folder = Folder::new();
        let mut child = embedding(&folder);
        assert_eq!(folder.names().len(), 1, "the unfinished file");
        let stdin = child.stdin.take();
        // SAFETY: the child has not been waited for, so its id is still its own.
        assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
        let ran = finish(child);
        drop(stdin);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (130, "", ""));
        assert!(folder.names().is_empty(), "{:?}", folder.names());
    }
}
