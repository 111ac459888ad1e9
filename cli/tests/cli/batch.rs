//! Jobs over many lists: interrupted and resumed, with their progress.

mod folders;
mod shards;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Folder, Ran, TINY, command, finish, killed_until_done, run, run_with_stdin};

/// Documents of the collection: several slices of a block.
const DOCUMENTS: usize = 20_000;
const QUERIES: usize = 30;
const DEPTH: usize = 650;

/// A made collection, written once for all tests of this file: corpus, queries, run and lists.
fn collection() -> &'static Folder {
    static COLLECTION: std::sync::OnceLock<Folder> = std::sync::OnceLock::new();
    COLLECTION.get_or_init(|| {
        let folder = Folder::new();
        let word = |n: usize| ["red", "door", "harbour", "tower", "salt", "bread", "ship", "wall", "stone"][n % 9];
        let text = |n: usize| format!("{} {} {} of {n}", word(n), word(n / 9), word(n / 81));
        let row = |n: usize| format!("{{\"_id\":\"d{n}\",\"text\":\"{}\"}}\n", text(n));
        folder.with("c.jsonl", (0..DOCUMENTS).map(row).collect::<String>());
        let query = |n: usize| format!("{{\"_id\":\"q{n}\",\"text\":\"{} {}\"}}\n", word(n), word(n + n / 9 + 3));
        folder.with("q.jsonl", (0..QUERIES).map(query).collect::<String>());
        let document = |query: usize, rank: usize| (query * 7919 + rank * 104_729) % DOCUMENTS;
        let line = |query: usize, rank: usize| {
            format!("q{query} Q0 d{} {} {} made\n", document(query, rank), rank + 1, DEPTH - rank)
        };
        let lines = (0..QUERIES).flat_map(|query| (0..DEPTH).map(move |rank| line(query, rank)));
        folder.with("r.trec", lines.collect::<String>());
        let candidate = |query: usize, rank: usize| {
            let document = document(query, rank);
            format!("{{\"id\":\"d{document}\",\"text\":\"{}\",\"score\":{}}}", text(document), DEPTH - rank)
        };
        let list = |query: usize| {
            let candidates: Vec<String> = (0..DEPTH).map(|rank| candidate(query, rank)).collect();
            let text = format!("{} {}", word(query), word(query + query / 9 + 3));
            format!("{{\"query_id\":\"q{query}\",\"query\":\"{text}\",\"candidates\":[{}]}}\n", candidates.join(","))
        };
        folder.with("lists.jsonl", (0..QUERIES).map(list).collect::<String>());
        folder
    })
}

/// The command line of a job over the collection's run.
fn job(output: &Path) -> Vec<String> {
    let input = |name: &str| collection().text(name);
    let args = ["rerank", "--model", TINY, "--queries", &input("q.jsonl"), "--corpus", &input("c.jsonl")];
    let more = ["--run", &input("r.trec"), "--output", &output.display().to_string()];
    args.iter().chain(&more).map(|&arg| arg.to_owned()).collect()
}

