//! Models of services, by the binary against a server on this machine.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Fault, Server, vector_of};
use crate::support::{Folder, KEY, command, finish, nearsort_by as nearsort, run_by as run};

const MODEL: &str = "openai:text-embedding-3-small";

fn passages(folder: &Folder, count: usize) -> String {
    let lines: String = (0..count).map(|n| format!("{{\"id\": \"d{n}\", \"text\": \"tower number {n}\"}}\n")).collect();
    folder.with("passages.jsonl", lines)
}

fn rerank<'a>(input: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["rerank", "--model", MODEL, "--query", "the tower", input], more].concat()
}

#[test]
fn reranking_by_a_service_says_what_it_cost_and_a_second_run_costs_nothing() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 300);
    let first = run(&folder, &server, &rerank(&input, &["--format", "json"]));
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.err.contains("2 requests") && first.err.contains("902 tokens sent, $0.0000180"), "{}", first.err);
    let answer: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(answer["usage"]["requests"], 2);
    assert_eq!((&answer["usage"]["input_tokens"], &answer["usage"]["cache_hits"]), (&902.into(), &0.into()));
    assert_eq!((&answer["score_kind"], &answer["engine"]), (&"cosine".into(), &"openai".into()));
    let best = &answer["results"][0];
    let query = vector_of("the tower", 1536);
    let expected: f32 = query.iter().zip(vector_of(best["text"].as_str().unwrap(), 1536)).map(|(a, b)| a * b).sum();
    assert!((best["score"].as_f64().unwrap() - f64::from(expected)).abs() < 1e-5);
    let again = run(&folder, &server, &rerank(&input, &["--format", "json"]));
    assert_eq!(server.count(), 2, "the second run sends nothing: {}", again.err);
    let second: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((&second["results"], &second["usage"]["cache_hits"]), (&answer["results"], &301.into()));
    assert_eq!(run(&folder, &server, &rerank(&input, &["--no-cache", "--quiet"])).err, "");
    assert_eq!(server.count(), 4, "without the cache everything is sent");
}

#[test]
fn a_recording_replays_byte_by_byte_without_server_or_key_and_holds_no_key() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let (input, recording) = (passages(&folder, 50), folder.text("recording"));
    let recorded = run(&folder, &server, &rerank(&input, &["--format", "json", "--record", &recording]));
    assert_eq!((recorded.code, server.count()), (0, 2), "{}", recorded.err);
    assert!(!folder.path("cache").join("embeddings").exists(), "a recording goes without the cache");
    let text = fs::read_to_string(folder.path("recording").join("exchanges.jsonl")).unwrap();
    assert!(text.lines().count() == 2 && !text.contains(KEY));
    let args = rerank(&input, &["--format", "json", "--replay", &recording, "--offline"]);
    let mut replay = command(&args);
    replay.env("NEARSORT_CACHE", folder.path("cache")).env_remove("OPENAI_API_KEY").env_remove("OPENAI_BASE_URL");
    let replayed = finish(replay.spawn().unwrap());
    assert_eq!((replayed.code, &replayed.out), (0, &recorded.out), "{}", replayed.err);
    let other =
        run(&folder, &server, &["rerank", "--model", MODEL, "--query", "another", &input, "--replay", &recording]);
    assert!(other.error().contains("record it again"));
    assert_eq!(server.count(), 2);
    let error = run(&folder, &server, &rerank(&input, &["--cache", "--record", &recording])).error();
    assert!(error.contains("leave --cache out"), "{error}");
}

