//! Jobs over many lists: interrupted and resumed, in shards, with their progress.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Folder, Ran, TINY, command, finish, run, run_with_stdin};

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

/// Kills the job again and again, a little later each time, until it gets through.
fn killed_until_done(args: &[&str]) -> usize {
    for kills in 0.. {
        let mut child = command(args).stderr(Stdio::null()).spawn().unwrap();
        // From less than a fast machine needs to more than a slow one does.
        for _ in 0..(4 + 3 * kills) {
            std::thread::sleep(Duration::from_millis(10));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                return kills;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    unreachable!("the loop has no end")
}

#[test]
fn a_job_that_is_killed_at_any_point_goes_on_and_writes_the_same_bytes() {
    for name in ["o.trec", "o.jsonl", "o.json", "o.parquet"] {
        let folder = Folder::new();
        let args = job(&folder.path(name));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let kills = killed_until_done(&args);
        assert!(kills >= 3, "{name}: only {kills} kills before the end");
        assert!(
            std::fs::read(folder.path(name)).unwrap() == whole(name, &[]),
            "{name}: other bytes after {kills} kills"
        );
        assert_eq!(folder.names(), [name]);
    }
}

#[test]
fn a_job_over_a_file_of_lists_goes_on_too() {
    let folder = Folder::new();
    let (lists, output) = (collection().text("lists.jsonl"), folder.text("o.trec"));
    let kills =
        killed_until_done(&["rerank", "--model", TINY, "--candidates", &lists, "--output", &output, "--resume"]);
    assert!(kills >= 3, "only {kills} kills before the end");
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
    assert!(resumed.err.contains("going on with an interrupted job: 0 of 30 queries"), "{}", resumed.err);
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
    assert!(error.contains("another process is at work on") && error.contains("o.trec"), "{error}");
    lock.unlock().unwrap();
    with(&job(&folder.path("o.trec")), &[]).quietly();
}

/// Everything in a folder, by name; links by where they lead.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let content = |entry: std::fs::DirEntry| {
        let bytes = match entry.path().is_symlink() {
            true => std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes(),
            false => std::fs::read(entry.path()).unwrap_or_default(),
        };
        (entry.file_name().into_string().unwrap(), bytes)
    };
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| content(entry.unwrap())).collect();
    all.sort();
    all
}

#[test]
fn a_folder_that_is_not_a_jobs_is_left_as_it_is() {
    let cases: [&[(&str, &str)]; 5] = [
        &[("thesis.txt", "work")],
        &[("lock", ""), ("thesis.txt", "work")],
        &[("answers", "42")],
        &[("journal", "Monday: slept badly")],
        &[("lock", "of my bicycle"), ("lists", "milk, bread")],
    ];
    for files in cases {
        let folder = Folder::new();
        let of_user = folder.path("o.trec.job");
        std::fs::create_dir(&of_user).unwrap();
        files.iter().for_each(|(name, content)| std::fs::write(of_user.join(name), content).unwrap());
        let before = contents(&of_user);
        let args = job(&folder.path("o.trec"));
        let mut fails_early = args.clone();
        fails_early[2] = "./no-such-model".to_owned();
        for (args, more) in [(&args, &[][..]), (&args, &["--restart"]), (&fails_early, &[])] {
            let error = with(args, more).error();
            assert!(error.contains("o.trec.job") && error.contains("not nearsort's"), "{error}");
            assert!(error.contains("give another --output"), "{error}");
            assert_eq!(contents(&of_user), before);
        }
        assert_eq!(folder.names(), ["o.trec.job"]);
    }
}

#[test]
fn what_a_user_puts_into_a_jobs_folder_outlives_the_job() {
    let folder = Folder::new();
    let args = job(&folder.path("o.jsonl"));
    on_a_full_disk(&args).error();
    std::fs::create_dir(folder.path("o.jsonl.job/notes")).unwrap();
    std::fs::write(folder.path("o.jsonl.job/notes/1.txt"), "work").unwrap();
    assert!(with(&args, &[]).error().contains("it holds 'notes'"));
    assert!(with(&args, &["--restart"]).error().contains("it holds 'notes'"));
    assert!(folder.path("o.jsonl.job/journal").exists(), "nothing was changed");
    assert_eq!(std::fs::read(folder.path("o.jsonl.job/notes/1.txt")).unwrap(), b"work");
    std::fs::remove_dir_all(folder.path("o.jsonl.job/notes")).unwrap();
    assert_eq!(with(&args, &[]).code, 0);
    assert_eq!(folder.names(), ["o.jsonl"]);
}

