//! What `rerank` reads: formats, fields, and rows that cannot be used.

use crate::support::{Folder, TINY, rerank, root, run, run_with_stdin};

/// The same two candidates in every format.
const INPUTS: [(&str, &str); 5] = [
    ("txt", "a tower\nsome bread\n"),
    ("jsonl", "{\"text\": \"a tower\"}\n\"some bread\"\n"),
    ("json", "[\"a tower\",\n {\"body\": \"some bread\"}]"),
    ("csv", "id,text\n1,a tower\n2,\"some bread\"\n"),
    ("tsv", "id\ttext\n1\ta tower\n2\tsome bread\n"),
];

#[test]
fn every_format_is_known_by_extension_by_option_and_by_its_first_bytes() {
    let expected = rerank(&[], INPUTS[0].1).rows();
    assert_eq!(expected.len(), 2);
    let folder = Folder::new();
    for (extension, content) in INPUTS {
        let file = folder.with(&format!("in.{extension}"), content);
        let named = run(&["rerank", "--model", TINY, "--query", "tower", &file]);
        assert_eq!(named.rows(), expected, "by extension: {extension}");
        assert_eq!(rerank(&[], content).rows(), expected, "sniffed: {extension}");
        assert_eq!(rerank(&["-"], content).rows(), expected, "sniffed: {extension}");
        let format = if extension == "txt" { "text" } else { extension };
        assert_eq!(rerank(&["--input-format", format], content).rows(), expected, "asked for: {format}");
        let with_bom = [b"\xEF\xBB\xBF", content.as_bytes()].concat();
        assert_eq!(rerank(&[], with_bom).rows(), expected, "byte-order mark: {extension}");
        assert_eq!(rerank(&[], content.replace('\n', "\r\n")).rows(), expected, "CRLF: {extension}");
    }
    let as_text = rerank(&["--input-format", "text"], INPUTS[1].1).rows();
    assert!(as_text.iter().any(|row| row[3] == "{\"text\": \"a tower\"}"));
    let unknown = rerank(&["--input-format", "xml"], "").error();
    assert!(unknown.contains("text, jsonl, json, csv, tsv, parquet, arrow"), "{unknown}");
}

#[test]
fn fields_have_usual_names_and_can_be_named() {
    for name in ["text", "content", "body", "document", "page_content", "contents", "passage"] {
        let row = format!("{{\"_id\": \"x\", \"{name}\": \"a tower\"}}");
        assert_eq!(rerank(&[], row).rows()[0][2..], ["x", "a tower"], "{name}");
    }
    let row = r#"{"key": 7, "passage": "a tower", "head": "Paris", "text": "not this", "id": "nor this"}"#;
    let args = ["--text-field", "passage", "--id-field", "key", "--title-field", "head"];
    assert_eq!(rerank(&args, row).rows()[0][2..], ["7", "Paris a tower"]);
    let csv = "key,passage,head\n7,a tower,Paris\n";
    assert_eq!(rerank(&args, csv).rows()[0][2..], ["7", "Paris a tower"]);
}

#[test]
fn a_row_that_cannot_be_used_is_an_error_with_file_line_and_advice() {
    let folder = Folder::new();
    let cases: [(&str, &[u8], &str, &str); 5] = [
        ("latin1.txt", b"one\ncaf\xE9\n", ":2: not UTF-8", "iconv"),
        ("field.jsonl", b"{\"text\":\"a\"}\n\n{\"txt\":\"b\"}\n", ":3: no text", "--text-field"),
        ("broken.jsonl", b"{\"text\":\"a\"}\n{\"text:\"b\"}\n", ":2: broken JSON", "column"),
        ("broken.json", b"[\"a\",\n{\"text\" 1}]", ":2: broken JSON", "column"),
        ("short.csv", b"id,text\n1,a\n2\n", ":3: this row has 1 fields", "quotes"),
    ];
    for (name, content, what, advice) in cases {
        let file = folder.with(name, content);
        let message = run(&["rerank", "--model", TINY, "--query", "tower", &file]).error();
        assert!(message.contains(&format!("{file}{what}")) && message.contains(advice), "{message}");
    }
    assert!(rerank(&[], b"a\n\xFF\n").error().contains("-:2: not UTF-8"));
    let header = rerank(&["--input-format", "csv"], "a,b\n1,2\n").error();
    assert!(header.contains("'a', 'b'") && header.contains("--text-field"), "{header}");
}

