//! Queries that are cut and queries that the model does not know: said on stderr and in every JSON
//! answer.

use serde_json::{Value, json};

use crate::support::{Folder, Ran, TINY, run};

/// Forty times the same words, then what is asked.
fn long_query() -> String {
    "weather report for the northern coast and islands ".repeat(40) + "how do bees make honey"
}

const CUT: &str =
    "the query is longer than the model reads (48 tokens); what lies beyond was left out and counts in no score";
const CUT_BESIDE: &str = "the query is longer than the model reads (48 tokens of query and candidate together)";
const UNKNOWN: &str = "the query has no token that the model knows";
const TEXTS: &str = "Worker bees make honey.\nA weather report.\n";

fn rerank(folder: &Folder, model: &str, query: &str, more: &[&str]) -> Ran {
    let input = folder.with("texts.txt", TEXTS);
    run(&[&["rerank", "--model", model, "--query", query, "--format", "json", &input], more].concat())
}

fn answer(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// Whether the query of an answer was cut, and its tokens.
fn reading(answer: &Value) -> (bool, u64) {
    (answer["query_truncated"].as_bool().unwrap(), answer["query_tokens"].as_u64().unwrap())
}

#[test]
fn a_query_that_is_cut_is_said_whatever_the_model() {
    let folder = Folder::new();
    for more in [&["--scoring", "cosine"][..], &["--scoring", "hybrid"], &["--stages", "cosine:2,maxsim:1"]] {
        let ran = rerank(&folder, TINY, &long_query(), more);
        assert!(ran.err.contains(CUT), "{more:?}: {}", ran.err);
        assert!(reading(&answer(&ran)).0, "{more:?}");
    }
    for (model, limit) in [("cross-tiny-bert", 48), ("cross-tiny-xlm-roberta", 48), ("cross-tiny-qwen3", 400)] {
        let (path, max_tokens) = (format!("./models/{model}"), limit.to_string());
        let ran = rerank(&folder, &path, &long_query(), &["--max-tokens", &max_tokens]);
        assert!(ran.err.contains("tokens of query and candidate together"), "{model}: {}", ran.err);
        let (truncated, tokens) = reading(&answer(&ran));
        assert!(truncated && tokens > limit, "{model}: all tokens of the query are counted: {tokens}");
    }
    let ran = rerank(&folder, "./models/cross-tiny-bert", &long_query(), &["--max-tokens", "48"]);
    assert!(ran.err.contains(CUT_BESIDE), "{}", ran.err);
    assert!(rerank(&folder, TINY, &long_query(), &["-q"]).err.is_empty());
    let short = rerank(&folder, TINY, "bees", &[]);
    assert_eq!((short.err.as_str(), reading(&answer(&short)).0), ("", false));
}

#[test]
fn jobs_and_files_of_queries_count_the_cut_queries_and_name_the_first() {
    let folder = Folder::new();
    let line = |id: &str, text: &str| format!("{}\n", json!({ "_id": id, "text": text }));
    let queries = [line("q1", "bees"), line("q2", &long_query()), line("q3", &long_query())].concat();
    let queries = folder.with("q.jsonl", queries);
    let corpus = folder.with("c.jsonl", [line("d1", "bees make honey"), line("d2", "weather")].concat());
    let first: String = ["q1", "q2", "q3"].map(|q| format!("{q} Q0 d1 1 2 f\n{q} Q0 d2 2 1 f\n")).concat();
    let first = folder.with("first.trec", first);
    let output = folder.text("out.jsonl");
    let files = ["--run", &first, "--query-file", &queries, "--corpus", &corpus];
    let ran = run(&[&["rerank", "--model", TINY, "--output", &output], &files[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let said = "2 of 3 queries (first 'q2') are longer than the model reads (48 tokens)";
    assert!(ran.err.contains(said), "{}", ran.err);
    let lines = std::fs::read_to_string(&output).unwrap();
    for line in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        assert_eq!(line["query_truncated"], json!(line["query_id"] != "q1"), "{line}");
        assert!(line["query_tokens"].as_u64().is_some_and(|tokens| tokens > 2), "{line}");
    }
    let many = run(&["rerank", "--model", TINY, "--query-file", &queries, &corpus]);
    assert!(many.err.contains(said), "{}", many.err);
    let compared = run(&["compare", "--run", &first, "--queries", &queries, "--corpus", &corpus, "--models", TINY]);
    assert!(compared.err.contains(said), "{}", compared.err);
    let index = folder.text("index");
    run(&["index", "build", "--model", TINY, &corpus, "--output", &index, "--tokens"]).quietly();
    let searched = run(&["search", "--index", &index, "--queries", &queries, "--format", "json"]);
    assert!(searched.err.contains(said), "{}", searched.err);
    let answers: Value = serde_json::from_str(&searched.out).unwrap();
    let cut: Vec<bool> = answers.as_array().unwrap().iter().map(|answer| reading(answer).0).collect();
    assert_eq!(cut, [false, true, true]);
    let args = ["rerank", "--index", &index, "--run", &first, "--query-file", &queries, "--format", "json"];
    let reranked = run(&args);
    assert!(reranked.err.contains(said), "{}", reranked.err);
    let diagnosed = run(&["diagnose", "--model", TINY, "--run", &first, "--queries", &queries, "--corpus", &corpus]);
    assert!(diagnosed.err.contains(said), "{}", diagnosed.err);
}

#[test]
fn a_query_without_a_known_token_is_said() {
    let folder = Folder::new();
    for (model, query) in
        [(TINY, "😀 😀"), (TINY, "\u{200b}"), (TINY, "\u{200b}\u{feff}"), ("./models/cross-tiny-bert", "😀")]
    {
        let ran = rerank(&folder, model, query, &[]);
        assert!(ran.err.contains(UNKNOWN), "{query:?}: {} {}", ran.out, ran.err);
    }
    let known = rerank(&folder, TINY, "😀 bees", &[]);
    assert_eq!(known.err, "");
    let corpus = folder.with("c.txt", TEXTS);
    let index = folder.text("index");
    run(&["index", "build", "--model", TINY, &corpus, "--output", &index]).quietly();
    let searched = run(&["search", "--index", &index, "--query", "😀"]);
    assert!(searched.err.contains(UNKNOWN), "{}", searched.err);
}

#[test]
fn candidates_with_nothing_to_read_rank_last_and_are_said() {
    let folder = Folder::new();
    for blank in ["\u{200b}", "\u{feff}\u{2060}", "\u{ad}", "\u{301}\u{323}", "\u{202e}", "\u{1}\u{2}", "\u{e000}"] {
        let rows = [json!({ "id": "b", "text": blank }), json!({ "id": "t", "text": "bees" })];
        let input = folder.with("in.jsonl", format!("{}\n{}\n", rows[0], rows[1]));
        for model in [TINY, "./models/cross-tiny-bert"] {
            let args = ["rerank", "--model", model, "--query", "honey", "--format", "tsv", "--no-text", &input];
            let ran = run(&args);
            assert!(ran.err.contains("1 candidate has no text and is ranked last: b"), "{blank:?}: {}", ran.err);
            let last = ran.out.lines().last().unwrap().to_owned();
            assert!(last.ends_with("\tb"), "{blank:?}: {}", ran.out);
        }
    }
}