#[cfg(unix)]
#[test]
fn links_in_a_jobs_place_are_not_followed() {
    use std::os::unix::fs::symlink;
    for name in ["lock", "answers", "journal", "job.json", "columns"] {
        let folder = Folder::new();
        folder.with("thesis.txt", "work");
        std::fs::create_dir(folder.path("o.trec.job")).unwrap();
        symlink(folder.path("thesis.txt"), folder.path("o.trec.job").join(name)).unwrap();
        let error = with(&job(&folder.path("o.trec")), &["--restart"]).error();
        assert!(error.contains(&format!("it holds '{name}'")), "{error}");
        assert_eq!(std::fs::read(folder.path("thesis.txt")).unwrap(), b"work");
        assert!(folder.path("o.trec.job").join(name).is_symlink());
    }
    let folder = Folder::new();
    std::fs::create_dir(folder.path("mine")).unwrap();
    symlink("mine", folder.path("o.trec.job")).unwrap();
    assert!(with(&job(&folder.path("o.trec")), &[]).error().contains("it is not a folder"));
    assert_eq!(folder.names(), ["mine", "o.trec.job"]);
}

#[cfg(unix)]
#[test]
fn an_output_that_is_a_link_stays_one_and_keeps_its_mode() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for name in ["o.trec", "o.parquet"] {
        let folder = Folder::new();
        let real = folder.path("real");
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", folder.path(name)).unwrap();
        with(&job(&folder.path(name)), &[]).quietly();
        assert!(folder.path(name).is_symlink());
        assert!(std::fs::read(&real).unwrap() == whole(name, &[]));
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(folder.names(), [name, "real"]);
    }
}

/// A job over lists of which one block is answered.
fn half_done(folder: &Folder) -> Vec<String> {
    let (lists, output) = (collection().text("lists.jsonl"), folder.text("o.jsonl"));
    let args = ["rerank", "--model", TINY, "--candidates", &lists, "--output", &output].map(str::to_owned);
    // Of thirty lists thirteen make a block: one fits, and not the next.
    with_files_up_to(whole("o.jsonl", &[]).len() / 30 * 18, &args).error();
    args.to_vec()
}

#[test]
fn a_flipped_bit_in_a_jobs_folder_is_noticed_or_harmless() {
    let folder = Folder::new();
    let args = half_done(&folder);
    let of_job = folder.path("o.jsonl.job");
    let saved = contents(&of_job);
    let resumed = with(&args, &[]);
    assert!(resumed.err.contains("going on with an interrupted job: 13 queries"), "{}", resumed.err);
    let expected = std::fs::read(folder.path("o.jsonl")).unwrap();
    assert!(expected == whole("o.jsonl", &[]));
    let mut noticed = 0;
    for (name, bytes) in &saved {
        for part in 0..4 {
            let at = (bytes.len() - 1) * part / 3;
            std::fs::create_dir_all(&of_job).unwrap();
            saved.iter().for_each(|(name, bytes)| std::fs::write(of_job.join(name), bytes).unwrap());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(of_job.join(name), flipped).unwrap();
            let _ = std::fs::remove_file(folder.path("o.jsonl"));
            let ran = with(&args, &[]);
            if ran.code == 0 {
                assert!(std::fs::read(folder.path("o.jsonl")).unwrap() == expected, "byte {at} of {name}");
                assert!(name != "answers" || at as u64 >= answered(&saved), "byte {at} of the answers went unnoticed");
            } else {
                noticed += 1;
                assert!(ran.error().contains("--restart") && !folder.path("o.jsonl").exists(), "byte {at} of {name}");
            }
        }
    }
    assert!(noticed >= 4, "{noticed}");
    with(&args, &["--restart"]).quietly();
    assert!(std::fs::read(folder.path("o.jsonl")).unwrap() == expected);
}

/// Bytes of the answers that the journal knows: to the last whole list of the first block of thirteen.
fn answered(saved: &[(String, Vec<u8>)]) -> u64 {
    let (_, answers) = saved.iter().find(|(name, _)| name == "answers").unwrap();
    let lines = answers.split_inclusive(|&byte| byte == b'\n').take(13 * DEPTH);
    lines.map(|line| line.len() as u64).sum()
}

#[test]
fn a_job_of_the_version_before_is_refused_with_the_reason() {
    let folder = Folder::new();
    let args = half_done(&folder);
    let manifest = folder.path("o.jsonl.job/job.json");
    let of_before = std::fs::read_to_string(&manifest).unwrap().replace("\"format\": 3", "\"format\": 2");
    std::fs::write(manifest, of_before).unwrap();
    std::fs::write(folder.path("o.jsonl.job/lock"), "").unwrap();
    std::fs::write(folder.path("o.jsonl.job/lists"), "of the version before").unwrap();
    let error = with(&args, &[]).error();
    assert!(error.contains("the format of jobs was 2 and is 3 now") && error.contains("--restart"), "{error}");
    with(&args, &["--restart"]).quietly();
    assert_eq!(folder.names(), ["o.jsonl"]);
}

