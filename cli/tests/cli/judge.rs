//! Language models as judges, by the binary against a server on this machine.

use std::fs;

use serde_json::{Value, json};

use crate::server::{Fault, Server, candidates, chat, message};
use crate::support::{Folder, KEY, Ran, TINY, command, finish, nearsort_by as nearsort, run_by as run};

pub const MODEL: &str = "openai:gpt-4o-mini";

fn number(text: &str) -> usize {
    text.rsplit(' ').next().unwrap().parse().unwrap_or(0)
}

/// Grades a text by its number; texts that end with no number get no answer of use.
pub fn grading() -> Server {
    Server::answering(|path, body| {
        let text = candidates(body).remove(0);
        let answer =
            if text.ends_with('!') { "eight".to_owned() } else { format!("{{\"score\": {}}}", number(&text) % 11) };
        if path == "/messages" { message(&answer) } else { chat(None, &answer) }
    })
}

/// Orders windows by the numbers of their texts, the largest first.
pub fn ordering() -> Server {
    Server::answering(|_, body| {
        let mut numbers: Vec<(usize, usize)> = candidates(body).iter().map(|text| number(text)).zip(1..).collect();
        numbers.sort_by(|a, b| b.cmp(a));
        chat(None, &json!({ "ranking": numbers.iter().map(|(_, at)| at).collect::<Vec<_>>() }).to_string())
    })
}

fn rerank<'a>(input: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["rerank", "--model", MODEL, "--query", "which?", input], more].concat()
}

const TEXTS: &str = "towers 3\nanswer 10!\ntowers 9\n\ntowers 3\ntowers 20\n";

#[test]
fn an_answer_names_grades_and_the_reasons_of_those_without_and_a_second_run_asks_only_about_these() {
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", TEXTS.replace("\n\n", "\n \n"));
    let first = run(&folder, &server, &rerank(&input, &["--format", "json"]));
    assert_eq!(first.code, 0, "{}", first.err);
    let answer: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(
        (&answer["model"], &answer["engine"], &answer["score_kind"]),
        (&MODEL.into(), &"openai".into(), &"rating".into())
    );
    let results = answer["results"].as_array().unwrap();
    let scores: Vec<(&str, Option<f64>)> =
        results.iter().map(|result| (result["id"].as_str().unwrap(), result["score"].as_f64())).collect();
    let expected = [("3", Some(9.0)), ("6", Some(9.0)), ("1", Some(3.0)), ("5", Some(3.0)), ("2", None), ("4", None)];
    assert_eq!(scores, expected);
    assert!(results[4]["unscored"].as_str().unwrap().contains("no number in the answer: 'eight'"));
    assert_eq!(results[5]["unscored"], "the candidate has no text");
    assert!(results[0].get("unscored").is_none());
    // Three texts with grades, of which one comes twice, and one that is asked about twice.
    assert_eq!(server.count(), 5);
    assert_eq!((&answer["usage"]["asked_again"], &answer["usage"]["unparsed"]), (&1.into(), &1.into()));
    assert_eq!((&answer["usage"]["requests"], &answer["usage"]["output_tokens"]), (&5.into(), &5.into()));
    for said in ["1 of 6 candidates got no score", "'2' (no number", "1 asked again", "5 requests", "$0.0000"] {
        assert!(first.err.contains(said), "{said}: {}", first.err);
    }
    let again = run(&folder, &server, &rerank(&input, &["--format", "json"]));
    let second: Value = serde_json::from_str(&again.out).unwrap();
    // What could not be read was not kept: it may have been the server's bad day.
    assert_eq!((server.count(), &second["results"]), (7, &answer["results"]), "{}", again.err);
    let zero = run(&folder, &server, &rerank(&input, &["--unparsed", "zero", "--format", "tsv", "--no-text"]));
    assert_eq!(zero.out, "1\t9\t3\n2\t8.999999\t6\n3\t3\t1\n4\t2.9999998\t5\n5\t0\t2\n6\t-1\t4\n");
    assert!(!zero.err.contains("got no score") && zero.err.contains("1 without a usable answer"), "{}", zero.err);
    assert_eq!(server.count(), 9);
    let table = run(&folder, &server, &rerank(&input, &["--format", "table", "--quiet"])).quietly();
    assert!(table.lines().nth(4).unwrap().starts_with("5        -  2"), "{table}");
}