#[test]
fn bad_rows_can_be_skipped_and_are_counted() {
    let input = "{\"text\":\"a\"}\n{\"text:\"b\"}\n{\"txt\":\"c\"}\n\"d\"\n";
    let ran = rerank(&["--skip-bad-rows"], input);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2));
    assert!(ran.err.contains("2 unusable rows of standard input were left out"), "{}", ran.err);
    assert!(ran.err.contains("-:2: broken JSON") && ran.err.contains("-:3: no text"), "{}", ran.err);
    assert_eq!(rerank(&["--skip-bad-rows", "-q"], input).quietly().lines().count(), 2);
}

/// Two rows that can be used, and three that cannot.
const BAD: &str = "{\"text\":\"a\"}\n{\"text:\"b\"}\n{\"txt\":\"c\"}\n\"d\"\n7\n";

fn rejects(content: &str) -> Vec<(String, u64)> {
    let reject = |line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["message"].as_str().is_some_and(|message| !message.is_empty()));
        (row["file"].as_str().unwrap().to_owned(), row["line"].as_u64().unwrap())
    };
    content.lines().map(reject).collect()
}

#[test]
fn bad_rows_can_be_written_to_a_file() {
    let folder = Folder::new();
    let (input, out, named) = (folder.with("in.jsonl", BAD), folder.text("out.tsv"), folder.text("bad.jsonl"));
    let args = ["rerank", "--model", TINY, "--query", "tower", "--bad-rows", "report", "--output", &out, &input];
    let ran = run(&args);
    assert_eq!((ran.code, std::fs::read_to_string(&out).unwrap().lines().count()), (0, 2));
    let expected: Vec<_> = [2, 3, 5].map(|line| (input.clone(), line)).into();
    assert_eq!(rejects(&std::fs::read_to_string(out.clone() + ".rejects.jsonl").unwrap()), expected);
    assert!(ran.err.contains(&format!("3 unusable rows are in {out}.rejects.jsonl")), "{}", ran.err);
    let ran = run(&[&args[..], &["--rejects", &named]].concat());
    assert_eq!((ran.code, rejects(&std::fs::read_to_string(&named).unwrap())), (0, expected));
    assert!(run(&[&args[..], &["--rejects", &named, "-q"]].concat()).quietly().is_empty());
    assert_eq!(folder.names(), ["bad.jsonl", "in.jsonl", "out.tsv", "out.tsv.rejects.jsonl"]);
}

#[test]
fn the_file_of_bad_rows_is_there_after_an_error_too() {
    let folder = Folder::new();
    let (input, out) = (folder.with("in.json", "[5, \"a\", tru]"), folder.text("bad.jsonl"));
    let message =
        run(&["rerank", "--model", TINY, "--query", "x", "--bad-rows", "report", "--rejects", &out, &input]).error();
    assert!(message.contains("in.json:1: broken JSON") && message.contains("1 unusable row is in"), "{message}");
    assert_eq!(rejects(&std::fs::read_to_string(&out).unwrap()), [(input, 1)]);
}

