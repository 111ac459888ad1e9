//! `rerank` with first-stage scores, over runs and over files of lists, and what explains a score.

use serde_json::{Value, json};

use crate::support::{Folder, Ran, TINY, rerank, run, run_with_stdin};

const QUERIES: &str = "{\"_id\":\"q1\",\"text\":\"red door\"}\n{\"_id\":\"q2\",\"text\":\"harbour\"}\n";
const CORPUS: &str = "\
{\"_id\":\"d1\",\"title\":\"Doors\",\"text\":\"a red door in the wall\"}
{\"_id\":\"d2\",\"title\":\"\",\"text\":\"ships lie in the harbour\"}
{\"_id\":\"d3\",\"title\":\"\",\"text\":\"bread and salt\"}
{\"_id\":\"d4\",\"title\":\"\",\"text\":\"nobody asks for this\"}
";
const RUN: &str = "\
q2 Q0 d2 1 9.5 bm25
q2 Q0 d1 2 7.25 bm25
q1 Q0 d3 1 3 bm25
q1 Q0 d1 2 2 bm25
q1 Q0 d2 3 1 bm25
";

/// A folder with queries, corpus and run, and the arguments that name them.
fn collection() -> (Folder, Vec<String>) {
    let folder = Folder::new();
    let files = [("--queries", "q.jsonl", QUERIES), ("--corpus", "c.jsonl", CORPUS), ("--run", "r.trec", RUN)];
    let mut args = vec!["rerank".to_owned(), "--model".to_owned(), TINY.to_owned()];
    for (option, name, content) in files {
        args.extend([option.to_owned(), folder.with(name, content)]);
    }
    (folder, args)
}

fn with(args: &[String], more: &[&str]) -> Ran {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    run(&args)
}

fn lines(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(' ').collect()).collect()
}

#[test]
fn a_run_is_reranked_query_by_query_as_its_lists_are_alone() {
    let (_folder, args) = collection();
    let ranked = with(&args, &[]).quietly();
    let rows = lines(&ranked);
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["q2", "q2", "q1", "q1", "q1"]);
    assert!(rows.iter().all(|row| row.len() == 6 && row[1] == "Q0" && row[5].ends_with("-blend")), "{ranked}");
    assert_eq!(rows.iter().map(|row| row[3]).collect::<Vec<_>>(), ["1", "2", "1", "2", "3"]);
    let alone = "{\"id\":\"d3\",\"text\":\"bread and salt\",\"score\":3}\n\
                 {\"id\":\"d1\",\"title\":\"Doors\",\"text\":\"a red door in the wall\",\"score\":2}\n\
                 {\"id\":\"d2\",\"text\":\"ships lie in the harbour\",\"score\":1}\n";
    let alone =
        run_with_stdin(&["rerank", "--model", TINY, "--query", "red door", "--format", "trec"], alone).quietly();
    let of_q1: Vec<&[&str]> = rows[2..].iter().map(|row| &row[2..]).collect();
    assert_eq!(of_q1, lines(&alone).iter().map(|row| &row[2..]).collect::<Vec<_>>());
}

#[test]
fn a_file_of_lists_gives_what_the_run_gives() {
    let (folder, args) = collection();
    let lists = "\
{\"query_id\":\"q2\",\"query\":\"harbour\",\"candidates\":[{\"id\":\"d2\",\"text\":\"ships lie in the harbour\",\"score\":9.5},{\"id\":\"d1\",\"title\":\"Doors\",\"text\":\"a red door in the wall\",\"score\":7.25}]}

{\"qid\":\"q1\",\"query\":\"red door\",\"documents\":[{\"id\":\"d3\",\"text\":\"bread and salt\",\"score\":3},{\"id\":\"d1\",\"title\":\"Doors\",\"text\":\"a red door in the wall\",\"score\":2},{\"id\":\"d2\",\"text\":\"ships lie in the harbour\",\"score\":1}]}
";
    let path = folder.with("lists.jsonl", lists);
    let candidates = |more: &[&str]| run(&[&["rerank", "--model", TINY, "--candidates", &path], more].concat());
    assert_eq!(candidates(&[]).quietly(), with(&args, &[]).quietly());
    let options = ["--format", "json", "--top-k", "1", "--blend", "rrf"];
    let (found, expected) = (candidates(&options).json(), with(&args, &options).json());
    assert_eq!(found.as_array().unwrap().len(), 2);
    for (found, expected) in found.as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
        assert_eq!(found["results"][0]["id"], expected["results"][0]["id"]);
        assert_eq!((&found["blend"], &found["score_kind"]), (&json!("rrf 0.3"), &json!("blend")));
    }
    let bare = run_with_stdin(
        &["rerank", "--model", TINY, "--candidates", "-", "--format", "tsv"],
        "{\"query\":\"harbour\",\"passages\":[\"one\",\"two\"]}",
    );
    let ids: Vec<Vec<String>> = bare.rows();
    assert_eq!((ids.len(), ids[0][0].as_str(), ids[0].len()), (2, "1", 5));
}

#[test]
fn broken_lists_are_errors_that_name_the_line() {
    let ran = |lists: &str| run_with_stdin(&["rerank", "--model", TINY, "--candidates", "-"], lists).error();
    let good = "{\"query\":\"x\",\"candidates\":[\"a\"]}";
    for (line, message) in [
        ("{\"query\":\"x\"", "broken JSON"),
        ("[1]", "not an object with a query"),
        ("{\"candidates\":[]}", "no query"),
        ("{\"query\":\" \",\"candidates\":[]}", "is blank"),
        ("{\"query\":\"x\",\"candidates\":5}", "no candidates"),
        ("{\"query\":\"x\",\"candidates\":[\"a\",{\"no\":1}]}", "candidate 2"),
        ("{\"query\":\"x\",\"query_id\":[1],\"candidates\":[]}", "neither a string nor a number"),
        ("{\"query\":\"x\",\"query_id\":\"1\",\"candidates\":[\"a\"]}", "used already"),
    ] {
        let error = ran(&format!("{good}\n{line}\n"));
        assert!(error.contains("-:2: ") && error.contains(message), "{line}: {error}");
    }
    assert!(ran("{}").contains("-:1: "));
    let empty = run_with_stdin(&["rerank", "--model", TINY, "--candidates", "-"], "");
    assert_eq!((empty.code, empty.out.as_str()), (1, ""));
    assert!(empty.err.contains("has no texts"), "{}", empty.err);
}

#[test]
fn candidates_and_lists_that_cannot_be_used_are_left_out_where_that_is_asked() {
    let folder = Folder::new();
    let lists = concat!(
        "{\"query_id\":\"q1\",\"query\":\"door\",\"candidates\":[\"a red door\",{\"id\":\"x\",\"text\":[7]},\"bread\"]}\n",
        "{\"query_id\":\"q2\",\"candidates\":[\"a red door\"]}\n",
        "{\"query_id\":\"q3\",\"query\":\"bread\",\"candidates\":[\"salt\"]}\n",
    );
    let input = folder.with("l.jsonl", lists);
    let out = folder.text("o.tsv");
    let args = ["rerank", "--model", TINY, "--candidates", &input, "--output", &out, "--format", "tsv", "--no-text"];
    let error = run(&args).error();
    assert!(error.contains("l.jsonl:1: candidate 2: "), "{error}");
    let ran = run(&[&args[..], &["--bad-rows", "report"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("2 unusable rows of") && ran.err.contains("candidate 2"), "{}", ran.err);
    let written = std::fs::read_to_string(folder.path("o.tsv")).unwrap();
    let mut ids: Vec<(&str, &str)> =
        written.lines().map(|line| (&line[..2], line.rsplit('\t').next().unwrap())).collect();
    ids.sort_unstable();
    assert_eq!(ids, [("q1", "1"), ("q1", "3"), ("q3", "1")], "places keep their numbers");
    let rejects = std::fs::read_to_string(folder.path("o.tsv.rejects.jsonl")).unwrap();
    let lines: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert!(lines[1]["message"].as_str().unwrap().contains("no query"), "{rejects}");
    let part = |shard: &str| {
        let out = folder.text("part.tsv");
        let of = ["rerank", "--model", TINY, "--candidates", &input, "--output", &out, "--format", "tsv", "--no-text"];
        run(&[&of[..], &["--skip-bad-rows", "--restart", "--shard", shard]].concat());
        std::fs::read_to_string(folder.path("part.tsv")).unwrap()
    };
    assert_eq!(part("1/2") + &part("2/2"), written, "shards share what is left");
}

#[test]
fn what_a_run_names_and_nobody_has_is_an_error_or_left_out() {
    let (folder, args) = collection();
    folder.with("r.trec", format!("{RUN}q1 Q0 d9 4 0.5 bm25\nq7 Q0 d1 1 1 bm25\n"));
    let error = with(&args, &[]).error();
    assert!(error.contains("1 query that") && error.contains("'q7'") && error.contains("--skip-bad-rows"), "{error}");
    let skipped = with(&args, &["--skip-bad-rows"]);
    assert_eq!((skipped.code, skipped.out.lines().count()), (0, 5));
    assert!(skipped.err.contains("'d9'") && skipped.err.contains("'q7'"), "{}", skipped.err);
    folder.with("c.jsonl", CORPUS.replace("\"d4\"", "\"d1\""));
    folder.with("r.trec", RUN);
    let twice = with(&args, &[]).error();
    assert!(twice.contains("c.jsonl:4: the id 'd1' is used already, on line 1"), "{twice}");
    folder.with("c.jsonl", CORPUS);
    folder.with("r.trec", "");
    assert!(with(&args, &[]).error().contains("the run is empty"));
    folder.with("r.trec", "q1 Q0 d1\n");
    assert!(with(&args, &[]).error().contains("r.trec:1"));
}

#[test]
fn depth_keeps_the_first_stages_best() {
    let (_folder, args) = collection();
    let cut = with(&args, &["--depth", "2"]).quietly();
    let mut of_q1: Vec<&str> = lines(&cut).iter().filter(|row| row[0] == "q1").map(|row| row[2]).collect();
    of_q1.sort_unstable();
    assert_eq!(of_q1, ["d1", "d3"]);
    assert!(with(&args, &["--depth", "0"]).error().contains("--depth must be at least 1"));
}

#[test]
fn an_output_file_has_the_format_of_its_name_and_appears_when_it_is_whole() {
    let (folder, args) = collection();
    for (name, begins) in [("o.trec", "q2 Q0 "), ("o.tsv", "q2\t1\t"), ("o.jsonl", "{\"query\":"), ("o.json", "[\n{")] {
        let path = folder.text(name);
        assert_eq!(with(&args, &["--output", &path]).quietly(), "");
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.starts_with(begins), "{name}: {written}");
    }
    let json: Value = serde_json::from_str(&std::fs::read_to_string(folder.text("o.json")).unwrap()).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert!(with(&args, &["--output", &folder.text("o.xyz")]).error().contains("unknown extension"));
    assert!(with(&args, &["--output", &folder.text("no/o.trec")]).error().contains("does not exist"));
    let input = folder.text("r.trec");
    assert!(with(&args, &["--format", "trec", "--output", &input]).error().contains("it is the input"));
    // A failure in the middle leaves what was there, and nothing else.
    folder.with("o.trec", "old");
    folder.with("c.jsonl", CORPUS.replace("\"d3\"", "\"d 3\""));
    folder.with("r.trec", "q1 Q0 d1 1 1 bm25\n");
    with(&args, &["--output", &folder.text("o.trec")]).quietly();
    folder.with("q.jsonl", QUERIES.replace("q1", "q 1"));
    with(&args, &["--output", &folder.text("o.trec")]).error();
    assert_eq!(folder.names(), ["c.jsonl", "o.json", "o.jsonl", "o.trec", "o.tsv", "q.jsonl", "r.trec"]);
    assert_ne!(std::fs::read_to_string(folder.text("o.trec")).unwrap(), "old");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_stays_what_it_is() {
    let (folder, args) = collection();
    let pipe = folder.text("pipe.trec");
    let name = std::ffi::CString::new(pipe.clone()).unwrap();
    // SAFETY: the name is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let error = with(&args, &["--output", &pipe]).error();
    assert!(error.contains("pipe.trec: it is not a regular file"), "{error}");
    assert!(!std::fs::metadata(&pipe).unwrap().is_file());
}

/// Candidates with first-stage scores of no pattern.
fn scored_rows(count: usize) -> String {
    let row = |n: usize| format!("{{\"id\":\"{n}\",\"text\":\"{} towers\",\"score\":{}}}\n", n % 97, (n * 7919) % 1000);
    (0..count).map(row).collect()
}

#[test]
fn a_stream_with_first_stage_scores_keeps_the_best_of_the_whole_list() {
    let rows = scored_rows(5000);
    for blend in [&[][..], &["--normalize", "zscore"], &["--blend", "rrf"]] {
        let answer = |more: &[&str]| rerank(&[&["--format", "json"], blend, more].concat(), &rows).json();
        let (all, best) = (answer(&[]), answer(&["--top-k", "7"]));
        assert_eq!(best["results"].as_array().unwrap()[..], all["results"].as_array().unwrap()[..7], "{blend:?}");
        let first = &best["results"][0];
        assert_eq!(best["score_kind"], "blend");
        assert!(first["model_score"].is_number() && first["first_stage_score"].is_number());
    }
    let none = rerank(&["--format", "json", "--blend", "none", "--top-k", "3"], &rows).json();
    assert_eq!((&none["score_kind"], &none["blend"]), (&json!("hybrid"), &json!(null)));
    let cosine = rerank(&["--format", "json", "--scoring", "cosine", "--top-k", "3"], &rows).json();
    assert_eq!((&cosine["score_kind"], &cosine["blend"]), (&json!("cosine"), &json!(null)));
}

#[test]
fn feedback_is_on_with_first_stage_scores_and_says_so() {
    let rows = scored_rows(60);
    let answer = |more: &[&str]| rerank(&[&["--format", "json"], more].concat(), &rows).json();
    let (auto, off) = (answer(&[]), answer(&["--feedback", "off"]));
    assert_eq!((&auto["feedback"], &off["feedback"]), (&json!(0.5), &json!(null)));
    assert_eq!((&auto["score_kind"], &off["score_kind"]), (&json!("blend"), &json!("blend")));
    let ids = |answer: &serde_json::Value| {
        answer["results"].as_array().unwrap().iter().map(|result| result["id"].clone()).collect::<Vec<_>>()
    };
    assert_ne!(ids(&auto), ids(&off));
    let by_id = |answer: &serde_json::Value, name: &str| {
        let all = answer["results"].as_array().unwrap().iter();
        let mut all: Vec<(String, String)> =
            all.map(|result| (result["id"].to_string(), result[name].to_string())).collect();
        all.sort();
        all
    };
    assert_eq!(by_id(&auto, "model_score"), by_id(&off, "model_score"), "the model's scores stay");
    assert_eq!(ids(&answer(&["--feedback", "0"])), ids(&off));
    assert_eq!(ids(&answer(&["--feedback", "0.5"])), ids(&auto));
    // Without first-stage scores it has to be asked for.
    let none = answer(&["--blend", "none"]);
    assert_eq!((&none["feedback"], &none["score_kind"]), (&json!(null), &json!("hybrid")));
    let asked = answer(&["--blend", "none", "--feedback", "0.3"]);
    assert_eq!((&asked["feedback"], &asked["score_kind"]), (&json!(0.3), &json!("feedback")));
    assert!(asked["results"][0]["model_score"].is_number());
    let error = |args: &[&str]| rerank(args, &rows).error();
    assert!(error(&["--feedback", "on"]).contains("expected auto, off or a weight"));
    assert!(error(&["--feedback", "-1"]).contains("from 0 to 10"));
}

#[test]
fn first_stage_scores_that_make_no_sense_are_said() {
    let some = "{\"text\":\"a\",\"score\":1}\n{\"text\":\"b\"}\n{\"text\":\"c\",\"score\":3}\n";
    let ran = rerank(&[], some);
    assert_eq!(ran.code, 0);
    assert!(
        ran.err.contains("1 of 3 candidates has no first-stage score and counts as the first stage's worst"),
        "{}",
        ran.err
    );
    let error = |args: &[&str], rows: &str| rerank(args, rows).error();
    assert!(error(&["--blend", "linear"], "a\nb\n").contains("no candidate has a field 'score'"));
    let late = format!("{}{{\"text\":\"z\",\"score\":1}}\n", "{\"text\":\"a\"}\n".repeat(4096));
    assert!(error(&[], &late).contains("-:4097: this row has a first-stage score"));
    assert!(error(&["--blend-weight", "1.5"], some).contains("from 0 to 1"));
    assert!(error(&["--blend", "none", "--blend-weight", "0.5"], some).contains("no effect"));
    assert!(error(&["--blend", "rrf", "--normalize", "zscore"], some).contains("--normalize is for"));
    assert!(error(&["--scoring", "best"], some).contains("use cosine, maxsim or hybrid"));
    assert!(error(&["--long", "x"], some).contains("use truncate or window"));
    let named = rerank(&["--score-field", "bm25", "--format", "json"], "{\"text\":\"a\",\"bm25\":2}\n").json();
    assert_eq!((&named["score_kind"], &named["results"][0]["first_stage_score"]), (&json!("blend"), &json!(2.0)));
    let folder = Folder::new();
    let queries = folder.with("q.txt", "door\n");
    let args = ["rerank", "--model", TINY, "--query-file", &queries, "--blend", "linear", "-"];
    assert!(run_with_stdin(&args, some).error().contains("--run or --candidates"));
    let many = run_with_stdin(&args[..5], some).quietly();
    assert_eq!(many.lines().count(), 3, "first-stage scores belong to one query");
}

#[test]
fn explain_shows_parts_and_words_in_every_format() {
    let row =
        "{\"id\":\"t\",\"title\":\"Towers\",\"text\":\"a tall tower\",\"score\":4}\n{\"text\":\"bread\",\"score\":1}\n";
    let answer = rerank(&["--explain", "--format", "json"], row).json();
    let explanation = &answer["results"][0]["explanation"];
    let parts = explanation["parts"].as_object().unwrap();
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["cosine", "maxsim"]);
    let met = &explanation["matches"][0];
    assert_eq!(met["query"], json!({"start": 0, "end": 5, "text": "tower"}));
    assert!(met["candidate"]["text"].is_string() && met["similarity"].is_number());
    let model = answer["results"][0]["model_score"].as_f64().unwrap();
    let mixed = 0.4 * parts["cosine"].as_f64().unwrap() + 0.6 * parts["maxsim"].as_f64().unwrap();
    assert!((model - mixed).abs() < 1e-5, "{model} {mixed}");
    let tsv = rerank(&["--explain", "--format", "tsv"], row).rows();
    assert!(tsv[0].len() == 6 && tsv[0][4].contains("maxsim ") && tsv[0][5].contains("tower ~ "), "{tsv:?}");
    let table = rerank(&["--explain", "--format", "table"], row).quietly();
    assert!(table.lines().count() == 6 && table.contains("first stage 4") && table.contains("tower ~ "), "{table}");
    assert!(!rerank(&["--format", "json"], row).out.contains("explanation"));
}

#[test]
fn the_best_window_is_given_in_characters_of_the_passage() {
    let text = format!("{}tower", "ünï ".repeat(100));
    let row = json!({"title": "Größe", "text": text});
    let answer = rerank(&["--format", "json"], row.to_string()).json();
    let window = &answer["results"][0]["best_window"];
    let characters = "Größe ".chars().count() + text.chars().count();
    let (start, end) = (window["start"].as_u64().unwrap(), window["end"].as_u64().unwrap());
    assert!(start < end && end as usize <= characters, "{window}");
    assert_eq!(answer["long"], "window");
    let cut = rerank(&["--format", "json", "--long", "truncate", "-q"], row.to_string()).json();
    assert!(cut["results"][0].get("best_window").is_none());
}
