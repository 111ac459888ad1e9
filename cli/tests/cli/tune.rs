//! `nearsort tune`: what is recommended can be typed and saved, and chance is not recommended.

use serde_json::Value;

#[cfg(unix)]
use crate::diagnose::shell;
use crate::diagnose::{Collection, DEPTH};
use crate::support::{Folder, Ran, TINY, run};

/// A first stage whose larger share is right. Of three queries it puts the answer of two first, where
/// the model prefers four texts that repeat the query; of the third it puts the answer second, which
/// the model puts first, because it repeats the query.
fn strong_first_stage() -> Folder {
    let mut collection = Collection::with_answers_at(1);
    for (at, (query, text)) in collection.queries.clone().into_iter().enumerate() {
        let lines: Vec<usize> = (0..collection.run.len()).filter(|&line| collection.run[line].0 == query).collect();
        if at % 3 == 0 {
            collection.documents[at].1 = text;
            let answer = collection.run[lines[0]].1.clone();
            collection.run[lines[0]].1 = std::mem::replace(&mut collection.run[lines[1]].1, answer);
            continue;
        }
        // The others share the lower half, so that only the first one stands out.
        lines[1..].iter().for_each(|&line| collection.run[line].3 -= 20.0);
        for copy in 0..4 {
            let id = format!("e{at}-{copy}");
            collection.documents.push((id.clone(), text.clone()));
            collection.run.push((query.clone(), id, DEPTH + 1 + copy, -20.0 - copy as f64));
        }
    }
    collection.written()
}

/// `nearsort tune` over a folder's files, with the tiny model if `args` do not say `--real`, and
/// with people's judgements if they name no others.
fn tune(folder: &Folder, args: &[&str]) -> Ran {
    let files = ["queries.jsonl", "corpus.jsonl", "bm25.trec", "qrels.txt"].map(|name| folder.text(name));
    let mut all = vec!["tune", "--queries", &files[0], "--corpus", &files[1], "--run", &files[2]];
    if !args.contains(&"--judgements") {
        all.extend(["--qrels", &files[3]]);
    }
    if !args.contains(&"--real") {
        all.extend(["--model", TINY]);
    }
    all.extend(args.iter().filter(|arg| **arg != "--real"));
    run(&all)
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    tune(folder, &[args, &["--format", "json"]].concat()).json()
}

#[test]
fn a_good_default_is_kept_and_no_profile_is_written() {
    let folder = Collection::new().written();
    let profile = folder.text("profile.toml");
    let ran = tune(&folder, &["--real", "--save-profile", &profile]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("Keep the default: none of 168 configurations was shown to be better;"), "{}", ran.out);
    assert!(
        ran.err.contains("no other setting is recommended, so ") && ran.err.contains("was not written"),
        "{}",
        ran.err
    );
    assert!(!folder.path("profile.toml").exists());
    assert_eq!(tune(&folder, &["-q", "--real", "--save-profile", &profile]).err, "");
}

#[cfg(unix)]
#[test]
fn a_real_gain_is_recommended_and_its_profile_gives_the_tuned_order() {
    let folder = strong_first_stage();
    let profile = folder.text("it's tuned.toml");
    let out = tune(&folder, &["--save-profile", &profile]).quietly();
    assert!(out.starts_with("Use --scoring "), "{out}");
    let commands: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("  nearsort rerank ")).collect();
    assert_eq!(commands.len(), 2, "{out}");
    let outputs = [folder.text("typed.trec"), folder.text("profile.trec")];
    for (command, output) in commands.iter().zip(&outputs) {
        shell(&format!("nearsort rerank {command}"), output);
    }
    let [typed, by_profile] = outputs.map(|output| std::fs::read_to_string(output).unwrap());
    assert!(!typed.is_empty() && typed == by_profile);
    // The order that was measured: nDCG@10 of the tuned setting on all queries.
    let answer = json(&folder, &[]);
    let recommended = answer["recommended"]["name"].as_str().unwrap();
    let saved = std::fs::read_to_string(&profile).unwrap();
    assert!(
        saved.contains(&format!("blend-weight = {}", answer["recommended"]["blend_weight"])),
        "{saved} {recommended}"
    );
    let firsts = by_profile.lines().filter(|line| line.split_whitespace().nth(3) == Some("1"));
    let right = firsts.filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words[0][1..] == words[2][1..]
    });
    assert!(right.count() > 20, "the answers are first by the tuned setting: {by_profile}");
}

