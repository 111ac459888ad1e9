//! Evaluates runs, compares systems, diagnoses a reranker. Reports are returned as JSON.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use nearsort::compare::{
    CompareOptions, FirstStage, FirstStageOptions, Judgements, System, SystemKind, Texts, compare as compare_systems,
};
use nearsort::diagnose::{DiagnoseFiles, Material, ObserveOptions, Options, diagnose as diagnose_observed, observe};
use nearsort::eval::{EvalOptions, EvalReport, EvaluatedRun, Measure, Resampling, Test, evaluate as evaluate_run};
use nearsort::io::ReadOptions;
use nearsort::{Error, Reranker, Result};
use pyo3::prelude::*;
use serde_json::json;

use crate::call::{Limits, run};
use crate::collections::{GivenQrels, GivenRun, GivenTexts};
use crate::errors::{invalid, raised};
use crate::model::Model;
use crate::options::RankConfig;
use crate::ranker::Ranker;

/// Measures runs by judgements, and compares each with the first. `runs` has names and runs.
/// Returns the report as JSON.
#[pyfunction]
#[pyo3(signature = (qrels, runs, measures, test, resamples, seed, ignore_identical_ids))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn evaluate(
    py: Python<'_>,
    qrels: &Bound<'_, PyAny>,
    runs: Vec<(String, Bound<'_, PyAny>)>,
    measures: &str,
    test: &str,
    resamples: usize,
    seed: u64,
    ignore_identical_ids: bool,
) -> PyResult<String> {
    let qrels = GivenQrels::of(qrels)?;
    let runs = runs.iter().map(|(name, run)| Ok((name.clone(), GivenRun::of(run)?))).collect::<PyResult<Vec<_>>>()?;
    let options = eval_options(measures, test, resamples, seed).map_err(|error| raised(py, &error))?;
    run(py, Limits::default(), move |_| {
        let (source, qrels) = (qrels.source(), qrels.read()?);
        let evaluated = |(name, run): (String, GivenRun)| {
            let (source, run) = (run.source(), run.read(ignore_identical_ids)?);
            Ok(EvaluatedRun { name, source, evaluation: evaluate_run(&qrels, &run, &options.measures)? })
        };
        let runs = runs.into_iter().map(evaluated).collect::<Result<_>>()?;
        Ok(EvalReport::new(source, options.clone(), runs)?.to_json(true))
    })
}

fn eval_options(measures: &str, test: &str, resamples: usize, seed: u64) -> Result<EvalOptions> {
    let measures = Measure::parse_list(measures)?;
    Ok(EvalOptions { measures, cutoffs: Vec::new(), test: test.parse()?, resampling: Resampling { resamples, seed } })
}

