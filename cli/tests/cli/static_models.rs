//! Static models through every verb that embeds.

use serde_json::Value;

use crate::diagnose::Collection;
use crate::support::{Folder, TINY, command, finish, run, run_with_stdin};

const STATIC: &str = "./models/static-tiny";
const TEXTS: &str = "red door\nthe harbour\na ship\nsalt and bread\nstone wall\n";
const QUERY: [&str; 2] = ["--query", "harbour"];

#[test]
fn an_index_of_a_static_model_is_built_searched_and_grown() {
    for (model, tokens) in [(STATIC, &[][..]), (STATIC, &["--tokens"]), ("./models/static-tiny-model2vec-i8", &[])] {
        let folder = Folder::new();
        let (texts, index) = (folder.with("t.tsv", "id\ttext\na\tred door\nb\tthe harbour\n"), folder.text("i"));
        let more = folder.with("m.tsv", "id\ttext\nc\tsalt and bread\n");
        run(&[&["index", "build", "--model", model, &texts, "--output", &index], tokens].concat()).quietly();
        run(&["index", "add", "--index", &index, &more]).quietly();
        let found = run(&[&["search", "--index", &index], &QUERY[..]].concat()).rows();
        assert_eq!((found.len(), found[0][2].as_str()), (3, "b"), "{model}");
        let named = run(&[&["search", "--index", &index, "--model", model], &QUERY[..]].concat()).rows();
        assert_eq!(named, found);
        let ranked = ["rerank", "--index", &index, "--model", model, "--query", "harbour", &texts];
        assert_eq!(run(&ranked).rows()[0][2], "b");
    }
}

#[test]
fn a_pooling_that_is_no_mean_is_refused() {
    let ranked = |pooling: &str| {
        run_with_stdin(&[&["rerank", "--model", STATIC, "--pooling", pooling], &QUERY[..]].concat(), TEXTS)
    };
    let error = ranked("cls").error();
    assert!(error.contains("--pooling") && error.contains("is a static model"), "{error}");
    assert_eq!(ranked("mean").rows()[0][2], "2");
}

#[test]
fn embeddings_of_a_static_model_come_from_the_cache() {
    let folder = Folder::new();
    let (texts, stats) = (folder.with("t.txt", TEXTS), folder.text("stats.json"));
    let mut files = Vec::new();
    for (name, hits) in [("first.npy", 0), ("second.npy", 5)] {
        let output = folder.text(name);
        let args = ["embed", "--model", STATIC, "--cache", &texts, "--output", &output, "--stats", &stats, "-q"];
        let mut embed = command(&args);
        embed.env("NEARSORT_CACHE", folder.path("cache"));
        finish(embed.spawn().unwrap()).quietly();
        let stats: Value = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
        assert_eq!(stats["cache_hits"], hits);
        files.push(std::fs::read(output).unwrap());
    }
    assert!(files[0] == files[1]);
}

#[test]
fn a_static_model_is_the_first_stage_of_others() {
    let stages = format!("{STATIC}:3,cosine:2");
    let args = ["rerank", "--model", TINY, "--stages", &stages, "--query", "harbour", "--format", "json"];
    let answer = run_with_stdin(&args, TEXTS).json();
    let results = answer["results"].as_array().unwrap();
    let by: Vec<&str> = results.iter().filter_map(|result| result["stage"]["by"].as_str()).collect();
    assert_eq!(by, ["cosine", "cosine", STATIC]);
}

#[test]
fn diagnose_and_tune_look_at_a_static_model_as_rerank_runs_it() {
    let folder = Collection::new().written();
    let files = ["queries.jsonl", "corpus.jsonl", "bm25.trec", "qrels.txt"].map(|name| folder.text(name));
    let over = |verb: &str, more: &[&str]| {
        let named = ["--queries", &files[0], "--corpus", &files[1], "--run", &files[2], "--qrels", &files[3]];
        run(&[&[verb, "--model", STATIC, "--format", "json"], &named[..], more].concat()).json()
    };
    let report = &over("diagnose", &[])["report"];
    let setting = &report["setting"]["configuration"];
    assert_eq!((&setting["scoring"], &setting["blend"]), (&"cosine".into(), &"none".into()));
    let trials = report["trials"].as_array().unwrap();
    assert!(trials.iter().all(|trial| !trial.to_string().contains("pooling")), "{trials:?}");
    assert_eq!(over("tune", &[])["setting"], *setting);
    assert_eq!(over("tune", &["--scoring", "hybrid"])["setting"]["scoring"], "hybrid");
}

#[test]
fn verify_says_that_a_model_is_static() {
    let json = run(&["models", "verify", STATIC, "--json"]).json();
    assert_eq!(json["contract"]["architecture"], "static", "{json}");
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true), "{json}");
}
