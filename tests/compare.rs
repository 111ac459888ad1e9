//! Systems beside each other, by the library alone.

use std::cell::{Cell, RefCell};
use std::fs;

use nearsort::compare::{
    CompareFiles, CompareOptions, FirstStage, FirstStageOptions, Judgements, System, SystemKind, Texts, compare,
};
use nearsort::eval::{Resampling, Test};
use nearsort::io::{Qrels, ReadOptions, Run};
use nearsort::job::{Notice, Observer};
use nearsort::{Call, Error, Model, ModelOptions, RankOptions, Reranker, Scoring};
use serde_json::Value;

use crate::support::tiny_path;

const QUERIES: [(&str, &str); 2] = [("q1", "how do bees make honey"), ("q2", "who wrote hamlet")];
const DOCUMENTS: [(&str, &str); 3] = [
    ("d1", "Worker bees turn nectar into honey."),
    ("d2", "Shakespeare wrote hamlet around 1600."),
    ("d3", "Plates of the crust slip along a fault."),
];

fn texts() -> Texts {
    Texts::new(QUERIES, DOCUMENTS)
}

/// Every document for both queries, the useless one first.
fn first_stage() -> Run {
    let mut run = Run::default();
    for (query, _) in QUERIES {
        [("d3", 3.0), ("d2", 2.0), ("d1", 1.0)].iter().for_each(|(id, score)| run.push(query, id, *score));
    }
    run
}

fn judgements() -> Judgements {
    let qrels = Qrels::from_judgements([("q1", "d1", 1), ("q2", "d2", 1)]).unwrap();
    Judgements { qrels, source: "mine".into(), by_model: false }
}

/// Counts the words of the query that are in the text.
fn overlap() -> Reranker {
    let overlap = |query: &str, text: &str| query.split(' ').filter(|word| text.contains(word)).count() as f32;
    Reranker::with(Model::from_fn(overlap), RankOptions::default().blend(nearsort::Blend::None)).unwrap()
}

/// Keeps what it is told.
#[derive(Default)]
struct Ears {
    expected: Cell<usize>,
    said: RefCell<Vec<String>>,
}

impl Observer for Ears {
    fn expect(&self, texts: usize, _: bool) {
        self.expected.set(self.expected.get() + texts);
    }

    fn notice(&self, notice: &Notice<'_>) {
        if let Notice::LeftOut { message } = notice {
            self.said.borrow_mut().push((*message).to_owned());
        }
    }
}

#[test]
fn two_rerankers_are_compared_with_the_first_stage() {
    let (run, texts, ears) = (first_stage(), texts(), Ears::default());
    let first = FirstStage::new(&run, &texts, &FirstStageOptions::default(), &ears).unwrap();
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default()).unwrap();
    let tiny = Reranker::with(&model, RankOptions::by(Scoring::Cosine)).unwrap();
    let systems = vec![
        System::of_run("search", SystemKind::FirstStage, "search", run.clone()),
        first.rerank("overlap", "mine", &overlap(), &ears, &Call::new()).unwrap(),
        first.rerank("tiny", "tiny-bert", &tiny, &ears, &Call::new()).unwrap(),
    ];
    assert_eq!(ears.expected.get(), 2 * (2 + 6), "queries and candidates of both");
    let options = CompareOptions {
        test: Test::T,
        resampling: Resampling { resamples: 100, seed: 1 },
        disputed: 1,
        ..CompareOptions::default()
    };
    let report = compare(systems, Some(judgements()), &texts, &options).unwrap();
    let mean = |at: usize| report.systems[at].measured[1].mean().unwrap().mean;
    assert_eq!((mean(0), mean(1)), ((1.0 / 3.0 + 1.0 / 2.0) / 2.0, 1.0), "RR@10");
    let costs: Vec<_> = report.systems.iter().filter_map(|system| system.system.cost.as_ref()).collect();
    assert_eq!((costs.len(), costs[1].candidates, costs[1].seconds.len()), (2, 6, 2));
    assert_eq!([costs[0].dollars, costs[1].dollars], [Some(0.0), Some(0.0)], "what runs here is free");

    let json: Value = serde_json::from_str(&report.to_json(Some("mine"))).unwrap();
    assert_eq!(
        (&json["command"], &json["baseline"], &json["systems"][2]["cost"]["candidates"]),
        (&"mine".into(), &"search".into(), &6.into())
    );
    assert_eq!(json["systems"][1]["measures"]["RR@10"]["difference"]["wins"], 2);
    assert_eq!(
        json["disputed"][0]["first"]["overlap"][0]["text"],
        DOCUMENTS[usize::from(json["disputed"][0]["id"] == "q2")].1
    );
    assert_eq!(json["agreement"]["pairs"].as_array().unwrap().len(), 3);
    let plain: Value = serde_json::from_str(&report.to_json(None)).unwrap();
    assert!(plain.get("command").is_none());
}

