//! Services that rerank, by the binary against a server on this machine.

use std::fs;

use serde_json::{Value, json};

use crate::server::{Fault, Server};
use crate::support::{Folder, KEY, TINY, command, finish, nearsort_by as nearsort, run_by as run};

const MODEL: &str = "cohere:rerank-v4.0-pro";
const TEXTS: &str = "towers 3\ntowers 9\n \nno tower\ntowers 20\n";

fn rerank<'a>(model: &'a str, input: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["rerank", "--model", model, "--query", "which?", input], more].concat()
}

#[test]
fn an_answer_names_the_service_its_scores_and_searches_and_a_second_run_sends_nothing() {
    let (folder, server) = (Folder::new(), Server::start());
    let input = folder.with("texts.txt", TEXTS);
    let first = run(&folder, &server, &rerank(MODEL, &input, &["--format", "json"]));
    let answer: Value = serde_json::from_str(&first.out).unwrap_or_else(|_| panic!("{}", first.err));
    assert_eq!(
        (&answer["model"], &answer["engine"], &answer["score_kind"]),
        (&MODEL.into(), &"cohere".into(), &"probability".into())
    );
    let results = answer["results"].as_array().unwrap();
    let ranked: Vec<(&str, Option<f32>)> = results
        .iter()
        .map(|hit| (hit["id"].as_str().unwrap(), hit["score"].as_f64().map(|score| score as f32)))
        .collect();
    // A score of 0 is above no text.
    let expected = [("5", Some(0.02)), ("2", Some(0.009)), ("1", Some(0.003)), ("4", Some(0.0)), ("3", Some(0.0))];
    assert_eq!(ranked, expected);
    assert_eq!(server.requests()[0].documents().len(), 4, "the empty one is not sent");
    let usage = &answer["usage"];
    assert_eq!(
        (&usage["requests"], &usage["search_units"], &usage["cost_dollars"]),
        (&1.into(), &1.into(), &Value::Null)
    );
    for said in ["1 requests, 1 search units, cost unknown", "1 candidate has no text and is ranked last: 3"] {
        assert!(first.err.contains(said), "{said}: {}", first.err);
    }
    let again = run(&folder, &server, &rerank(MODEL, &input, &["--format", "json"]));
    let second: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((server.count(), &second["results"]), (1, &answer["results"]), "{}", again.err);
    run(&folder, &server, &rerank(MODEL, &input, &["--no-cache"]));
    assert_eq!(server.count(), 2);
}

#[test]
fn every_provider_and_any_server_of_their_forms_reranks() {
    let (folder, server) = (Folder::new(), Server::start());
    let input = folder.with("texts.txt", TEXTS);
    for (model, kind) in [
        (MODEL, "probability"),
        ("jina:jina-reranker-v2-base-multilingual", "custom"),
        ("voyage:rerank-2.5", "custom"),
        ("tei:bge-reranker", "probability"),
        ("jina:own", "custom"),
    ] {
        let args =
            rerank(model, &input, &["--format", "json", "--top-k", "2", "--base-url", &server.url, "--no-cache"]);
        let ran = run(&folder, &server, &args);
        let answer: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{model}: {}", ran.err));
        assert_eq!(answer["score_kind"], kind, "{model}");
        let ids: Vec<&Value> = answer["results"].as_array().unwrap().iter().map(|hit| &hit["id"]).collect();
        assert_eq!(ids, ["5", "2"], "{model}");
    }
    // Without a key: servers of one's own may need none.
    let mut keyless = command(&rerank("tei:x", &input, &["--base-url", &server.url, "--format", "tsv", "--quiet"]));
    keyless.env("NEARSORT_CACHE", folder.path("cache"));
    assert_eq!(finish(keyless.spawn().unwrap()).code, 0);
}