#[test]
fn what_becomes_of_bad_rows_is_said_once_and_its_file_is_no_other_file() {
    assert_eq!(rerank(&["--bad-rows", "skip", "-q"], BAD).quietly().lines().count(), 2);
    assert!(rerank(&["--bad-rows", "fail"], BAD).error().contains("-:2: broken JSON"));
    assert!(rerank(&["--bad-rows", "skip", "--skip-bad-rows"], BAD).error().contains("cannot be used with"));
    assert!(
        rerank(&["--bad-rows", "skip", "--rejects", "x"], BAD).error().contains("--rejects is for --bad-rows report")
    );
    assert!(rerank(&["--rejects", "x"], BAD).error().contains("--rejects is for --bad-rows report"));
    let folder = Folder::new();
    let (input, out) = (folder.with("in.jsonl", BAD), folder.text("out.tsv"));
    let report = |rejects: &str| {
        let args =
            ["rerank", "--model", TINY, "--query", "x", "--bad-rows", "report", "-o", &out, "--rejects", rejects];
        run(&[&args[..], &[&input]].concat()).error()
    };
    assert!(report(&input).contains("it is the input"));
    assert!(report(&out).contains("--rejects and --output name the same file"));
    assert!(report(&folder.text("none/x.jsonl")).contains("does not exist"));
    assert_eq!(folder.names(), ["in.jsonl"]);
}

#[test]
fn compressed_candidates_are_read_from_files_and_from_standard_input() {
    // The same lines through `gzip -n` and `zstd`.
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x54\x28\xc9\x2f\x4f\x2d\xe2\x2a\xce\xcf\x4d\x55\x48\x2a\x4a\x4d\x4c\xe1\x02\x00\xbc\x1b\xba\xe1\x13\x00\x00\x00";
    let zstd = b"\x28\xb5\x2f\xfd\x24\x13\x99\x00\x00\x61\x20\x74\x6f\x77\x65\x72\x0a\x73\x6f\x6d\x65\x20\x62\x72\x65\x61\x64\x0a\xf0\xb6\x81\xab";
    let expected = rerank(&[], INPUTS[0].1).rows();
    let folder = Folder::new();
    for (name, bytes) in [("in.txt.gz", &gzip[..]), ("in.txt.zst", &zstd[..])] {
        assert_eq!(rerank(&[], bytes).rows(), expected, "{name}");
        let file = folder.with(name, bytes);
        assert_eq!(run(&["rerank", "--model", TINY, "--query", "tower", &file]).rows(), expected, "{name}");
    }
}

#[test]
fn parquet_is_read_from_a_file_and_refused_from_standard_input() {
    let folder = Folder::new();
    let path = folder.text("in.parquet");
    let mut results = nearsort::io::ParquetResults::create(&path, true).unwrap();
    for (rank, text) in (1..).zip(["a tower", "some bread"]) {
        results.push("q", rank, &rank.to_string(), 0.5, text).unwrap();
    }
    results.finish().unwrap();
    let options = ["rerank", "--model", TINY, "--query", "tower", "--blend", "none"];
    assert_eq!(run(&[&options[..], &[&path]].concat()).rows(), rerank(&["--blend", "none"], INPUTS[0].1).rows());
    let message = run_with_stdin(&options, std::fs::read(&path).unwrap()).error();
    assert!(message.contains("-: a Parquet file is read from its end"), "{message}");
    let message = run(&[&options[..], &[&path, "--text-field", "body"]].concat()).error();
    assert!(message.contains("'query_id', 'rank', 'id', 'score', 'text'"), "{message}");
}

#[test]
fn duplicates_are_ranked_each_and_encoded_once() {
    let answer = rerank(&["--format", "json"], "a tower\nbread\na tower\n").json();
    let results = answer["results"].as_array().unwrap();
    let twins: Vec<_> = results.iter().filter(|result| result["text"] == "a tower").collect();
    assert_eq!((twins.len(), &twins[0]["score"]), (2, &twins[1]["score"]));
    assert_eq!(twins[0]["index"], 0, "equal scores keep the input's order");
    let once = rerank(&["--format", "json"], "a tower\nbread\n").json();
    assert_eq!(answer["usage"]["tokens"], once["usage"]["tokens"]);
}

#[test]
fn candidates_without_text_come_last_with_a_warning() {
    let ran = rerank(&["--format", "jsonl"], "{\"text\":\"\"}\n{\"text\":\"  \"}\n{\"text\":\"a\"}\n");
    let ids: Vec<String> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((ran.code, ids), (0, ["3", "1", "2"].map(str::to_owned).to_vec()));
    assert_eq!(ran.err, "nearsort: warning: 2 candidates have no text and are ranked last: 1, 2\n");
    let one = rerank(&[], "a\n\n");
    assert_eq!(one.err, "nearsort: warning: 1 candidate has no text and is ranked last: 2\n");
    assert_eq!(rerank(&["-q"], "a\n\n").rows()[1][2], "2");
}

