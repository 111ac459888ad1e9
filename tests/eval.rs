//! Measures against ir_measures, significance against scipy; `eval/make_expected.py` wrote what
//! they say.

mod agreement;
mod formats;

use std::path::PathBuf;

use nearsort::Error;
use nearsort::eval::{
    Measure, MeasureKind, Resampling, Test, bootstrap_mean, compare, curve_cutoffs, evaluate, evaluate_file, holm,
    randomisation_test, t_test,
};
use nearsort::io::{Qrels, Run, RunFile};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::root;

/// The promise. gdeval prints five decimals.
const TOLERANCE: f64 = 1e-6;
const GDEVAL_TOLERANCE: f64 = 6e-6;

fn path(name: &str) -> PathBuf {
    root().join("tests/eval").join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(path("expected.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn qrels_of(name: &str) -> Qrels {
    Qrels::read(path(&format!("{name}.qrels"))).unwrap()
}

/// A file of this name and content for as long as `read` takes.
fn with_file<T>(name: &str, content: &[u8], read: impl FnOnce(&PathBuf) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    read(&path)
}

#[track_caller]
fn assert_message(error: &Error, expected: &str) {
    let message = error.to_string();
    assert!(message.contains(expected), "{message}\ndoes not contain\n{expected}");
}

fn parse(names: &str) -> Vec<Measure> {
    Measure::parse_list(names).unwrap()
}

#[test]
fn every_measure_is_that_of_ir_measures() {
    let expected = expected();
    let mut checked = 0;
    for (name, case) in expected["cases"].as_object().unwrap() {
        let answers = case["measures"].as_object().unwrap();
        let measures: Vec<Measure> = answers.keys().map(|name| name.parse().unwrap()).collect();
        let qrels = qrels_of(name);
        let evaluation = evaluate_file(&qrels, path(&format!("{name}.run")), &measures).unwrap();
        let queries: Vec<&str> = case["queries"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(evaluation.query_ids(), queries);
        for (at, (measure, answer)) in answers.iter().enumerate() {
            let by_gdeval = measure.contains("exp-log2") || measure.starts_with("ERR");
            let tolerance = if by_gdeval { GDEVAL_TOLERANCE } else { TOLERANCE };
            for (query, (found, value)) in evaluation.values(at).iter().zip(numbers(&answer["values"])).enumerate() {
                let difference = (found - value).abs();
                assert!(difference <= tolerance, "{name}, {measure}, {}: {found}, not {value}", queries[query]);
                checked += 1;
            }
            let (found, value) = (evaluation.aggregate(at), answer["aggregate"].as_f64().unwrap());
            assert!((found - value).abs() <= tolerance, "{name}, {measure}: {found}, not {value}");
        }
        assert_eq!((evaluation.num_unjudged_queries(), evaluation.unjudged_queries()), (1, &["9999".to_owned()][..]));
        assert_eq!(evaluation.missing_queries(), [1], "14 is missing");
    }
    assert!(checked > 1500, "only {checked} values were compared");
}

#[test]
fn file_memory_jsonl_scattered_and_tsv_agree() {
    let measures = parse("nDCG,AP,RR@10,Judged@5,Bpref,NumRet,ERR@10");
    for name in ["near", "binary"] {
        let (run, qrels) = (path(&format!("{name}.run")), qrels_of(name));
        let values = |evaluation: &nearsort::eval::Evaluation| -> Vec<Vec<f64>> {
            (0..measures.len()).map(|at| evaluation.values(at)).collect()
        };
        let reference = values(&evaluate_file(&qrels, &run, &measures).unwrap());
        let in_memory = RunFile::open(&run).unwrap().read().unwrap();
        assert_eq!(values(&evaluate(&qrels, &in_memory, &measures).unwrap()), reference);

        let text = std::fs::read_to_string(&run).unwrap();
        let mut scattered: Vec<&str> = text.lines().collect();
        scattered.sort_by_key(|line| line.split(' ').nth(3).unwrap().parse::<u32>().unwrap());
        let scattered = format!("\u{feff}{}\r\n\r\n", scattered.join("\r\n"));
        let found = with_file("a.run", scattered.as_bytes(), |path| evaluate_file(&qrels, path, &measures)).unwrap();
        assert_eq!(values(&found), reference);

        let found = with_file("a", jsonl(&in_memory).as_bytes(), |path| evaluate_file(&qrels, path, &measures));
        assert_eq!(values(&found.unwrap()), reference);

        for header in ["query-id\tcorpus-id\tscore\n", ""] {
            let qrels = Qrels::parse((header.to_owned() + &beir(&qrels)).as_bytes(), "qrels.tsv").unwrap();
            assert_eq!(values(&evaluate_file(&qrels, &run, &measures).unwrap()), reference);
        }
    }
}

/// The run as JSON, under every name that ids can have, one of them with an escape.
fn jsonl(run: &Run) -> String {
    let mut text = String::new();
    for (query, documents) in run.iter() {
        for (at, document) in documents.iter().enumerate() {
            let query_name = ["query_id", "qid"][at % 2];
            let name = ["docid", "doc_id", "document_id", "id"][at % 4];
            let id = document.id.replace('d', "\\u0064");
            let rest = "\"text\": {\"docid\": [1, 2]}, \"rank\": 3";
            let query = if at % 3 == 0 { query.to_owned() } else { format!("\"{query}\"") };
            let score = document.score;
            text += &format!("{{\"{query_name}\": {query}, {rest}, \"{name}\": \"{id}\", \"score\": {score}}}\n");
        }
    }
    text
}

fn beir(qrels: &Qrels) -> String {
    let lines = qrels.iter().flat_map(|(query, grades)| grades.iter().map(move |(id, grade)| (query, id, grade)));
    lines.map(|(query, id, grade)| format!("{query}\t{id}\t{grade}\n")).collect()
}

/// Many parts, read side by side, give the file's order and the values of one.
#[test]
fn a_run_of_many_parts_is_read_in_its_order() {
    let mut text = String::new();
    for query in 0..400 {
        for rank in 0..300 {
            text += &format!("q{query} Q0 document-{query}-{rank} {rank} {} a-tag\n", 300 - rank);
        }
    }
    assert!(text.len() > 4 << 20);
    with_file("a.run", text.as_bytes(), |path| {
        let file = RunFile::open(path).unwrap();
        let seen = file.map_queries(|results| (results.query_id().to_owned(), results.documents().len())).unwrap();
        assert_eq!(seen.len(), 400);
        assert!(seen.iter().enumerate().all(|(at, (id, count))| *id == format!("q{at}") && *count == 300));
    });
}

/// One query may be longer than a part.
#[test]
fn one_query_may_be_longer_than_a_part() {
    let line = |rank: usize| format!("1 Q0 document-number-{rank} {rank} {} a-long-tag-of-a-run\n", 1.0 / rank as f64);
    let text: String = (1..60_000).map(line).collect();
    assert!(text.len() > 2 << 20);
    let counts = with_file("a.run", text.as_bytes(), |path| {
        RunFile::open(path).unwrap().map_queries(|results| results.documents().len())
    });
    assert_eq!(counts.unwrap(), [59_999]);
}

#[test]
fn bad_lines_of_a_run_are_named() {
    let many: String = (0..100_000).map(|at| format!("{} Q0 d{at} 1 {at} tag\n", at / 50)).collect();
    let cases: [(&str, String, &str); 10] = [
        ("a.run", "1 Q0 a 1 2.5 t\n\n1 Q0 b 2 x t\n".into(), "a.run:3: the score 'x' is not a number"),
        ("a.run", "1 Q0 a 1 nan t\n".into(), "a.run:1: the score 'nan' is not a number"),
        ("a.run", "1 Q0 a 1 2.5\n".into(), "a.run:1: 5 fields; a line of a run has six"),
        ("a.run", "1 Q0 a 1 1 t\n1 Q0 b 2 1 t\n1 Q0 a 3 0 t\n".into(), "a.run:3: the document 'a' stands twice"),
        ("a.run", "1 Q0 a 1 1 t\n2 Q0 b 2 1 t\n1 Q0 a 3 0 t\n".into(), "a.run:3: the document 'a' stands twice"),
        ("a.run", many.clone() + "7 Q0 d 1\n" + &many + "oops\n", "a.run:100001: 4 fields"),
        ("a.run", many + "x Q0 y 1 1 t\nx Q0 y 2 0 t\n", "a.run:100002: the document 'y' stands twice"),
        ("a.jsonl", "{\"qid\": \"1\", \"docid\": \"a\"}\n".into(), "a.jsonl:1: no score; a line of a run has"),
        ("a.jsonl", "\n{\"qid\": \"1\", \"score\": 1}\n".into(), "a.jsonl:2: no docid; a line of a run has"),
        ("a.jsonl", "1 Q0 a 1 1 t\n".into(), "a.jsonl:1: not a line of a run:"),
    ];
    let qrels = Qrels::from_judgements([("1", "a", 1)]).unwrap();
    for (name, content, message) in cases {
        let error = with_file(name, content.as_bytes(), |path| evaluate_file(&qrels, path, &parse("AP"))).unwrap_err();
        assert_message(&error, message);
    }
    let latin1 = b"1 Q0 a 1 1 t\n1 Q0 caf\xE9 2 1 t\n";
    let error = with_file("a.run", latin1, |path| evaluate_file(&qrels, path, &parse("AP"))).unwrap_err();
    assert_message(&error, "a.run:2: not UTF-8: byte 0xE9 at byte 9 of the line");
    let error = with_file("a.gz", b"\x1F\x8B\x08", |path| evaluate_file(&qrels, path, &parse("AP"))).unwrap_err();
    assert_message(&error, "the gzip stream ends too early");
}

#[test]
fn bad_lines_of_judgements_are_named() {
    let cases = [
        ("1 0 a 1\n\n1 0 b\n", "qrels:3: 3 columns; the first line has four"),
        ("1\ta\t1\n1\tb\n", "qrels:2: 2 columns or an empty one; the first line has three"),
        ("1\ta\t1\n1\t\t1\n", "qrels:2: 3 columns or an empty one"),
        ("1 0 a one\n", "qrels:1: the grade 'one' is not a whole number"),
        ("1 a high\n", "qrels:1: the grade 'high' is not a whole number"),
        (
            "1 0 a 1\n2 0 a 0\n1 0 a 2\n",
            "qrels:3: the document 'a' has the grade 2 for the query '1', and 1 on an earlier",
        ),
        ("", "qrels: no judgements"),
        ("query-id\tcorpus-id\tscore\n", "qrels: no judgements"),
    ];
    for (content, message) in cases {
        assert_message(&Qrels::parse(content.as_bytes(), "qrels").unwrap_err(), message);
    }
    let error = Qrels::parse(b"1 0 a 1\n1 0 \xFF 1\n", "qrels").unwrap_err();
    assert_message(&error, "qrels:2: not UTF-8");
    let twice = Qrels::parse(b"1 0 a 1\n1 0 a 1\n", "qrels").unwrap();
    assert_eq!(twice.grades("1").unwrap().len(), 1);
    let blanks = Qrels::parse(b"\xEF\xBB\xBFquery-id\tcorpus-id\tscore\r\nq 1\td 1\t-2\r\n", "qrels").unwrap();
    assert_eq!(blanks.grades("q 1").unwrap().get("d 1"), Some(-2));
    let error = Qrels::from_judgements([("1", "a", 1), ("1", "a", 0)]).unwrap_err();
    assert_message(&error, "the document 'a' has the grade 0 for the query '1', and 1 on an earlier line");
}

#[test]
fn nothing_in_common_is_an_error_with_ids_of_both() {
    let qrels = Qrels::from_judgements([("q1", "a", 1)]).unwrap();
    let mut run = Run::default();
    let error = evaluate(&qrels, &run, &parse("AP")).unwrap_err();
    assert_message(&error, "the run has no results");
    run.push("1", "a", 1.0);
    let error = evaluate(&qrels, &run, &parse("AP")).unwrap_err();
    assert_message(&error, "no query of the run is judged: it has 1 ... and the judgements have q1 ...");
    run.push("q1", "b", 1.0);
    let evaluation = evaluate(&qrels, &run, &parse("AP")).unwrap();
    assert_eq!(evaluation.num_judged_retrieved(), 0);
    assert_eq!(evaluation.example_documents(), [&["a".to_owned(), "b".to_owned()][..], &["a".to_owned()][..]]);
    run.push("q1", "b", 0.5);
    assert_message(&evaluate(&qrels, &run, &parse("AP")).unwrap_err(), "the document 'b' stands twice");
    let mut run = Run::default();
    run.push("q1", "b", f64::NAN);
    assert_message(&evaluate(&qrels, &run, &parse("AP")).unwrap_err(), "not a finite number");
}

#[test]
fn grades_beyond_err_are_refused() {
    let qrels = Qrels::from_judgements([("q1", "a", 5)]).unwrap();
    let mut run = Run::default();
    run.push("q1", "a", 1.0);
    assert!(evaluate(&qrels, &run, &parse("nDCG")).is_ok());
    let error = evaluate(&qrels, &run, &parse("nDCG,ERR@10")).unwrap_err();
    assert_message(&error, "ERR@10 is defined for grades up to 4, and the judgements have 5");
}

#[test]
fn names_of_measures_read_and_print_as_ir_measures_does() {
    let cases = [
        ("nDCG@10", "nDCG@10"),
        (" NDCG(cutoff=10) ", "nDCG@10"),
        ("MRR@10", "RR@10"),
        ("MAP(rel=2)", "AP(rel=2)"),
        ("P(judged_only=True, rel=2)@5", "P(rel=2,judged_only=True)@5"),
        ("nDCG(dcg=\"exp-log2\")@5", "nDCG(dcg='exp-log2')@5"),
        ("nDCG(dcg='log2')@5", "nDCG@5"),
        ("NumRet(rel=1)", "NumRelRet"),
        ("NumRelRet", "NumRelRet"),
        ("NumRet(rel=3)", "NumRet(rel=3)"),
        ("Recall(rel=1)@100", "R@100"),
    ];
    for (typed, printed) in cases {
        assert_eq!(typed.parse::<Measure>().unwrap().to_string(), printed);
    }
    let list = parse("nDCG@10, P(rel=2,judged_only=True)@5 AP");
    assert_eq!(list.len(), 3);
    assert_eq!(list[0].at(5).unwrap().to_string(), "nDCG@5");
    assert_eq!(parse("Bpref")[0].at(5), None);
    assert_eq!(list[2].kind(), MeasureKind::Ap);
}

#[test]
fn wrong_names_of_measures_say_what_may_have_been_meant() {
    let cases = [
        ("ndgc@10", "the measure 'ndgc@10': unknown measure; did you mean nDCG?"),
        ("ndcg_cut", "it needs a cutoff, e.g. nDCG@10"),
        ("R_cap@10", "it is not supported; the nearest is R@k"),
        ("Hole@10", "it is not supported; the nearest is Judged@k"),
        ("iprec_at_recall_0.1", "it is not supported; the nearest is AP or Rprec"),
        ("accuracy@1", "it is not supported; the nearest is Success@k"),
        ("ndcg@10-l2", "nDCG takes no rel"),
        ("ndcg_cut_0", "cutoff must be a whole number of at least 1"),
        ("Sucess@1", "did you mean Success?"),
        ("zebra", "unknown measure; expected nDCG, RR, AP"),
        ("P", "it needs a cutoff, e.g. P@10"),
        ("ERR", "it needs a cutoff"),
        ("nDCG(dcg='exp-log2')", "it needs a cutoff"),
        ("Bpref@10", "Bpref takes no cutoff"),
        ("nDCG(rel=2)@10", "nDCG takes no rel"),
        ("RR(judged_only=True)@10", "RR@k takes no judged_only"),
        ("Judged(judged_only=True)@10", "Judged takes no judged_only"),
        ("AP(dcg='exp-log2')", "AP takes no dcg"),
        ("P@0", "cutoff must be a whole number of at least 1, not '0'"),
        ("P(rel=0)@5", "rel must be a whole number of at least 1, not '0'"),
        ("P(rel)@5", "'rel' is not NAME=VALUE"),
        ("P(rel=2@5", "a parenthesis is not closed"),
        ("P(beta=2)@5", "unknown parameter 'beta'"),
        ("P(judged_only=yes)@5", "judged_only must be False or True, not yes"),
        (" , ", "no measure; name some"),
        ("AP,MAP", "the measure AP is named twice"),
    ];
    for (typed, message) in cases {
        assert_message(&Measure::parse_list(typed).unwrap_err(), message);
    }
}

#[test]
fn significance_is_that_of_scipy() {
    let expected = expected();
    for case in expected["significance"].as_array().unwrap() {
        let values = numbers(&case["values"]);
        let number = |name: &str| case[name].as_f64().unwrap();
        let found = t_test(&values);
        assert!(
            (found - number("t_test")).abs() < 1e-9,
            "{} values: t {found}, not {}",
            values.len(),
            number("t_test")
        );
        let found = randomisation_test(&values, &Resampling::default());
        // Up to 12 differences both are exact; above, both are draws with a standard error of at
        // most 0.005.
        let tolerance = if values.len() <= 12 { 1e-9 } else { 0.02 };
        let difference = (found - number("randomisation")).abs();
        assert!(difference < tolerance, "{} values: {found}, not {}", values.len(), number("randomisation"));
        let interval = bootstrap_mean(&values, &Resampling::default());
        let [low, high] = numbers(&case["interval"])[..] else { panic!("an interval has two ends") };
        let tolerance = 0.05 * (high - low);
        assert!((interval.low - low).abs() < tolerance, "{} values: {interval:?}, not {low}", values.len());
        assert!((interval.high - high).abs() < tolerance, "{} values: {interval:?}, not {high}", values.len());
    }
}

#[test]
fn resampling_depends_on_the_seed_and_on_nothing_else() {
    let values: Vec<f64> = (0..300).map(|at| f64::from(at * at % 97) / 97.0 - 0.49).collect();
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let resampling = Resampling { seed, ..Resampling::default() };
        pool.install(|| (bootstrap_mean(&values, &resampling), randomisation_test(&values, &resampling)))
    };
    assert_eq!(on(1, 1), on(3, 1));
    assert_ne!(on(1, 1).0, on(1, 2).0);
    assert_ne!(on(1, 1).1, on(1, 2).1);
    // The same on every machine and in every version: what was published with a seed can be had
    // again.
    let (interval, p_value) = on(2, 1);
    assert_eq!((interval.low.to_bits(), interval.high.to_bits()), (0xBFA3_99E5_453B_18AE, 0x3FA0_DB21_03AA_AC74));
    assert_eq!(p_value, 8734.0 / 10_001.0);
}

#[test]
fn the_edges_of_significance() {
    let resampling = Resampling::default();
    assert!(bootstrap_mean(&[], &resampling).mean.is_nan());
    assert_eq!(bootstrap_mean(&[0.25; 9], &resampling).high, 0.25);
    assert_eq!((t_test(&[]), t_test(&[1.0]), t_test(&[0.0; 5]), t_test(&[1.0; 5])), (1.0, 1.0, 1.0, 0.0));
    assert_eq!(randomisation_test(&[], &resampling), 1.0);
    assert_eq!(randomisation_test(&[0.0; 50], &resampling), 1.0);
    // All signs alike: 2 of 2^n ways.
    assert_eq!(randomisation_test(&[1.0; 10], &resampling), 2.0 / 1024.0);
    // 0.1 + 0.2 and 0.3 are not the same f64; the test must see through that.
    assert_eq!(randomisation_test(&[0.1, 0.2, -0.3], &resampling), 1.0);
    let few = Resampling { resamples: 99, seed: 1 };
    assert_eq!(randomisation_test(&[1.0; 100], &few), 0.01);
}

#[test]
fn holm_steps_down() {
    let close = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(&holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]));
    assert!(close(&holm(&[0.6, 0.7, 0.001]), &[1.0, 1.0, 0.003]));
    assert_eq!(holm(&[0.04]), [0.04]);
    assert!(holm(&[]).is_empty());
}