fn with(args: &[String], more: &[&str]) -> Ran {
    run(&args.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
}

/// What an uninterrupted job writes under this name.
fn whole(name: &str, more: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    with(&job(&folder.path(name)), more).quietly();
    assert_eq!(folder.names(), [name], "the job's folder is gone");
    std::fs::read(folder.path(name)).unwrap()
}

#[test]
fn a_job_that_is_killed_at_any_point_goes_on_and_writes_the_same_bytes() {
    for name in ["o.trec", "o.jsonl", "o.json", "o.parquet"] {
        let folder = Folder::new();
        let args = job(&folder.path(name));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        killed_until_done(&args, &folder.path(&format!("{name}.job")).join("journal"));
        assert!(std::fs::read(folder.path(name)).unwrap() == whole(name, &[]), "{name}: other bytes");
        assert_eq!(folder.names(), [name]);
    }
}

#[test]
fn a_job_over_a_file_of_lists_goes_on_too() {
    let folder = Folder::new();
    let (lists, output) = (collection().text("lists.jsonl"), folder.text("o.trec"));
    let args = ["rerank", "--model", TINY, "--candidates", &lists, "--output", &output, "--resume"];
    killed_until_done(&args, &folder.path("o.trec.job").join("journal"));
    // The run has the same lists.
    assert!(std::fs::read(&output).unwrap() == whole("o.trec", &[]));
}

/// A job that did a part of its work and then found the disk full.
fn on_a_full_disk(args: &[String]) -> Ran {
    with_files_up_to(5000 * 512, args)
}

fn with_files_up_to(bytes: usize, args: &[String]) -> Ran {
    let mut shell = Command::new("sh");
    let limited = format!("ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
    shell.args(["-c", &limited, env!("CARGO_BIN_EXE_nearsort")]).args(args);
    let shell = shell.current_dir(crate::support::root()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(shell.spawn().unwrap())
}

#[test]
fn a_full_disk_is_an_error_after_which_the_job_goes_on() {
    let folder = Folder::new();
    let args = job(&folder.path("o.jsonl"));
    let error = on_a_full_disk(&args).error();
    assert!(error.contains("cannot write") && error.contains("o.jsonl"), "{error}");
    assert!(error.contains("allows no larger file: raise the limit"), "{error}");
    assert_eq!(folder.names(), ["o.jsonl.job"]);
    let resumed = with(&args, &[]);
    assert_eq!(resumed.code, 0);
    assert!(resumed.err.contains("resuming an interrupted job: 0 of 30 queries"), "{}", resumed.err);
    assert!(std::fs::read(folder.path("o.jsonl")).unwrap() == whole("o.jsonl", &[]));
}

#[test]
fn a_job_that_would_come_out_otherwise_is_refused_with_the_reason() {
    let folder = Folder::new();
    let args = job(&folder.path("o.jsonl"));
    on_a_full_disk(&args).error();
    let replaced = |option: &str, value: &str| {
        let mut args = args.clone();
        let at = args.iter().position(|arg| arg == option).unwrap() + 1;
        args[at] = value.to_owned();
        args
    };
    let changed = |name: &str| {
        let content = std::fs::read_to_string(collection().path(name)).unwrap();
        folder.with(&format!("other-{name}"), content.replacen(" door", " gate", 1).replacen(" made", " other", 1))
    };
    let cases = [
        (with(&args, &["--top-k", "5"]), "--top-k was null and is 5 now"),
        (with(&args, &["--scoring", "cosine"]), "--scoring was"),
        (with(&args, &["--precision", "f32"]), "the model was"),
        (with(&args, &["--no-text"]), "--no-text was false"),
        (with(&replaced("--corpus", &changed("c.jsonl")), &[]), "(corpus) has changed"),
        (with(&replaced("--queries", &changed("q.jsonl")), &[]), "(queries) has changed"),
        (with(&replaced("--run", &changed("r.trec")), &[]), "(run) has changed"),
    ];
    for (ran, reason) in cases {
        let error = ran.error();
        assert!(error.contains("unfinished job") && error.contains(reason) && error.contains("--restart"), "{error}");
    }
    assert!(folder.names().contains(&"o.jsonl.job".to_owned()), "a refusal loses nothing");
    with(&args, &["--top-k", "5", "--restart"]).quietly();
    assert!(std::fs::read(folder.path("o.jsonl")).unwrap() == whole("o.jsonl", &["--top-k", "5"]));
    // Where an input lies is nothing to its content.
    on_a_full_disk(&args).error();
    let moved = folder.with("moved.jsonl", std::fs::read(collection().path("c.jsonl")).unwrap());
    assert_eq!(with(&replaced("--corpus", &moved), &[]).code, 0);
}

#[test]
fn broken_job_folders_are_errors_that_say_what_to_do() {
    let folder = Folder::new();
    let args = job(&folder.path("o.jsonl"));
    on_a_full_disk(&args).error();
    let of_job = folder.path("o.jsonl.job");
    std::fs::write(of_job.join("job.json"), "{}").unwrap();
    let error = with(&args, &[]).error();
    assert!(error.contains("not the manifest of a job") && error.contains("--restart"), "{error}");
    with(&args, &["--restart"]).quietly();
    assert_eq!(folder.names(), ["o.jsonl"]);
}

#[test]
fn two_processes_do_not_work_on_one_output() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("o.trec.job")).unwrap();
    let lock = File::create(folder.path("o.trec.job/lock")).unwrap();
    lock.lock().unwrap();
    let error = with(&job(&folder.path("o.trec")), &[]).error();
    assert!(error.contains("another process writes") && error.contains("o.trec"), "{error}");
    lock.unlock().unwrap();
    with(&job(&folder.path("o.trec")), &[]).quietly();
}

#[test]
fn what_fails_before_anything_is_done_leaves_nothing() {
    let folder = Folder::new();
    let args = job(&folder.path("o.trec"));
    let mut of_no_model = args.clone();
    of_no_model[2] = "./no-such-model".to_owned();
    assert!(with(&of_no_model, &[]).error().contains("no-such-model"));
    assert!(folder.names().is_empty());
    let stdout = &args[..args.len() - 2];
    for flag in ["--resume", "--restart"] {
        assert!(with(stdout, &[flag]).error().contains("only a job with --output"));
    }
    let error = run_with_stdin(&["rerank", "--model", TINY, "--query", "x", "--resume"], "a").error();
    assert!(error.contains("are for jobs with --run or --candidates"), "{error}");
}

#[test]
fn progress_is_lines_of_json_for_programs() {
    let folder = Folder::new();
    let ran = with(&job(&folder.path("o.trec")), &["--progress", "json"]);
    assert_eq!(ran.code, 0);
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = lines.last().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!((&done["queries"], &done["pairs"]), (&QUERIES.into(), &(QUERIES * DEPTH).into()));
    assert!(done["documents"].as_u64().unwrap() <= DOCUMENTS as u64 && done["tokens"].as_u64().unwrap() > 0);
    for line in &lines[..lines.len() - 1] {
        assert_eq!(line["event"], "progress");
        assert!(
            line["texts_done"].as_u64() <= line["texts"].as_u64() && line["texts_per_second"].is_number(),
            "{line}"
        );
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_job_says_that_it_goes_on() {
    stop_a_job(libc::SIGINT, libc::SIG_DFL);
}

#[test]
fn a_job_under_nohup_that_is_killed_says_that_it_goes_on() {
    stop_a_job(libc::SIGTERM, libc::SIG_IGN);
}

/// Stops a job by a signal after its first answers. `hangup` is the disposition of SIGHUP that the
/// job inherits.
fn stop_a_job(signal: libc::c_int, hangup: libc::sighandler_t) {
    // Whether a signal comes in time is up to the machine; each attempt begins anew.
    for _ in 0..20 {
        let folder = Folder::new();
        let args = job(&folder.path("o.trec"));
        let mut command = command(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let prepare = move || {
            // SAFETY: `signal` may be called between fork and exec, and no handler of ours runs.
            unsafe { (libc::signal(libc::SIGHUP, hangup), libc::signal(libc::SIGINT, libc::SIG_DFL)) };
            Ok(())
        };
        // SAFETY: the closure only calls `signal`.
        let mut child = unsafe { command.pre_exec(prepare) }.spawn().unwrap();
        let journal = folder.path("o.trec.job").join("journal");
        let has_done_something = || journal.metadata().is_ok_and(|journal| journal.len() > 1000);
        while !has_done_something() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: the child may have ended, but it was not reaped before `wait`, so its id is still
        // its own.
        unsafe { libc::kill(child.id() as i32, signal) };
        let ran = child.wait_with_output().unwrap();
        if folder.path("o.trec").exists() {
            continue;
        }
        let err = String::from_utf8(ran.stderr).unwrap();
        assert!(err.contains("rerun the same command to resume"), "{err}");
        assert_eq!((ran.status.code(), folder.names()), (Some(130), vec!["o.trec.job".to_owned()]));
        return;
    }
    panic!("the job was always done before it could be interrupted");
}

#[test]
fn a_job_interrupted_at_its_beginning_leaves_nothing_or_says_that_it_goes_on() {
    let folder = Folder::new();
    let args = job(&folder.path("o.trec"));
    let mut child = command(&args.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
    while !folder.path("o.trec.job").exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // SAFETY: the child may have ended, but it was not reaped before `wait`, so its id is still its
    // own.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let ran = child.wait_with_output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    let names = folder.names();
    let says_so = err.contains("rerun the same command to resume");
    // Between making the folder and taking it nobody could know whose it is: what is left then is
    // its lock alone.
    let lock_alone = || std::fs::read_dir(folder.path("o.trec.job")).unwrap().all(|e| e.unwrap().file_name() == "lock");
    let is_done = names == ["o.trec"] && ran.status.success();
    assert!(is_done || names.is_empty() || says_so || lock_alone(), "{names:?}: {err}");
    with(&args, &[]).quietly();
    assert_eq!(folder.names(), ["o.trec"]);
}

#[test]
fn the_corpus_may_be_several_files_or_a_pattern() {
    let folder = Folder::new();
    let corpus = std::fs::read_to_string(collection().path("c.jsonl")).unwrap();
    let (first, second) = corpus.split_at(corpus.find("{\"_id\":\"d9000\"").unwrap());
    let (one, two) = (folder.with("part-1.jsonl", first), folder.with("part-2.jsonl", second));
    let args = job(&folder.path("o.trec"));
    let at = args.iter().position(|arg| arg == "--corpus").unwrap();
    let with_corpus = |files: &[&str]| {
        let before = args[..=at].iter().map(String::as_str);
        let args: Vec<&str> =
            before.chain(files.iter().copied()).chain(args[at + 2..].iter().map(String::as_str)).collect();
        run(&args)
    };
    let whole = whole("o.trec", &[]);
    for files in [vec![one.as_str(), two.as_str()], vec![&folder.text("part-*.jsonl")]] {
        with_corpus(&files).quietly();
        assert!(std::fs::read(folder.path("o.trec")).unwrap() == whole, "{files:?}");
    }
    assert!(with_corpus(&[&folder.text("none-*.jsonl")]).error().contains("none-*.jsonl"));
}
