//! What `rerank` prints: every format, and what the query was given as.

use serde_json::{Value, json};

use crate::support::{EIFFEL, Folder, TINY, eiffel, rerank, run, run_with_stdin};

/// The promise is 1e-4 of the reference; five digits of it are printed here.
const SCORES: [f64; 3] = [0.7907, 0.3370, 0.2621];
const TOLERANCE: f64 = 1e-4;
const TEXTS: [&str; 3] =
    ["The Eiffel Tower is in Berlin.", "The capital of France is Paris.", "Paris is known for its cuisine and art."];

#[track_caller]
fn assert_scores(found: &[f64]) {
    assert_eq!(found.len(), SCORES.len());
    assert!(found.iter().zip(SCORES).all(|(found, score)| (found - score).abs() <= TOLERANCE), "{found:?}");
}

#[test]
fn a_pipe_gets_plain_tsv_with_the_promised_scores() {
    let plain = eiffel(&[]).quietly();
    assert_eq!(plain, eiffel(&["--format", "tsv"]).quietly());
    let rows: Vec<Vec<&str>> = plain.lines().map(|line| line.split('\t').collect()).collect();
    assert_scores(&rows.iter().map(|row| row[1].parse().unwrap()).collect::<Vec<f64>>());
    for (at, row) in rows.iter().enumerate() {
        let place = (at + 1).to_string();
        assert_eq!((row[0], row[2], row[3], row.len()), (place.as_str(), place.as_str(), TEXTS[at], 4));
    }
}

#[test]
fn the_table_has_aligned_columns() {
    let expected = "\
1   0.7907  1  The Eiffel Tower is in Berlin.
2   0.3370  2  The capital of France is Paris.
3   0.2621  3  Paris is known for its cuisine and art.
";
    assert_eq!(eiffel(&["--format", "table"]).quietly(), expected);
    let wide =
        rerank(&["--format", "table", "--no-text"], "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"東京\",\"text\":\"y\"}");
    assert!(wide.quietly().lines().all(|line| line.ends_with("  a") || line.ends_with("  東京")));
}

#[test]
fn the_json_answer_has_exactly_the_promised_keys() {
    let answer = eiffel(&["--format", "json"]).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let made_by = [
        "model",
        "revision",
        "device",
        "engine",
        "precision",
        "isa",
        "scoring",
        "long",
        "blend",
        "feedback",
        "score_kind",
    ];
    let reading = ["query_tokens", "query_truncated"];
    assert_eq!(keys(&answer), [&["query"], &made_by[..], &reading, &["usage", "results"]].concat());
    assert_eq!(keys(&answer["usage"]), ["tokens", "truncated"]);
    assert_eq!(keys(&answer["results"][0]), ["rank", "index", "id", "score", "tokens", "truncated", "text"]);
    assert_eq!(answer["query"], EIFFEL);
    assert_eq!(answer["model"], "all-MiniLM-L6-v2");
    assert_eq!(answer["revision"].as_str().unwrap().len(), 40);
    assert_eq!((&answer["device"], &answer["engine"]), (&json!("cpu"), &json!("native")));
    assert_eq!(answer["precision"], "f32");
    assert!(!answer["isa"].as_str().unwrap().is_empty());
    assert_eq!(answer["score_kind"], "cosine");
    assert_eq!(
        (&answer["scoring"], &answer["long"], &answer["blend"]),
        (&json!("cosine"), &json!("truncate"), &json!(null))
    );
    let results = answer["results"].as_array().unwrap();
    assert_scores(&results.iter().map(|result| result["score"].as_f64().unwrap()).collect::<Vec<f64>>());
    for (at, result) in results.iter().enumerate() {
        assert_eq!((&result["rank"], &result["index"]), (&json!(at + 1), &json!(at)));
        assert_eq!((&result["id"], &result["text"]), (&json!((at + 1).to_string()), &json!(TEXTS[at])));
        assert_eq!(result["truncated"], false);
    }
    let tokens: u64 = results.iter().map(|result| result["tokens"].as_u64().unwrap()).sum();
    let query = rerank_one_token_count(EIFFEL);
    assert_eq!(answer["usage"], json!({"tokens": tokens + query, "truncated": 0}));
    assert_eq!((&answer["query_tokens"], &answer["query_truncated"]), (&json!(query), &json!(false)));
}

