//! `index`, `search` and `rerank --index`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Folder, Ran, TINY, command, killed_until_done, run, run_with_stdin};

const CORPUS: &str = "\
{\"_id\":\"d1\",\"title\":\"Doors\",\"text\":\"a red door in the wall\"}
{\"_id\":\"d2\",\"text\":\"ships lie in the harbour\"}
{\"_id\":\"d3\",\"text\":\"bread and salt\"}
{\"_id\":\"d4\",\"text\":\"\"}
";
const QUERIES: &str = "{\"_id\":\"q1\",\"text\":\"red door\"}\n{\"_id\":\"q2\",\"text\":\"harbour\"}\n";
const RUN: &str = "\
q2 Q0 d2 1 9.5 bm25
q2 Q0 d1 2 7.25 bm25
q1 Q0 d3 1 3 bm25
q1 Q0 d1 2 2 bm25
q1 Q0 d4 3 1 bm25
";

/// A folder with a corpus and an index of it.
fn indexed(args: &[&str]) -> (Folder, String) {
    let folder = Folder::new();
    let (corpus, index) = (folder.with("c.jsonl", CORPUS), folder.text("i"));
    // One of the texts is empty, which is said.
    build(&corpus, &index, &[args, &["-q"]].concat()).quietly();
    (folder, index)
}

fn build(corpus: &str, index: &str, args: &[&str]) -> Ran {
    run(&[&["index", "build", corpus, "--output", index, "--model", TINY], args].concat())
}

/// Every file with its content, but the lock.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if name != "lock" {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn ids(ran: Ran) -> Vec<String> {
    ran.rows().into_iter().map(|mut row| row.swap_remove(2)).collect()
}

#[test]
fn a_built_index_is_searched_and_says_what_it_is() {
    for dtype in ["f32", "f16", "i8"] {
        let (_folder, index) = indexed(&["--dtype", dtype]);
        let found = ids(run(&["search", "-q", "--index", &index, "--query", "bread and salt", "--top-k", "2"]));
        assert_eq!((found[0].as_str(), found.len()), ("d3", 2), "{dtype}");
        let info = run(&["index", "info", &index, "--json"]).json();
        assert_eq!((&info["rows"], &info["dtype"], &info["segments"]), (&json!(4), &json!(dtype), &json!(1)));
        assert_eq!((&info["model"]["name"], &info["model"]["dim"]), (&json!(TINY), &json!(32)));
        assert_eq!(info["token_vectors"], Value::Null);
        let text = run(&["index", "info", &index]).quietly();
        assert!(text.contains("fingerprint") && text.contains(&format!("dtype             {dtype}\n")), "{text}");
        let verified = run(&["index", "verify", &index]).quietly();
        assert!(verified.contains("4 rows, all checksums match"), "{verified}");
    }
}

#[test]
fn search_scores_are_the_cosines_that_rerank_computes() {
    let (folder, index) = indexed(&["--dtype", "f32"]);
    let searched = run(&["search", "-q", "--index", &index, "--query", "red door", "--format", "json"]).json();
    let corpus = folder.text("c.jsonl");
    let args =
        ["rerank", "--model", TINY, "--query", "red door", "--scoring", "cosine", "--format", "json", "-q", &corpus];
    let reranked = run(&args).json();
    let results = |answer: &Value| answer["results"].as_array().unwrap().clone();
    assert_eq!(results(&searched).len(), 3, "what has no text is not found");
    for (searched, reranked) in results(&searched).iter().zip(&results(&reranked)) {
        assert_eq!(searched["id"], reranked["id"]);
        let score = |value: &Value| value["score"].as_f64().unwrap();
        assert!((score(searched) - score(reranked)).abs() < 1e-5, "{searched} {reranked}");
    }
    assert_eq!((&searched["score_kind"], &searched["index_dtype"]), (&json!("cosine"), &json!("f32")));
}

#[test]
fn a_file_of_queries_is_searched_into_a_run_and_other_formats() {
    let (folder, index) = indexed(&[]);
    let queries = folder.with("q.jsonl", QUERIES);
    let args = ["search", "-q", "--index", &index, "--queries", &queries, "--top-k", "2"];
    let run_file = run(&args).quietly();
    let rows: Vec<Vec<&str>> = run_file.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["q1", "q1", "q2", "q2"]);
    assert!(rows.iter().all(|row| row.len() == 6 && row[5].ends_with("-cosine")), "{run_file}");
    let out = folder.text("out.jsonl");
    run(&[&args[..], &["--output", &out]].concat()).quietly();
    let lines = fs::read_to_string(&out).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[3]["query_id"], &lines[3]["rank"]), (4, &json!("q2"), &json!(2)));
    let array = run(&[&args[..], &["--format", "json"]].concat()).json();
    assert_eq!(array.as_array().unwrap().len(), 2);
    let table = run(&[&args[..], &["--format", "table"]].concat()).quietly();
    assert!(table.starts_with("red door\n1 "), "{table}");
    let alone = ids(run(&["search", "-q", "--index", &index, "--query", "harbour", "--top-k", "2"]));
    assert_eq!(alone, [rows[2][2], rows[3][2]]);
    let empty = folder.with("none.jsonl", "");
    assert!(run(&["search", "-q", "--index", &index, "--queries", &empty]).error().contains("no queries"));
    assert!(run(&["search", "-q", "--index", &index, "--query", " "]).error().contains("--query is empty"));
    assert!(run(&["search", "-q", "--index", &index, "--query", "x", "--top-k", "0"]).error().contains("--top-k"));
}

