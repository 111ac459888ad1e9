//! `nearsort eval`: what it prints, draws and refuses.

use serde_json::Value;

use crate::support::{Folder, Ran, run, run_with_stdin};

const QRELS: &str = "q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 1\nq2 0 d3 1\nq3 0 d9 1\n";
const FIRST: &str =
    "q1 Q0 d2 1 3.5 a\nq1 Q0 d1 2 3.0 a\nq2 Q0 d3 1 1.5 a\nq2 Q0 d4 2 1.0 a\nq3 Q0 d8 1 1 a\nq3 Q0 d9 2 0 a\n";
const SECOND: &str =
    "q1 Q0 d1 1 3.5 b\nq1 Q0 d2 2 3.0 b\nq2 Q0 d3 1 1.5 b\nq2 Q0 d1 2 1.0 b\nq3 Q0 d9 1 1 b\nq3 Q0 d8 2 0 b\n";

/// A folder with judgements and two runs, the second of which is better in every query.
fn collection() -> Folder {
    let folder = Folder::new();
    folder.with("qrels", QRELS);
    folder.with("first.run", FIRST);
    folder.with("second.run", SECOND);
    folder
}

/// `nearsort eval` over files of the folder: what ends in `.run`, `.jsonl` or `.svg` is a name in
/// it.
fn eval(folder: &Folder, args: &[&str]) -> Ran {
    let is_file = |arg: &str| [".run", ".jsonl", ".svg", ".png"].iter().any(|end| arg.ends_with(end));
    let args: Vec<String> =
        args.iter().map(|arg| if is_file(arg) { folder.text(arg) } else { arg.to_string() }).collect();
    let qrels = folder.text("qrels");
    let args: Vec<&str> = ["eval", "--qrels", &qrels].into_iter().chain(args.iter().map(String::as_str)).collect();
    run(&args)
}

#[test]
fn a_table_has_a_row_per_run_and_a_row_per_comparison() {
    let folder = collection();
    let out = eval(&folder, &["first.run", "second.run", "--measures", "RR,R@2,NumRelRet"]).quietly();
    let expected = format!(
        "\
3 judged queries of {}; means with 95 % intervals (10000 bootstrap resamples).

run         queries                      RR                     R@2  NumRelRet
first.run         3  0.6667 [0.500, 1.000]  0.8333 [0.500, 1.000]          3
second.run        3  1.0000 [1.000, 1.000]  1.0000 [1.000, 1.000]          4

Differences to first.run (randomisation test):

run         measure  difference     95 % interval       p  wins  ties  losses
second.run  RR          +0.3333  [+0.000, +0.500]  0.5000     2     1       0
second.run  R@2         +0.1667  [+0.000, +0.500]  1.0000     1     2       0
",
        folder.text("qrels")
    );
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&out), squeezed(&expected));
    assert!(out.lines().all(|line| line.trim_end() == line), "{out}");
}

#[test]
fn markdown_is_a_table_of_markdown() {
    let folder = collection();
    folder.with("with|bar.run", FIRST);
    let out = eval(&folder, &["first.run", "with|bar.run", "--measures", "AP", "--format", "markdown"]).quietly();
    let rows: Vec<&str> = out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 7, "{out}");
    assert!(rows[1].chars().all(|c| "|-:".contains(c)), "{out}");
    assert!(rows[3].contains("with\\|bar.run"), "{out}");
    assert!(rows[6].contains("+0.0000") && rows[6].contains("1.0000"), "{out}");
}

#[test]
fn json_has_everything() {
    let folder = collection();
    let args = ["first.run", "second.run", "--measures", "RR,NumQ", "--format", "json", "--per-query", "--seed", "7"];
    let answer = eval(&folder, &args).json();
    assert_eq!((&answer["queries"], &answer["seed"], &answer["test"]), (&3.into(), &7.into(), &"randomisation".into()));
    assert_eq!(answer["baseline"], "first.run");
    let second = &answer["runs"][1];
    assert_eq!(second["measures"]["RR"]["mean"], 1.0);
    assert_eq!(second["measures"]["NumQ"], serde_json::json!({ "sum": 3.0 }));
    let difference = &second["measures"]["RR"]["difference"];
    assert_eq!(
        (&difference["wins"], &difference["p"], &difference["p_adjusted"]),
        (&2.into(), &0.5.into(), &0.5.into())
    );
    assert_eq!(answer["runs"][0]["measures"]["RR"]["difference"], Value::Null);
    assert_eq!(answer["runs"][0]["per_query"]["q1"]["RR"], 0.5);
    assert_eq!(second["per_query"]["q3"], serde_json::json!({ "RR": 1.0, "NumQ": 1.0 }));
}

