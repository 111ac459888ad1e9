//! Stages that are a service's, by the binary against a server on this machine.

use serde_json::Value;

use crate::judge::{MODEL, grading, ordering};
use crate::server::{Server, candidates};
use crate::support::{Folder, Ran, TINY, run_by as run};

const TEXTS: &str = "towers 3\ntowers 9\nbread 1\ntowers 4\n";

fn staged(folder: &Folder, server: &Server, stages: &str, more: &[&str]) -> Ran {
    let input = folder.with("texts.txt", TEXTS);
    let args = ["rerank", "--model", TINY, "--stages", stages, "--query", "towers", &input, "--format", "json"];
    run(folder, server, &[&args[..], more].concat())
}

/// Id and stage of each result, in their order.
fn placed(ran: &Ran) -> Vec<(String, Value)> {
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| (result["id"].as_str().unwrap().to_owned(), result["stage"].clone())).collect()
}

#[test]
fn a_judge_may_be_the_last_stage() {
    let (folder, server) = (Folder::new(), grading());
    let input = folder.with("texts.txt", "towers 3\ntowers 9\nbread 1\ntowers 4\n");
    let stages = format!("cosine:4,{MODEL}:2");
    let args = ["rerank", "--model", TINY, "--stages", &stages, "--query", "towers", &input, "--format", "json"];
    let with = |more: &[&str]| run(&folder, &server, &[&args[..], more].concat());
    let first = with(&["--budget", "1"]);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.err.contains("services: 2 requests"), "{}", first.err);
    let answer: Value = serde_json::from_str(&first.out).unwrap();
    let stages: Vec<&Value> =
        answer["results"].as_array().unwrap().iter().map(|result| &result["stage"]["by"]).collect();
    assert_eq!(stages, [MODEL, MODEL, "cosine", "cosine"]);
    let grade = |rank: usize| answer["results"][rank]["stage"]["score"].as_f64().unwrap();
    assert!(grade(0) > grade(1), "{}", first.out);
    assert!(first.err.contains("judge: 2 questions"), "{}", first.err);
    let again = with(&[]);
    assert_eq!((again.code, server.count()), (0, 2), "the second run sends nothing: {}", again.err);
    assert!(again.err.contains("services: 0 requests, 2 answers from the cache"), "{}", again.err);
    let answer: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((&answer["usage"]["cache_hits"], &answer["usage"]["questions"]), (&2.into(), &2.into()));
    let unused = run(&folder, &server, &["rerank", "--model", TINY, "--query", "x", &input, "--budget", "1"]).error();
    assert!(unused.contains("--budget is for models of services"), "{unused}");
}

#[test]
fn the_options_of_judges_hold_in_stages() {
    let (folder, server) = (Folder::new(), grading());
    let own =
        folder.with("own.txt", "[system]\nSei streng.\n[user]\nWie gut passt es zu {{ query }}?\n{{ candidate }}\n");
    let input = folder.with("more.txt", format!("towers {}3\nno grade for towers!\n", "of stone ".repeat(20)));
    let stages = format!("cosine:2,{MODEL}:2");
    let args = ["rerank", "--model", TINY, "--stages", &stages, "--query", "towers", &input, "--format", "json"];
    let options =
        ["--prompt", &own, "--max-candidate-tokens", "9", "--no-logprobs", "--unparsed", "zero", "--concurrency", "1"];
    let ran = run(&folder, &server, &[&args[..], &options].concat());
    let graded = placed(&ran);
    assert!(graded.iter().all(|(_, stage)| stage["by"] == MODEL && stage["score"] == 0.0), "{}", ran.out);
    for seen in server.requests() {
        let text = seen.body.to_string();
        assert!(text.contains("Sei streng.") && text.contains("Wie gut passt es zu towers?"), "{text}");
        assert!(seen.body.get("logprobs").is_none() && text.matches("stone").count() < 9, "{text}");
    }
    assert!(ran.err.contains("judge: 2 questions, 1 asked again, 1 without a usable answer"), "{}", ran.err);
    let usual = placed(&run(&folder, &server, &args));
    assert_eq!((usual[0].0.as_str(), &usual[0].1["score"]), ("1", &3.0.into()));
    assert_eq!((usual[1].0.as_str(), &usual[1].1["by"]), ("2", &"cosine".into()), "unscored: the stage before counts");
}