#[test]
fn rows_are_added_replaced_and_deleted() {
    let (folder, index) = indexed(&["--tokens"]);
    let more = folder
        .with("more.jsonl", "{\"_id\":\"d5\",\"text\":\"a lighthouse keeper\"}\n{\"_id\":\"d2\",\"text\":\"cats\"}\n");
    let refused = run(&["index", "add", &more, "--index", &index]).error();
    assert!(refused.contains("the id 'd2' is in the index") && refused.contains("--replace"), "{refused}");
    let begun = run(&["index", "add", &more, "--index", &index, "--replace"]).error();
    assert!(begun.contains("--restart"), "{begun}");
    run(&["index", "add", &more, "--index", &index, "--replace", "--restart"]).quietly();
    let info = run(&["index", "info", &index, "--json"]).json();
    assert_eq!((&info["rows"], &info["deleted"], &info["segments"]), (&json!(5), &json!(1), &json!(2)));
    assert_eq!(ids(run(&["search", "-q", "--index", &index, "--query", "cats", "--top-k", "1"])), ["d2"]);
    let list = folder.with("ids.txt", "d5\n\nd3\n");
    run(&["index", "delete", "--index", &index, "d1", "--ids", &list]).quietly();
    assert_eq!(ids(run(&["search", "-q", "--index", &index, "--query", "door"])), ["d2"]);
    let missing = run(&["index", "delete", "--index", &index, "d1"]).error();
    assert!(missing.contains("no id 'd1'"), "{missing}");
    assert!(run(&["index", "delete", "--index", &index]).error().contains("ID"));
    run(&["index", "verify", &index]).quietly();
}

/// Chunks of 1,024 rows with tokens: some points at which a build can stop.
#[test]
fn a_build_that_is_killed_again_and_again_ends_with_the_bytes_of_one_that_was_not() {
    let folder = Folder::new();
    let row = |row: usize| {
        format!("{{\"id\":\"r{row}\",\"text\":\"{}\"}}\n", format!("word {row} and more ").repeat(row % 5 + 1))
    };
    let corpus = folder.with("c.jsonl", (0..12_000).map(row).collect::<String>());
    build(&corpus, &folder.text("whole"), &["--dtype", "i8", "--tokens"]).quietly();
    let broken = folder.text("broken");
    let args = ["index", "build", &corpus, "--output", &broken, "--model", TINY, "--dtype", "i8", "--tokens"];
    let kills = killed_until_done(&args, &Path::new(&broken).join("building/journal"));
    assert!(kills > 0);
    assert_eq!(files(Path::new(&broken)), files(&folder.path("whole")));
}

#[test]
fn an_index_that_is_there_is_not_touched_by_a_build_that_fails_or_is_killed() {
    let (folder, index) = indexed(&[]);
    let before = files(Path::new(&index));
    let corpus = folder.with("other.jsonl", "{\"id\":\"x\",\"text\":\"y\"}\n\"broken\n");
    let refused = build(&corpus, &index, &[]).error();
    assert!(refused.contains("--replace"), "{refused}");
    let refused = build(&corpus, &index, &["--replace", "--restart"]).error();
    assert!(refused.contains("other.jsonl:2"), "{refused}");
    let mut child = command(&["index", "build", "-", "--output", &index, "--model", TINY, "--replace", "--restart"]);
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let rows: String = (0..3000).map(|row| format!("{{\"id\":\"n{row}\",\"text\":\"word {row}\"}}\n")).collect();
    child.stdin.as_mut().unwrap().write_all(rows.as_bytes()).unwrap();
    // It has kept a chunk, and waits for more rows.
    while fs::metadata(Path::new(&index).join("building/journal")).map_or(0, |journal| journal.len()) == 0 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut after = files(Path::new(&index));
    after.retain(|name, _| !name.starts_with("building/"));
    assert_eq!(after, before);
    run(&["index", "verify", &index]).quietly();
    let corpus = folder.with("third.jsonl", "{\"id\":\"x\",\"text\":\"y\"}\n");
    build(&corpus, &index, &["--replace", "--restart"]).quietly();
    assert_eq!(ids(run(&["search", "-q", "--index", &index, "--query", "y"])), ["x"]);
}

