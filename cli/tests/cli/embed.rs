//! `nearsort embed`: files of vectors.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, TINY, command, finish, run, run_with_stdin};

const THREE: &str = "a tower\n\nsome bread\n";
const DIM: usize = 32;

fn embed(input: &str, output: &Path, args: &[&str]) -> crate::support::Ran {
    let output = output.display().to_string();
    run_with_stdin(&[&["embed", "--model", TINY, "-", "--output", &output], args].concat(), input)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn npy(path: &Path) -> (String, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    (String::from_utf8(bytes[10..start].to_vec()).unwrap(), floats(&bytes[start..]))
}

fn safetensors(path: &Path) -> (Value, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..start]).unwrap(), floats(&bytes[start..]))
}

fn jsonl(path: &Path) -> (Vec<String>, Vec<f32>) {
    let lines = fs::read_to_string(path).unwrap();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let numbers = rows.iter().flat_map(|row| row["embedding"].as_array().unwrap());
    (ids, numbers.map(|number| number.to_string().parse().unwrap()).collect())
}

#[test]
fn every_format_holds_the_same_rows_one_per_input_row() {
    let folder = Folder::new();
    for name in ["out.npy", "out.safetensors", "out.jsonl"] {
        assert_eq!(embed(THREE, &folder.path(name), &[]).quietly(), "");
    }
    assert_eq!(folder.names(), ["out.jsonl", "out.npy", "out.safetensors"]);
    let (header, rows) = npy(&folder.path("out.npy"));
    assert!(header.contains("'<f4'") && header.contains("(3, 32)"), "{header}");
    assert_eq!(rows.len(), 3 * DIM);
    let (tensors, same) = safetensors(&folder.path("out.safetensors"));
    assert_eq!(tensors["embeddings"]["shape"], serde_json::json!([3, DIM]));
    let metadata = &tensors["__metadata__"];
    assert_eq!((&metadata["model"], &metadata["role"]), (&TINY.into(), &"document".into()));
    assert_eq!(same, rows);
    assert_eq!(jsonl(&folder.path("out.jsonl")), (["1", "2", "3"].map(str::to_owned).to_vec(), rows));
}

#[test]
fn the_rows_depend_neither_on_threads_nor_on_batches_and_precision_auto_is_the_default() {
    let folder = Folder::new();
    let rows = |args: &[&str]| {
        embed(THREE, &folder.path("out.npy"), args).quietly();
        npy(&folder.path("out.npy")).1
    };
    let expected = rows(&[]);
    for args in [
        ["--threads", "1"],
        ["--threads", "2"],
        ["--batch-tokens", "1"],
        ["--precision", "auto"],
        ["--engine", "auto"],
        ["--engine", "native"],
    ] {
        assert_eq!(rows(&args), expected, "{args:?}");
    }
    let exact = rows(&["--engine", "candle"]);
    for precision in ["f32", "bf16", "i8"] {
        let found = rows(&["--precision", precision]);
        assert_eq!(found.len(), exact.len());
        assert!(found.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 0.02), "{precision}");
    }
}

/// tiny-bert-cls has a query prompt, so that the two roles differ.
#[test]
fn the_role_decides_the_prompt() {
    let folder = Folder::new();
    let rows = |args: &[&str]| {
        let out = folder.text("out.npy");
        let model = ["embed", "--model", "./models/tiny-bert-cls", "-o", &out];
        run_with_stdin(&[&model, args].concat(), "a tower\n").quietly();
        npy(&folder.path("out.npy")).1
    };
    assert_eq!(rows(&[]), rows(&["--role", "document"]));
    assert_ne!(rows(&["--role", "query"]), rows(&["--role", "document"]));
    assert_eq!(rows(&["--role", "query", "--query-prompt", ""]), rows(&["--document-prompt", ""]));
    // One of very many: of documents that is not worth a line, of queries it is.
    let texts = format!("{}{}\n", "a tower\n".repeat(150), "long ".repeat(200));
    let said = |role: &str| embed(&texts, &folder.path("out.npy"), &["--role", role]).err;
    assert!(
        said("query").contains("warning: 1 of 151 queries ('151') is longer than the model reads"),
        "{}",
        said("query")
    );
    assert_eq!(said("document"), "");
    assert!(embed("a\n", &folder.path("out.npy"), &["--role", "title"]).error().contains("query or document"));
}

