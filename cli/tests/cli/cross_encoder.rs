//! `rerank` with cross-encoders and in stages.

use serde_json::Value;

use crate::support::{Folder, Ran, TINY, root, run, run_with_stdin};

/// Wants probabilities; the other logits.
const CROSS: &str = "./models/cross-tiny-modernbert";
const LOGITS: &str = "./models/cross-tiny-bert";
const TEXTS: &str = "red door\nthe harbour\na ship\nsalt and bread\nstone wall\n";

fn rerank(args: &[&str]) -> Ran {
    run_with_stdin(&[&["rerank", "--query", "harbour"], args].concat(), TEXTS)
}

#[test]
fn a_cross_encoder_is_recognised_and_its_scores_say_what_they_are() {
    let answer = rerank(&["--model", CROSS, "--format", "json"]).json();
    assert_eq!((&answer["score_kind"], &answer["blend"]), (&"probability".into(), &Value::Null));
    assert_eq!((&answer["engine"], &answer["precision"]), (&"native".into(), &"f32".into()));
    let raw = rerank(&["--model", CROSS, "--format", "json", "--raw-scores"]).json();
    assert_eq!(raw["score_kind"], "logit");
    let pairs = answer["results"].as_array().unwrap().iter().zip(raw["results"].as_array().unwrap());
    for (probability, logit) in pairs {
        assert_eq!(probability["id"], logit["id"]);
        let (probability, logit) = (probability["score"].as_f64().unwrap(), logit["score"].as_f64().unwrap());
        assert!((1.0 / (1.0 + (-logit).exp()) - probability).abs() < 1e-6);
    }
    assert_eq!(rerank(&["--model", LOGITS, "--format", "json"]).json()["score_kind"], "logit");
    let asked = rerank(&["--model", LOGITS, "--format", "json", "--raw-scores=false"]).json();
    assert_eq!(asked["score_kind"], "probability");
    assert!(rerank(&["--model", TINY, "--raw-scores"]).error().contains("--raw-scores is for cross-encoders"));
}

#[test]
fn first_stage_scores_count_with_a_cross_encoder_only_where_asked() {
    let rows = "{\"id\":\"a\",\"text\":\"red door\",\"score\":1}\n{\"id\":\"b\",\"text\":\"harbour\",\"score\":9}\n";
    let asked = |more: &[&str]| {
        let args = ["rerank", "--query", "harbour", "--model", CROSS, "--format", "json"];
        run_with_stdin(&[&args, more].concat(), rows).json()
    };
    assert_eq!((&asked(&[])["score_kind"], &asked(&[])["blend"]), (&"probability".into(), &Value::Null));
    assert_eq!(asked(&["--blend", "linear"])["score_kind"], "blend");
}

#[test]
fn what_a_cross_encoder_cannot_do_is_an_error_with_the_way_out() {
    for (args, said) in [
        (&["--scoring", "cosine"][..], "--scoring"),
        (&["--scoring", "cosine", "--cache"], "--scoring"),
        (&["--explain"], "--explain is for embedding models"),
        (&["--long", "window"], "--long window"),
        (&["--pooling", "cls"], "--pooling"),
        (&["--query-prompt", "q"], "--query-prompt"),
        (&["--dim", "8"], "--dim"),
        (&["--instruction", "find"], "--instruction"),
    ] {
        let error = rerank(&[&["--model", CROSS], args].concat()).error();
        assert!(error.contains(said) && error.contains("leave it out"), "{error}");
    }
    let folder = Folder::new();
    let texts = folder.with("t.txt", TEXTS);
    let vectors = folder.text("v.npy");
    let embed = run(&["embed", "--model", CROSS, &texts, "--output", &vectors]).error();
    assert!(embed.contains("is a cross-encoder") && embed.contains("nearsort rerank --model"), "{embed}");
    let index = run(&["index", "build", "--model", CROSS, &texts, "--output", &folder.text("i")]).error();
    assert!(index.contains("is a cross-encoder"), "{index}");
    let classifier = rerank(&["--model", "./models/cross-tiny-roberta"]).error();
    assert!(classifier.contains("it is a classifier"), "{classifier}");
}