#[test]
fn nothing_to_rank_is_a_warning_and_exit_code_1() {
    for input in ["", "\u{FEFF}"] {
        let ran = rerank(&[], input);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert_eq!(ran.err, "nearsort: warning: standard input has no texts\n");
    }
    let answer = rerank(&["--format", "json", "-q"], "[]");
    assert_eq!(answer.code, 1);
    let answer: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&answer["results"], &answer["score_kind"]), (&serde_json::json!([]), &serde_json::json!("hybrid")));
}

#[test]
fn one_line_without_an_end_and_one_of_five_megabytes_are_rows() {
    assert_eq!(rerank(&[], "a tower").rows()[0][2..], ["1", "a tower"]);
    let long = "tower of words ".repeat(350_000);
    let ran = rerank(&["--no-text"], format!("{long}\nshort\n"));
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2));
    assert!(ran.err.contains("1 of 2 texts is longer than the 48 tokens"), "{}", ran.err);
}

#[test]
fn cutting_more_than_one_percent_is_said() {
    let long = "tower ".repeat(100);
    let short = |count: usize| "short\n".repeat(count);
    assert_eq!(
        rerank(&["--no-text", "--long", "truncate"], format!("{long}\n{}", short(99))).quietly().lines().count(),
        100
    );
    let ran = rerank(&["--format", "json", "--long", "truncate"], format!("{long}\n{}", short(98)));
    assert!(ran.err.starts_with("nearsort: warning: 1 of 99 texts is longer than the 48 tokens"), "{}", ran.err);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["usage"]["truncated"], 1);
    let cut: Vec<_> = answer["results"].as_array().unwrap().iter().filter(|r| r["truncated"] == true).collect();
    assert_eq!((cut.len(), &cut[0]["id"]), (1, &serde_json::json!("1")));
    rerank(&["--format", "json", "-q", "--long", "truncate"], format!("{long}\n{}", short(9))).quietly();
    // Read in windows, nothing is cut.
    let answer = rerank(&["--format", "json"], format!("{long}\n{}", short(9))).json();
    assert_eq!(answer["usage"]["truncated"], 0);
}

#[test]
fn more_candidates_than_fit_into_memory_at_once_are_ranked_as_one_list() {
    let many: String = (0..5000).map(|n| format!("{n} towers\n")).collect();
    let all = rerank(&["--format", "json"], &many).json();
    let best = rerank(&["--format", "json", "--top-k", "5"], &many).json();
    assert_eq!(best["results"].as_array().unwrap()[..], all["results"].as_array().unwrap()[..5]);
    assert_eq!(best["usage"], all["usage"]);
    let tokens: u64 = all["results"].as_array().unwrap().iter().map(|r| r["tokens"].as_u64().unwrap()).sum();
    let query = rerank(&["--format", "json"], "tower").json()["usage"]["tokens"].as_u64().unwrap() / 2;
    // The query's own tokens count once; it and the candidate "tower" are equally long but for the
    // query's prompt.
    let rest = all["usage"]["tokens"].as_u64().unwrap() - tokens;
    assert!(rest >= query && rest < 2 * query + 10, "{rest} tokens for one query");
}

#[test]
fn unreadable_input_is_an_error_that_names_it() {
    let missing = run(&["rerank", "--model", TINY, "--query", "x", "no-such-file.txt"]).error();
    assert!(missing.contains("cannot open no-such-file.txt"), "{missing}");
    assert!(run(&["rerank", "--model", TINY, "--query", "x", "models"]).error().contains("models"));
    let cut = run_with_stdin(&["rerank", "--model", TINY, "--query", "x"], b"\x1F\x8B\x08").error();
    assert!(cut.contains("cannot read -: the gzip stream ends too early"), "{cut}");
}

