//! `nearsort models`: list, pull, path, verify.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, command, finish, root, run};

const DEFAULT: &str = "all-MiniLM-L6-v2";

#[test]
fn the_list_says_what_is_here_and_what_is_pinned() {
    run(&["models", "pull", DEFAULT]);
    let list = run(&["models", "list"]).quietly();
    let line = |name: &str| list.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap().to_owned();
    let default = line(DEFAULT);
    assert!(default.contains("  here  pinned  ") && default.ends_with("  sentence-transformers/all-MiniLM-L6-v2"));
    assert!(line("bge-m3").contains("  unpinned  "));
    let models: Vec<Value> = serde_json::from_str(&run(&["models", "list", "--json"]).quietly()).unwrap();
    assert_eq!(models.len(), list.lines().count(), "every line of a pipe is a model");
    for model in &models {
        let pinned = if model["pinned"] == true { "pinned" } else { "unpinned" };
        assert!(line(model["name"].as_str().unwrap()).contains(&format!("  {pinned}  ")), "{model}");
    }
    assert_eq!(models[0]["name"], DEFAULT);
    assert!(Path::new(models[0]["path"].as_str().unwrap()).is_dir());
}

#[test]
fn path_and_pull_print_the_folder_of_a_model() {
    let pulled = run(&["models", "pull", DEFAULT]);
    assert_eq!(pulled.code, 0, "{}", pulled.err);
    assert!(Path::new(pulled.out.trim_end()).join("model.safetensors").exists());
    assert_eq!(run(&["models", "path", DEFAULT]).quietly(), pulled.out);
    for verb in ["path", "pull"] {
        assert_eq!(run(&["models", verb, "./models/tiny-bert-cls"]).quietly(), "./models/tiny-bert-cls\n");
        assert!(run(&["models", verb, "./no-such-folder"]).error().contains("./no-such-folder"));
        assert!(run(&["models", verb, "all-minilm-l6"]).error().contains("did you mean all-MiniLM-L6-v2?"));
    }
}

#[test]
fn the_path_of_a_model_that_is_not_here_is_an_error_with_the_way_to_get_it() {
    let folder = Folder::new();
    let mut command = command(&["models", "path", "gte-small"]);
    command.env("NEARSORT_CACHE", folder.path("cache")).env("HF_HOME", folder.path("hf")).env_remove("HF_HUB_CACHE");
    let message = finish(command.spawn().unwrap()).error();
    assert!(message.contains("nearsort models pull gte-small"), "{message}");
}

#[test]
fn verify_prints_the_contract_the_contradictions_and_the_checks() {
    let report = run(&["models", "verify", DEFAULT]).quietly();
    for part in [
        "\n  matches     53aa51172d14  model.safetensors\n",
        "\n  architecture      bert\n",
        "\n  dim               384\n",
        "\n  pooling           mean\n",
        "\n  normalised        yes\n",
        "\n  max tokens        256\n",
        "truncates at 128 tokens",
        "pads every text to 128 tokens",
        "\n  ok      padding does not change a vector",
        "\n  ok      batch neighbours do not change a vector",
        "\n  ok      every component is a finite number",
        "\n  ok      the vectors are sentence-transformers' own",
        "\n  ok      the fastest precision gives the vectors of f32",
        "\n  ok      the fastest precision gives the scores of f32 (",
        " at the 99th percentile, allowed 0.1)",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert_eq!(run(&["models", "verify", DEFAULT, "-q"]).quietly(), report);
}

#[test]
fn verify_says_the_same_of_a_folder_as_json() {
    let report = run(&["models", "verify", "./models/tiny-bert-cls", "--json"]).json();
    assert_eq!(report["contract"]["pooling"], "cls");
    assert_eq!(report["contract"]["query_prompt"], "Find: ");
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true));
    assert!(report["files"].as_array().unwrap().iter().all(|file| file["verdict"] == "unverified"));
    assert_eq!(report["fingerprint"].as_str().unwrap().len(), 64);
}

fn copy_of_tiny(folder: &Folder) -> String {
    let from = root().join("models/tiny-bert");
    for name in ["", "1_Pooling"] {
        fs::create_dir_all(folder.path("model").join(name)).unwrap();
        for entry in fs::read_dir(from.join(name)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), folder.path("model").join(name).join(entry.file_name())).unwrap();
            }
        }
    }
    folder.text("model")
}

#[test]
fn a_folder_with_a_broken_file_is_an_error_that_names_the_file() {
    for (file, content) in [("model.safetensors", Some("xx")), ("config.json", Some("{")), ("tokenizer.json", None)] {
        let folder = Folder::new();
        let model = copy_of_tiny(&folder);
        run(&["models", "verify", &model]).quietly();
        let path = folder.path("model").join(file);
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for args in [&["models", "verify", &model][..], &["rerank", "--query", "x", "--model", &model]] {
            let message = run(args).error();
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
    }
}

/// The real model's files, one of them changed, in a cache of their own.
#[cfg(unix)]
#[test]
fn a_damaged_file_in_the_cache_is_named() {
    let folder = Folder::new();
    let pulled = run(&["models", "pull", DEFAULT]).out;
    let here = folder.path("cache/models").join(DEFAULT);
    fs::create_dir_all(here.join("1_Pooling")).unwrap();
    for name in ["", "1_Pooling"] {
        for entry in fs::read_dir(Path::new(pulled.trim_end()).join(name)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                std::os::unix::fs::symlink(entry.path(), here.join(name).join(entry.file_name())).unwrap();
            }
        }
    }
    let damaged = here.join("modules.json");
    fs::remove_file(&damaged).unwrap();
    fs::write(&damaged, "[]").unwrap();
    let mut command = command(&["models", "verify", DEFAULT, "--offline"]);
    command.env("NEARSORT_CACHE", folder.path("cache")).env("HF_HOME", folder.path("hf")).env_remove("HF_HUB_CACHE");
    let ran = finish(command.spawn().unwrap());
    assert_eq!(ran.code, 2);
    assert!(format!("{}{}", ran.out, ran.err).contains("modules.json"), "{ran:?}");
}
