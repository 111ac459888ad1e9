//! NaN in a model's weights, as a user meets it: exit 2 and a name, in every verb that scores.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, root, run, run_with_stdin};

/// A copy of a tiny model in which every token with a 6 has a row of `number`s as its embedding.
fn broken(folder: &Folder, name: &str, number: f32) -> String {
    let target = folder.path(name);
    copy(&root().join("models").join(name), &target);
    let tokenizer: Value = serde_json::from_slice(&fs::read(target.join("tokenizer.json")).unwrap()).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object().unwrap();
    let ids: Vec<usize> = vocabulary
        .iter()
        .filter(|(token, _)| token.contains('6'))
        .map(|(_, id)| id.as_u64().unwrap() as usize)
        .collect();
    assert!(!ids.is_empty());
    for id in ids {
        fill_row(&target.join("model.safetensors"), "word_embeddings.weight", id, number);
    }
    target.display().to_string()
}

/// Fills a row of the tensor whose name ends so.
fn fill_row(path: &Path, tensor: &str, row: usize, number: f32) {
    let mut bytes = fs::read(path).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..data]).unwrap();
    let (_, info) = header.as_object().unwrap().iter().find(|(name, _)| name.ends_with(tensor)).unwrap();
    let width = info["shape"][1].as_u64().unwrap_or(1) as usize * 4;
    let start = data + info["data_offsets"][0].as_u64().unwrap() as usize + row * width;
    bytes[start..start + width].as_chunks_mut::<4>().0.fill(number.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &target),
            false => assert!(fs::copy(&entry, target).unwrap() > 0),
        }
    }
}

const CANDIDATES: &str = r#"{"id": "good", "text": "a tower of iron"}
{"id": "bad", "text": "it has 6 floors"}
"#;

#[test]
fn rerank_names_the_candidate_and_prints_no_score() {
    let folder = Folder::new();
    for (name, number) in [("tiny-bert", f32::NAN), ("tiny-bert-cls", f32::INFINITY), ("cross-tiny-bert", f32::NAN)] {
        let model = broken(&folder, name, number);
        let run = |args: &[&str]| {
            run_with_stdin(&[&["rerank", "--model", &model, "--query", "tower"], args].concat(), CANDIDATES).error()
        };
        let message = run(&[]);
        let said = "the score of candidate 1 (counted from 0) is not a number: id 'bad', line 2";
        assert!(message.contains(said) && message.contains("nearsort models verify"), "{message}");
        for args in [&["--top-k", "1"][..], &["--engine", "candle"], &["--precision", "bf16"], &["--precision", "i8"]] {
            assert!(run(args).contains("id 'bad', line 2"), "{name} {args:?}");
        }
    }
    let model = folder.text("tiny-bert");
    for scoring in ["cosine", "maxsim", "hybrid"] {
        let args = ["rerank", "--model", &model, "--query", "tower", "--scoring", scoring];
        let message = run_with_stdin(&args, CANDIDATES).error();
        assert!(message.contains("id 'bad', line 2"), "{message}");
    }
    let stages = ["--model", &model, "--query", "tower", "--stages", "cosine:2,hybrid:1"];
    let message = run_with_stdin(&[&["rerank"], &stages[..]].concat(), CANDIDATES).error();
    assert!(message.contains("id 'bad', line 2"), "{message}");
}

#[test]
fn a_query_is_named_by_its_id() {
    let folder = Folder::new();
    let model = broken(&folder, "tiny-bert", f32::NAN);
    let queries = folder.with("q.tsv", "one\ttower\ntwo\tbuilt in 6\n");
    let candidates = folder.with("c.txt", "a tower\nof iron\n");
    let message = run(&["rerank", "--model", &model, "--query-file", &queries, &candidates]).error();
    assert!(message.contains("query 1 (counted from 0) are not finite: query 'two'"), "{message}");
    let index = folder.text("index");
    run(&["index", "build", "--model", &model, &candidates, "--output", &index]);
    let message = run(&["search", "--index", &index, "--model", &model, "--query-file", &queries]).error();
    assert!(message.contains("query 'two'"), "{message}");
}

#[test]
fn embed_and_index_name_the_row() {
    let folder = Folder::new();
    let model = broken(&folder, "tiny-bert-cls", f32::NAN);
    let rows = folder.with("c.jsonl", CANDIDATES);
    let message = run(&["embed", "--model", &model, &rows, "--output", &folder.text("e.npy")]).error();
    assert!(message.contains("('bad') has NaN at 0"), "{message}");
    let message = run(&["index", "build", "--model", &model, &rows, "--output", &folder.text("index")]).error();
    assert!(message.contains("'bad' is not finite"), "{message}");
}

#[test]
fn verify_names_the_tensor_and_the_place_before_it_runs_the_model() {
    let folder = Folder::new();
    let model = broken(&folder, "tiny-bert", f32::NEG_INFINITY);
    fill_row(Path::new(&model).join("model.safetensors").as_path(), "layer.0.output.dense.bias", 5, f32::NAN);
    let ran = run(&["models", "verify", &model]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let line = ran.out.lines().find(|line| line.contains("every weight is a finite number")).unwrap();
    assert!(line.starts_with("  FAILED  ") && line.contains("model.safetensors has "), "{line}");
    assert!(line.contains("; 2 of ") && (line.contains("-inf at [") || line.contains("NaN at [5]")), "{line}");
    assert!(!ran.out.contains("padding does not change"), "{}", ran.out);
    let sound = run(&["models", "verify", "./models/tiny-bert-dense"]).quietly();
    assert!(sound.contains("\n  ok      every weight is a finite number (4"), "{sound}");
}

#[test]
fn a_number_of_threads_that_no_machine_starts_is_refused_at_once_in_every_verb() {
    let verbs: [&[&str]; 6] = [
        &["rerank", "--query", "q"],
        &["embed", "--output", "e.npy"],
        &["search", "--index", "i", "--query", "q"],
        &["compare", "--qrels", "q"],
        &["diagnose"],
        &["index", "build", "--output", "i"],
    ];
    for verb in verbs {
        for number in ["0", "1025", "100000", "18446744073709551616", "-1"] {
            let given = format!("--threads={number}");
            let message = run(&[verb, &[given.as_str()][..]].concat()).error();
            assert!(message.contains("--threads") && message.contains("1 to 1024"), "{verb:?} {number}: {message}");
        }
    }
}