/// The answers are whole and have their name, and the process ends before it has tidied up.
#[cfg(unix)]
#[test]
fn what_lies_under_the_outputs_name_is_checked_before_a_job_is_done() {
    let folder = Folder::new();
    let output = folder.path("o.trec");
    std::os::unix::fs::symlink("o.trec", &output).unwrap();
    let error = with(&job(&output), &[]).error();
    assert!(error.contains("in a circle"), "{error}");
    std::fs::remove_file(&output).unwrap();
    std::fs::rename(folder.path("o.trec.job/answers"), &output).unwrap();
    let of_job = contents(&folder.path("o.trec.job"));
    assert_eq!(with(&job(&output), &[]).code, 0);
    assert!(std::fs::read(&output).unwrap() == whole("o.trec", &[]));
    assert_eq!(folder.names(), ["o.trec"]);
    std::fs::create_dir(folder.path("o.trec.job")).unwrap();
    of_job.iter().for_each(|(name, bytes)| std::fs::write(folder.path("o.trec.job").join(name), bytes).unwrap());
    std::fs::write(&output, "of another run").unwrap();
    let error = with(&job(&output), &[]).error();
    assert!(error.contains("o.trec is corrupted") && error.contains("--restart"), "{error}");
}

/// The calls of a job in their order, each as its name and the file's; `None` without strace.
#[cfg(target_os = "linux")]
fn calls(args: &[String], folder: &Folder) -> Option<Vec<String>> {
    let log = folder.path("calls");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir",
        "-o",
    ]);
    strace.arg(&log).arg(env!("CARGO_BIN_EXE_nearsort")).args(args).current_dir(crate::support::root());
    let ran = strace.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !ran.is_ok_and(|status| status.success()) {
        eprintln!("skipped: strace is not installed, or may not trace here");
        return None;
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let call = |line: &str| {
        let (_, call) = line.split_once(' ')?;
        let (verb, rest) = call.trim().split_once('(')?;
        let verb = if verb.starts_with("rename") { "rename" } else { verb };
        let files: Vec<String> = rest.split(['"', '<', '>']).skip(1).step_by(2).map(name).collect();
        Some(format!("{verb} {}", files.join(" ")))
    };
    Some(std::fs::read_to_string(log).unwrap().lines().filter_map(call).collect())
}

/// After a loss of power at any moment the answers are under their name, or the job still has them.
#[cfg(target_os = "linux")]
#[test]
fn an_output_is_on_the_disk_before_its_job_is_forgotten() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("out")).unwrap();
    let Some(calls) = calls(&job(&folder.path("out/o.trec")), &folder) else { return };
    let place = |call: &str, after: usize| {
        let found = calls.iter().skip(after).position(|other| other == call);
        after + found.unwrap_or_else(|| panic!("no '{call}' after {after} of {calls:#?}"))
    };
    let synced = calls.iter().rposition(|call| call == "fdatasync answers").unwrap();
    let recorded = place("fsync o.trec.job", synced);
    let renamed = place("rename answers o.trec", recorded);
    let named = place("fsync out", renamed);
    let forgotten = calls.iter().position(|call| call == "unlink job.json").unwrap();
    assert!(named < forgotten, "{calls:#?}");
    assert_eq!(calls.last().unwrap(), "rmdir o.trec.job");
}