#[test]
fn what_is_no_answer_is_not_kept_and_the_next_run_gets_its_grade() {
    for said in
        ["null", "[]", "\"x\"", "7", "{}", "{\"choices\": []}", "{\"choices\": [{\"message\": {\"content\": null}}]}"]
    {
        let (folder, server) = (Folder::new(), grading());
        let input = folder.with("texts.txt", "towers 3\ntowers 9\n");
        server.fault("towers 9", Fault::Text(said.into()), 2);
        let first = run(&folder, &server, &rerank(&input, &["--format", "tsv", "--no-text"]));
        assert!(first.err.contains("1 of 2 candidates got no score"), "{said}: {}", first.err);
        let again = run(&folder, &server, &rerank(&input, &["--format", "tsv", "--no-text", "--quiet"])).quietly();
        assert_eq!(again, "1\t9\t2\n2\t3\t1\n", "{said}");
        assert_eq!(server.count(), 4, "{said}: the grade of the other is kept");
        run(&folder, &server, &rerank(&input, &[]));
        assert_eq!(server.count(), 4, "{said}: and now both");
    }
}

#[test]
fn a_refusal_for_content_is_kept_and_a_window_without_an_order_is_not() {
    let refusal = json!({"choices": [{"message": {"content": null, "refusal": "I cannot grade this."}, "finish_reason": "stop"}]});
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", "towers 3\n");
    server.fault("", Fault::Text(refusal.to_string()), 2);
    let said = run(&folder, &server, &rerank(&input, &["--format", "json"]));
    assert!(said.out.contains("I cannot grade this"), "{}", said.err);
    let again = run(&folder, &server, &rerank(&input, &["--format", "json"]));
    assert!(again.out.contains("I cannot grade this"), "{}", again.err);
    assert_eq!(server.count(), 2);
    let (folder, server) = (Folder::new(), ordering());
    let input = folder.with("texts.txt", "towers 3\ntowers 9\n");
    server.fault("", Fault::Text("{\"choices\": []}".into()), 2);
    let args = rerank(&input, &["--judge", "listwise", "--format", "tsv", "--no-text", "--quiet"]);
    run(&folder, &server, &args);
    assert_eq!(run(&folder, &server, &args).quietly(), "1\t1\t2\n2\t0.5\t1\n");
}

#[test]
fn a_recording_that_goes_on_replaces_what_could_not_be_read() {
    let (folder, server) = (Folder::new(), grading());
    let (input, recording) = (folder.with("texts.txt", "towers 3\ntowers 9\n"), folder.text("recording"));
    server.fault("towers 9", Fault::Text("{\"choices\": []}".into()), 2);
    let record = ["--record", recording.as_str(), "--format", "tsv", "--no-text", "--quiet"];
    let replay = ["--replay", recording.as_str(), "--format", "tsv", "--no-text", "--quiet"];
    let bad = run(&folder, &server, &rerank(&input, &record));
    let replayed = run(&folder, &server, &rerank(&input, &replay));
    assert_eq!((&replayed.out, server.count()), (&bad.out, 3), "a replay gives what the run saw: {}", replayed.err);
    let good = run(&folder, &server, &rerank(&input, &record));
    assert_eq!((good.out.as_str(), server.count()), ("1\t9\t2\n2\t3\t1\n", 4), "{}", good.err);
    let replayed = run(&folder, &server, &rerank(&input, &replay));
    assert_eq!((replayed.out, server.count()), (good.out, 4), "{}", replayed.err);
}

#[test]
fn a_run_falls_strictly_so_that_tools_that_order_by_score_keep_the_order() {
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", TEXTS.replace("\n\n", "\n"));
    let run_lines = run(&folder, &server, &rerank(&input, &["--format", "trec", "--quiet"])).quietly();
    let lines: Vec<Vec<&str>> = run_lines.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.iter().map(|line| line[2]).collect::<Vec<_>>(), ["3", "5", "1", "4", "2"]);
    let scores: Vec<f32> = lines.iter().map(|line| line[4].parse().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
    assert_eq!((scores[0], scores[4]), (9.0, scores[3] - 1.0));
    assert!(lines[0][5].ends_with("rating"), "{}", lines[0][5]);
}