#[test]
fn models_verify_checks_a_cross_encoder() {
    let text = run(&["models", "verify", CROSS]).quietly();
    assert!(text.contains("cross-encoder") && text.contains("ok      padding does not change a logit"), "{text}");
    let json = run(&["models", "verify", LOGITS, "--json"]).json();
    assert_eq!((&json["contract"]["kind"], &json["contract"]["raw_scores"]), (&"cross-encoder".into(), &true.into()));
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true), "{json}");
}

#[test]
fn stages_say_who_scored_what() {
    let stages = format!("cosine:3,{CROSS}:2");
    let answer = rerank(&["--model", TINY, "--stages", &stages, "--format", "json"]).json();
    assert_eq!(answer["score_kind"], "place");
    let by: Vec<&Value> = answer["results"].as_array().unwrap().iter().map(|result| &result["stage"]).collect();
    let of = |stage: &Value| (stage["number"].as_u64(), stage["score_kind"].as_str().map(str::to_owned));
    let expected = [(Some(2), "probability"), (Some(2), "probability"), (Some(1), "cosine")];
    assert_eq!(by[..3].iter().map(|s| of(s)).collect::<Vec<_>>(), expected.map(|(n, k)| (n, Some(k.to_owned()))));
    assert!(by[3].is_null() && by[4].is_null());
    assert_eq!(by[0]["by"], CROSS);
    assert!(by[0]["score"].as_f64() >= by[1]["score"].as_f64());
    let ids: Vec<&str> = answer["results"].as_array().unwrap()[3..].iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["4", "5"]);
}

#[test]
fn bad_stages_are_refused() {
    for (stages, said) in
        [("hybrid", "no number of candidates"), ("cosine:2,hybrid:3", "more than the 2"), ("x:0", "at least 1")]
    {
        let error = rerank(&["--model", TINY, "--stages", stages]).error();
        assert!(error.contains(said), "{error}");
    }
    let error = rerank(&["--model", TINY, "--stages", "cosine:2", "--scoring", "cosine"]).error();
    assert!(error.contains("--stages") && error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_job_scores_as_a_single_list_does() {
    let folder = Folder::new();
    let candidates: Vec<String> =
        (1..).zip(TEXTS.lines()).map(|(id, text)| format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}")).collect();
    let list = |id: &str, query: &str| {
        format!("{{\"query_id\":\"{id}\",\"query\":\"{query}\",\"candidates\":[{}]}}\n", candidates.join(","))
    };
    let lists = folder.with("l.jsonl", list("a", "harbour") + &list("b", "bread"));
    let stages = format!("cosine:3,{CROSS}:2");
    for args in [&["--model", CROSS][..], &["--model", TINY, "--stages", &stages]] {
        let output = folder.text("out.jsonl");
        run(&[&["rerank", "--candidates", &lists, "--output", &output], args].concat()).quietly();
        let text = std::fs::read_to_string(&output).unwrap();
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let single = rerank(&[&["--format", "jsonl"], args].concat()).quietly();
        let single: Vec<Value> = single.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 10);
        for (of_job, alone) in rows.iter().filter(|row| row["query_id"] == "a").zip(&single) {
            for field in ["id", "score", "stage", "score_kind", "tokens"] {
                assert_eq!(of_job[field], alone[field], "{field}");
            }
        }
    }
}

#[test]
fn a_document_of_one_letter_is_a_text_to_a_causal_model() {
    // The space in front of the document becomes one token with the letter, so the document adds no
    // token.
    for model in ["cross-tiny-qwen3", "cross-tiny-logit-score"] {
        let folder = root().join("models").join(model);
        let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let texts = expected["texts"].as_array().unwrap();
        let row = texts.iter().find(|row| row["document"] == "a").unwrap();
        let query = row["query"].as_str().unwrap();
        let args = ["rerank", "--model", &format!("./models/{model}"), "--query", query, "--format", "json"];
        let answer = run_with_stdin(&args, "a\n").json();
        let score = answer["results"][0]["score"].as_f64().unwrap();
        assert!((score - row["score"].as_f64().unwrap()).abs() < 1e-4, "{model}: {score}, expected {}", row["score"]);
    }
}