#[test]
fn notes_of_shards_that_cannot_be_are_refused_at_once() {
    let folder = Folder::new();
    let one = folder.text("1.trec");
    with(&job(&folder.path("1.trec")), &["--top-k", "3", "--shard", "1/2"]).quietly();
    let note = std::fs::read_to_string(folder.path("1.trec.shard.json")).unwrap();
    let merged = |index: &str, of: &str| {
        let changed = note.replace("\"index\": 1", &format!("\"index\": {index}"));
        folder.with("1.trec.shard.json", changed.replace("\"of\": 2", &format!("\"of\": {of}")));
        run(&["merge", &one, "--output", &folder.text("o.trec")]).error()
    };
    for of in ["1099511627776", "18446744073709551615"] {
        let error = merged("1", of);
        assert!(error.contains(&format!("no output of shard 2/{of}, 3/{of}")), "{error}");
        assert!(error.contains("more; run it") && error.len() < 600, "{error}");
    }
    for (index, of) in [("0", "0"), ("1", "0"), ("0", "2"), ("3", "2")] {
        let error = merged(index, of);
        assert!(error.contains("no note of a shard") && error.contains("from 1/n to n/n"), "{error}");
    }
    assert!(!folder.path("o.trec").exists());
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
fn shards_together_are_the_whole() {
    let folder = Folder::new();
    for name in ["o.trec", "o.tsv", "o.jsonl", "o.json", "o.parquet"] {
        let more = ["--top-k", "20"];
        let shards: Vec<String> = (1..=3)
            .map(|index| {
                let output = folder.path(&format!("{index}-{name}"));
                with(&job(&output), &[&more[..], &["--shard", &format!("{index}/3")]].concat()).quietly();
                output.display().to_string()
            })
            .collect();
        let merged = folder.text(name);
        let [one, two, three] = [&shards[0], &shards[1], &shards[2]].map(String::as_str);
        run(&["merge", three, one, two, "--output", &merged]).quietly();
        assert!(std::fs::read(&merged).unwrap() == whole(name, &more), "{name}");
        let lists = run(&["merge", one, three, "--output", &merged]).error();
        assert!(lists.contains("there is no output of shard 2/3"), "{lists}");
        let twice = run(&["merge", one, two, one, three, "--output", &merged]).error();
        assert!(twice.contains("are both shard 1/3"), "{twice}");
    }
}

#[test]
fn shards_of_a_file_of_lists_are_the_whole_too() {
    let folder = Folder::new();
    let lists = collection().text("lists.jsonl");
    let part = |shard: &str, name: &str| {
        let output = folder.text(name);
        let args = ["rerank", "--model", TINY, "--candidates", &lists, "--output", &output, "--shard", shard];
        run(&args).quietly();
        output
    };
    let (one, two) = (part("1/2", "1.trec"), part("2/2", "2.trec"));
    run(&["merge", &one, &two, "--output", &folder.text("o.trec")]).quietly();
    assert!(std::fs::read(folder.path("o.trec")).unwrap() == whole("o.trec", &[]));
}

#[test]
fn shards_that_do_not_fit_together_are_refused() {
    let folder = Folder::new();
    let shard = |name: &str, more: &[&str]| {
        with(&job(&folder.path(name)), &[&["--top-k", "3"], more].concat()).quietly();
        folder.text(name)
    };
    let (one, two) = (shard("1.trec", &["--shard", "1/2"]), shard("2.trec", &["--shard", "2/2", "--blend", "none"]));
    let merge = |two: &str| run(&["merge", &one, two, "--output", &folder.text("o.trec")]).error();
    assert!(merge(&two).contains("are not of one job: --blend was"), "{}", merge(&two));
    let of_three = shard("3.trec", &["--shard", "2/3"]);
    assert!(merge(&of_three).contains("one is of 2 shards, the other of 3"));
    let two = shard("2.trec", &["--shard", "2/2"]);
    std::fs::write(&two, "cut").unwrap();
    assert!(merge(&two).contains("2.trec is not what its shard wrote"), "{}", merge(&two));
    std::fs::remove_file(folder.path("2.trec.shard.json")).unwrap();
    assert!(merge(&two).contains("2.trec.shard.json"));
    let input = run(&["merge", &one, "--output", &one]).error();
    assert!(input.contains("it is the input"), "{input}");
    let args = job(&folder.path("o.trec"));
    assert!(with(&args, &["--shard", "3/2"]).error().contains("'3/2' is no shard"));
    assert!(with(&args[..args.len() - 2], &["--shard", "1/2"]).error().contains("--shard needs --output"));
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
    // Whether a signal comes in time is up to the machine; each attempt begins anew.
    for _ in 0..20 {
        let folder = Folder::new();
        let args = job(&folder.path("o.trec"));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut child = command(&args).spawn().unwrap();
        let journal = folder.path("o.trec.job").join("journal");
        let has_done_something = || journal.metadata().is_ok_and(|journal| journal.len() > 1000);
        while !has_done_something() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: the child may have ended, but it was not reaped before `wait`, so its id is still its own.
        unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
        let ran = child.wait_with_output().unwrap();
        if folder.path("o.trec").exists() {
            continue;
        }
        let err = String::from_utf8(ran.stderr).unwrap();
        assert!(err.contains("the same command goes on with it"), "{err}");
        assert_eq!((ran.status.code(), folder.names()), (Some(130), vec!["o.trec.job".to_owned()]));
        return;
    }
    panic!("the job was always done before it could be interrupted");
}

#[test]
fn a_job_interrupted_before_it_did_anything_leaves_nothing() {
    for wait in [0, 2, 5, 10, 20] {
        let folder = Folder::new();
        let args = job(&folder.path("o.trec"));
        let child = command(&args.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        // SAFETY: the child was not waited for, so its id is still its own.
        unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
        let ran = child.wait_with_output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        let names = folder.names();
        assert!(names.is_empty() || err.contains("the same command goes on with it"), "{wait} ms: {names:?}: {err}");
    }
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