#[test]
fn below_the_depth_and_without_text_the_first_stages_order_stays() {
    let mut run = first_stage();
    run.push("q1", "d9", 2.5);
    let (texts, ears) = (texts(), Ears::default());
    let strict = FirstStageOptions { source: "run.trec".into(), depth: Some(3), leaves_out: false };
    let Err(Error::MissingTexts { message }) = FirstStage::new(&run, &texts, &strict, &ears) else {
        panic!("d9 is nowhere")
    };
    assert!(
        message.starts_with("run.trec: the run names 1 document that the documents does not have, such as 'd9'"),
        "{message}"
    );
    let lenient = FirstStageOptions { leaves_out: true, ..strict };
    let first = FirstStage::new(&run, &texts, &lenient, &ears).unwrap();
    assert_eq!(*ears.said.borrow(), [message]);
    let system = first.rerank("overlap", "mine", &overlap(), &(), &Call::new()).unwrap();
    let order: Vec<_> = system.run.documents("q1").unwrap().iter().map(|document| document.id.to_owned()).collect();
    assert_eq!(
        order,
        ["d3", "d2", "d9", "d1"],
        "the best three of the first stage, d9 unscored, and d1 beyond the depth"
    );
    assert_eq!(system.unscored, Some(1));
}

#[test]
fn a_score_that_is_no_number_names_query_and_candidate() {
    let (run, texts) = (first_stage(), texts());
    let first = FirstStage::new(&run, &texts, &FirstStageOptions::default(), &()).unwrap();
    let broken = Model::from_fn(|_, text| if text.starts_with("Plates") { f32::NAN } else { 1.0 });
    let error = first.rerank("broken", "mine", &Reranker::new(&broken), &(), &Call::new()).unwrap_err();
    let Error::At { source, place } = &error else { panic!("{error}") };
    assert_eq!((place.as_str(), source.to_string().ends_with(": id 'd3'")), ("the query 'q1'", true), "{error}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let system = |name: &str| System::of_run(name, SystemKind::Run, name, first_stage());
    let other = |query: &str| {
        let mut run = Run::default();
        run.push(query, "d1", 1.0);
        System::of_run("other", SystemKind::Run, "other", run)
    };
    let options = CompareOptions::default();
    let refused = |systems| compare(systems, None, &Texts::default(), &options).unwrap_err().to_string();
    assert!(refused(vec![system("a")]).contains("at least two systems"));
    assert!(refused(vec![system("a"), system("a")]).contains("two systems are called 'a'"));
    assert!(refused(vec![system("a"), other("q9")]).contains("no query in common"));
    let counts = CompareOptions { measures: vec!["NumQ".parse().unwrap()], ..CompareOptions::default() };
    let error = compare(vec![system("a"), system("b")], None, &Texts::default(), &counts).unwrap_err();
    assert!(error.to_string().contains("is a count"), "{error}");
    let report = compare(vec![system("a"), other("q2")], None, &Texts::default(), &options).unwrap();
    assert_eq!(report.notes, ["other lacks 1 query of a, such as 'q1': agreement is over what both have"]);
}

#[test]
fn files_are_read_sampled_and_graded() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let lines = |query: &str| format!("{query} Q0 d2 1 2 s\n{query} Q0 d1 2 1 s\n");
    let files = CompareFiles {
        first_stage: Some(file("first.trec", &["q1", "q2", "q3"].map(lines).concat())),
        grades: vec![file("grades.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t3\nq2\td1\t2\n")],
        judge_as_qrels: Some(file("judge.trec", "q1 Q0 d1 1 3 j\nq2 Q0 d1 1 2 j\n")),
        ..CompareFiles::default()
    };
    let mut collection = files.read().unwrap();
    assert!(collection.judgements.as_ref().unwrap().label().starts_with("judged by a model, not by people: "));
    collection.sample(1, 7).unwrap();
    let run = collection.first_stage.as_ref().unwrap();
    assert_eq!((run.num_queries(), &*collection.notes[0]), (1, "a sample of 1 of 3 queries, drawn with seed 7"));
    assert_ne!(run.query_ids().next(), Some("q3"), "judged queries are drawn first");
    let graded = System::by_grades("grades", "grades.tsv", run, &collection.grades[0]);
    let best = graded.run.iter().next().unwrap().1[0].id.to_owned();
    assert_eq!((best.as_str(), graded.unscored), ("d1", Some(1)));

    let error = Judgements::read_model(file("half.trec", "q1 Q0 d1 1 0.5 j\n")).unwrap_err().to_string();
    assert!(error.contains("the score 0.5 of 'd1' for the query 'q1' is not a grade"), "{error}");
    let error = CompareFiles { runs: vec![file("empty.trec", "")], ..CompareFiles::default() }.read().unwrap_err();
    assert!(error.to_string().ends_with("the run is empty"), "{error}");
}

#[test]
fn texts_of_files_are_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |rows: &[(&str, &str)]| {
        rows.iter().map(|(id, text)| format!("{{\"_id\": \"{id}\", \"text\": \"{text}\"}}\n")).collect::<String>()
    };
    let (queries, corpus) = (folder.path().join("queries.jsonl"), folder.path().join("corpus.jsonl"));
    fs::write(&queries, lines(&QUERIES)).unwrap();
    fs::write(&corpus, lines(&DOCUMENTS)).unwrap();
    let opened = Texts::open(Some(&queries), &[corpus], &ReadOptions::default(), &()).unwrap();
    for texts in [&opened, &texts()] {
        assert_eq!((texts.query("q2"), texts.query("q9")), (Some(QUERIES[1].1), None));
        assert_eq!(texts.document("d1").unwrap().as_deref(), Some(DOCUMENTS[0].1));
        assert_eq!(texts.document("d9").unwrap(), None);
    }
}
