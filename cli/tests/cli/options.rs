//! Options of `rerank`, usage errors, and the verbs about the command itself.

use crate::support::{Folder, TINY, command, eiffel, finish, rerank, run, run_with_stdin};

const THREE: &str = "a tower\nsome bread\nParis\n";

#[test]
fn top_k_prints_the_best_and_at_most_what_there_is() {
    let all = rerank(&[], THREE).rows();
    assert_eq!(all.len(), 3);
    assert_eq!(rerank(&["--top-k", "1"], THREE).rows(), all[..1]);
    assert_eq!(rerank(&["--top-k", "3"], THREE).rows(), all);
    assert_eq!(rerank(&["--top-k", "99"], THREE).rows(), all);
    assert!(rerank(&["--top-k", "0"], THREE).error().contains("--top-k must be at least 1"));
    rerank(&["--top-k", "many"], THREE).error();
}

#[test]
fn min_score_cuts_and_says_by_exit_code_1_that_nothing_is_left() {
    let best = eiffel(&["--min-score", "0.5"]).rows();
    assert_eq!((best.len(), best[0][2].as_str()), (1, "1"));
    assert_eq!(eiffel(&["--min-score", "-1"]).rows().len(), 3);
    let none = eiffel(&["--min-score", "0.99"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (1, "", ""));
    assert!(eiffel(&["--min-score", "nan"]).error().contains("-1..1"));
}

#[test]
fn the_answer_depends_neither_on_threads_nor_on_batches() {
    for run in [|args: &[&str]| eiffel(args), |args: &[&str]| rerank(args, THREE)] {
        let expected = run(&["--format", "json"]).quietly();
        for args in [["--threads", "1"], ["--threads", "2"], ["--batch-tokens", "1"], ["--batch-tokens", "40"]] {
            assert_eq!(run(&[&["--format", "json"], &args[..]].concat()).quietly(), expected, "{args:?}");
        }
    }
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for option in ["--threads", "--batch-tokens", "--max-tokens", "--dim"] {
        let message = rerank(&[option, "0"], THREE).error();
        assert!(message.contains(option), "{message}");
    }
    // rayon would start as many as it can, and hang.
    let many = command(&["rerank", "--query", "a", "--model", TINY, "-"]).env("RAYON_NUM_THREADS", "100000").spawn();
    assert!(finish(many.unwrap()).error().contains("RAYON_NUM_THREADS is 100000; expected 1 to 1024"));
    assert!(rerank(&["--dim", "33"], THREE).error().contains("1 to 32"));
    assert!(rerank(&["--max-tokens", "65"], THREE).error().contains("3 to 64"));
    assert!(rerank(&["--precision", "f8"], THREE).error().contains("expected f32, bf16 or i8, or auto"));
    assert!(rerank(&["--engine", "onnx"], THREE).error().contains("expected native or candle, or auto"));
    assert!(rerank(&["--device", "tpu"], THREE).error().contains("cpu, cuda, cuda:N or metal"));
    assert!(rerank(&["--format", "xml"], THREE).error().contains("table, tsv, json, jsonl, trec"));
}

#[test]
fn auto_is_a_precision_by_name_and_the_answer_and_the_version_say_which() {
    let auto = rerank(&["--format", "json", "--precision", "auto"], THREE).json();
    let chosen = auto["precision"].as_str().unwrap();
    assert_eq!(auto, rerank(&["--format", "json", "--precision", chosen], THREE).json());
    assert_eq!(auto["engine"], "native");
    let verbose = run(&["--version", "--verbose"]).quietly();
    assert!(verbose.contains(&format!("\nprecision: {chosen} by the native engine, f32 by candle\n")), "{verbose}");
}

#[test]
fn what_an_engine_cannot_do_is_an_error_with_the_way_out() {
    let candle = rerank(&["--engine", "candle", "--precision", "i8"], THREE).error();
    assert!(candle.contains("use --precision f32, or the native engine"), "{candle}");
    let nomic = ["rerank", "--model", "./models/tiny-nomic-bert", "--query", "tower", "--engine", "native"];
    let native = run_with_stdin(&nomic, THREE).error();
    assert!(native.contains("nomic_bert") && native.contains("--engine candle"), "{native}");
    let answer = rerank(&["--engine", "candle", "--format", "json"], THREE).json();
    assert_eq!((&answer["engine"], &answer["precision"]), (&"candle".into(), &"f32".into()));
}

/// Asked for and not there is an error, never a silent run on the CPU.
#[test]
fn a_device_that_is_not_compiled_in_is_an_error_with_the_feature_to_build_with() {
    for (device, feature, compiled) in [
        ("cuda", "cuda", cfg!(feature = "cuda")),
        ("cuda:1", "cuda", cfg!(feature = "cuda")),
        ("metal", "metal", cfg!(feature = "metal")),
    ] {
        if !compiled {
            let message = rerank(&["--device", device], THREE).error();
            assert!(message.contains(&format!("--features {feature}")), "{message}");
        }
    }
    rerank(&["--device", "cpu"], THREE).quietly();
}

#[test]
fn prompts_limits_and_dimensions_can_be_overridden() {
    let expected = rerank(&[], THREE).rows();
    for args in [["--query-prompt", "find this: "], ["--document-prompt", "passage: "], ["--dim", "8"]] {
        assert_ne!(rerank(&args, THREE).rows(), expected, "{args:?}");
    }
    let ran = rerank(&["--max-tokens", "3", "--long", "truncate", "--format", "json"], THREE);
    assert!(ran.err.contains("longer than the 3 tokens"), "{}", ran.err);
}

#[test]
fn a_missing_double_or_empty_query_is_a_usage_error() {
    let rerank = |args: &[&str]| run_with_stdin(&[&["rerank", "--model", TINY], args].concat(), THREE).error();
    assert!(rerank(&[]).contains("--query"));
    assert!(rerank(&["--query", "  "]).contains("--query is empty"));
    assert!(rerank(&["--query", "x", "--query-file", "y"]).contains("cannot be used with"));
    assert!(rerank(&["--query-file", "-"]).contains("standard input"));
    assert!(rerank(&["--query-file", "no-such-file"]).contains("no-such-file"));
    let folder = Folder::new();
    let empty = folder.with("q.txt", "\n\n");
    assert!(rerank(&["--query-file", &empty]).contains(&format!("{empty}: the file has no queries")));
    let twice = folder.with("q.tsv", "q1\ta\nq1\tb\n");
    assert!(rerank(&["--query-file", &twice]).contains(&format!("{twice}:2: the id 'q1' is used already")));
}

#[test]
fn verbose_says_what_was_done_and_quiet_nothing() {
    let ran = rerank(&["-v"], THREE);
    assert!(ran.err.contains("3 candidates") && ran.err.contains(TINY) && ran.err.contains("cpu"), "{}", ran.err);
    assert_eq!(ran.out, rerank(&["-q"], THREE).quietly());
    rerank(&["-v", "-q"], THREE).error();
}

#[test]
fn a_bare_call_prints_the_help_on_stderr_and_fails() {
    for args in [&[][..], &["models"], &["-v"]] {
        let help = run(args).error();
        assert!(help.contains("Usage: nearsort"), "{help}");
    }
    assert!(run(&["rank"]).error().contains("unrecognized subcommand 'rank'"));
    let help = run(&["--help"]).quietly();
    assert!(help.contains("Exit codes: 0 done, 1 no results, 2 error."), "{help}");
    for verb in ["rerank", "embed"] {
        assert!(run(&[verb, "--help"]).quietly().contains("Examples:"), "{verb}");
    }
}

#[test]
fn the_version_says_with_verbose_what_this_build_can_do() {
    let version = format!("nearsort {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]).quietly(), version);
    assert_eq!(run(&["-V"]).quietly(), version);
    let verbose = run(&["--version", "--verbose"]).quietly();
    assert!(verbose.starts_with(&version));
    for what in ["features: ", "isa: ", "precision: ", "devices: cpu", "threads: "] {
        assert!(verbose.contains(&format!("\n{what}")), "{what}: {verbose}");
    }
    let isa = eiffel(&["--format", "json"]).json()["isa"].as_str().unwrap().to_owned();
    assert!(verbose.contains(&format!("isa: {isa} (available: ")), "{verbose}");
}

#[test]
fn completions_and_man_pages_come_from_the_same_definition() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).quietly();
        assert!(script.contains("rerank") && script.contains("top-k") && script.contains("query-file"), "{shell}");
    }
    assert!(run(&["completions", "tcsh"]).error().contains("bash, elvish, fish, powershell, zsh"));
    let page = run(&["man"]).quietly();
    assert!(page.contains(".TH nearsort 1") && page.contains("nearsort\\-rerank(1)"), "{page}");
    let page = run(&["man", "rerank"]).quietly();
    assert!(page.contains(".TH nearsort-rerank 1") && page.contains("top\\-k"), "{page}");
    assert!(run(&["man", "rank"]).error().contains("unknown verb"));
}