#[test]
fn a_dry_run_says_what_it_would_cost_needs_no_key_and_sends_nothing() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 3_000);
    let mut dry = nearsort(&folder, &server, &rerank(&input, &["--dry-run"]));
    dry.env_remove("OPENAI_API_KEY");
    let said = finish(dry.spawn().unwrap()).quietly();
    assert!(
        said.contains("requests  3") && said.contains("texts     3001") && said.contains("$0.02 per million"),
        "{said}"
    );
    let out = folder.text("out.npy");
    let said = run(&folder, &server, &["embed", "--model", "openai:own", &input, "-o", &out, "--dry-run"]).quietly();
    assert!(said.contains("unknown") && said.contains("at most") && !folder.path("out.npy").exists(), "{said}");
    let index = folder.text("index");
    let said =
        run(&folder, &server, &["index", "build", "--model", MODEL, &input, "-o", &index, "--dry-run"]).quietly();
    assert!(said.contains("requests  2") && !folder.path("index").exists(), "{said}");
    let lists = folder.with(
        "lists.jsonl",
        "{\"query_id\": \"1\", \"query\": \"tower\", \"candidates\": [{\"id\": \"a\", \"text\": \"x\"}]}\n",
    );
    let said = run(&folder, &server, &["rerank", "--model", MODEL, "--candidates", &lists, "--dry-run"]).quietly();
    assert!(said.contains("texts     2"), "{said}");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_budget_stops_before_it_is_passed_and_needs_a_price() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 3_000);
    let prices = folder.with("prices.toml", "[[model]]\nname = \"text-embedding-3-small\"\ninput = 1000\n");
    let args = rerank(&input, &["--prices", &prices, "--budget", "10", "--dim", "16"]);
    let error = run(&folder, &server, &args).error();
    assert!(error.contains("budget of $10.00") && error.contains("requests"), "{error}");
    let spent: usize = server.requests().iter().flat_map(|seen| seen.input()).map(|text| text.split(' ').count()).sum();
    assert!(spent as f64 * 1000.0 / 1e6 <= 10.0, "{spent} tokens");
    let own = ["rerank", "--model", "openai:own", "--query", "q", &input, "--budget", "1"];
    let error = run(&folder, &server, &own).error();
    assert!(error.contains("'own' is not known") && error.contains("--prices"), "{error}");
}

#[test]
fn embed_index_and_search_take_a_service() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 40);
    let out = folder.text("out.jsonl");
    let embedded = run(&folder, &server, &["embed", "--model", MODEL, "--dim", "6", &input, "-o", &out]);
    assert_eq!(embedded.code, 0, "{}", embedded.err);
    let first: Value =
        serde_json::from_str(fs::read_to_string(folder.path("out.jsonl")).unwrap().lines().next().unwrap()).unwrap();
    assert!(first.to_string().len() > 40);
    assert_eq!(server.requests()[0].body["dimensions"], 6);
    let index = folder.text("index");
    let built = run(
        &folder,
        &server,
        &["index", "build", "--model", MODEL, &input, "-o", &index, "--dtype", "f32", "--dim", "64"],
    );
    assert_eq!(built.code, 0, "{}", built.err);
    let found = run(
        &folder,
        &server,
        &["search", "--index", &index, "--query", "tower number 7", "--top-k", "1", "--format", "json"],
    );
    let found: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(found["results"][0]["id"], "d7");
    let more = folder.with("more.jsonl", "{\"id\": \"e\", \"text\": \"another tower\"}\n");
    let added = run(&folder, &server, &["index", "add", &more, "--index", &index]);
    assert_eq!(added.code, 0, "{}", added.err);
}

#[test]
fn wrong_keys_and_options_are_errors_that_say_what_to_do() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 3);
    let mut bare = nearsort(&folder, &server, &rerank(&input, &[]));
    bare.env_remove("OPENAI_API_KEY").env_remove("OPENAI_BASE_URL");
    assert!(finish(bare.spawn().unwrap()).error().contains("OPENAI_API_KEY"));
    let bad = folder.with("key", "sk-one\nsk-two");
    let error = run(&folder, &server, &rerank(&input, &["--api-key-file", &bad])).error();
    assert!(error.contains("the key file") && !error.contains("sk-"), "{error}");
    let error = run(&folder, &server, &rerank(&input, &["--offline"])).error();
    assert!(error.contains("--replay"), "{error}");
    let error = run(&folder, &server, &rerank(&input, &["--scoring", "hybrid"])).error();
    assert!(error.contains("token"), "{error}");
    let local = ["rerank", "--model", "./models/tiny-bert", "--query", "q", &input, "--budget", "1"];
    assert!(run(&folder, &server, &local).error().contains("--budget is for models of services"));
    server.fault(
        "",
        Fault::Status(401, format!("{{\"error\": {{\"message\": \"Incorrect API key provided: {KEY}\"}}}}")),
        1,
    );
    let error = run(&folder, &server, &rerank(&input, &[])).error();
    assert!(error.contains("401") && error.contains("[key]"), "{error}");
}

