//! The scores that are printed and written: exact, strictly falling, and those that --min-score
//! goes by.

use std::fs;

use nearsort::io::{ReadOptions, Rows};

use crate::support::{Folder, Ran, TINY, run, run_with_stdin};

/// Equal texts, which get equal scores.
const TIED: &str = "a tower\na tower\nsome bread\na tower\nsome bread\n\n";

/// The scores of a column of lines.
fn column(text: &str, separator: char, at: usize) -> Vec<f32> {
    text.lines().map(|line| line.split(separator).nth(at).unwrap().parse().unwrap()).collect()
}

/// The scores of a Parquet file of results.
fn parquet_scores(path: &str) -> Vec<f32> {
    let name = |name: &str| Some(name.to_owned());
    let fields = ReadOptions { score_field: name("score"), text_field: name("id"), ..ReadOptions::default() };
    let rows = Rows::open(path, &fields).unwrap();
    rows.map(|row| row.unwrap().first_stage_score.unwrap() as f32).collect()
}

#[track_caller]
fn assert_falling(scores: &[f32], lists: usize) {
    assert!(!scores.is_empty());
    for list in scores.chunks(scores.len() / lists) {
        assert!(list.iter().all(|score| score.is_finite()), "{list:?}");
        assert!(list.is_sorted_by(|a, b| a > b), "{list:?}");
    }
}

