//! Observing a run with a model, and what is made of it.

use std::cell::Cell;
use std::fs;

use nearsort::diagnose::{
    Change, DiagnoseFiles, Material, ObserveOptions, Observed, Options, TRIED_CANDIDATES, diagnose, observe,
};
use nearsort::io::Qrels;
use nearsort::job::Observer;
use nearsort::{Blend, Call, Error, LongText, Model, ModelOptions, Overrides, Pooling, RankOptions, Reranker, Scoring};

use crate::support::tiny_path;

const WORDS: [&str; 8] = ["tower", "paris", "bees", "honey", "panda", "bamboo", "fault", "crust"];

fn model(overrides: Overrides) -> Model {
    Model::load(&tiny_path("tiny-bert"), ModelOptions::default().overrides(overrides)).unwrap()
}

/// Queries of one word each, documents of two, every document for every query; the third is long.
fn material() -> Material {
    let mut material = Material::default();
    for at in 0..WORDS.len() {
        let text = format!("{} {}", WORDS[at], WORDS[(at + 1) % WORDS.len()]);
        material.document(format!("d{at}"), if at == 2 { text.repeat(300) } else { text });
    }
    for (at, word) in WORDS.iter().enumerate() {
        let found = (0..WORDS.len()).map(|document| (document, 10.0 - document as f64));
        material.query(format!("q{at}"), *word, found);
    }
    let judged: Vec<(String, String)> = (0..WORDS.len()).map(|at| (format!("q{at}"), format!("d{at}"))).collect();
    material.qrels = Some(Qrels::from_judgements(judged.iter().map(|(q, d)| (q.as_str(), d.as_str(), 1))).unwrap());
    material
}

/// Counts what is announced.
#[derive(Default)]
struct Announced(Cell<usize>);

impl Observer for Announced {
    fn expect(&self, texts: usize, _: bool) {
        self.0.set(self.0.get() + texts);
    }
}

fn observed(overrides: Overrides) -> Observed {
    let announced = Announced::default();
    let observed =
        observe(material(), &model(overrides), &ObserveOptions::default(), &announced, &Call::new()).unwrap();
    assert!(announced.0.get() > 2 * WORDS.len(), "{}", announced.0.get());
    observed
}

#[test]
fn every_pair_is_scored_as_a_reranker_scores_it() {
    let observed = observed(Overrides::default());
    let (all, material, model) = (&observed.observations, material(), model(Overrides::default()));
    let texts: Vec<&str> = material.documents.iter().map(|document| document.text.as_str()).collect();
    for scoring in [Scoring::Cosine, Scoring::MaxSim, Scoring::Hybrid] {
        let options = RankOptions::by(scoring).long_text(LongText::Truncate).blend(Blend::None);
        let scored = Reranker::with(&model, options)
            .unwrap()
            .score_queries(&[WORDS[1]], &texts, &Call::new())
            .unwrap()
            .swap_remove(0);
        let seen: Vec<f32> = all.queries[1].candidates.iter().map(|found| found.scores.get(scoring)).collect();
        assert_eq!(seen, scored.scores(), "{scoring}");
    }
    assert!(all.documents[2].truncated && all.queries[0].candidates[2].windowed.is_some());
    assert!(all.queries[0].candidates[1].windowed.is_none() && all.documents[1].tokens > 2);
    assert_eq!((observed.readings.queries, observed.tried_queries), (WORDS.len(), WORDS.len()));
    assert_eq!(all.queries[0].candidates[3].rank, None, "nobody stated one");
}

/// A trial shares the weights of the model that is diagnosed; its scores are those of a model that
/// was loaded so.
#[test]
fn trials_are_what_a_model_loaded_so_would_give() {
    let observed = observed(Overrides::default());
    let trials = &observed.observations.trials;
    let pooling = trials.iter().find(|trial| trial.change == Change::Pooling("cls".into())).unwrap();
    let prompts = trials.iter().find(|trial| matches!(trial.change, Change::Prompts { .. })).unwrap();
    assert_eq!(pooling.arguments, "--pooling cls");
    let Change::Prompts { query, document } = prompts.change.clone() else { unreachable!() };
    assert!(prompts.arguments.starts_with("--query-prompt "), "{}", prompts.arguments);
    let prompted = Overrides { query_prompt: Some(query), document_prompt: Some(document), ..Overrides::default() };
    let pooled = Overrides { pooling: Some(Pooling::Cls), ..Overrides::default() };
    for (trial, overrides) in [(pooling, pooled), (prompts, prompted)] {
        let loaded = self::observed(overrides);
        for list in &trial.lists {
            let candidates = &loaded.observations.queries[list.query].candidates;
            let scores: Vec<_> = candidates.iter().take(TRIED_CANDIDATES).map(|found| found.scores).collect();
            assert_eq!(list.scores, scores, "{}", trial.name);
        }
    }
}