#[test]
fn the_text_has_its_parts() {
    let out = tune(&strong_first_stage(), &[]).quietly();
    let parts = ["Settings", "What choosing gains", "Each part alone"];
    let places: Vec<usize> = parts.iter().map(|part| out.find(&format!("\n{part}\n")).expect(part)).collect();
    assert!(places.is_sorted(), "{out}");
    for said in [
        "24 judged queries; judged by people: ",
        "\nfirst stage  ",
        "\ndefault: hybrid + linear 0.06 minmax, windows ",
        "\nchosen: ",
        "\nover the default, on other queries  ",
        "\nover the default, on other queries and documents ",
        "\nover the first stage, on other queries ",
        " of 10",
        "\nfirst-stage share  0 ",
        "0.06 *",
        "\nfeedback weight ",
    ] {
        assert!(out.contains(said), "{said:?} is not in {out}");
    }
    assert!(!out.contains('\u{1b}'), "colours outside of a terminal: {out}");
    let long = out.lines().find(|line| line.chars().count() > 110 && !line.starts_with("  nearsort rerank "));
    assert_eq!(long, None);
}

#[test]
fn grades_by_a_model_are_a_source_and_named_so() {
    let folder = strong_first_stage();
    let people = json(&folder, &[]);
    assert_eq!(people["judgements"]["by"], "people");
    let grades = folder.text("qrels.txt");
    let model = json(&folder, &["--judgements", &grades]);
    assert_eq!((&model["judgements"]["by"], &model["judgements"]["file"]), (&"model".into(), &grades.clone().into()));
    assert_eq!((&model["choice"], &model["action"]), (&people["choice"], &"change".into()));
    let text = tune(&folder, &["--judgements", &grades]).quietly();
    assert!(text.contains("judged by a model, not by people:"), "{text}");
    // A judge's run whose scores are grades.
    let lines = (0..24).map(|at| format!("q{at} Q0 d{at} 1 3 judge\n"));
    let run = folder.with("grades.trec", lines.collect::<String>());
    let by_run = json(&folder, &["--judgements", &run]);
    assert_eq!((&by_run["choice"]["picks"], &by_run["advice"]), (&people["choice"]["picks"], &people["advice"]));
    let broken = folder.with("broken.trec", "q0 Q0 d0 1 0.5 judge\n");
    assert!(tune(&folder, &["--judgements", &broken]).error().contains("is not a grade"));
}

#[test]
fn the_options_of_scoring_say_what_is_compared_with() {
    let folder = strong_first_stage();
    let found = json(&folder, &["--blend-weight", "0.5", "--feedback", "off", "--measure", "RR@10"]);
    assert_eq!((&found["setting"]["blend_weight"], &found["setting"]["feedback"]), (&0.5.into(), &"off".into()));
    assert_eq!(found["measure"], "RR@10");
    assert!(found["advice"].as_str().unwrap().contains("the setting"), "{}", found["advice"]);
}

#[test]
fn few_queries_and_samples_are_said() {
    let folder = strong_first_stage();
    let found = json(&folder, &["--sample", "8"]);
    assert_eq!((&found["choice"], &found["profile"], &found["action"]), (&Value::Null, &Value::Null, &"keep".into()));
    let expected =
        "Keep the default: 8 judged queries are too few to choose between configurations; at least 20 are needed.";
    assert_eq!(found["advice"], expected);
    assert!(found["notes"][0].as_str().unwrap().starts_with("a sample of 8 of the run's 24 queries"));
    let one = tune(&folder, &["--sample", "1"]).quietly();
    assert!(one.starts_with("Keep the default: 1 judged query is too few"), "{one}");
}

#[test]
fn what_cannot_be_tuned_is_an_error() {
    let folder = strong_first_stage();
    let files = ["queries.jsonl", "corpus.jsonl", "bm25.trec"].map(|name| folder.text(name));
    let without = ["tune", "--queries", &files[0], "--corpus", &files[1], "--run", &files[2], "--model", TINY];
    assert!(run(&without).error().contains("--qrels"));
    let qrels = folder.text("qrels.txt");
    let both = [&without[..], &["--qrels", &qrels, "--judgements", &qrels]].concat();
    assert!(run(&both).error().contains("cannot be used with"));
    assert!(tune(&folder, &["--measure", "NumRel"]).error().contains("is a count"));
    assert!(tune(&folder, &["--save-profile", &folder.text("none/p.toml")]).error().contains("create it first"));
    assert!(tune(&folder, &["--save-profile", &qrels]).error().contains("it is the input"));
    folder.with("qrels.txt", "q0 0 elsewhere 1\n");
    assert!(tune(&folder, &[]).error().contains("no candidate of the run is judged"));
    folder.with("qrels.txt", "x0 0 d0 1\n");
    assert!(tune(&folder, &[]).error().contains("no query of the run is judged"));
}
