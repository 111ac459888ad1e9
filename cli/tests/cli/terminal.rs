//! What only a terminal gets: the table cut to its width, headers, progress.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Folder, TINY, command, finish};

/// Opens a pseudo-terminal: the end to read what is printed, and the end to print to.
fn open_terminal(columns: u16) -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let none = std::ptr::null_mut();
    // SAFETY: every pointer is valid or null where null is allowed; both numbers are open
    // descriptors of ours after it.
    unsafe {
        assert_eq!(libc::openpty(&mut ours, &mut theirs, none, none.cast(), &size), 0);
        (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

/// Runs the command with stdout and stderr on a terminal; `feed` writes its standard input. Exit
/// code and screen.
fn on_terminal(columns: u16, args: &[&str], feed: impl FnOnce(&mut dyn Write)) -> (Option<i32>, String) {
    let (mut ours, theirs) = open_terminal(columns);
    let mut command = command(args);
    command.stdin(Stdio::piped()).stdout(theirs.try_clone().unwrap()).stderr(theirs).env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR").env_remove("CLICOLOR");
    let mut child = command.spawn().unwrap();
    // The command holds the terminal's other end; without it our end would never end.
    drop(command);
    feed(&mut child.stdin.take().unwrap());
    let screen = read_screen(&mut ours);
    (child.wait().unwrap().code(), screen)
}

fn read_screen(terminal: &mut File) -> String {
    let mut screen = Vec::new();
    let mut buffer = [0; 4096];
    // Linux ends a terminal without writers by an error, others by an end of file.
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        screen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(screen).unwrap().replace("\r\n", "\n")
}

/// Without the marks for bold letters.
fn plain(screen: &str) -> String {
    screen.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")
}

const RERANK: [&str; 6] = ["rerank", "-q", "--model", TINY, "--query", "Where is the Eiffel Tower?"];

#[test]
fn a_terminal_gets_a_table_cut_to_its_width_with_query_words_marked() {
    let far = format!("{} and only here the Eiffel Tower", "Words that nobody asked for, ".repeat(10));
    for columns in [40, 60, 80, 200] {
        let (code, screen) = on_terminal(columns, &RERANK, |stdin| {
            writeln!(
                stdin,
                "{far}\nThe Eiffel Tower\n東京タワーは東京にあります。とても高いです。東京タワーは東京にあります。"
            )
            .unwrap();
        });
        assert_eq!(code, Some(0));
        assert!(screen.contains("\u{1b}[1mEiffel\u{1b}[0m \u{1b}[1mTower\u{1b}[0m"), "{screen}");
        let rows: Vec<String> = plain(&screen).lines().map(str::to_owned).collect();
        assert_eq!(rows.len(), 3, "one line per candidate: {screen}");
        assert_eq!(rows.iter().filter(|row| row.contains("Eiffel Tower")).count(), 2, "{screen}");
        for row in &rows {
            // Japanese letters take two columns.
            let width: usize = row.chars().map(|c| if c >= '\u{3000}' { 2 } else { 1 }).sum();
            assert!(width <= usize::from(columns), "{width} columns of {columns}: {row}");
        }
    }
    let (_, tsv) = on_terminal(80, &[&RERANK[..], &["--format", "tsv"]].concat(), |stdin| {
        stdin.write_all(b"The Eiffel Tower\n").unwrap();
    });
    assert!(tsv.ends_with("\t1\tThe Eiffel Tower\n"), "{tsv}");
}

#[test]
fn the_list_of_models_has_a_header() {
    let (code, screen) = on_terminal(120, &["models", "list"], |_| ());
    let header = screen.lines().next().unwrap();
    assert_eq!(code, Some(0));
    for name in ["name", "here", "checksum", "size", "hub repository"] {
        assert!(header.contains(name), "{header}");
    }
    let column = |line: &str, what: &str| line.find(what).unwrap();
    assert_eq!(column(header, "hub repository"), column(screen.lines().nth(1).unwrap(), "sentence-transformers/"));
}

/// Longer than the half second before which no bar is shown; however slow the machine is, it is
/// never shorter.
const LONG: Duration = Duration::from_millis(700);

fn slowly(stdin: &mut dyn Write) {
    // More than fits into the pipe: when all of it is taken, rows are being read and the clock is
    // running.
    writeln!(stdin, "{}", "tower ".repeat(500_000)).unwrap();
    std::thread::sleep(LONG);
    stdin.write_all("The Eiffel Tower\nsome bread\n".repeat(20).as_bytes()).unwrap();
}

#[test]
fn work_that_takes_long_shows_progress_on_a_terminal_unless_told_to_be_quiet() {
    let folder = Folder::new();
    let out = folder.text("out.npy");
    let embed = ["embed", "--model", TINY, "-o", &out, "-"];
    let (code, screen) = on_terminal(80, &embed, slowly);
    assert_eq!(code, Some(0));
    assert!(screen.contains("/41 texts"), "{screen:?}");
    let (code, screen) = on_terminal(80, &[&embed[..], &["-q"]].concat(), slowly);
    assert_eq!((code, screen.as_str()), (Some(0), ""));
}

#[test]
fn a_pipe_shows_no_progress() {
    let verbose = ["rerank", "-v", "--model", TINY, "--query", "tower"];
    let mut child = command(&verbose).stdin(Stdio::piped()).spawn().unwrap();
    slowly(&mut child.stdin.take().unwrap());
    let ran = finish(child);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 41));
    assert!(ran.err.contains("41 candidates") && !ran.err.contains("/41"), "{}", ran.err);
}

/// `-h` is what most people read: the options that most people need, on two screens of 40 lines.
#[test]
fn the_short_help_of_rerank_fits_two_screens_and_the_long_one_has_everything() {
    let help = |flag: &str| {
        let ran = finish(command(&["rerank", flag]).env("COLUMNS", "100").spawn().unwrap());
        assert_eq!(ran.code, 0);
        ran.out
    };
    let (short, long) = (help("-h"), help("--help"));
    assert!(short.lines().count() <= 80, "{} lines\n{short}", short.lines().count());
    for common in ["--query ", "--candidates", "--run", "--top-k", "--model", "--stages", "--explain", "--help"] {
        assert!(short.contains(common), "{common}");
    }
    for rare in ["--batch-tokens", "--normalize", "--unparsed", "--ca-file"] {
        assert!(!short.contains(rare) && long.contains(rare), "{rare}");
    }
}
