//! Evaluating runs, diagnosing a reranker. Reports leave as JSON.

use std::collections::HashMap;

use nearsort::diagnose::{
    Action, DiagnoseFiles, Material, ObserveOptions, Options, Report, diagnose as diagnose_observed, observe,
};
use nearsort::eval::{EvalOptions, EvalReport, EvaluatedRun, Measure, Resampling, evaluate as evaluate_run};
use nearsort::io::ReadOptions;
use nearsort::{Error, Overrides, Result};
use nearsort_report::{DiagnosisView, ReportError};
use pyo3::prelude::*;

use crate::call::{Limits, run};
use crate::collections::{GivenQrels, GivenRun, GivenTexts, is_kept};
use crate::errors::{as_arguments, invalid, raised};
use crate::model::Model;
use crate::options::RankConfig;

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

/// Says whether reranking helps, why not, and what to change. Returns the report as JSON and as a
/// page, and the recommended profile, if there is one.
#[pyfunction]
#[pyo3(signature = (model, config, queries, documents, first_stage, qrels, measure, sample, seed, ignore_identical_ids, progress=None))]
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
    ignore_identical_ids: bool,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<(String, String, Option<String>)> {
    let (queries, documents) = (GivenTexts::of(queries, "queries")?, GivenTexts::of(documents, "documents")?);
    let first_stage = GivenRun::of(first_stage)?;
    let qrels = qrels.as_ref().map(GivenQrels::of).transpose()?;
    let measure: Measure = measure.parse().map_err(|error| raised(py, &error))?;
    if measure.is_count() {
        return Err(invalid(py, format!("{measure} is a count, not a quality; diagnose by a measure such as nDCG@10")));
    }
    let asked = config.options().map_err(|error| raised(py, &error))?;
    let options = ObserveOptions { model: Some(model.asked.clone()), seed, ..ObserveOptions::of(&model.inner, &asked) };
    let (model, overrides) = (model.inner.clone(), model.overrides.clone());
    run(py, Limits { deadline: None, progress }, move |call| {
        let material =
            Given { queries, documents, first_stage, qrels, sample, seed, ignore_identical_ids }.material()?;
        let observed = observe(material, &model, &options, &(), call)?;
        let options =
            Options { measure, resampling: Resampling { seed, ..Resampling::default() }, ..Options::default() };
        let mut report = diagnose_observed(&observed.observations, &options)?;
        report.say_options(as_arguments);
        let view = DiagnosisView {
            report: &report,
            model: &observed.model,
            max_tokens: observed.max_tokens,
            tried_queries: observed.tried_queries,
            notes: &observed.notes,
            command: "nearsort.diagnose(...) in Python".into(),
            recommended: None,
            by_profile: None,
            seed,
            resamples: options.resampling.resamples,
        };
        let (document, page) = (view.json(), view.html());
        let failed = |error: ReportError| Error::InvalidArgument(error.to_string());
        Ok((document.map_err(failed)?, page.map_err(failed)?, profile(&report, &overrides)))
    })
}

/// Returns the recommendation as a profile for `nearsort rerank --profile`, completed by the
/// options of the model.
fn profile(report: &Report, overrides: &Overrides) -> Option<String> {
    let found = report.recommendation.as_ref().filter(|found| found.action != Action::DoNotRerank)?;
    let mut profile = found.profile.clone();
    profile.query_prompt = profile.query_prompt.or_else(|| overrides.query_prompt.clone());
    profile.document_prompt = profile.document_prompt.or_else(|| overrides.document_prompt.clone());
    profile.pooling = profile.pooling.or(overrides.pooling);
    Some(profile.to_toml(&format!("For nearsort rerank --profile.\n{}", found.reason)))
}

/// The input of a diagnosis: all files, or all mappings.
struct Given {
    queries: GivenTexts,
    documents: GivenTexts,
    first_stage: GivenRun,
    qrels: Option<GivenQrels>,
    /// The number of queries to draw.
    sample: Option<usize>,
    /// The seed of the draw.
    seed: u64,
    ignore_identical_ids: bool,
}

impl Given {
    fn material(self) -> Result<Material> {
        let Self { queries, documents, first_stage, qrels, sample, seed, ignore_identical_ids } = self;
        match (queries, documents, first_stage) {
            (GivenTexts::Files(queries), GivenTexts::Files(corpus), GivenRun::File(run)) => {
                let qrels = match qrels {
                    None => None,
                    Some(GivenQrels::File(path)) => Some(path),
                    Some(GivenQrels::Memory(_)) => return Err(mixed()),
                };
                let queries = queries.into_iter().next().ok_or_else(mixed)?;
                let reading = ReadOptions::default();
                DiagnoseFiles { queries, run, corpus, qrels, reading, ignore_identical_ids, sample, seed }.read(&())
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
                    let kept = documents.into_iter().filter(|(id, _)| is_kept(ignore_identical_ids, &query, id));
                    let place = |(id, score): (String, f64)| {
                        Ok((*places.get(&id).ok_or_else(|| missing("document", &id))?, score))
                    };
                    let found = kept.map(place).collect::<Result<Vec<_>>>()?;
                    material.query(query.clone(), text.clone(), found);
                }
                Ok(material)
            }
            _ => Err(mixed()),
        }
    }
}

fn mixed() -> Error {
    Error::InvalidArgument("queries, documents, first_stage and qrels must all be files, or all be mappings".into())
}

fn missing(what: &str, id: &str) -> Error {
    Error::MissingTexts { message: format!("the first stage names the {what} '{id}', which is missing") }
}