/// Tokens of a text by the default model.
fn rerank_one_token_count(text: &str) -> u64 {
    let answer = run_with_stdin(&["rerank", "--query", "x", "--format", "json"], text).json();
    answer["results"][0]["tokens"].as_u64().unwrap()
}

#[test]
fn jsonl_says_on_every_line_what_made_the_score() {
    let lines = eiffel(&["--format", "jsonl"]).quietly();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_scores(&lines.iter().map(|line| line["score"].as_f64().unwrap()).collect::<Vec<f64>>());
    let answer = eiffel(&["--format", "json"]).json();
    for (line, result) in lines.iter().zip(answer["results"].as_array().unwrap()) {
        for name in ["query", "model", "revision", "device", "engine", "precision", "isa", "score_kind"] {
            assert_eq!(line[name], answer[name], "{name}");
        }
        assert!(result.as_object().unwrap().iter().all(|(name, value)| line[name] == *value));
    }
}

#[test]
fn a_trec_run_has_six_columns_and_names_model_and_score() {
    let run = eiffel(&["--format", "trec"]).quietly();
    let rows: Vec<Vec<&str>> = run.lines().map(|line| line.split(' ').collect()).collect();
    assert_scores(&rows.iter().map(|row| row[4].parse().unwrap()).collect::<Vec<f64>>());
    for (at, row) in rows.iter().enumerate() {
        let place = (at + 1).to_string();
        assert_eq!(row[..4], ["1", "Q0", &place, &place]);
        assert_eq!(row[5..], ["nearsort-all-MiniLM-L6-v2-cosine"]);
    }
    let spaced = rerank(&["--format", "trec"], "{\"id\": \"a b\", \"text\": \"x\"}").error();
    assert!(spaced.contains("-:1: the document id 'a b'") && spaced.contains("another format"), "{spaced}");
}

#[test]
fn a_query_id_that_trec_cannot_carry_is_refused_before_scoring() {
    let folder = Folder::new();
    let queries = folder.with("queries.tsv", "q 1\twhere\n");
    let args = ["rerank", "--model", "./no/such/model", "--query-file", &queries, "--format", "trec", "-"];
    let error = run_with_stdin(&args, "a\n").error();
    assert!(error.contains(":1: the query id 'q 1'"), "{error}");
}