#[test]
fn a_stage_may_judge_by_windows() {
    let (folder, server) = (Folder::new(), ordering());
    let more = ["--judge", "listwise", "--window", "3", "--step", "2"];
    let ran = staged(&folder, &server, &format!("cosine:4,{MODEL}:4"), &more);
    assert_eq!(placed(&ran).iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["2", "4", "1", "3"]);
    let windows: Vec<usize> = server.requests().iter().map(|seen| candidates(&seen.body).len()).collect();
    assert_eq!(windows, [3, 2]);
}

#[test]
fn kind_overrules_the_names_of_stages() {
    let (folder, server) = (Folder::new(), grading());
    let by_name = staged(&folder, &server, "cosine:4,openai:embedder:2", &["--kind", "judge"]);
    assert_eq!(placed(&by_name)[0].1["score_kind"], "rating");
    let by_name = staged(&folder, &server, "cosine:4,openai:minilm:2", &["--kind", "embeddings"]);
    assert_eq!(placed(&by_name)[0].1["score_kind"], "cosine");
}

#[test]
fn a_dry_run_of_stages_counts_what_their_judges_would_be_asked() {
    let (folder, server) = (Folder::new(), grading());
    let stages = format!("cosine:4,{MODEL}:3,openai:gpt-4o:2");
    let said = staged(&folder, &server, &stages, &["--dry-run"]).quietly();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 8, "{said}");
    assert!(lines[0].ends_with(MODEL) && lines[1].contains("requests  3,") && lines[3].contains("$0.15"), "{said}");
    assert!(lines[4].ends_with("openai:gpt-4o") && lines[5].contains("requests  2,"), "{said}");
    let error = staged(&folder, &server, "openai:text-embedding-3-small:4,openai:gpt-4o:2", &["--dry-run"]).error();
    assert!(error.contains("--dry-run cannot compute the stage openai:text-embedding-3-small:4"), "{error}");
    assert_eq!(server.count(), 0);
}

#[test]
fn what_no_stage_can_do_is_refused_by_name_before_anything_is_sent() {
    let (folder, server) = (Folder::new(), grading());
    let unknown = folder.with("unknown.txt", "{{ candidate }} {{ documnt }}");
    let judged = format!("cosine:4,{MODEL}:2");
    let embedded = "cosine:4,openai:text-embedding-3-small:2";
    for (stages, more, said) in [
        (judged.as_str(), &["--prompt", &unknown][..], "unknown name 'documnt'"),
        (&judged, &["--window", "4"], "--window is for --judge listwise"),
        (&judged, &["--judge", "listwise", "--unparsed", "zero"], "listwise judge gives no grades"),
        ("cosine:4", &["--unparsed", "zero"], "--unparsed is for LLM judges"),
        ("cosine:4", &["--kind", "judge"], "--kind is for models of services"),
        (embedded, &["--judge", "pointwise"], "--judge is for LLM judges"),
        (&judged, &["--kind", "embeddings", "--no-logprobs"], "--no-logprobs is for LLM judges"),
    ] {
        let error = staged(&folder, &server, stages, more).error();
        assert!(error.contains(said), "{more:?}: {error}");
    }
    let input = folder.with("texts.txt", TEXTS);
    let remote = ["rerank", "--model", MODEL, "--stages", "cosine:4", "--query", "towers", &input];
    let error = run(&folder, &server, &remote).error();
    assert!(error.contains("the stage cosine:4 scores by a local model"), "{error}");
    assert_eq!(server.count(), 0);
}