#[test]
fn a_model_is_used_otherwise_without_loading_it_again() {
    let shorter = model(Overrides::default()).with_overrides(Overrides { max_tokens: Some(8), ..Overrides::default() });
    let (query, texts) = ("tower", ["tower of paris, of bees and of honey, and of much that is cut", "paris"]);
    let score =
        |model: &Model| Reranker::new(model).score_queries(&[query], &texts, &Call::new()).unwrap().swap_remove(0);
    let loaded = score(&model(Overrides { max_tokens: Some(8), ..Overrides::default() }));
    assert_eq!(score(&shorter.unwrap()).scores(), loaded.scores());
    // What was loaded for short texts reads long ones, too.
    let short = model(Overrides { max_tokens: Some(8), ..Overrides::default() });
    let longer = short.with_overrides(Overrides::default()).unwrap();
    assert_eq!(score(&longer).scores(), score(&model(Overrides::default())).scores());
    let own = Model::from_fn(|_, _| 0.0).with_overrides(Overrides::default()).unwrap_err();
    assert!(matches!(own, Error::InvalidArgument(_)), "{own}");
}

#[test]
fn only_local_embedding_models_are_observed() {
    let refuse = |model: &Model| {
        observe(material(), model, &ObserveOptions::default(), &(), &Call::new()).unwrap_err().to_string()
    };
    let cross = Model::load(&tiny_path("cross-tiny-bert"), ModelOptions::default()).unwrap();
    assert!(refuse(&cross).contains("is a cross-encoder"), "{}", refuse(&cross));
    let own = Model::from_fn(|_, _| 0.0);
    assert!(refuse(&own).contains("there is no local model to diagnose"), "{}", refuse(&own));
}

#[test]
fn files_are_read_and_diagnosed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let material = material();
    let line = |id: &str, text: &str| format!("{{\"_id\": \"{id}\", \"text\": \"{text}\"}}\n");
    let found = |query: &nearsort::diagnose::AskedQuery| {
        let line = |found: &nearsort::diagnose::Found| {
            format!("{} Q0 d{} {} {} s\n", query.id, found.document, found.document + 1, found.score)
        };
        query.candidates.iter().map(line).collect::<String>()
    };
    let mut files = DiagnoseFiles {
        queries: file("queries.jsonl", material.queries.iter().map(|query| line(&query.id, &query.text)).collect()),
        corpus: vec![file(
            "corpus.jsonl",
            material.documents.iter().map(|document| line(&document.id, &document.text)).collect(),
        )],
        run: file("run.trec", material.queries.iter().map(found).collect::<String>() + "q0 Q0 d99 9 1 s\n"),
        qrels: Some(file("qrels", (0..WORDS.len()).map(|at| format!("q{at} 0 d{at} 1\n")).collect())),
        ..DiagnoseFiles::default()
    };
    let read = files.read(&()).unwrap();
    assert_eq!((read.documents.clone(), read.queries[0].candidates.len()), (material.documents, WORDS.len()));
    assert_eq!(read.queries[0].candidates[1].rank, Some(2));
    assert!(read.notes[0].contains("such as 'd99'; left out"), "{:?}", read.notes);
    let observed = observe(read, &model(Overrides::default()), &ObserveOptions::default(), &(), &Call::new()).unwrap();
    let report = diagnose(&observed.observations, &Options::default()).unwrap();
    assert_eq!((report.counts.judged_queries, observed.notes.len()), (WORDS.len(), 1));

    files.sample = Some(3);
    let sample = files.read(&()).unwrap();
    assert_eq!((sample.queries.len(), sample.is_sample, sample.notes.len()), (3, true, 2));
    files.queries = file("others.jsonl", line("q77", "nothing"));
    let error = files.read(&()).unwrap_err();
    assert!(matches!(error, Error::MissingTexts { .. }), "{error}");
}