#[test]
fn comparisons_count_and_refuse_other_lengths() {
    let found = compare(&[0.0, 0.5, 0.5, 1.0], &[1.0, 0.5 + 1e-12, 0.4, 1.0], Test::T, &Resampling::default()).unwrap();
    assert_eq!((found.wins, found.ties, found.losses), (1, 2, 1));
    assert!(found.difference.low <= found.difference.mean && found.difference.mean <= found.difference.high);
    assert_eq!(compare(&[0.0], &[1.0], Test::None, &Resampling::default()).unwrap().p_value, None);
    let error = compare(&[0.0], &[], Test::T, &Resampling::default()).unwrap_err();
    assert_message(&error, "0 values cannot be compared with 1");
    assert_eq!("randomization".parse::<Test>().unwrap(), Test::Randomisation);
    assert_message(&"wilcoxon".parse::<Test>().unwrap_err(), "expected randomisation, t, none");
}

#[test]
fn a_depth_curve_goes_from_one_to_the_depth() {
    assert_eq!(curve_cutoffs(0), [1]);
    assert_eq!(curve_cutoffs(3), [1, 2, 3]);
    let cutoffs = curve_cutoffs(1000);
    assert!(cutoffs.is_sorted() && cutoffs.len() < 130 && cutoffs[..20] == (1..=20).collect::<Vec<_>>());
    assert_eq!(cutoffs.last(), Some(&1000));
}