/// The scores that a command prints as TREC, TSV and Parquet, which are the same numbers.
#[track_caller]
fn assert_same_falling(folder: &Folder, args: &[&str], with_query: bool) {
    let lists = if with_query { 2 } else { 1 };
    let printed = |format: &str| {
        let ran = run(&[args, &["-q", "--format", format]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let trec = column(&printed("trec"), ' ', 4);
    assert_falling(&trec, lists);
    assert_eq!(column(&printed("tsv"), '\t', usize::from(with_query) + 1), trec, "{args:?}");
    let out = folder.text("out.parquet");
    assert_eq!(run(&[args, &["-q", "--output", &out]].concat()).code, 0);
    assert_eq!(parquet_scores(&out), trec, "{args:?}");
    fs::remove_file(out).unwrap();
}

#[test]
fn scores_fall_strictly_in_every_format_that_knows_only_numbers() {
    let folder = Folder::new();
    let tied = folder.with("tied.txt", TIED);
    let rows = ["a", "b", "c", "d"].map(|id| format!("{{\"_id\":\"{id}\",\"text\":\"a tower\"}}\n")).concat();
    let corpus = folder.with("c.jsonl", rows);
    let queries = folder.with("q.jsonl", "{\"_id\":\"q1\",\"text\":\"tower\"}\n{\"_id\":\"q2\",\"text\":\"bread\"}\n");
    let lines = ["q1", "q2"].map(|q| ["a", "b", "c", "d"].map(|id| format!("{q} Q0 {id} 1 1 t\n")).concat()).concat();
    let bm25 = folder.with("r.trec", lines);
    let candidates = ["a", "b", "c", "d"].map(|id| format!("{{\"id\":\"{id}\",\"text\":\"a tower\"}}")).join(",");
    let list = |q: &str| format!("{{\"query_id\":\"{q}\",\"query\":\"tower\",\"candidates\":[{candidates}]}}\n");
    let lists = folder.with("lists.jsonl", list("q1") + &list("q2"));
    let index = folder.text("i");
    run(&["index", "build", &corpus, "--output", &index, "--model", TINY]).quietly();
    let model = ["--model", TINY];
    assert_same_falling(&folder, &[&["rerank"], &model[..], &["--query", "tower", &tied]].concat(), false);
    assert_same_falling(&folder, &[&["rerank"], &model[..], &["--query-file", &queries, &tied]].concat(), true);
    let job = ["--queries", &queries, "--corpus", &corpus, "--run", &bm25];
    assert_same_falling(&folder, &[&["rerank"], &model[..], &job].concat(), true);
    assert_same_falling(&folder, &[&["rerank"], &model[..], &["--candidates", &lists]].concat(), true);
    assert_same_falling(&folder, &["search", "--index", &index, "--query", "tower"], false);
    assert_same_falling(&folder, &["search", "--index", &index, "--queries", &queries], true);
    assert_same_falling(&folder, &["rerank", "--index", &index, "--queries", &queries, "--run", &bm25], true);
    // Shards, merged.
    for extension in ["trec", "tsv", "parquet"] {
        let part = |at: usize| folder.text(&format!("part{at}.{extension}"));
        for at in 1..=2 {
            let shard = format!("{at}/2");
            run(&[&["rerank"], &model[..], &job, &["--shard", &shard, "--output", &part(at)]].concat()).quietly();
        }
        let merged = folder.text(&format!("merged.{extension}"));
        run(&["merge", &part(1), &part(2), "--output", &merged]).quietly();
        let scores = match extension {
            "trec" => column(&fs::read_to_string(&merged).unwrap(), ' ', 4),
            "tsv" => column(&fs::read_to_string(&merged).unwrap(), '\t', 2),
            _ => parquet_scores(&merged),
        };
        assert_falling(&scores, 2);
    }
    // The runs of compare.
    let runs = folder.text("runs");
    let compare = ["compare", "-q", "--queries", &queries, "--corpus", &corpus, "--run", &bm25, "--models", TINY];
    run(&[&compare[..], &["--output-runs", &runs]].concat()).quietly();
    for run in fs::read_dir(&runs).unwrap() {
        assert_falling(&column(&fs::read_to_string(run.unwrap().path()).unwrap(), ' ', 4), 2);
    }
}

#[test]
fn a_score_is_printed_with_the_digits_that_make_it_the_same_number() {
    let args = ["rerank", "--model", TINY, "--query", "tower", "--scoring", "cosine"];
    let of = |format: &str| run_with_stdin(&[&args[..], &["--format", format]].concat(), "a tower\nbread\nParis\n");
    let answer = of("json").json();
    let exact: Vec<f32> =
        answer["results"].as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap() as f32).collect();
    assert_eq!(column(&of("tsv").quietly(), '\t', 1), exact);
    assert_eq!(column(&of("trec").quietly(), ' ', 4), exact);
}

const REPEATED: &str = "\
{\"id\":\"d1\",\"text\":\"some bread\"}
{\"id\":\"d2\",\"text\":\"a tower\"}
{\"id\":\"d1\",\"text\":\"a red tower\"}
{\"id\":\"d1\",\"text\":\"tower\"}
";

#[track_caller]
fn assert_once(ran: &Ran, number: &str) {
    assert_eq!(ran.code, 0, "{}", ran.err);
    let message = format!("{number} the id of a better one of the same list, such as 'd1'");
    assert!(ran.err.contains(&message), "{}", ran.err);
}

/// trec_eval, ir_measures and our own eval refuse a run that names a document twice.
#[test]
fn a_run_has_a_document_once_at_its_best_place() {
    let folder = Folder::new();
    let rows = folder.with("c.jsonl", REPEATED);
    let qrels = folder.with("qrels.txt", "1 0 d1 1\nq1 0 d1 1\nq2 0 d2 1\n");
    let args = ["rerank", "--model", TINY, "--query", "tower", &rows];
    let all = run(&args).rows();
    assert_eq!(all.len(), 4, "other formats have every candidate");
    let trec = run(&[&args[..], &["--format", "trec"]].concat());
    assert_once(&trec, "2 results have");
    let lines: Vec<Vec<&str>> = trec.out.lines().map(|line| line.split(' ').collect()).collect();
    let best_d1 = all.iter().find(|row| row[2] == "d1").unwrap();
    assert_eq!((lines.len(), lines[0][3], lines[1][3]), (2, "1", "2"));
    assert!(lines.iter().any(|line| line[2] == "d1" && line[4] == best_d1[1]), "{lines:?} {best_d1:?}");
    let written = folder.with("out.trec", &trec.out);
    run(&["eval", "-q", "--qrels", &qrels, &written, "--measures", "AP"]).quietly();
    // A job, interrupted by nothing, and ids of an index.
    let candidates = REPEATED.lines().collect::<Vec<_>>().join(",");
    let list = |q: &str| format!("{{\"query_id\":\"{q}\",\"query\":\"tower\",\"candidates\":[{candidates}]}}\n");
    let lists = folder.with("lists.jsonl", list("q1") + &list("q2"));
    let out = folder.text("job.trec");
    assert_once(&run(&["rerank", "--model", TINY, "--candidates", &lists, "--output", &out]), "4 results have");
    run(&["eval", "-q", "--qrels", &qrels, &out, "--measures", "AP"]).quietly();
    let corpus = folder.with("i.txt", "bread\ntower\n");
    let index = folder.text("i");
    run(&["index", "build", &corpus, "--output", &index, "--model", TINY]).quietly();
    let ids = "{\"id\":\"1\",\"text\":\"\"}\n{\"id\":\"2\",\"text\":\"\"}\n{\"id\":\"1\",\"text\":\"\"}\n";
    let ran = run_with_stdin(&["rerank", "--index", &index, "--query", "tower", "--format", "trec"], ids);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2));
    assert!(ran.err.contains("1 result has the id of a better one of the same list, such as '1'"), "{}", ran.err);
}

#[test]
fn min_score_goes_by_the_models_score_which_is_printed_beside_a_blended_one() {
    let rows = "\
{\"id\":\"a\",\"text\":\"a tower\",\"score\":1}
{\"id\":\"b\",\"text\":\"some bread\",\"score\":9}
{\"id\":\"c\",\"text\":\"Paris\",\"score\":5}
";
    let folder = Folder::new();
    let file = folder.with("c.jsonl", rows);
    let lists = folder.with(
        "l.jsonl",
        format!("{{\"query_id\":\"q\",\"query\":\"tower\",\"candidates\":[{}]}}", rows.trim().replace('\n', ",")),
    );
    let index = folder.text("i");
    run(&["index", "build", &file, "--output", &index, "--model", TINY]).quietly();
    let blend = ["--blend", "linear", "--blend-weight", "0.5", "--scoring", "cosine"];
    for (args, at) in [
        (vec!["rerank", "--model", TINY, "--query", "tower", &file], 1),
        (vec!["rerank", "--model", TINY, "--candidates", &lists], 2),
        (vec!["rerank", "--index", &index, "--query", "tower", &file], 1),
    ] {
        let of = |more: &[&str]| run(&[&args[..], &blend, more].concat());
        let answer = of(&["--format", "json"]).json();
        let answer = if answer.is_array() { answer[0].clone() } else { answer };
        let results = answer["results"].as_array().unwrap().clone();
        let model = |hit: &serde_json::Value| hit.get("model_score").unwrap_or(&hit["score"]).as_f64().unwrap() as f32;
        let mut models: Vec<f32> = results.iter().map(model).collect();
        models.sort_by(f32::total_cmp);
        let least = models[1].to_string();
        let kept = results.iter().filter(|hit| model(hit) >= models[1]);
        let expected: Vec<(String, f32)> =
            kept.map(|hit| (hit["id"].as_str().unwrap().to_owned(), model(hit))).collect();
        assert_eq!(expected.len(), 2);
        let rows = of(&["--format", "tsv", "--min-score", &least]).rows();
        let found: Vec<(String, f32)> =
            rows.iter().map(|row| (row[at + 1].clone(), row.last().unwrap().parse().unwrap())).collect();
        assert_eq!(found, expected, "{args:?}");
        let without = of(&["--format", "tsv"]).rows();
        assert_eq!(without[0].len() + 1, rows[0].len(), "only with --min-score");
        let table = of(&["--format", "table", "--min-score", &least]).quietly();
        for (id, score) in &expected {
            assert!(table.lines().any(|line| line.contains(&format!("{score:.4}  {id}"))), "{table}");
        }
        let plain =
            run(&[&args[..], &["--scoring", "cosine", "--blend", "none", "--min-score", "-1", "--format", "tsv"]]
                .concat());
        assert_eq!(plain.rows()[0].len(), without[0].len(), "one number, one column");
    }
}

#[test]
fn a_text_may_begin_with_a_hyphen() {
    let folder = Folder::new();
    let file = folder.with("c.txt", "a tower\n");
    for query in ["-40 degrees", "--no-cache flag", "-1", "--frobnicate"] {
        let args = ["rerank", "--model", TINY, "--query", query, &file, "--format", "json"];
        assert_eq!(run(&args).json()["query"], query);
    }
    let error = run(&["rerank", "--model", TINY, "--query", "--top-k", "3", &file]).error();
    assert!(error.contains("a value is required for '--query <TEXT>'"), "{error}");
    assert!(error.contains("--query=TEXT"), "{error}");
    let same = run(&["rerank", "--model", TINY, "--query=--top-k", &file, "--format", "json"]).json();
    assert_eq!(same["query"], "--top-k");
    let embedded = ["embed", "--model", TINY, "--document-prompt", "- ", &file, "--output", &folder.text("o.npy")];
    run(&embedded).quietly();
}

/// Queries that are documents too, as in BEIR's ArguAna and Quora.
#[test]
fn a_document_that_is_its_query_is_left_out_where_asked() {
    let folder = Folder::new();
    let rows = ["a", "b", "c"].map(|id| format!("{{\"_id\":\"{id}\",\"text\":\"tower {id}\"}}\n")).concat();
    let (corpus, queries) = (folder.with("c.jsonl", &rows), folder.with("q.jsonl", &rows));
    let bm25 = folder.with("r.json", "{\"a\":{\"a\":9,\"b\":2,\"c\":1},\"b\":{\"b\":9,\"a\":1},\"c\":{\"c\":1}}");
    let qrels = folder.with("qrels.json", "{\"a\":{\"c\":1},\"b\":{\"a\":1},\"c\":{\"a\":1}}");
    let index = folder.text("i");
    run(&["index", "build", &corpus, "--output", &index, "--model", TINY]).quietly();
    let texts = ["a", "b"].map(|id| format!("{{\"id\":\"{id}\",\"text\":\"x\"}}")).join(",");
    let list = format!("{{\"query_id\":\"a\",\"query\":\"tower\",\"candidates\":[{texts}]}}\n");
    let lists = folder.with("l.jsonl", list);
    let pairs = |args: &[&str]| {
        let ran = run(&[args, &["-q", "--format", "trec"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let pair = |line: &str| line.split(' ').step_by(2).take(2).map(str::to_owned).collect::<Vec<_>>();
        ran.out.lines().map(pair).collect::<Vec<_>>()
    };
    let job = ["--queries", &queries, "--run", &bm25];
    for (args, all, others) in [
        (vec!["search", "--index", &index, "--queries", &queries], 9, 6),
        (vec!["search", "--index", &index, "--queries", &queries, "--top-k", "2"], 6, 6),
        ([&["rerank", "--model", TINY, "--corpus", &corpus], &job[..]].concat(), 6, 3),
        ([&["rerank", "--index", &index], &job[..]].concat(), 6, 3),
        (vec!["rerank", "--model", TINY, "--candidates", &lists], 2, 1),
        (vec!["rerank", "--model", TINY, "--query-file", &queries, &corpus], 9, 6),
    ] {
        assert_eq!(pairs(&args).len(), all, "{args:?}");
        let left = pairs(&[&args[..], &["--ignore-identical-ids"]].concat());
        assert!(left.len() == others && left.iter().all(|pair| pair[0] != pair[1]), "{args:?}: {left:?}");
    }
    let value = |args: &[&str]| {
        let ran =
            run(&[&["eval", "-q", "--qrels", &qrels, &bm25, "--measures", "mrr", "--format", "json"], args].concat());
        ran.json()["runs"][0]["measures"]["RR"]["mean"].as_f64().unwrap()
    };
    assert!((value(&[]) - (1.0 / 3.0 + 0.5) / 3.0).abs() < 1e-9);
    assert!((value(&["--ignore-identical-ids"]) - (0.5 + 1.0) / 3.0).abs() < 1e-9);
    let compared = [
        "compare",
        "-q",
        "--runs",
        &bm25,
        &folder.with("again.trec", "a Q0 b 1 1 t\nb Q0 a 1 1 t\n"),
        "--qrels",
        &qrels,
        "--ignore-identical-ids",
    ];
    assert!(run(&compared).out.contains("nDCG@10"));
    let refused = run(&["search", "--index", &index, "--query", "x", "--ignore-identical-ids"]).error();
    assert!(refused.contains("cannot be used with"), "{refused}");
}