#[test]
fn numbers_are_passed_through_with_their_digits_and_their_spelling() {
    let fields = r#""big":123456789012345678901234567890,"huge":1e400,"price":1.10,"zero":-0.0,"short":1E5,"in":{"list":[1.0,1e400]}"#;
    let row = format!("{{\"id\": 123456789012345678901234567890, \"text\": \"a\", {fields}}}");
    let jsonl = rerank(&["--format", "jsonl"], &row).quietly();
    assert!(jsonl.contains(fields) && jsonl.contains("\"id\":\"123456789012345678901234567890\""), "{jsonl}");
    let json = rerank(&["--format", "json"], &row).quietly();
    for field in ["\"big\": 123456789012345678901234567890,", "\"huge\": 1e400,", "\"price\": 1.10,", "        1.0,\n"]
    {
        assert!(json.contains(field), "{field}: {json}");
    }
    let list = format!("{{\"query\": \"q\", \"candidates\": [{row}]}}");
    let folder = Folder::new();
    let lists = folder.with("lists.jsonl", &list);
    let ran = run(&["rerank", "--model", TINY, "--candidates", &lists, "--format", "jsonl"]).quietly();
    assert!(ran.contains(fields), "{ran}");
}

#[test]
fn a_score_that_is_none_stops_only_what_needs_scores() {
    let rows = "{\"text\": \"a\", \"score\": \"high\"}\n{\"text\": \"b\", \"score\": \"low\"}\n";
    let message = rerank(&[], rows).error();
    assert!(
        message.contains("-:1: the score 'high' is not a number; name another field with --score-field"),
        "{message}"
    );
    for args in [&["--blend", "none"][..], &["--scoring", "cosine"], &["--score-field", "bm25"]] {
        let jsonl = rerank(&[args, &["--format", "jsonl"]].concat(), rows).quietly();
        assert!(jsonl.contains("\"input_score\":\"high\""), "{jsonl}");
    }
    let folder = Folder::new();
    let lists = folder
        .with("lists.jsonl", format!("{{\"query\": \"q\", \"candidates\": [{}]}}", rows.trim_end().replace('\n', ",")));
    let candidates = |args: &[&str]| run(&[&["rerank", "--model", TINY, "--candidates", &lists], args].concat());
    assert!(candidates(&[]).error().contains("name another field with --score-field"));
    assert!(candidates(&["--blend", "none", "--depth", "1"]).error().contains("--score-field"));
    assert_eq!(candidates(&["--blend", "none"]).quietly().lines().count(), 2);
    let (file, out) = (folder.with("rows.jsonl", rows), folder.text("out.npy"));
    run(&["embed", "--model", TINY, &file, "--output", &out]).quietly();
    let extreme = "{\"text\": \"a\", \"score\": 1.7e308}\n{\"text\": \"b\", \"score\": \"-1.7e308\"}\n";
    for normalize in ["none", "minmax", "zscore"] {
        let scores: Vec<f32> =
            rerank(&["--normalize", normalize], extreme).rows().iter().map(|row| row[1].parse().unwrap()).collect();
        assert!(scores.iter().all(|score| score.is_finite()) && scores[0] > scores[1], "{normalize}: {scores:?}");
    }
}