#[test]
fn a_dry_run_counts_searches_and_sends_nothing() {
    let (folder, server) = (Folder::new(), Server::start());
    let input =
        folder.with("texts.txt", (0..2_500).map(|n| format!("tower {n} is {}\n", n % 1000)).collect::<String>());
    let prices = folder.with("prices.toml", "[[model]]\nname = \"rerank-v4.0-pro\"\ninput = 0\nsearches = 2.0\n");
    let mut dry = nearsort(&folder, &server, &rerank(MODEL, &input, &["--dry-run", "--prices", &prices]));
    dry.env_remove("COHERE_API_KEY");
    let said = finish(dry.spawn().unwrap()).quietly();
    for part in ["requests  3\n", "25 search units at most", "$0.0500 at most", "$2 per thousand searches"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = run(&folder, &server, &rerank("jina:own", &input, &["--dry-run"])).quietly();
    assert!(said.contains("requests  3\n") && said.contains("unknown; give the price"), "{said}");
    assert!(!said.contains("search units") && !said.contains("answered"), "{said}");
    let out = folder.text("out.npy");
    let embed = ["embed", "--model", MODEL, &input, "-o", &out];
    for args in [embed.to_vec(), [&embed[..], &["--dry-run"]].concat()] {
        let error = run(&folder, &server, &args).error();
        assert!(error.contains("Cohere has no embeddings"), "{error}");
    }
    assert_eq!(server.count(), 0);
}

#[test]
fn a_budget_stops_before_a_search_is_too_much_and_needs_a_price() {
    let (folder, server) = (Folder::new(), Server::start());
    let input =
        folder.with("texts.txt", (0..2_500).map(|n| format!("tower {n} is {}\n", n % 1000)).collect::<String>());
    let prices = folder.with("prices.toml", "[[model]]\nname = \"rerank-v4.0-pro\"\ninput = 0\nsearches = 1000\n");
    let args = rerank(MODEL, &input, &["--prices", &prices, "--budget", "22", "--concurrency", "1"]);
    let error = run(&folder, &server, &args).error();
    assert!(error.contains("budget of $22.00"), "{error}");
    assert_eq!(server.count(), 2, "two requests of 1,000 documents cost $20");
    let error = run(&folder, &server, &rerank(MODEL, &input, &["--budget", "1"])).error();
    assert!(error.contains("the price of 'rerank-v4.0-pro' is not known"), "{error}");
    assert_eq!(server.count(), 2);
}

#[test]
fn a_recorded_run_replays_byte_by_byte_without_server_or_key() {
    let (folder, server) = (Folder::new(), Server::start());
    server.fault("", Fault::Header(429, "Retry-After", "0.01".into()), 1);
    server.fault("", Fault::Status(500, String::new()), 1);
    let (input, recording) = (folder.with("texts.txt", TEXTS), folder.text("recording"));
    let recorded = run(&folder, &server, &rerank(MODEL, &input, &["--format", "json", "--record", &recording]));
    assert_eq!((recorded.code, server.count()), (0, 3), "{}", recorded.err);
    let mut replay = command(&rerank(MODEL, &input, &["--format", "json", "--replay", &recording, "--offline"]));
    replay.env("NEARSORT_CACHE", folder.path("cache"));
    let replayed = finish(replay.spawn().unwrap());
    assert_eq!((replayed.code, &replayed.out), (0, &recorded.out), "{}", replayed.err);
    assert!(!fs::read_to_string(folder.path("recording").join("exchanges.jsonl")).unwrap().contains(KEY));
}

#[test]
fn a_wrong_answer_and_a_wrong_option_are_errors_that_say_what_is_wrong() {
    let (folder, server) = (Folder::new(), Server::start());
    let input = folder.with("texts.txt", TEXTS);
    let twice = |mut body: Value| {
        body["results"][0]["index"] = body["results"][1]["index"].clone();
        body
    };
    server.fault("", Fault::change(twice), 1);
    let error = run(&folder, &server, &rerank(MODEL, &input, &[])).error();
    assert!(error.contains("two results have the index 1") && error.contains("'towers 9'"), "{error}");
    let echo = json!({ "message": format!("invalid api token: {KEY}") }).to_string();
    server.fault("", Fault::Status(401, echo), 1);
    let error = run(&folder, &server, &rerank(MODEL, &input, &[])).error();
    assert!(error.contains("401: invalid api token: [key]"), "{error}");
    let sent = server.count();
    for (model, more, said) in [
        (MODEL, &["--kind", "embeddings"][..], "Cohere has no embeddings; use openai:, azure: or a local model"),
        (MODEL, &["--kind", "judge"], "Cohere has no language models that judge"),
        (MODEL, &["--judge", "listwise"], "Cohere has no language models that judge"),
        ("openai:own", &["--kind", "rerank"], "OpenAI has no rerank models; use cohere:, jina:, voyage:, tei:"),
        (MODEL, &["--kind", "rank"], "expected embeddings, judge or rerank"),
        (TINY, &["--kind", "rerank"], "--kind is for models of services"),
        (MODEL, &["--scoring", "cosine"], "a scoring is for models that embed"),
        (MODEL, &["--explain"], "--explain is for embedding models"),
        (MODEL, &["--raw-scores"], "--raw-scores is for local models"),
        (MODEL, &["--unparsed", "zero"], "--unparsed is for LLM judges"),
    ] {
        let error = run(&folder, &server, &rerank(model, &input, more)).error();
        assert!(error.contains(said), "{more:?}: {error}");
    }
    let index = folder.text("index");
    run(&folder, &server, &["index", "build", "--model", TINY, &input, "--output", &index, "--quiet"]).quietly();
    for verb in ["rerank", "search"] {
        let mut args = vec![verb, "--model", MODEL, "--query", "q", "--index", &index];
        args.extend((verb == "rerank").then_some(input.as_str()));
        let error = run(&folder, &server, &args).error();
        assert!(error.contains("Cohere has no embeddings"), "{verb}: {error}");
    }
    let mut homeless = command(&rerank("tei:x", &input, &[]));
    homeless.env("NEARSORT_CACHE", folder.path("cache"));
    let error = finish(homeless.spawn().unwrap()).error();
    assert!(error.contains("set TEI_BASE_URL"), "{error}");
    assert_eq!(server.count(), sent, "and nothing is sent");
}

const LISTS: &str = concat!(
    r#"{"query_id": "q1", "query": "a", "candidates": [{"id": "x", "text": "t 1"}, {"id": "y", "text": "t 2"}]}"#,
    "\n",
    r#"{"query_id": "q2", "query": "b", "candidates": [{"id": "y", "text": "t 2"}, {"id": "z", "text": "t 3"}]}"#,
    "\n"
);

#[test]
fn a_job_sends_each_list_whole_and_once() {
    let (folder, server) = (Folder::new(), Server::start());
    let (lists, output) = (folder.with("lists.jsonl", LISTS), folder.text("out.trec"));
    let args = ["rerank", "--model", MODEL, "--candidates", &lists, "--output", &output];
    let ran = run(&folder, &server, &args);
    assert_eq!((ran.code, server.count()), (0, 2), "{}", ran.err);
    let written = fs::read_to_string(&output).unwrap();
    let ids: Vec<&str> = written.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(ids, ["y", "x", "z", "y"]);
}

#[test]
fn a_stage_is_a_service_and_a_stage_that_embeds_is_not() {
    let (folder, server) = (Folder::new(), Server::start());
    let input = folder.with("texts.txt", TEXTS);
    let args = ["rerank", "--query", "which?", &input, "--stages", "jina:own:4,cohere:rerank-v4.0-pro:2"];
    let ran = run(&folder, &server, &[&args[..], &["--format", "tsv", "--no-text", "--quiet"]].concat()).quietly();
    let ids: Vec<&str> = ran.lines().map(|line| line.split('\t').nth(2).unwrap()).collect();
    assert_eq!(ids, ["5", "2", "1", "4", "3"], "{ran}");
    let asked: Vec<usize> = server.requests().iter().map(|seen| seen.documents().len()).collect();
    assert_eq!(asked, [4, 2]);
    let said = run(&folder, &server, &[&args[..], &["--dry-run"]].concat()).quietly();
    assert!(said.contains("model     jina:own") && said.contains("model     cohere:rerank-v4.0-pro"), "{said}");
    assert_eq!(server.count(), 2);
}

#[test]
fn a_comparison_has_a_service_as_a_system() {
    let (folder, server) = (Folder::new(), Server::start());
    let corpus = folder.with(
        "corpus.jsonl",
        (0..5).map(|n| format!("{{\"id\": \"d{n}\", \"text\": \"tower {n}\"}}\n")).collect::<String>(),
    );
    let queries = folder.with("queries.jsonl", "{\"id\": \"q1\", \"text\": \"which?\"}\n");
    let first_stage =
        folder.with("bm25.trec", (0..5).map(|n| format!("q1 Q0 d{n} {} {} bm25\n", n + 1, 9 - n)).collect::<String>());
    let qrels = folder.with("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td4\t1\n");
    let prices = folder.with("prices.toml", "[[model]]\nname = \"rerank-v4.0-pro\"\ninput = 0\nsearches = 2.0\n");
    let args = [
        "compare",
        "--run",
        &first_stage,
        "--queries",
        &queries,
        "--corpus",
        &corpus,
        "--qrels",
        &qrels,
        "--models",
        MODEL,
        "--prices",
        &prices,
        "--format",
        "json",
        "--quiet",
    ];
    let report: Value = serde_json::from_str(&run(&folder, &server, &args).quietly()).unwrap();
    let system = &report["systems"][1];
    assert_eq!((&system["name"], &system["cost"]["engine"]), (&MODEL.into(), &"cohere".into()));
    assert_eq!((&system["cost"]["dollars"], &system["cost"]["score_kind"]), (&json!(0.002), &"probability".into()));
    assert!(system["measures"].to_string().contains("1.0"), "{system}");
    assert_eq!(server.count(), 1);
}