/// The width of an emoji with a variation selector is counted differently by measuring and by
/// cutting.
#[test]
fn ids_of_emoji_do_not_break_the_table() {
    let row = format!(r#"{{"id": "{}", "text": "x"}}"#, "❤\u{fe0f}".repeat(60));
    assert!(rerank(&["--format", "table"], &row).quietly().contains('x'));
}

#[test]
fn no_text_leaves_the_text_out_of_every_format() {
    for format in ["table", "tsv", "json", "jsonl", "trec"] {
        let printed = eiffel(&["--format", format, "--no-text"]).quietly();
        assert!(!printed.contains("Berlin"), "{format}: {printed}");
        let with = eiffel(&["--format", format, "--with-text"]).quietly();
        assert_eq!(with.contains("Berlin"), format != "trec", "{format}: {with}");
        assert_eq!(with, eiffel(&["--format", format]).quietly(), "with text is the default");
    }
    assert_eq!(eiffel(&["--no-text"]).rows()[0].len(), 3);
    assert_eq!(eiffel(&["--no-text", "--with-text"]).rows()[0].len(), 4, "the last one counts");
}

#[test]
fn columns_survive_tabs_and_line_ends_in_texts() {
    let rows = rerank(&[], r#"{"id": "a\tb", "text": "x\ty\nz\u001b[31m"}"#).rows();
    assert_eq!(rows, [["1", rows[0][1].as_str(), "a b", "x y z [31m"]]);
}

#[test]
fn the_title_is_put_before_the_text_and_kept_apart_in_json() {
    let row = r#"{"title": "Eiffel Tower", "text": "In Paris."}"#;
    assert_eq!(rerank(&[], row).rows()[0][3], "Eiffel Tower In Paris.");
    let answer = rerank(&["--format", "json"], row).json();
    assert_eq!(answer["results"][0]["title"], "Eiffel Tower");
    assert_eq!(answer["results"][0]["text"], "In Paris.");
}

#[test]
fn other_fields_pass_through_and_never_replace_ours() {
    let row = r#"{"text":"a","input_rank":5,"rank":7,"score":1.5,"query":"hi","model":3,"lang":["en"],"big":12345678901234567}"#;
    let answer = rerank(&["--format", "json"], row).json();
    let result = &answer["results"][0];
    assert_eq!((&result["lang"], &result["big"]), (&json!(["en"]), &json!(12345678901234567_u64)));
    assert_eq!(
        (&result["rank"], &result["input_rank"], &result["input_input_rank"]),
        (&json!(1), &json!(5), &json!(7))
    );
    assert_eq!(result["first_stage_score"], 1.5);
    assert!(result["score"].as_f64().unwrap() <= 1.0);
    let line: Value = serde_json::from_str(&rerank(&["--format", "jsonl"], row).quietly()).unwrap();
    assert_eq!((&line["query"], &line["input_query"]), (&json!("tower"), &json!("hi")));
    assert_eq!((&line["model"], &line["input_model"]), (&json!(TINY), &json!(3)));
    // A name of ours stays ours when the row has nothing of that name to print.
    let other = r#"{"passage":"a","text":"the field of that name","title":"T"}"#;
    let args = ["--format", "json", "--text-field", "passage", "--title-field", "none", "--no-text"];
    let result = &rerank(&args, other).json()["results"][0];
    assert_eq!((&result["text"], &result["input_text"]), (&Value::Null, &json!("the field of that name")));
    assert_eq!((&result["title"], &result["input_title"]), (&Value::Null, &json!("T")));
}

#[test]
fn a_file_of_queries_ranks_the_same_candidates_for_each() {
    let folder = Folder::new();
    let candidates = folder.with("c.txt", "a tower\nsome bread\nParis\n");
    let files = [
        folder.with("q.tsv", "q1\ttower\nq2\tbread\n"),
        folder.with("q.jsonl", "{\"_id\":\"q1\",\"text\":\"tower\"}\r\n{\"id\":\"q2\",\"query\":\"bread\"}\r\n"),
    ];
    for file in &files {
        let rerank =
            |args: &[&str]| run(&[&["rerank", "--model", TINY, "--query-file", file, &candidates], args].concat());
        let rows = rerank(&[]).rows();
        let column = |at: usize| rows.iter().map(|row| row[at].clone()).collect::<Vec<_>>();
        assert_eq!(column(0), ["q1", "q1", "q1", "q2", "q2", "q2"]);
        assert_eq!(column(1), ["1", "2", "3", "1", "2", "3"]);
        for (query, rows) in ["tower", "bread"].iter().zip(rows.chunks(3)) {
            let alone = run(&["rerank", "--model", TINY, "--query", query, &candidates]).rows();
            assert_eq!(rows.iter().map(|row| &row[1..]).collect::<Vec<_>>(), alone);
        }
        let answers = rerank(&["--format", "json", "--top-k", "1"]).json();
        let ids: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["query_id"]).collect();
        assert_eq!(ids, ["q1", "q2"]);
        let trec = rerank(&["--format", "trec"]).quietly();
        assert_eq!(trec.lines().map(|line| &line[..2]).collect::<Vec<_>>(), ["q1", "q1", "q1", "q2", "q2", "q2"]);
        let jsonl = rerank(&["--format", "jsonl"]).quietly();
        assert!(jsonl.lines().nth(5).unwrap().contains(r#""query":"bread","query_id":"q2""#));
        let table = rerank(&["--format", "table"]).quietly();
        assert_eq!(table.lines().filter(|line| ["tower", "bread"].contains(line)).count(), 2);
    }
}

#[test]
fn the_shape_of_an_answer_does_not_depend_on_how_many_queries_a_file_has() {
    let folder = Folder::new();
    let queries = folder.with("q.txt", "tower\n");
    let args = ["rerank", "--model", TINY, "--query-file", &queries, "-"];
    assert_eq!(run_with_stdin(&args, "one\n").rows()[0].len(), 5);
    let answer = run_with_stdin(&[&args[..], &["--format", "json"]].concat(), "one\n").json();
    assert_eq!(answer[0]["query_id"], "1");
}