#[test]
fn every_verb_that_reads_rows_takes_a_delimiter() {
    let folder = Folder::new();
    let csv = folder.with("rows.csv", "ID;Text\n1;a tower\n2;some bread\n");
    let queries = folder.with("queries.csv", "qid;query\nq;tower\n");
    let (index, out) = (folder.text("rows.index"), folder.text("out.npy"));
    let hint = run(&["rerank", "--model", TINY, "--query", "tower", &csv]).error();
    assert!(hint.contains("--delimiter ';'"), "{hint}");
    let with = |args: &[&str]| run(&[args, &["--delimiter", ";", "--model", TINY]].concat()).quietly();
    assert_eq!(with(&["rerank", "--query", "tower", &csv]).lines().count(), 2);
    assert_eq!(with(&["rerank", "--query-file", &queries, &csv]).lines().count(), 2);
    with(&["embed", &csv, "--output", &out]);
    with(&["index", "build", &csv, "--output", &index]);
    assert_eq!(with(&["search", "--index", &index, "--queries", &queries]).lines().count(), 2);
    let run_file = folder.with("run.trec", "q Q0 1 1 2.0 t\nq Q0 2 2 1.0 t\n");
    assert_eq!(with(&["rerank", "--queries", &queries, "--corpus", &csv, "--run", &run_file]).lines().count(), 2);
    let wrong = run(&["rerank", "--query", "x", "--delimiter", "ab", &csv]);
    assert!(wrong.code == 2 && wrong.err.contains("one ASCII character"), "{}", wrong.err);
    let tabs = folder.with("tabs.csv", "id\ttext\n1\ta\n");
    assert_eq!(
        run(&["rerank", "--model", TINY, "--query", "tower", "--delimiter", "tab", &tabs]).quietly().lines().count(),
        1
    );
}

/// What a message says after `before`, done by a shell, makes of the file one that is read.
#[cfg(unix)]
fn remedied(folder: &Folder, file: &str, message: &str, before: &str) -> String {
    let new = folder.text("new.txt");
    let command = message.rsplit_once(before).unwrap_or_else(|| panic!("{message}")).1;
    let command = format!("{before}{}", command.trim().replace("FILE", file).replace("NEW", &new));
    let done = std::process::Command::new("sh").arg("-c").arg(&command).status().unwrap();
    assert!(done.success(), "{command}");
    std::fs::read_to_string(&new).unwrap()
}

#[cfg(unix)]
#[test]
fn the_remedies_for_other_encodings_keep_every_character() {
    let folder = Folder::new();
    let text = "a caf\u{e9} tower\n\u{411}\u{430}\u{448}\u{43d}\u{44f} \u{1f5fc}\nsome bread\n";
    let le = |c: u16| c.to_le_bytes();
    let be = |c: u16| c.to_be_bytes();
    let utf16 = |text: &str, order: &dyn Fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let marked = format!("\u{feff}{text}");
    let utf32: Vec<u8> = marked.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let cases = [utf16(&marked, &le), utf16(&marked, &be), utf16(text, &le), utf16(text, &be), utf32];
    for (number, bytes) in cases.into_iter().enumerate() {
        let file = folder.with(&format!("{number}.txt"), bytes);
        let message = run(&["rerank", "--model", TINY, "--query", "tower", &file]).error();
        assert_eq!(remedied(&folder, &file, &message, "iconv "), text, "{message}");
    }
    // Curly quotes, a dash and the euro are not in Latin-1.
    let file = folder.with("western.txt", b"\x93caf\xE9\x94 \x96 5 \x80\n");
    let message = run(&["rerank", "--model", TINY, "--query", "tower", &file]).error();
    let expected = "\u{201c}caf\u{e9}\u{201d} \u{2013} 5 \u{20ac}\n";
    assert_eq!(remedied(&folder, &file, &message, "iconv "), expected, "{message}");
    let file = folder.with("joined.jsonl", "{\"text\": \"a\"}\n\u{feff}{\"text\": \"b\"}\n");
    let message = run(&["rerank", "--model", TINY, "--query", "tower", &file]).error();
    assert_eq!(remedied(&folder, &file, &message, "sed "), "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
}

/// Files of some bytes with a gigabyte of texts: 1,024 rows that have one string of a megabyte. The
/// whole process gets 600 MiB of addresses, its own code and buffers included.
#[cfg(target_os = "linux")]
#[test]
fn small_files_with_large_rows_take_little_memory() {
    for name in ["dictionary_bomb.parquet", "delta_bomb.parquet"] {
        let file = format!("tests/io/tables/{name}");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -v 614400; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_nearsort"), "rerank"]);
        shell.args(["--query", "door", "--model", TINY, "--scoring", "cosine", "--threads", "1", "--top-k", "3"]);
        let output = shell.args(["--no-text", "--format", "tsv", &file]).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 3, "{name}");
    }
}
