//! `nearsort compare`: what it computes, shows and keeps, and what it refuses.

use serde_json::Value;

use crate::support::{Folder, Ran, TINY, run};

const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"how do bees make honey\"}\n{\"_id\": \"q2\", \"text\": \"who wrote hamlet\"}\n\
                       {\"_id\": \"q3\", \"text\": \"what do pandas eat\"}\n";
const CORPUS: [(&str, &str); 4] = [
    ("d1", "Worker bees turn nectar into honey."),
    ("d2", "Shakespeare finished the tragedy of the Danish prince around 1600."),
    ("d3", "Giant pandas live almost entirely on bamboo."),
    ("d4", "Plates of the crust slip <b>along</b> a fault."),
];
const QRELS: &str = "q1 0 d1 2\nq1 0 d2 0\nq2 0 d2 1\nq3 0 d3 1\n";
/// The four documents in one order for all queries, with a tie.
const FIRST: &str = "q1 Q0 d4 1 4 f\nq1 Q0 d3 2 3 f\nq1 Q0 d2 3 2 f\nq1 Q0 d1 4 2 f\nq2 Q0 d4 1 4 f\nq2 Q0 d3 2 3 f\nq2 Q0 d2 3 2 f\n\
                     q2 Q0 d1 4 1 f\nq3 Q0 d4 1 4 f\nq3 Q0 d3 2 3 f\nq3 Q0 d2 3 2 f\nq3 Q0 d1 4 1 f\n";
/// Every query's answer first; q1's order is the first stage's turned round.
const GOOD: &str = "q1 Q0 d1 1 4 g\nq1 Q0 d2 2 3 g\nq1 Q0 d3 3 2 g\nq1 Q0 d4 4 1 g\nq2 Q0 d2 1 4 g\nq2 Q0 d4 2 3 g\nq2 Q0 d3 3 2 g\n\
                    q3 Q0 d3 1 4 g\nq3 Q0 d4 2 3 g\nq3 Q0 d2 3 2 g\nq3 Q0 d1 4 1 g\n";
const GRADES: &str = "query-id\tcorpus-id\tscore\nq1\td1\t3\nq1\td2\t3\nq1\td4\t0\nq2\td2\t3\nq2\td1\t0\nq3\td3\t2\n";

fn collection() -> Folder {
    let folder = Folder::new();
    folder.with("queries.jsonl", QUERIES);
    let line = |(id, text): (&str, &str)| format!("{}\n", serde_json::json!({ "_id": id, "text": text }));
    folder.with("corpus.jsonl", CORPUS.map(line).concat());
    folder.with("qrels", QRELS);
    folder.with("first.trec", FIRST);
    folder.with("good.trec", GOOD);
    folder.with("grades.tsv", GRADES);
    folder
}