#[test]
fn verify_names_the_file_and_the_block_that_is_damaged() {
    let (_folder, index) = indexed(&["--tokens"]);
    let path = Path::new(&index).join("segment-000001/tokens");
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] ^= 16;
    fs::write(&path, bytes).unwrap();
    let message = run(&["index", "verify", &index]).error();
    assert!(message.contains("segment-000001/tokens: block 0 (bytes 0 to"), "{message}");
    let missing = run(&["index", "info", "./no-such-index"]).error();
    assert!(missing.contains("./no-such-index has no index"), "{missing}");
}

#[test]
fn another_model_is_refused_and_the_indexs_own_is_the_default() {
    let (folder, index) = indexed(&["--max-tokens", "7"]);
    let ids_file = folder.with("ids.txt", "d1\n");
    for args in [
        vec!["search", "--index", &index, "--query", "x"],
        vec!["rerank", "--index", &index, "--query", "x", &ids_file],
        vec!["index", "add", &ids_file, "--index", &index],
    ] {
        for other in [["--model", "./models/tiny-roberta"], ["--max-tokens", "8"], ["--precision", "f32"]] {
            let message = run(&[&args[..], &other[..]].concat()).error();
            assert!(message.contains("made with another model: its fingerprint is"), "{args:?} {other:?}: {message}");
        }
    }
    run(&["search", "-q", "--index", &index, "--query", "door"]).quietly();
    let info = run(&["index", "info", &index, "--json"]).json();
    assert_eq!(info["model"]["max_tokens"], 7);
}

#[test]
fn candidates_are_ids_and_score_as_their_texts_do() {
    let (folder, index) = indexed(&["--dtype", "f32"]);
    let candidates = folder.with("ids.txt", "d3\nd1\nd4\n");
    let args = ["rerank", "-q", "--index", &index, "--query", "red door", &candidates, "--format", "json"];
    let answer = run(&args).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    assert_eq!((&results[2]["id"], &results[2]["score"]), (&json!("d4"), &json!(-1.0)));
    let plain = run(&[
        "rerank",
        "--model",
        TINY,
        "--query",
        "red door",
        "--scoring",
        "cosine",
        "--format",
        "json",
        "-q",
        &folder.text("c.jsonl"),
    ]);
    for expected in plain.json()["results"].as_array().unwrap() {
        if let Some(found) = results.iter().find(|result| result["id"] == expected["id"]) {
            let score = |value: &Value| value["score"].as_f64().unwrap();
            assert!((score(found) - score(expected)).abs() < 1e-5, "{found} {expected}");
        }
    }
    let best = run(&[&args[..7], &["--top-k", "1", "--format", "tsv"]].concat()).rows();
    assert_eq!((best.len(), best[0].len()), (1, 3));
    let rows = "{\"id\":\"d2\",\"text\":\"ignored\",\"score\":2}\n{\"id\":\"d1\",\"text\":\"\",\"score\":1}\n";
    let blended = run_with_stdin(&["rerank", "--index", &index, "--query", "harbour", "--format", "json"], rows).json();
    assert_eq!((&blended["score_kind"], &blended["results"][0]["first_stage_score"]), (&json!("blend"), &json!(2.0)));
}

#[test]
fn a_run_is_reranked_from_an_index_as_from_its_texts() {
    for (options, scoring) in [(&["--dtype", "f32"][..], "cosine"), (&["--dtype", "f32", "--tokens"], "hybrid")] {
        let (folder, index) = indexed(options);
        let (queries, bm25) = (folder.with("q.jsonl", QUERIES), folder.with("r.trec", RUN));
        let blend = ["--blend", "linear", "--scoring", scoring];
        let common = ["--queries", &queries, "--run", &bm25];
        let stored = run(&[&["rerank", "-q", "--index", &index], &common[..], &blend].concat()).quietly();
        let texts = ["rerank", "--model", TINY, "--corpus", &folder.text("c.jsonl"), "--long", "truncate", "-q"];
        let encoded = run(&[&texts[..], &common, &blend].concat()).quietly();
        let (stored, encoded): (Vec<&str>, Vec<&str>) = (stored.lines().collect(), encoded.lines().collect());
        assert_eq!(stored.len(), 5);
        let tolerance = if scoring == "cosine" { 1e-5 } else { 0.05 };
        for line in &stored {
            let fields: Vec<&str> = line.split(' ').collect();
            let other = encoded.iter().map(|line| line.split(' ').collect::<Vec<_>>());
            let other = other.into_iter().find(|other| (other[0], other[2]) == (fields[0], fields[2])).unwrap();
            let score = |text: &str| text.parse::<f64>().unwrap();
            assert!((score(fields[4]) - score(other[4])).abs() < tolerance, "{line}, encoded {other:?}");
        }
        let one = run(&[&["rerank", "-q", "--index", &index, "--depth", "1"], &common[..]].concat()).quietly();
        let kept: Vec<&str> = one.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(kept, ["d2", "d3"]);
    }
}