#[test]
fn csv_has_a_line_per_run_and_measure_or_query() {
    let folder = collection();
    folder.with("a,\"b\".run", SECOND);
    let args = ["first.run", "a,\"b\".run", "--measures", "RR", "--format", "csv"];
    let out = eval(&folder, &args).quietly();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("run,measure,value,low,high,difference,"), "{out}");
    assert!(lines[1].starts_with("first.run,RR,0.666"), "{out}");
    assert!(lines[2].starts_with("\"a,\"\"b\"\".run\",RR,1,1,1,0.333"), "{out}");
    assert!(lines[2].ends_with(",0.5,0.5,2,1,0,0,0"), "{out}");
    let out = eval(&folder, &[&args[..], &["--per-query"]].concat()).quietly();
    assert!(out.starts_with("run,query_id,RR\nfirst.run,q1,0.5\nfirst.run,q2,1\nfirst.run,q3,0.5\n"), "{out}");
    assert_eq!(out.lines().count(), 7);
}

#[test]
fn nothing_found_is_a_zero_without_a_sign() {
    let out =
        eval(&collection(), &["first.run", "--measures", "nDCG@1,AP@1", "--per-query", "--format", "csv"]).quietly();
    assert!(out.contains("\nfirst.run,q3,0,0\n"), "{out}");
}

#[test]
fn several_runs_are_corrected_for() {
    let folder = collection();
    folder.with("third.run", SECOND.replace(" b\n", " c\n"));
    let args = ["first.run", "second.run", "third.run", "--measures", "RR", "--format", "json"];
    let answer = eval(&folder, &args).json();
    let difference = &answer["runs"][2]["measures"]["RR"]["difference"];
    assert_eq!((&difference["p"], &difference["p_adjusted"]), (&0.5.into(), &1.0.into()));
    let answer = eval(&folder, &[&args[..], &["--test", "none"]].concat()).json();
    assert_eq!(answer["runs"][1]["measures"]["RR"]["difference"]["p"], Value::Null);
    let table = eval(&folder, &[&args[..4], &["RR", "--test", "t"]].concat()).quietly();
    assert!(table.contains("(t-test, Holm-adjusted over 2 runs)"), "{table}");
}

#[test]
fn the_same_seed_prints_the_same() {
    let folder = collection();
    let args = ["first.run", "second.run", "--per-query", "--resamples", "999"];
    assert_eq!(eval(&folder, &args), eval(&folder, &args));
}

#[test]
fn runs_come_from_standard_input_and_from_rerank() {
    let folder = collection();
    let qrels = folder.text("qrels");
    let args = ["eval", "--qrels", &qrels, "-", "--measures", "AP", "--format", "csv"];
    let trec = run_with_stdin(&args, FIRST).quietly();
    assert!(trec.contains("\n-,AP,0.5"), "{trec}");
    let queries = folder.with("queries.tsv", "id\ttext\nq1\ttower\nq2\triver\n");
    let candidates =
        folder.with("docs.jsonl", "{\"id\": \"d1\", \"text\": \"a tower\"}\n{\"id\": \"d2\", \"text\": \"b\"}\n");
    let rerank = ["rerank", "--model", crate::support::TINY, "--query-file", &queries, &candidates, "--format"];
    let of = |format: &str| {
        let ranked = run(&[&rerank[..], &[format]].concat()).quietly();
        run_with_stdin(&args, ranked)
    };
    assert_eq!(of("jsonl"), of("trec"));
    assert!(of("jsonl").out.contains("-,AP,"));
}

