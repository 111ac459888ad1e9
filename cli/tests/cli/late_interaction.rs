//! ColBERT models: `rerank` scores by MaxSim, everything that needs a vector of a text says what
//! the model is.

use crate::support::{Folder, Ran, TINY, run, run_with_stdin};

const COLBERT: &str = "./models/colbert-tiny-bert";
const STANFORD: &str = "./models/colbert-tiny-stanford";
const TEXTS: &str = "red door\nthe harbour\na ship\nsalt and bread\nstone wall\n";

fn rerank(args: &[&str]) -> Ran {
    run_with_stdin(&[&["rerank", "--query", "harbour", "--precision", "f32"], args].concat(), TEXTS)
}

#[test]
fn a_colbert_model_scores_by_maxsim() {
    for model in [COLBERT, STANFORD] {
        let answer = rerank(&["--model", model, "--format", "json"]).json();
        assert_eq!((&answer["scoring"], &answer["score_kind"]), (&"maxsim".into(), &"maxsim".into()), "{answer}");
        let asked = rerank(&["--model", model, "--scoring", "maxsim", "--format", "json"]).json();
        assert_eq!(asked["results"], answer["results"]);
        for engine in ["native", "candle"] {
            let other = rerank(&["--model", model, "--engine", engine, "--format", "json"]).json();
            let ids = |answer: &serde_json::Value| {
                answer["results"].as_array().unwrap().iter().map(|result| result["id"].clone()).collect::<Vec<_>>()
            };
            assert_eq!(ids(&other), ids(&answer), "{model}, {engine}");
        }
    }
    let explained = rerank(&["--model", COLBERT, "--explain", "--format", "json"]).json();
    let parts = explained["results"][0]["explanation"].to_string();
    assert!(parts.contains("maxsim") && !parts.contains("cosine"), "{explained}");
}

#[test]
fn what_needs_a_vector_of_a_text_is_refused_by_name() {
    for args in
        [&["--scoring", "cosine"][..], &["--scoring", "hybrid"], &["--cache"], &["--dim", "8"], &["--pooling", "cls"]]
    {
        let error = rerank(&[&["--model", COLBERT], args].concat()).error();
        assert!(error.contains("late-interaction (ColBERT) model") && error.contains("leave"), "{error}");
    }
    let folder = Folder::new();
    let texts = folder.with("t.txt", TEXTS);
    let (vectors, index) = (folder.text("v.npy"), folder.text("i"));
    let says = |error: String| assert!(error.contains("is a late-interaction (ColBERT) model"), "{error}");
    says(run(&["embed", "--model", COLBERT, &texts, "--output", &vectors]).error());
    says(run(&["index", "build", "--model", COLBERT, &texts, "--output", &index]).error());
    says(run(&["index", "build", "--tokens", "--model", COLBERT, &texts, "--output", &index]).error());
    run(&["index", "build", "--model", TINY, &texts, "--output", &index]).quietly();
    says(run(&["search", "--model", COLBERT, "--index", &index, "--query", "harbour"]).error());
    assert!(!std::path::Path::new(&vectors).exists());
}

#[test]
fn stages_and_verify_know_a_colbert_model() {
    let stages = format!("cosine:3,{COLBERT}:2");
    let answer = rerank(&["--model", TINY, "--stages", &stages, "--format", "json"]).json();
    assert_eq!(answer["results"][0]["stage"]["score_kind"], "maxsim");
    let text = run(&["models", "verify", COLBERT]).quietly();
    for line in ["late interaction (ColBERT)", "token dim         12", "to 16 tokens by \"[MASK]\", not attended to"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json = run(&["models", "verify", STANFORD, "--json"]).json();
    assert_eq!(
        (&json["contract"]["kind"], &json["contract"]["query_prefix"]),
        (&"late-interaction".into(), &"[unused0]".into())
    );
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true), "{json}");
}

#[test]
fn diagnose_refuses_and_compare_takes_a_colbert_model() {
    let folder = Folder::new();
    let queries = folder.with("q.jsonl", "{\"id\":\"q1\",\"text\":\"harbour\"}\n");
    let corpus =
        folder.with("c.jsonl", "{\"id\":\"a\",\"text\":\"red door\"}\n{\"id\":\"b\",\"text\":\"the harbour\"}\n");
    let first = folder.with("r.trec", "q1 Q0 a 1 2 x\nq1 Q0 b 2 1 x\n");
    let files = ["--queries", &queries, "--corpus", &corpus, "--run", &first];
    let diagnosed = run(&[&["diagnose", "--model", COLBERT], &files[..]].concat()).error();
    assert!(diagnosed.contains("late-interaction (ColBERT) model"), "{diagnosed}");
    let compared = run(&[&["compare", "--models", COLBERT, "--format", "json"], &files[..]].concat());
    assert_eq!(compared.code, 0, "{}", compared.err);
    assert!(compared.out.contains("maxsim"), "{}", compared.out);
}