#[test]
fn candidates_that_the_index_does_not_have_are_named_or_left_out() {
    let (_folder, index) = indexed(&[]);
    let args = ["rerank", "--index", &index, "--query", "x"];
    let message = run_with_stdin(&args, "d1\nnobody\n").error();
    assert!(message.contains("1 candidate is not in the index") && message.contains("'nobody'"), "{message}");
    for skip in [&["--skip-bad-rows"][..], &["--bad-rows", "skip"]] {
        let ran = run_with_stdin(&[&args[..], skip].concat(), "d1\nnobody\n");
        assert_eq!((ran.code, ran.out.lines().count()), (0, 1));
        assert!(ran.err.contains("they are left out"), "{}", ran.err);
    }
    let message = run_with_stdin(&[&args[..], &["--scoring", "hybrid"]].concat(), "d1\n").error();
    assert!(message.contains("--tokens"), "{message}");
}

#[test]
fn an_empty_corpus_makes_an_empty_index_and_a_warning() {
    let folder = Folder::new();
    let (corpus, index) = (folder.with("c.jsonl", ""), folder.text("i"));
    let ran = build(&corpus, &index, &[]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("has no texts"), "{}", ran.err);
    let ran = run(&["search", "--index", &index, "--query", "door"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", ""));
}

#[test]
fn texts_that_no_search_finds_are_said() {
    let folder = Folder::new();
    let (corpus, index) = (folder.with("c.jsonl", CORPUS), folder.text("i"));
    let built = build(&corpus, &index, &[]);
    let never = "warning: 1 row has no text, and `nearsort search` does not find it: d4";
    assert!(built.code == 0 && built.err.contains(never), "{}", built.err);
    // What shows nothing is no text either.
    let unseen =
        folder.with("z.jsonl", "{\"_id\":\"a\",\"text\":\"door\"}\n{\"_id\":\"z\",\"text\":\"\u{200b} \u{2060}\"}\n");
    let built = build(&unseen, &folder.text("z"), &[]);
    assert!(built.err.contains("does not find it: z"), "{}", built.err);
    let info = run(&["index", "info", &index, "--json"]).json();
    assert_eq!((&info["rows"], &info["empty"], &info["deleted"]), (&json!(4), &json!(1), &json!(0)));
    assert!(run(&["index", "info", &index]).quietly().contains("empty             1\n"));
    let search = |args: &[&str]| run(&[&["search", "--index", &index, "--query", "door"], args].concat());
    assert_eq!(search(&["--top-k", "3"]).rows().len(), 3, "nothing is missing");
    let fewer = search(&["--top-k", "4"]);
    assert_eq!((fewer.code, fewer.out.lines().count()), (0, 3));
    let message = "finds fewer than the 4 results asked for: 1 of its 4 rows has no text and is never found";
    assert!(fewer.err.contains(message), "{}", fewer.err);
    assert_eq!(search(&["--format", "json", "-q"]).json()["index_empty_rows"], 1);
    let reranked = run_with_stdin(&["rerank", "--index", &index, "--query", "door"], "d4\nd1\n");
    assert!(reranked.err.contains("1 candidate has no text and is ranked last: d4"), "{}", reranked.err);
    // Replaced by a text, replaced by nothing, deleted.
    let more = folder.with("more.jsonl", "{\"_id\":\"d4\",\"text\":\"a tower\"}\n{\"_id\":\"d3\",\"text\":\" \"}\n");
    let added = run(&["index", "add", &more, "--index", &index, "--replace"]);
    assert!(added.err.contains("does not find it: d3"), "{}", added.err);
    let info = run(&["index", "info", &index, "--json"]).json();
    assert_eq!((&info["rows"], &info["empty"], &info["deleted"]), (&json!(4), &json!(1), &json!(2)));
    assert_eq!(search(&["-q"]).rows().len(), 3);
    run(&["index", "delete", "--index", &index, "d1", "d2", "d4"]).quietly();
    let none = search(&[]);
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(none.err.contains("1 of its 1 row has no text"), "{}", none.err);
    run(&["index", "delete", "--index", &index, "d3"]).quietly();
    let info = run(&["index", "info", &index, "--json"]).json();
    assert_eq!((&info["rows"], &info["empty"], &info["deleted"]), (&json!(0), &json!(0), &json!(6)));
    let none = search(&[]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (1, "", ""));
}