/// Compares a first stage, rerankers over it, and other runs. `rankers` and `runs` have names.
/// Returns the report as JSON.
#[pyfunction]
#[pyo3(signature = (queries, documents, first_stage, rankers, runs, qrels, measures, test, resamples, seed, depth, progress=None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn compare<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyAny>,
    documents: &Bound<'py, PyAny>,
    first_stage: &Bound<'py, PyAny>,
    rankers: Vec<(String, Bound<'py, Ranker>)>,
    runs: Vec<(String, Bound<'py, PyAny>)>,
    qrels: Option<Bound<'py, PyAny>>,
    measures: &str,
    test: &str,
    resamples: usize,
    seed: u64,
    depth: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<String> {
    let (queries, documents) = (GivenTexts::of(queries, "queries")?, GivenTexts::of(documents, "documents")?);
    let given = GivenRun::of(first_stage)?;
    let rankers: Vec<(String, Arc<Reranker>)> =
        rankers.into_iter().map(|(name, ranker)| (name, Arc::clone(&ranker.get().inner))).collect();
    let runs = runs.iter().map(|(name, run)| Ok((name.clone(), GivenRun::of(run)?))).collect::<PyResult<Vec<_>>>()?;
    let qrels = qrels.as_ref().map(GivenQrels::of).transpose()?;
    let options = compare_options(measures, test, resamples, seed).map_err(|error| raised(py, &error))?;
    run(py, Limits { deadline: None, progress }, move |call| {
        let texts = texts(queries, documents)?;
        let (source, first) = (given.source(), given.read(false)?);
        let stage = FirstStageOptions { source: source.clone(), depth, leaves_out: false };
        let mut systems = vec![System::of_run("first stage", SystemKind::FirstStage, source, first.clone())];
        if !rankers.is_empty() {
            let first_stage = FirstStage::new(&first, &texts, &stage, &())?;
            for (name, ranker) in &rankers {
                systems.push(first_stage.rerank(name.clone(), name.clone(), ranker, &(), call)?);
            }
        }
        for (name, run) in runs {
            let (source, run) = (run.source(), run.read(false)?);
            systems.push(System::of_run(name, SystemKind::Run, source, run));
        }
        let judgements = qrels.map(|given| {
            let (source, qrels) = (given.source(), given.read()?);
            Ok::<_, Error>(Judgements { qrels, source, by_model: false })
        });
        Ok(compare_systems(systems, judgements.transpose()?, &texts, &options)?.to_json(None))
    })
}

fn compare_options(measures: &str, test: &str, resamples: usize, seed: u64) -> Result<CompareOptions> {
    let (measures, test) = (Measure::parse_list(measures)?, test.parse::<Test>()?);
    let resampling = Resampling { resamples, seed };
    Ok(CompareOptions { measures, test, resampling, ..CompareOptions::default() })
}

fn texts(queries: GivenTexts, documents: GivenTexts) -> Result<Texts> {
    fn pairs(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        pairs.iter().map(|(id, text)| (id.as_str(), text.as_str()))
    }
    match (&queries, &documents) {
        (GivenTexts::Memory(queries), GivenTexts::Memory(documents)) => {
            Ok(Texts::new(pairs(queries), pairs(documents)))
        }
        (GivenTexts::Files(queries), GivenTexts::Files(documents)) => {
            Texts::open(queries.first().map(PathBuf::as_path), documents, &ReadOptions::default(), &())
        }
        _ => Err(Error::InvalidArgument("queries and documents must both be files, or both be mappings".into())),
    }
}

/// Diagnoses whether reranking helps, why not, and what to change. Returns the report as JSON.
#[pyfunction]
#[pyo3(signature = (model, config, queries, documents, first_stage, qrels, measure, sample, seed, progress=None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn diagnose<'py>(
    py: Python<'py>,
    model: &Model,
    config: RankConfig,
    queries: &Bound<'py, PyAny>,
    documents: &Bound<'py, PyAny>,
    first_stage: &Bound<'py, PyAny>,
    qrels: Option<Bound<'py, PyAny>>,
    measure: &str,
    sample: Option<usize>,
    seed: u64,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<String> {
    let (queries, documents) = (GivenTexts::of(queries, "queries")?, GivenTexts::of(documents, "documents")?);
    let first_stage = GivenRun::of(first_stage)?;
    let qrels = qrels.as_ref().map(GivenQrels::of).transpose()?;
    let measure: Measure = measure.parse().map_err(|error| raised(py, &error))?;
    if measure.is_count() {
        return Err(invalid(py, format!("{measure} is a count, not a quality; diagnose by a measure such as nDCG@10")));
    }
    let configuration = config.configuration().map_err(|error| raised(py, &error))?;
    let model = model.inner.clone();
    run(py, Limits { deadline: None, progress }, move |call| {
        let material = material(queries, documents, first_stage, qrels, (sample, seed))?;
        let options = ObserveOptions { model: None, configuration, seed };
        let observed = observe(material, &model, &options, &(), call)?;
        let options =
            Options { measure, resampling: Resampling { seed, ..Resampling::default() }, ..Options::default() };
        let report = diagnose_observed(&observed.observations, &options)?;
        let failed =
            |error: serde_json::Error| Error::InvalidArgument(format!("the report has no form in JSON: {error}"));
        let document = json!({
            "model": { "model": observed.model.name, "precision": observed.model.precision, "max_tokens": observed.max_tokens },
            "seed": seed,
            "tried_queries": observed.tried_queries,
            "notes": observed.notes,
            "report": serde_json::to_value(&report).map_err(failed)?,
        });
        Ok(document.to_string())
    })
}

/// Returns the material of a diagnosis, which is all files or all mappings. `sample` is the number
/// of queries to draw, with the seed.
fn material(
    queries: GivenTexts,
    documents: GivenTexts,
    first_stage: GivenRun,
    qrels: Option<GivenQrels>,
    (sample, seed): (Option<usize>, u64),
) -> Result<Material> {
    match (queries, documents, first_stage) {
        (GivenTexts::Files(queries), GivenTexts::Files(corpus), GivenRun::File(run)) => {
            let qrels = match qrels {
                None => None,
                Some(GivenQrels::File(path)) => Some(path),
                Some(GivenQrels::Memory(_)) => return Err(mixed()),
            };
            let queries = queries.into_iter().next().ok_or_else(mixed)?;
            let reading = ReadOptions::default();
            DiagnoseFiles { queries, run, corpus, qrels, reading, ignore_identical_ids: false, sample, seed }.read(&())
        }
        (GivenTexts::Memory(_), GivenTexts::Memory(_), GivenRun::Memory(_)) if sample.is_some() => {
            Err(Error::InvalidArgument("`sample=` is for files; of mappings give fewer queries".into()))
        }
        (GivenTexts::Memory(queries), GivenTexts::Memory(documents), GivenRun::Memory(lists)) => {
            let mut material = Material { qrels: qrels.map(GivenQrels::read).transpose()?, ..Material::default() };
            let places: HashMap<String, usize> =
                documents.into_iter().map(|(id, text)| (id.clone(), material.document(id, text))).collect();
            let texts: HashMap<String, String> = queries.into_iter().collect();
            for (query, documents) in lists {
                let text = texts.get(&query).ok_or_else(|| missing("query", &query))?;
                let place =
                    |(id, score): (String, f64)| Ok((*places.get(&id).ok_or_else(|| missing("document", &id))?, score));
                let found = documents.into_iter().map(place).collect::<Result<Vec<_>>>()?;
                material.query(query.clone(), text.clone(), found);
            }
            Ok(material)
        }
        _ => Err(mixed()),
    }
}

fn mixed() -> Error {
    Error::InvalidArgument("queries, documents, first_stage and qrels must all be files, or all be mappings".into())
}

fn missing(what: &str, id: &str) -> Error {
    Error::MissingTexts { message: format!("the {what} '{id}' of the first stage is not there") }
}