/// No network is needed to see that: the caches are empty and nothing may be opened.
#[test]
fn offline_without_the_model_names_every_source_and_what_to_do() {
    let folder = Folder::new();
    let offline = |args: &[&str], variable: &[(&str, &str)]| {
        let mut command = command(&[&["rerank", "--query", "x", "examples/landmarks.txt"], args].concat());
        command.env("NEARSORT_CACHE", folder.path("cache")).env("HF_HOME", folder.path("hf"));
        command.env_remove("HF_HUB_CACHE").envs(variable.iter().copied());
        finish(command.spawn().unwrap()).error()
    };
    let by_option = offline(&["--offline"], &[]);
    for part in ["cannot get the model 'all-MiniLM-L6-v2'", &folder.text("cache"), &folder.text("hf"), "offline"] {
        assert!(by_option.contains(part), "{part}: {by_option}");
    }
    for advice in ["what to do", "--model ./DIR", "HF_ENDPOINT", "nearsort models pull all-MiniLM-L6-v2"] {
        assert!(by_option.contains(advice), "{advice}: {by_option}");
    }
    assert_eq!(offline(&[], &[("NEARSORT_OFFLINE", "1")]), by_option);
}

#[test]
fn an_unknown_model_is_an_error_with_the_nearest_name() {
    let near = run(&["rerank", "--query", "x", "--model", "all-minilm-l6", "--offline"]).error();
    assert!(near.contains("did you mean all-MiniLM-L6-v2?") && near.contains("models list"), "{near}");
    let folder = run(&["rerank", "--query", "x", "--model", "./no-such-folder"]).error();
    assert!(folder.contains("./no-such-folder"), "{folder}");
}