/// Text of every element of an SVG, after a check that its elements are nested and closed.
fn svg_texts(svg: &str) -> Vec<String> {
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag is closed");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name.trim()), "nested"),
            None if tag.starts_with(['!', '?']) || tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap().to_owned()),
        }
        if !text.trim().is_empty() {
            assert!(!text.contains('&') || text.contains(';'), "escaped: {text}");
            texts.push(text.trim().to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?} not closed");
    texts
}

#[test]
fn a_chart_is_a_whole_svg_with_names_and_titles() {
    let folder = collection();
    folder.with("a<b>&c.run", SECOND);
    eval(&folder, &["first.run", "a<b>&c.run", "--measures", "nDCG@10", "--plot", "out.svg"]).quietly();
    let svg = std::fs::read_to_string(folder.path("out.svg")).unwrap();
    let texts = svg_texts(&svg);
    let expected = [
        "Every query beside first.run",
        "difference of nDCG@10",
        "nDCG by depth",
        "mean nDCG@k",
        "cutoff k",
        "first.run",
        "a&lt;b&gt;&amp;c.run",
    ];
    for text in expected {
        assert!(texts.iter().any(|found| found == text), "no '{text}' in {texts:?}");
    }
    assert!(svg.matches("<polyline").count() >= 3, "a line per run and panel");
    let alone = eval(&folder, &["first.run", "--measures", "AP", "--plot", "alone.svg"]);
    assert!(alone.quietly().contains("AP"));
    assert!(svg_texts(&std::fs::read_to_string(folder.path("alone.svg")).unwrap()).contains(&"Every query".to_owned()));
}

#[test]
fn what_is_odd_is_said() {
    let folder = collection();
    folder.with("odd.run", "q1 Q0 x 1 1 t\nq7 Q0 d1 1 1 t\n");
    let ran = eval(&folder, &["odd.run", "--measures", "AP"]);
    assert_eq!(ran.code, 0);
    let expected = [
        "lacks 2 of the 3 judged queries, which count 0 in every measure: q2, q3",
        "1 query has no judgements and was left out of",
        "no document of",
        "the run has x, d1, the judgements have d1, d1, d9; check that both use the same document ids",
    ];
    for message in expected {
        assert!(ran.err.contains(message), "{}", ran.err);
    }
    assert_eq!(eval(&folder, &["-q", "odd.run", "--measures", "AP"]).err, "");
    let answer = eval(&folder, &["-q", "odd.run", "--measures", "AP", "--format", "json"]).json();
    assert_eq!(answer["runs"][0]["missing_queries"], serde_json::json!(["q2", "q3"]));
    assert_eq!(answer["runs"][0]["num_unjudged_queries"], 1);
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    let folder = collection();
    folder.with("bad.run", "q1 Q0 d1 1 x t\n");
    folder.with("other.run", "7 Q0 d1 1 1 t\n");
    let cases: [(&[&str], &str); 9] = [
        (&["first.run", "--measures", "nDGC@10"], "did you mean nDCG"),
        (&["bad.run"], "bad.run:1: the score 'x' is not a number"),
        (&["other.run"], "no query of the run is judged: it has 7 ... and the judgements have q1, q2, q3 ..."),
        (&["none.run"], "cannot open"),
        (&["first.run", "--plot", "out.png"], "must end in .svg"),
        (&["first.run", "--measures", "Bpref", "--plot", "out.svg"], "Bpref has no cutoff to draw it by"),
        (&["-", "-"], "standard input can be read once"),
        (&["first.run", "--test", "wilcoxon"], "expected randomisation, t, none"),
        (&["first.run", "--resamples", "0"], "0 is not in 1.."),
    ];
    for (args, message) in cases {
        let error = eval(&folder, args).error();
        assert!(error.contains(message), "{error}\ndoes not contain\n{message}");
    }
    assert!(!folder.names().contains(&"out.svg".to_owned()));
    let error = run(&["eval", "--qrels", &folder.text("first.run"), &folder.text("first.run")]).error();
    assert!(error.contains("first.run:1: 6 columns; the first line has four"), "{error}");
}