#[test]
fn a_key_goes_only_where_it_was_said_to_go() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 3);
    let at = |url: &'static str, more: &[&'static str]| {
        let args = rerank(&input, &[&["--base-url", url, "--retries", "0", "--timeout", "1"], more].concat());
        let mut command = nearsort(&folder, &server, &args);
        command.env_remove("OPENAI_BASE_URL");
        finish(command.spawn().unwrap()).error()
    };
    let foreign = at("https://host.invalid/v1", &[]);
    for said in
        ["OPENAI_API_KEY is for api.openai.com", "not sent to host.invalid", "--api-key-file", "NEARSORT_API_KEY"]
    {
        assert!(foreign.contains(said), "{said}: {foreign}");
    }
    let key = folder.with("key", "own-key-0123456789");
    let key: &'static str = key.leak();
    let plain = at("http://host.invalid/v1", &["--api-key-file", key]);
    assert!(plain.contains("over http://") && plain.contains("--allow-insecure-base-url"), "{plain}");
    for allowed in [&["--api-key-file", key, "--allow-insecure-base-url"][..], &["--api-key-file", key]] {
        let url = if allowed.len() > 2 { "http://host.invalid/v1" } else { "https://host.invalid/v1" };
        let asked = at(url, allowed);
        assert!(!asked.contains("over http://") && asked.contains("host.invalid"), "{asked}");
    }
    assert_eq!(server.count(), 0);
    let mut own = nearsort(&folder, &server, &rerank(&input, &[]));
    own.env("NEARSORT_API_KEY", "own-key-0123456789");
    assert_eq!(finish(own.spawn().unwrap()).code, 0);
    assert_eq!(server.requests()[0].headers["authorization"], "Bearer own-key-0123456789");
}

#[cfg(unix)]
#[test]
fn recordings_and_the_cache_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let (input, recording) = (passages(&folder, 3), folder.text("recording"));
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(run(&folder, &server, &rerank(&input, &["--record", &recording])).code, 0);
    let file = folder.path("recording").join("exchanges.jsonl");
    assert_eq!((mode(folder.path("recording")), mode(file.clone())), (0o700, 0o600));
    // As an earlier release left it.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(run(&folder, &server, &rerank(&input, &["--record", &recording])).code, 0);
    assert_eq!(mode(file), 0o600);
    assert_eq!(run(&folder, &server, &rerank(&input, &[])).code, 0);
    let cache = folder.path("cache").join("embeddings");
    for entry in fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(path.clone()) & 0o077, 0, "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_is_a_pipe_is_an_error_at_once_and_a_proxy_that_is_none_too() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let (input, pipe) = (passages(&folder, 3), folder.text("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = run(&folder, &server, &rerank(&input, &["--api-key-file", &pipe])).error();
    assert!(error.contains("not a regular file"), "{error}");
    let args = rerank(&input, &["--base-url", "https://api.openai.com/v1"]);
    let mut behind = nearsort(&folder, &server, &args);
    behind.env("HTTPS_PROXY", "http://me:hunter2@host:port");
    let error = finish(behind.spawn().unwrap()).error();
    assert!(error.contains("HTTPS_PROXY") && !error.contains("hunter2"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_kill_in_the_middle_loses_at_most_the_requests_under_way() {
    let (folder, server) = (Folder::new(), Server::start().with_dim(1536));
    let input = passages(&folder, 8_192);
    let out = folder.text("out.npy");
    let args = ["embed", "--model", MODEL, "--dim", "16", &input, "-o", &out, "--concurrency", "1"];
    // Two requests of 2,048 texts are answered, the third is under way when the process is killed.
    server.fault("tower number 4096", Fault::Hang, 1);
    let mut child = nearsort(&folder, &server, &args).spawn().unwrap();
    let started = Instant::now();
    while server.count() < 3 && started.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = server.count();
    let ran = run(&folder, &server, &[&args[..], &["--verbose"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("4096 from the cache, 4096 encoded"), "{}", ran.err);
    assert_eq!(server.count() - before, 2);
}