/// Documents by number: judged ones with their grade, retrieved ones with their score.
type Made = (Vec<(u8, i32)>, Vec<(u8, u8)>);

/// Judgements and a run over few ids, with many ties.
fn made() -> impl Strategy<Value = Made> {
    let judged = prop::collection::btree_map(0_u8..30, -1_i32..4, 1..20);
    let retrieved = prop::collection::btree_map(0_u8..30, 0_u8..6, 1..25);
    (judged, retrieved).prop_map(|(judged, retrieved)| (judged.into_iter().collect(), retrieved.into_iter().collect()))
}

proptest! {
    /// Whatever the input: values lie in 0..=1, and the order of lines changes nothing.
    #[test]
    fn values_are_shares_and_ignore_the_order_of_lines((judged, retrieved) in made(), rotate in 0_usize..25) {
        let measures = parse("nDCG nDCG@5 RR RR@3 AP P@5 R@5 Success@3 Judged@4 Rprec Bpref ERR@5 AP(judged_only=True)");
        let ids: Vec<String> = (0..30).map(|id| format!("d{id}")).collect();
        let lines = judged.iter().map(|&(id, grade)| ("q", ids[usize::from(id)].as_str(), grade));
        let qrels = Qrels::from_judgements(lines).unwrap();
        let evaluated = |start: usize| {
            let mut run = Run::default();
            let (before, after) = retrieved.split_at(start % retrieved.len());
            after.iter().chain(before).for_each(|&(id, score)| run.push("q", &ids[usize::from(id)], f64::from(score)));
            let evaluation = evaluate(&qrels, &run, &measures).unwrap();
            (0..measures.len()).map(|at| evaluation.aggregate(at)).collect::<Vec<_>>()
        };
        let values = evaluated(0);
        prop_assert!(values.iter().all(|value| (0.0..=1.0 + 1e-12).contains(value)), "{values:?}");
        prop_assert_eq!(values, evaluated(rotate));
    }

    /// A correction never makes a p-value smaller, keeps the order, and stays below 1.
    #[test]
    fn holm_keeps_the_order(p_values in prop::collection::vec(0.0_f64..=1.0, 0..12)) {
        let adjusted = holm(&p_values);
        for (at, &p) in p_values.iter().enumerate() {
            prop_assert!(p <= adjusted[at] && adjusted[at] <= 1.0);
            prop_assert!(p_values.iter().zip(&adjusted).all(|(&other, &a)| other < p || a >= adjusted[at]));
        }
    }
}