#[test]
fn a_recorded_run_replays_byte_by_byte_without_server_or_key() {
    let (folder, server) = (Folder::new(), grading());
    server.fault("", Fault::Refuse("temperature"), 1_000_000);
    let texts: String = (0..40).map(|n| format!("tower {n}\n")).collect();
    let (input, recording) = (folder.with("texts.txt", texts + "never!\n"), folder.text("recording"));
    let recorded = run(&folder, &server, &rerank(&input, &["--format", "json", "--record", &recording]));
    assert_eq!((recorded.code, server.count()), (0, 1 + 40 + 2), "{}", recorded.err);
    let args = rerank(&input, &["--format", "json", "--replay", &recording, "--offline"]);
    let mut replay = command(&args);
    replay.env("NEARSORT_CACHE", folder.path("cache")).env_remove("OPENAI_API_KEY").env_remove("OPENAI_BASE_URL");
    let replayed = finish(replay.spawn().unwrap());
    assert_eq!((replayed.code, &replayed.out), (0, &recorded.out), "{}", replayed.err);
    let text = fs::read_to_string(folder.path("recording").join("exchanges.jsonl")).unwrap();
    assert!(!text.contains(KEY) && text.lines().count() == 43);
}

#[test]
fn a_dry_run_says_what_judging_takes_and_sends_nothing() {
    let (folder, server) = (Folder::new(), grading());
    let texts: String = (0..100).map(|n| format!("tower {n}\n")).collect();
    let input = folder.with("texts.txt", texts);
    let mut dry = nearsort(&folder, &server, &rerank(&input, &["--dry-run"]));
    dry.env_remove("OPENAI_API_KEY");
    let said = finish(dry.spawn().unwrap()).quietly();
    assert!(
        said.contains("requests  100,") && said.contains("6400 answered at most") && said.contains("$0.6 answered"),
        "{said}"
    );
    let said = run(&folder, &server, &rerank(&input, &["--dry-run", "--judge", "listwise"])).quietly();
    assert!(said.contains("requests  9,"), "{said}");
    let lists = folder.with("lists.jsonl", "{\"query_id\": \"1\", \"query\": \"tower\", \"candidates\": [{\"id\": \"a\", \"text\": \"x\"}, {\"id\": \"b\", \"text\": \"y\"}]}\n");
    let said =
        run(&folder, &server, &["rerank", "--model", "openai:own", "--candidates", &lists, "--dry-run"]).quietly();
    assert!(said.contains("requests  2,") && said.contains("unknown") && said.contains("sent at most"), "{said}");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_budget_stops_a_judge_and_what_was_answered_is_kept() {
    let (folder, server) = (Folder::new(), grading());
    let texts: String = (0..300).map(|n| format!("tower {n}\n")).collect();
    let input = folder.with("texts.txt", texts);
    let prices = folder.with("prices.toml", "[[model]]\nname = \"gpt-4o-mini\"\ninput = 100\noutput = 100\n");
    let error = run(&folder, &server, &rerank(&input, &["--prices", &prices, "--budget", "0.5"])).error();
    assert!(error.contains("budget of $0.50"), "{error}");
    let sent = server.count();
    // 51 tokens each.
    assert!(sent > 50 && sent as f64 * 51.0 * 100.0 / 1e6 <= 0.5, "{sent}");
    let ran = run(&folder, &server, &rerank(&input, &["--format", "tsv"]));
    assert_eq!((ran.code, ran.out.lines().count(), server.count()), (0, 300, 300), "{}", ran.err);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() {
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", TEXTS);
    let unknown = folder.with("unknown.txt", "{{ candidate }} {{ documnt }}");
    let without = folder.with("without.txt", "{{ query }}");
    for (more, said) in [
        (&["--prompt", &unknown][..], "unknown name 'documnt'"),
        (&["--prompt", &without], "leaves the candidate out"),
        (&["--prompt", "no-such-file"], "no-such-file"),
        (&["--scoring", "cosine"], "--scoring is for models that embed"),
        (&["--blend", "linear"], "--blend is for models that embed"),
        (&["--explain"], "--explain is for models that embed"),
        (&["--max-tokens", "9"], "--max-candidate-tokens"),
        (&["--window", "4"], "--window is for --judge listwise"),
        (&["--judge", "listwise", "--window", "1"], "at least 2 candidates"),
        (&["--judge", "listwise", "--unparsed", "zero"], "listwise judge gives no grades"),
        (&["--kind", "embeddings", "--judge", "pointwise"], "--judge is for LLM judges"),
        (&["--judge", "pairwise"], "expected pointwise or listwise"),
    ] {
        let error = run(&folder, &server, &rerank(&input, more)).error();
        assert!(error.contains(said), "{more:?}: {error}");
    }
    let local = ["rerank", "--model", "./models/tiny-bert", "--query", "q", &input, "--judge", "pointwise"];
    assert!(run(&folder, &server, &local).error().contains("is not a model of a service"));
    let local = ["rerank", "--model", "./models/tiny-bert", "--query", "q", &input, "--unparsed", "zero"];
    assert!(run(&folder, &server, &local).error().contains("--unparsed is for LLM judges"));
    assert_eq!(server.count(), 0);
}

#[cfg(unix)]
#[test]
fn prompts_and_profiles_that_may_never_end_are_errors_at_once() {
    let (folder, server) = (Folder::new(), grading());
    let (input, pipe) = (folder.with("texts.txt", TEXTS), folder.text("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let large = folder.with("large", "{{ candidate }}\n".repeat(1 << 17));
    for option in ["--prompt", "--profile"] {
        for (file, said) in [
            (pipe.as_str(), "not a regular file"),
            ("/dev/zero", "not a regular file"),
            (&large, "more than 1048576 bytes"),
        ] {
            let error = run(&folder, &server, &rerank(&input, &[option, file])).error();
            assert!(error.contains(said) && error.contains(file), "{option}: {error}");
        }
    }
    assert_eq!(server.count(), 0);
}

#[test]
fn a_prompt_of_ones_own_is_asked_and_the_usual_one_can_be_printed() {
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", "towers 3\ntowers 9\n");
    let printed = run(&folder, &server, &["rerank", "--print-prompt"]).quietly();
    assert!(printed.contains("{{ candidate }}") && printed.starts_with("{#"));
    assert!(
        run(&folder, &server, &["rerank", "--print-prompt", "--judge", "listwise"]).quietly().contains("{{ count }}")
    );
    let own = folder.with("own.txt", printed.replace("How well does the passage answer the query", "Wie gut passt es"));
    let model = [
        "rerank",
        "--model",
        "anthropic:claude-sonnet-4-5",
        "--query",
        "q",
        &input,
        "--prompt",
        &own,
        "--format",
        "tsv",
    ];
    let ran = run(&folder, &server, &model);
    assert!(ran.out.starts_with("1\t9\t2\ttowers 9\n"), "{} {}", ran.out, ran.err);
    let asked = server.requests().remove(0);
    assert!(asked.path.ends_with("/messages") && asked.body.to_string().contains("Wie gut passt es"));
}

#[test]
fn a_name_decides_whether_a_model_embeds_and_an_option_overrules_it() {
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", "towers 3\ntowers 9\n");
    let ask = |model: &str, more: &[&str]| {
        let args =
            [&["rerank", "--model", model, "--query", "q", &input, "--format", "json", "--no-cache"], more].concat();
        let ran = run(&folder, &server, &args);
        let answer: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        answer["score_kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("openai:text-embedding-3-small", &["--dim", "8"]), "cosine");
    assert_eq!(ask("openai:all-MiniLM-L6-v2", &["--kind", "embeddings", "--dim", "8"]), "cosine");
    assert_eq!(ask("openai:llama-3", &[]), "rating");
    assert_eq!(ask("openai:embedder-chat", &["--kind", "judge"]), "rating");
    assert_eq!(ask("openai:gpt-4o", &["--judge", "listwise", "--unparsed", "unscored"]), "place");
}

fn lists(count: usize) -> String {
    let list = |list: usize| {
        let candidates: Vec<Value> = (0..30)
            .map(|n| json!({ "id": format!("d{n}"), "text": format!("text {} of {list} is {n}", n % 7) }))
            .collect();
        json!({ "query_id": format!("q{list}"), "query": format!("query {list}"), "candidates": candidates })
            .to_string()
    };
    (0..count).map(|at| list(at) + "\n").collect()
}

#[test]
fn a_listwise_job_orders_each_list_and_gives_the_same_run_again() {
    let (folder, server) = (Folder::new(), ordering());
    let input = folder.with("lists.jsonl", lists(12));
    let output = folder.text("out.trec");
    let args = ["rerank", "--model", MODEL, "--candidates", &input, "--judge", "listwise", "--output", &output];
    let ran = run(&folder, &server, &args);
    assert_eq!((ran.code, server.count()), (0, 12 * 2), "{}", ran.err);
    let written = fs::read_to_string(&output).unwrap();
    for (at, lines) in written.lines().collect::<Vec<_>>().chunks(30).enumerate() {
        let ids: Vec<&str> = lines.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
        let best: Vec<String> = (0..30).rev().take(10).map(|n| format!("d{n}")).collect();
        assert!(lines[0].starts_with(&format!("q{at} ")) && ids[..10] == best[..], "{ids:?}");
    }
    fs::remove_file(&output).unwrap();
    assert_eq!(run(&folder, &server, &args).code, 0);
    assert_eq!((fs::read_to_string(&output).unwrap(), server.count()), (written, 24));
}

#[cfg(unix)]
#[test]
fn a_kill_in_the_middle_of_a_job_loses_at_most_the_requests_under_way() {
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("lists.jsonl", lists(20));
    let output = folder.text("out.jsonl");
    let args = ["rerank", "--model", MODEL, "--candidates", &input, "--output", &output, "--concurrency", "4"];
    server.fault("", Fault::Slow(Duration::from_millis(5)), 1_000_000);
    let mut child = nearsort(&folder, &server, &args).spawn().unwrap();
    let started = Instant::now();
    while server.count() < 200 && started.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = server.count();
    assert!((200..600).contains(&before) && !folder.path("out.jsonl").exists(), "{before}");
    let ran = run(&folder, &server, &args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(server.count() <= 600 + 4, "{} requests", server.count());
    let resumed = fs::read_to_string(&output).unwrap();
    assert_eq!(resumed.lines().count(), 600);
    fs::remove_file(&output).unwrap();
    let whole = Folder::new();
    assert_eq!(run(&whole, &server, &args).code, 0);
    assert_eq!(fs::read_to_string(&output).unwrap(), resumed, "the bytes of a run that nobody killed");
}

#[test]
fn a_comparison_says_what_a_judge_costs_and_a_replay_what_it_cost() {
    let (folder, server) = (Folder::new(), grading());
    let queries = folder.with("q.jsonl", "{\"_id\":\"q1\",\"text\":\"towers\"}\n{\"_id\":\"q2\",\"text\":\"bread\"}\n");
    let corpus =
        folder.with("c.jsonl", "{\"_id\":\"a\",\"text\":\"towers 3\"}\n{\"_id\":\"b\",\"text\":\"bread 9\"}\n");
    let trec = folder.with("r.trec", "q1 Q0 a 1 2 r\nq1 Q0 b 2 1 r\nq2 Q0 a 1 2 r\nq2 Q0 b 2 1 r\n");
    let models = format!("{TINY}+cosine,{MODEL}");
    let files = ["compare", "--queries", &queries, "--corpus", &corpus, "--run", &trec, "--models", &models];
    let tape = folder.text("tape");
    let compare = |more: &[&str]| run(&folder, &server, &[&files[..], &["--format", "json"], more].concat());
    let recorded = compare(&["--record", &tape]);
    assert_eq!((recorded.code, server.count()), (0, 4), "{}", recorded.err);
    let answer = |ran: &Ran| -> Value { serde_json::from_str(&ran.out).unwrap() };
    let (recorded, replayed) = (answer(&recorded), answer(&compare(&["--replay", &tape])));
    assert_eq!(server.count(), 4);
    for answer in [&recorded, &replayed] {
        let cost = |at: usize| answer["systems"][at]["cost"]["dollars_per_1000_queries"].as_f64();
        assert_eq!((cost(0), cost(1)), (None, Some(0.0)));
        assert!(cost(2).unwrap() > 0.0, "{answer}");
        assert_eq!(cost(2), recorded["systems"][2]["cost"]["dollars_per_1000_queries"].as_f64());
    }
    let kept = compare(&[]);
    assert!(kept.err.contains("--record DIR"), "{}", kept.err);
}
