//! `--cache` and `nearsort cache`, with real processes.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Folder, Ran, TINY, command, finish, root};

/// The command with a cache folder of its own.
fn nearsort(folder: &Folder, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("NEARSORT_CACHE", folder.path("cache"));
    command
}

fn run(folder: &Folder, args: &[&str]) -> Ran {
    finish(nearsort(folder, args).spawn().unwrap())
}

/// A file of different texts.
fn texts(folder: &Folder, count: usize) -> String {
    let lines: String = (0..count).map(|number| format!("{{\"text\": \"tower {number} of {count}\"}}\n")).collect();
    folder.with(&format!("texts-{count}.jsonl"), lines)
}

fn embed(folder: &Folder, input: &str, out: &str, args: &[&str]) -> Command {
    nearsort(folder, &[&["embed", "--model", TINY, input, "-o", &folder.text(out)], args].concat())
}

/// What `embed --cache` says when it fails in a shell with a limit.
fn limited(folder: &Folder, limit: &str, input: &str) -> String {
    let script = format!("{limit}; exec {} \"$@\"", env!("CARGO_BIN_EXE_nearsort"));
    let out = folder.text("many.jsonl");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", "embed", "--model", TINY, "--cache", input, "-o", &out]);
    let output = shell.env("NEARSORT_CACHE", folder.path("cache")).current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

fn info(folder: &Folder) -> Value {
    run(folder, &["cache", "info", "--json"]).json()
}

fn stats(folder: &Folder) -> Value {
    serde_json::from_slice(&fs::read(folder.path("stats.json")).unwrap()).unwrap()
}

#[test]
fn a_second_run_takes_everything_from_the_cache_and_writes_the_same_file() {
    let folder = Folder::new();
    let (input, stats_file) = (texts(&folder, 500), folder.text("stats.json"));
    finish(embed(&folder, &input, "plain.npy", &[]).spawn().unwrap()).quietly();
    assert!(!folder.path("cache").join("embeddings").exists(), "without --cache there is none");
    for hits in [0, 500] {
        let out = format!("out-{hits}.npy");
        let mut ran = embed(&folder, &input, &out, &["--cache", "--stats", &stats_file, "--verbose"]);
        let ran = finish(ran.spawn().unwrap());
        assert!(ran.err.contains(&format!("{hits} from the cache, {} encoded", 500 - hits)), "{}", ran.err);
        assert_eq!((&stats(&folder)["cache_hits"], &stats(&folder)["documents"]), (&hits.into(), &500.into()));
        assert_eq!(fs::read(folder.path(&out)).unwrap(), fs::read(folder.path("plain.npy")).unwrap());
    }
    let info = info(&folder);
    assert_eq!((&info["entries"], &info["models"][0]["entries"]), (&500.into(), &500.into()));
    assert_eq!(info["models"][0]["model"], TINY);
}

#[test]
fn other_prompts_precisions_and_limits_are_other_vectors() {
    let folder = Folder::new();
    let input = texts(&folder, 3);
    let all: [&[&str]; 5] =
        [&[], &["--role", "query"], &["--precision", "f32"], &["--document-prompt", "x "], &["--max-tokens", "8"]];
    for args in all {
        finish(embed(&folder, &input, "cached.npy", &[args, &["--cache"]].concat()).spawn().unwrap()).quietly();
        finish(embed(&folder, &input, "plain.npy", args).spawn().unwrap()).quietly();
        assert_eq!(fs::read(folder.path("cached.npy")).unwrap(), fs::read(folder.path("plain.npy")).unwrap());
    }
    assert!(info(&folder)["entries"].as_u64().unwrap() >= 12);
}

#[test]
fn four_processes_at_once_get_the_same_and_every_text_is_kept_once() {
    let folder = Folder::new();
    let input = texts(&folder, 3000);
    finish(embed(&folder, &input, "plain.npy", &[]).spawn().unwrap()).quietly();
    let start = |number: usize| embed(&folder, &input, &format!("{number}.npy"), &["--cache"]).spawn().unwrap();
    let children: Vec<_> = (0..4).map(start).collect();
    children.into_iter().for_each(|child| assert_eq!(finish(child).quietly(), ""));
    let expected = fs::read(folder.path("plain.npy")).unwrap();
    for number in 0..4 {
        assert!(fs::read(folder.path(&format!("{number}.npy"))).unwrap() == expected, "process {number}");
    }
    assert_eq!(info(&folder)["entries"], 3000);
}

#[test]
fn a_process_that_is_killed_while_it_writes_leaves_a_cache_that_works() {
    let folder = Folder::new();
    let input = texts(&folder, 60_000);
    for _ in 0..3 {
        let mut child = embed(&folder, &input, "killed.npy", &["--cache"]).spawn().unwrap();
        let before = info(&folder)["entries"].as_u64().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() && info(&folder)["entries"].as_u64().unwrap() <= before {
            assert!(Instant::now() < deadline, "nothing was kept for a minute");
            sleep(Duration::from_millis(3));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let kept = info(&folder)["entries"].as_u64().unwrap();
    assert!(kept > 0);
    let input = texts(&folder, 60_000);
    let first: String = fs::read_to_string(&input).unwrap().split_inclusive('\n').take(2000).collect();
    let some = folder.with("some.jsonl", first);
    finish(embed(&folder, &some, "cached.npy", &["--cache"]).spawn().unwrap()).quietly();
    finish(embed(&folder, &some, "plain.npy", &[]).spawn().unwrap()).quietly();
    assert!(fs::read(folder.path("cached.npy")).unwrap() == fs::read(folder.path("plain.npy")).unwrap());
}

/// `ulimit -f` stands in for a full disk.
#[test]
fn a_full_disk_is_an_error_that_names_the_cache_and_what_was_kept_stays() {
    let folder = Folder::new();
    let few = texts(&folder, 100);
    finish(embed(&folder, &few, "few.npy", &["--cache"]).spawn().unwrap()).quietly();
    let many = texts(&folder, 5000);
    let said = limited(&folder, "ulimit -f 800", &many);
    assert!(said.contains("cannot write the embedding cache") && said.contains("free space"), "{said}");
    assert!(!folder.path("many.jsonl").exists());
    let stats_file = folder.text("stats.json");
    finish(embed(&folder, &few, "few.npy", &["--cache", "--stats", &stats_file]).spawn().unwrap()).quietly();
    assert_eq!(stats(&folder)["cache_hits"], 100);
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_addresses_are_an_error_that_says_which_limit() {
    let folder = Folder::new();
    let said = limited(&folder, "ulimit -v 8000000", &texts(&folder, 3));
    assert!(said.contains("cannot open the embedding cache") && said.contains("ulimit -v"), "{said}");
}

#[test]
fn rerank_takes_embeddings_from_the_cache_for_cosine_alone() {
    let folder = Folder::new();
    let candidates = folder.with("candidates.txt", "a tower\nsome bread\na harbour\n");
    let rerank = |args: &[&str]| {
        run(
            &folder,
            &[&["rerank", "--model", TINY, "--query", "tower", &candidates, "--format", "json"], args].concat(),
        )
    };
    let plain = rerank(&["--scoring", "cosine", "--explain"]).json();
    for _ in 0..2 {
        assert_eq!(rerank(&["--scoring", "cosine", "--explain", "--cache"]).json(), plain);
    }
    assert_eq!(info(&folder)["entries"], 4);
    let error = rerank(&["--cache"]).error();
    assert!(error.contains("80 times") && error.contains("--scoring cosine"), "{error}");
    let error = rerank(&["--cache", "--scoring", "cosine", "--long", "window"]).error();
    assert!(error.contains("--long truncate"), "{error}");
}

#[test]
fn looking_at_a_cache_that_is_not_there_makes_none() {
    let folder = Folder::new();
    assert_eq!(info(&folder)["entries"], 0);
    let table = run(&folder, &["cache", "info"]).quietly();
    assert!(table.contains("embeddings  0") && table.contains("4.00 GiB"), "{table}");
    assert_eq!(run(&folder, &["cache", "prune", "--older-than", "1", "--quiet"]).quietly(), "");
    assert_eq!(run(&folder, &["cache", "clear", "--quiet"]).quietly(), "");
    assert!(!folder.path("cache").join("embeddings").exists());
}

#[test]
fn a_cache_is_shown_shrunk_and_removed() {
    let folder = Folder::new();
    let input = texts(&folder, 2000);
    let mut first = embed(&folder, &input, "out.npy", &["--cache", "--cache-size", "100MB"]);
    finish(first.spawn().unwrap()).quietly();
    let before = info(&folder);
    assert_eq!(before["max_bytes"], 100_000_000);
    let table = run(&folder, &["cache", "info"]).quietly();
    for part in ["2,000", "95.37 MiB", TINY, "today"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let half = (before["bytes"].as_u64().unwrap() / 2).to_string();
    let pruned = run(&folder, &["cache", "prune", "--max-size", &half, "--older-than", "1"]);
    assert!(pruned.code == 0 && pruned.err.contains("embeddings removed"), "{}", pruned.err);
    let after = info(&folder);
    assert!(after["entries"].as_u64().unwrap() < 1500 && after["bytes"].as_u64().unwrap() <= half.parse().unwrap());
    let cleared = run(&folder, &["cache", "clear"]);
    assert!(cleared.code == 0 && cleared.err.contains("removed from"), "{}", cleared.err);
    assert_eq!(info(&folder)["entries"], 0);
}

#[test]
fn a_damaged_cache_is_an_error_and_clear_helps() {
    let folder = Folder::new();
    let input = texts(&folder, 3);
    finish(embed(&folder, &input, "out.npy", &["--cache"]).spawn().unwrap()).quietly();
    let file = folder.path("cache").join("embeddings").join("data.mdb");
    fs::write(&file, "no tables ".repeat(5000)).unwrap();
    let error = finish(embed(&folder, &input, "out.npy", &["--cache"]).spawn().unwrap()).error();
    assert!(
        error.contains("damaged") && error.contains("nearsort cache clear") && error.contains("embeddings"),
        "{error}"
    );
    assert_eq!(run(&folder, &["cache", "clear", "--quiet"]).quietly(), "");
    finish(embed(&folder, &input, "out.npy", &["--cache"]).spawn().unwrap()).quietly();
}

#[test]
fn options_of_the_cache_are_checked() {
    let folder = Folder::new();
    let input = texts(&folder, 3);
    let embed = |args: &[&str]| finish(embed(&folder, &input, "out.npy", args).spawn().unwrap()).error();
    assert!(embed(&["--cache-size", "4GB"]).contains("--cache"));
    assert!(embed(&["--cache", "--cache-size", "much"]).contains("not a size"));
    assert!(embed(&["--cache", "--cache-size", "1kB"]).contains("1048576"));
    assert!(run(&folder, &["cache", "prune"]).error().contains("--older-than"));
}