/// `nearsort compare`; what is a name in the folder, or ends in `.html`, is a path in it.
fn compare(folder: &Folder, args: &[&str]) -> Ran {
    let names = folder.names();
    let is_file =
        |arg: &&str| names.iter().any(|name| name == arg) || arg.ends_with(".html") || arg.starts_with("none.");
    let args: Vec<String> =
        args.iter().map(|arg| if is_file(arg) { folder.text(arg) } else { (*arg).to_owned() }).collect();
    run(&[&["compare"], &args.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    compare(folder, &[args, &["--format", "json"]].concat()).json()
}

const TEXTS: [&str; 4] = ["--queries", "queries.jsonl", "--corpus", "corpus.jsonl"];
const TWO: [&str; 5] = ["--runs", "first.trec", "good.trec", "--qrels", "qrels"];

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn two_runs_are_measured_tested_and_compared() {
    let answer = json(&collection(), &[&TWO[..], &["--measures", "RR,P@1"]].concat());
    let [first, good] = [&answer["systems"][0], &answer["systems"][1]];
    // Equal scores are ordered by id, descending: d2 before d1.
    near(&first["measures"]["RR"]["mean"], (0.25 + 1.0 / 3.0 + 0.5) / 3.0);
    near(&good["measures"]["RR"]["mean"], 1.0);
    let difference = &good["measures"]["RR"]["difference"];
    assert_eq!((&difference["wins"], &difference["losses"]), (&3.into(), &0.into()));
    assert!(difference["p"].is_number() && first["measures"]["RR"]["difference"].is_null());
    near(&first["ties"]["tied_pairs"], 1.0 / 6.0 / 3.0);
    assert_eq!((&first["unscored"], &first["cost"], &first["kind"]), (&Value::Null, &Value::Null, &"run".into()));
    assert_eq!(answer["judgements"]["by"], "people");
    let pair = &answer["agreement"]["pairs"][0];
    assert_eq!(
        (&pair["first"], &pair["second"], &pair["mean"]["queries"]),
        (&"first.trec".into(), &"good.trec".into(), &3.into())
    );
    // q1: 5 of 6 pairs turned round and one tied in the first: -5 / sqrt(5 * 6). q2: of d4, d3, d2.
    // q3: one pair of six.
    near(&pair["mean"]["kendall_tau"], (-5.0 / 30_f64.sqrt() - 1.0 / 3.0 + 2.0 / 3.0) / 3.0);
    near(&pair["mean"]["overlap_at_10"], (1.0 + 0.75 + 1.0) / 3.0);
}

#[test]
fn the_most_disputed_query_comes_first_with_texts_and_grades() {
    let answer = json(&collection(), &[&TWO[..], &TEXTS, &["--disputed", "2"]].concat());
    let disputed = answer["disputed"].as_array().unwrap();
    assert_eq!((disputed.len(), &disputed[0]["id"]), (2, &"q1".into()));
    assert_eq!(disputed[0]["text"], "how do bees make honey");
    assert!(disputed[0]["disagreement"].as_f64() > disputed[1]["disagreement"].as_f64());
    let top = &disputed[0]["first"]["good.trec"][0];
    assert_eq!((&top["id"], &top["grade"], &top["text"]), (&"d1".into(), &2.into(), &CORPUS[0].1.into()));
    assert_eq!(disputed[0]["first"]["first.trec"].as_array().unwrap().len(), 3);
    assert!(json(&collection(), &[&TWO[..], &["--disputed", "0"]].concat())["disputed"].as_array().unwrap().is_empty());
}

#[test]
fn without_judgements_there_is_agreement() {
    let folder = collection();
    let answer = json(&folder, &["--runs", "first.trec", "good.trec"]);
    assert_eq!((&answer["judgements"], &answer["systems"][1]["measures"]), (&Value::Null, &serde_json::json!({})));
    assert!(answer["agreement"]["pairs"][0]["mean"]["rbo"].is_number());
    let out = compare(&folder, &["--runs", "first.trec", "good.trec"]).quietly();
    assert!(out.starts_with("2 systems, 3 queries.\n") && !out.contains("Quality"), "{out}");
}

#[test]
fn the_table_names_the_winner_and_fits_what_it_is_given() {
    let out = compare(&collection(), &[&TWO[..], &["--measures", "RR"]].concat()).quietly();
    assert!(out.contains("Highest RR: good.trec, 1.0000 [1.000, 1.000]; +0.6389 ["), "{out}");
    assert!(out.contains("judged by people: "), "{out}");
    let row = out.lines().find(|line| line.starts_with("2  good.trec")).unwrap();
    assert_eq!(row.split_whitespace().nth(2), Some("1.0000"), "{out}");
    assert!(out.contains("\nMost disputed queries\n\nq1 (disagreement 0."), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 160 && line.trim_end() == line), "{out}");
}

#[test]
fn markdown_is_made_of_tables() {
    let out = compare(&collection(), &[&TWO[..], &TEXTS, &["--format", "markdown"]].concat()).quietly();
    assert!(out.contains("| # | system | nDCG@10 | 95 % interval |") && out.contains("| --- | --- | ---: |"), "{out}");
    assert!(out.contains("| 2 good.trec |") && out.contains(r"\<b\>along\</b\>"), "{out}");
}

#[test]
fn the_page_is_whole_and_asks_for_nothing() {
    let folder = collection();
    let models = format!("{TINY},{TINY}+cosine+none");
    let args = [
        "--run",
        "first.trec",
        "--models",
        &models,
        "--grades",
        "grades.tsv",
        "--qrels",
        "qrels",
        "--html",
        "page.html",
    ];
    compare(&folder, &[&args[..], &TEXTS].concat()).quietly();
    let page = std::fs::read_to_string(folder.path("page.html")).unwrap();
    assert_eq!(page.matches("<svg ").count(), 2, "quality and time; nothing costs money");
    for part in ["<h3>Quality</h3>", "<h3>Quality against time</h3>", "class=\"heat\"", "grades.tsv", "&lt;b&gt;along"]
    {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
    assert!(!page.contains("<b>along"));
}

#[test]
fn models_rerank_the_first_stage_and_are_timed() {
    let folder = collection();
    let models = format!("{TINY}+cosine+none,{TINY}+maxsim");
    let runs = folder.text("runs");
    let args = ["--run", "first.trec", "--models", &models, "--qrels", "qrels", "--output-runs", &runs];
    let answer = json(&folder, &[&args[..], &TEXTS].concat());
    let kinds: Vec<&str> = answer["systems"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["first stage", "model", "model"]);
    let [cosine, maxsim] = [1, 2].map(|at| &answer["systems"][at]["cost"]);
    assert_eq!((&cosine["score_kind"], &cosine["blend"]), (&"cosine".into(), &"none".into()));
    assert_eq!((&maxsim["score_kind"], &maxsim["blend"]), (&"maxsim".into(), &"linear 0.06 minmax".into()));
    assert_eq!((&cosine["candidates"], &cosine["dollars_per_1000_queries"]), (&12.into(), &0.0.into()));
    assert!(
        cosine["tokens"].as_u64() > Some(50) && cosine["seconds"]["p95"].as_f64() >= cosine["seconds"]["p50"].as_f64()
    );
    assert!(cosine["candidates_per_second"].as_f64() > Some(0.0));
    assert_eq!(answer["systems"][1]["unscored"], 0);
    // What is kept is what `rerank` gives.
    let [queries, corpus, first] = ["queries.jsonl", "corpus.jsonl", "first.trec"].map(|name| folder.text(name));
    let rerank = ["rerank", "--queries", &queries, "--corpus", &corpus, "--run", &first, "--model", TINY];
    let reranked = run(&[&rerank[..], &["--scoring", "maxsim"]].concat()).quietly();
    let kept = std::fs::read_dir(folder.path("runs")).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.display().to_string().contains("03-")).collect::<Vec<_>>();
    let kept = std::fs::read_to_string(&kept[0]).unwrap();
    let order =
        |run: &str| run.lines().map(|line| line.split(' ').take(4).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    let [kept, mut reranked] = [&kept, &reranked].map(|run| order(run));
    // The two tied documents are in the order of evaluation here, in the file's there.
    reranked.retain(|line| !line.starts_with("q1"));
    assert_eq!(kept.iter().filter(|line| !line.starts_with("q1")).cloned().collect::<Vec<_>>(), reranked);
}

#[test]
fn below_the_depth_the_first_stages_order_stays() {
    let folder = collection();
    let runs = folder.text("runs");
    let args = ["--run", "first.trec", "--model", TINY, "--depth", "2", "--output-runs", &runs];
    let answer = json(&folder, &[&args[..], &TEXTS].concat());
    assert_eq!(
        (&answer["systems"][1]["cost"]["candidates"], &answer["systems"][1]["unscored"]),
        (&6.into(), &0.into())
    );
    let path = std::fs::read_dir(folder.path("runs")).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read_to_string(path).unwrap();
    let documents: Vec<&str> = kept.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    for list in documents.chunks(4) {
        assert_eq!(list[2..], ["d2", "d1"], "{kept}");
    }
}

#[test]
fn grades_become_a_run_whose_ties_keep_the_first_stages_order() {
    let folder = collection();
    let runs = folder.text("runs");
    let args = [
        "--run",
        "first.trec",
        "--grades",
        "grades.tsv",
        "--qrels",
        "qrels",
        "--measures",
        "RR",
        "--output-runs",
        &runs,
    ];
    let answer = json(&folder, &args);
    let grades = &answer["systems"][1];
    // 12 candidates, 6 graded.
    assert_eq!((&grades["kind"], &grades["unscored"]), (&"grades".into(), &6.into()));
    let kept = std::fs::read_to_string(folder.path("runs/02-grades.tsv.trec")).unwrap();
    let q1: Vec<&str> = kept.lines().take(4).collect();
    // d1 and d2 have the same grade, and the first stage's equal scores are ordered by id,
    // descending.
    assert_eq!(
        q1,
        ["q1 Q0 d2 1 4 grades.tsv", "q1 Q0 d1 2 3 grades.tsv", "q1 Q0 d4 3 2 grades.tsv", "q1 Q0 d3 4 1 grades.tsv"]
    );
    near(&grades["measures"]["RR"]["mean"], (0.5 + 1.0 + 1.0) / 3.0);
    // q1: one pair of six tied; q2, q3: the ungraded ones are not told apart, one pair and three.
    near(&grades["ties"]["tied_pairs"], (1.0 + 1.0 + 3.0) / 6.0 / 3.0);
}

#[test]
fn a_models_grades_in_the_place_of_judgements_are_said_everywhere() {
    let folder = collection();
    let args = ["--runs", "first.trec", "good.trec", "--judge-as-qrels", "grades.tsv", "--html", "page.html"];
    let out = compare(&folder, &args).quietly();
    assert!(out.contains("judged by a model, not by people: ") && out.contains("grades.tsv"), "{out}");
    assert_eq!(json(&folder, &args)["judgements"]["by"], "model");
    let markdown = compare(&folder, &[&args[..], &["--format", "markdown"]].concat()).quietly();
    assert!(markdown.contains("judged by a model, not by people"), "{markdown}");
    let page = std::fs::read_to_string(folder.path("page.html")).unwrap();
    assert!(page.contains("The judgements are a model's, not people's"));
    assert!(page.contains("nDCG@10 by a model&apos;s grades"), "the chart's axis says it too");
    let itself = ["--run", "first.trec", "--grades", "grades.tsv", "--judge-as-qrels", "grades.tsv"];
    assert!(compare(&folder, &itself).quietly().contains("grades.tsv is judged by its own model"));
    compare(&folder, &[&args[..], &["--qrels", "qrels"]].concat()).error();
}

#[test]
fn a_judges_run_is_taken_for_grades_if_its_scores_are_whole() {
    let folder = collection();
    folder.with("judge.trec", "q1 Q0 d1 1 9 j\nq1 Q0 d2 2 0 j\nq2 Q0 d2 1 10 j\nq3 Q0 d3 1 7 j\n");
    let answer = json(
        &folder,
        &["--runs", "first.trec", "good.trec", "--judge-as-qrels", "judge.trec", "--measures", "RR(rel=5)"],
    );
    near(&answer["systems"][1]["measures"]["RR(rel=5)"]["mean"], 1.0);
    assert_eq!(answer["judgements"]["queries"], 3);
    folder.with("scores.trec", "q1 Q0 d1 1 0.9 j\n");
    let error = compare(&folder, &["--runs", "first.trec", "good.trec", "--judge-as-qrels", "scores.trec"]).error();
    assert!(error.contains("the score 0.9 of 'd1' for the query 'q1' is not a grade"), "{error}");
}

#[test]
fn a_sample_is_drawn_by_the_seed_from_judged_queries() {
    let folder = collection();
    folder.with("qrels", "q1 0 d1 2\nq3 0 d3 1\n");
    let answer = json(&folder, &[&TWO[..], &["--sample", "2"]].concat());
    assert_eq!((&answer["queries"], &answer["judgements"]["queries"]), (&2.into(), &2.into()));
    assert_eq!(answer["notes"][0], "a sample of 2 of 3 queries, drawn with seed 1");
    assert!(answer["disputed"].as_array().unwrap().iter().all(|query| query["id"] != "q2"));
}

#[test]
fn what_does_not_fit_together_is_said() {
    let folder = collection();
    folder.with("fewer.trec", "q1 Q0 d1 1 4 g\nq9 Q0 d1 1 4 g\n");
    let ran = compare(&folder, &["--runs", "first.trec", "fewer.trec", "good.trec", "--qrels", "qrels"]);
    assert_eq!(ran.code, 0);
    for part in [
        "fewer.trec lacks 2 queries of first.trec, such as 'q2'",
        "fewer.trec has 1 query that first.trec lacks, such as 'q9'",
        "fewer.trec lacks 2 of the 3 judged queries",
    ] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    assert!(
        ran.out.contains("- fewer.trec lacks 2 queries") && ran.out.contains("does not have the query"),
        "{}",
        ran.out
    );
    folder.with("apart.trec", "x1 Q0 d1 1 4 g\n");
    let error = compare(&folder, &["--runs", "first.trec", "apart.trec"]).error();
    assert!(error.contains("no query in common: the one has 'q1', the other 'x1'"), "{error}");
    folder.with("qrels", "z1 0 d1 1\n");
    assert!(compare(&folder, &TWO).error().contains("first.trec: no query of the run is judged"));
}

#[test]
fn what_cannot_be_compared_is_an_error_that_says_what_to_do() {
    let folder = collection();
    folder.with("empty.trec", "\n");
    folder.with("twice.trec", "q1 Q0 d1 1 4 g\nq1 Q0 d2 2 3 g\nq1 Q0 d1 3 2 g\n");
    folder.with("short.jsonl", "{\"_id\": \"d1\", \"text\": \"honey\"}\n");
    let error = |args: &[&str]| compare(&folder, args).error();
    assert!(error(&["--runs", "first.trec"]).contains("at least two systems, and there is one"));
    assert!(error(&["--qrels", "qrels"]).contains("there are none"));
    assert!(error(&["--runs", "first.trec", "empty.trec"]).contains("empty.trec: the run is empty"));
    assert!(error(&["--runs", "first.trec", "twice.trec"]).contains("twice.trec:3: the document 'd1' stands twice"));
    assert!(error(&["--runs", "first.trec", "first.trec"]).contains("is given twice"));
    assert!(error(&["--run", "first.trec", "--runs", "first.trec"]).contains("is given twice"));
    assert!(error(&["--runs", "first.trec", "none.trec"]).contains("none.trec"));
    assert!(error(&[&TWO[..], &["--measures", "NumRet,RR"]].concat()).contains("is a count"));
    assert!(error(&[&TWO[..], &["--html", "none/page.html"]].concat()).contains("create it first"));
    let model = |model, rest: &[&str]| error(&[&["--run", "first.trec", "--models", model], rest].concat());
    assert!(model("tiny+cosin", &TEXTS).contains("unknown setting 'cosin' in 'tiny+cosin'"));
    assert!(model(TINY, &["--queries", "queries.jsonl", "--corpus", "short.jsonl"]).contains("names 9 documents that"));
    assert!(model(TINY, &[]).contains("--queries"));
    assert!(error(&["--runs", "first.trec", "--grades", "grades.tsv"]).contains("--run"));
    assert!(error(&["--runs", "-", "-"]).contains("standard input can be read once"));
}

#[test]
fn runs_of_one_name_are_told_apart_by_their_paths() {
    let folder = collection();
    std::fs::create_dir(folder.path("other")).unwrap();
    std::fs::write(folder.path("other/first.trec"), GOOD).unwrap();
    let other = folder.text("other/first.trec");
    let answer = json(&folder, &["--runs", "first.trec", &other, "good.trec"]);
    let names: Vec<&str> = answer["systems"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, [&folder.text("first.trec"), &other, "good.trec"]);
}

#[test]
fn documents_without_text_can_be_left_out_and_count_as_unscored() {
    let folder = collection();
    folder.with("short.jsonl", "{\"_id\": \"d1\", \"text\": \"honey\"}\n{\"_id\": \"d2\", \"text\": \"hamlet\"}\n");
    let args = ["--run", "first.trec", "--models", TINY, "--queries", "queries.jsonl", "--corpus", "short.jsonl"];
    let ran = compare(&folder, &[&args[..], &["--bad-rows", "skip", "--format", "json"]].concat());
    assert!(ran.code == 0 && ran.err.contains("names 6 documents that"), "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let model = &answer["systems"][1];
    assert_eq!(
        (&model["unscored"], &model["cost"]["candidates"], &model["queries"]),
        (&6.into(), &6.into(), &3.into())
    );
}