#[test]
fn stats_hold_exactly_the_promised_keys() {
    let folder = Folder::new();
    let stats = folder.text("stats.json");
    embed(THREE, &folder.path("out.npy"), &["--stats", &stats]).quietly();
    let stats: Value = serde_json::from_slice(&fs::read(stats).unwrap()).unwrap();
    let keys: Vec<&String> = stats.as_object().unwrap().keys().collect();
    let promised = [
        "documents",
        "tokens",
        "load_seconds",
        "encode_seconds",
        "engine",
        "precision",
        "isa",
        "device",
        "peak_rss_bytes",
    ];
    assert_eq!(keys, promised);
    assert_eq!((&stats["documents"], &stats["engine"], &stats["device"]), (&3.into(), &"native".into(), &"cpu".into()));
    assert!(["f32", "bf16", "i8"].contains(&stats["precision"].as_str().unwrap()));
    assert!(stats["tokens"].as_u64().unwrap() > 3);
    assert!(stats["load_seconds"].as_f64().unwrap() > 0.0 && stats["encode_seconds"].as_f64().unwrap() > 0.0);
    if cfg!(unix) {
        assert!(stats["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    }
}

#[test]
fn stats_never_take_the_place_of_the_vectors() {
    let folder = Folder::new();
    let out = folder.path("out.jsonl");
    let error = embed(THREE, &out, &["--stats", &folder.text("out.jsonl")]).error();
    assert!(error.contains("same file") && !out.exists(), "{error}");
}

/// Before anything is read or loaded: the model of these calls does not even exist.
#[test]
fn a_place_that_cannot_be_written_is_noticed_before_any_work() {
    let folder = Folder::new();
    let input = folder.with("in.jsonl", "\"a\"\n");
    let inside = folder.text("missing/out.npy");
    let whole = folder.0.path().display().to_string();
    let out = folder.text("out.npy");
    for (args, why) in [
        (vec!["--output", &inside], "create it first"),
        (vec!["--output", &whole], "it is a folder"),
        (vec!["--output", &input], "it is the input"),
        (vec!["--output", &out, "--stats", &inside], "create it first"),
    ] {
        let message = run(&[&["embed", &input, "--model", "./no-such-model"], &args[..]].concat()).error();
        assert!(message.contains("cannot write") && message.contains(why), "{message}");
    }
    assert_eq!(folder.names(), ["in.jsonl"]);
    let message = embed("a\n", &folder.path("out.bin"), &[]).error();
    assert!(message.contains(".npy, .safetensors or .jsonl"), "{message}");
    assert!(run(&["embed", &input]).error().contains("--output"));
}

#[test]
fn nothing_is_written_when_a_row_is_bad_and_the_old_file_stays() {
    let folder = Folder::new();
    let out = folder.with("out.jsonl", "old");
    let message = run_with_stdin(&["embed", "--model", TINY, "-o", &out], b"a\n\xFF\n").error();
    assert!(message.contains("-:2: not UTF-8"), "{message}");
    assert_eq!((folder.names(), fs::read(&out).unwrap()), (vec!["out.jsonl".to_owned()], b"old".to_vec()));
    let skipped = run_with_stdin(&["embed", "--model", TINY, "-o", &out, "--skip-bad-rows"], b"a\n\xFF\n");
    assert_eq!((skipped.code, jsonl(Path::new(&out)).0), (0, vec!["1".to_owned()]));
    assert!(skipped.err.contains("1 unusable row of standard input was left out"), "{}", skipped.err);
}

#[test]
fn bad_rows_can_be_written_beside_the_vectors_even_when_the_work_fails() {
    let folder = Folder::new();
    let (out, rejects) = (folder.text("out.jsonl"), folder.path("out.jsonl.rejects.jsonl"));
    let args = ["embed", "--model", TINY, "-o", &out, "--bad-rows", "report"];
    let ran = run_with_stdin(&args, b"a\n\xFF\nb\n");
    assert_eq!((ran.code, jsonl(Path::new(&out)).0), (0, vec!["1".to_owned(), "3".to_owned()]));
    assert!(ran.err.contains("1 unusable row is in ") && ran.err.contains("out.jsonl.rejects.jsonl"), "{}", ran.err);
    let row: serde_json::Value = serde_json::from_str(&fs::read_to_string(&rejects).unwrap()).unwrap();
    assert_eq!((&row["file"], &row["line"]), (&"-".into(), &2.into()));
    assert!(row["message"].as_str().unwrap().starts_with("not UTF-8: byte 0xFF"));
    fs::remove_file(&out).unwrap();
    run_with_stdin(&[&args[..], &["--input-format", "json"]].concat(), b"[5, \"a\", tru]").error();
    assert_eq!(fs::read_to_string(&rejects).unwrap().lines().count(), 1);
    assert_eq!(folder.names(), ["out.jsonl.rejects.jsonl"]);
}

#[test]
fn no_rows_make_a_file_of_no_rows_and_a_warning() {
    let folder = Folder::new();
    let ran = embed("", &folder.path("out.npy"), &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "nearsort: warning: standard input has no texts\n"));
    let (header, rows) = npy(&folder.path("out.npy"));
    assert!(header.contains("(0, 32)") && rows.is_empty(), "{header}");
}

#[test]
fn of_two_processes_with_one_output_either_wins_whole() {
    let folder = Folder::new();
    let out = folder.text("out.npy");
    let input = |rows: usize| folder.with(&format!("{rows}.txt"), "a tower\n".repeat(rows));
    let inputs = [input(200), input(300)];
    let start = |file: &String| command(&["embed", "--model", TINY, file, "-o", &out]).spawn().unwrap();
    let children: Vec<_> = inputs.iter().cycle().take(6).map(start).collect();
    children.into_iter().for_each(|child| assert_eq!(finish(child).quietly(), ""));
    let (header, rows) = npy(&folder.path("out.npy"));
    let count = rows.len() / DIM;
    assert!([200, 300].contains(&count) && header.contains(&format!("({count}, 32)")), "{header}");
    assert_eq!(folder.names(), ["200.txt", "300.txt", "out.npy"]);
}

#[cfg(unix)]
#[test]
fn an_output_that_is_a_link_stays_one_and_keeps_its_mode() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).unwrap();
    fs::write(folder.path("data/real.npy"), "old").unwrap();
    fs::set_permissions(folder.path("data/real.npy"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("data/real.npy", folder.path("out.npy")).unwrap();
    assert_eq!(embed(THREE, &folder.path("out.npy"), &[]).quietly(), "");
    assert!(folder.path("out.npy").is_symlink());
    assert_eq!(npy(&folder.path("data/real.npy")).1.len(), 3 * DIM);
    assert_eq!(fs::metadata(folder.path("out.npy")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path("data")).unwrap().count(), 1);
}

#[test]
fn what_a_killed_run_left_goes_when_the_output_is_written_again() {
    let folder = Folder::new();
    let (input, out) = (folder.with("in.txt", "a tower of stone\n".repeat(300_000)), folder.text("out.npy"));
    let mut child = command(&["embed", "--model", TINY, &input, "-o", &out]).spawn().unwrap();
    while folder.names().len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it was done before it was seen to begin");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.names()[0].starts_with(".nearsort-"), "{:?}", folder.names());
    folder.with("in.txt", THREE);
    assert_eq!(run(&["embed", "--model", TINY, &input, "-o", &out]).quietly(), "");
    assert_eq!(folder.names(), ["in.txt", "out.npy"]);
}

/// `ulimit -f` stands in for a full disk; its units are blocks of 512 bytes.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_with_the_file_and_what_to_do() {
    let folder = Folder::new();
    let lines: String = (0..600).map(|row| format!("tower number {row}\n")).collect();
    let (input, out) = (folder.with("in.txt", lines), folder.text("out.npy"));
    let limited = |blocks: &str, more: &[&str]| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_nearsort")]);
        shell.args(["embed", "--model", TINY, &input, "-o", &out]).args(more).current_dir(crate::support::root());
        shell.env("NEARSORT_CACHE", folder.path("cache"));
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        finish(shell.spawn().unwrap()).error()
    };
    let error = limited("20", &[]);
    assert!(error.contains("cannot write") && error.contains("out.npy"), "{error}");
    assert!(error.contains("allows no larger file: raise the limit"), "{error}");
    let error = limited("250", &["--cache"]);
    assert!(error.contains("embedding cache") && error.contains("the disk is full, or a quota"), "{error}");
    assert_eq!(folder.names(), ["cache", "in.txt"]);
}
