//! Comparing systems. The report leaves as JSON.

use std::path::PathBuf;
use std::sync::Arc;

use nearsort::compare::{
    CompareFiles, CompareOptions, FirstStage, FirstStageOptions, Judgements, System, SystemKind, Texts, check_measures,
    compare as compare_systems,
};
use nearsort::eval::{Measure, Resampling, Test};
use nearsort::io::{ReadOptions, Run, ScoredDocument};
use nearsort::{Call, Error, Reranker, Result};
use nearsort_report::ComparisonView;
use pyo3::prelude::*;

use crate::call::{Limits, run};
use crate::collections::{GivenQrels, GivenRun, GivenTexts};
use crate::errors::raised;
use crate::ranker::Ranker;

/// The settings of a comparison: the keyword arguments of `nearsort.compare`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct CompareSettings {
    measures: String,
    test: String,
    resamples: usize,
    seed: u64,
    depth: Option<usize>,
    sample: Option<usize>,
    disputed: usize,
    ignore_identical_ids: bool,
    /// True if a model made the judgements.
    by_model: bool,
}

/// The systems to compare. `rankers`, `runs` and `grades` have names.
struct Compared {
    queries: Option<GivenTexts>,
    documents: Option<GivenTexts>,
    first_stage: Option<GivenRun>,
    rankers: Vec<(String, Arc<Reranker>)>,
    runs: Vec<(String, GivenRun)>,
    grades: Vec<(String, GivenQrels)>,
    qrels: Option<GivenQrels>,
}

/// Results by query, best first.
type Ranking = Vec<(String, Vec<(String, f64)>)>;

/// Compares a first stage, rerankers over it, other runs, and grades of the first stage's
/// candidates. Returns the report as JSON and as a page, and the rankings by rerankers and grades.
#[pyfunction]
#[pyo3(signature = (queries, documents, first_stage, rankers, runs, grades, qrels, settings, progress=None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn compare<'py>(
    py: Python<'py>,
    queries: Option<Bound<'py, PyAny>>,
    documents: Option<Bound<'py, PyAny>>,
    first_stage: Option<Bound<'py, PyAny>>,
    rankers: Vec<(String, Bound<'py, Ranker>)>,
    runs: Vec<(String, Bound<'py, PyAny>)>,
    grades: Vec<(String, Bound<'py, PyAny>)>,
    qrels: Option<Bound<'py, PyAny>>,
    settings: CompareSettings,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<(String, String, Vec<(String, Ranking)>)> {
    let given = Compared {
        queries: queries.map(|given| GivenTexts::of(&given, "queries")).transpose()?,
        documents: documents.map(|given| GivenTexts::of(&given, "documents")).transpose()?,
        first_stage: first_stage.as_ref().map(GivenRun::of).transpose()?,
        rankers: rankers.into_iter().map(|(name, ranker)| (name, Arc::clone(&ranker.get().inner))).collect(),
        runs: runs.iter().map(|(name, run)| Ok((name.clone(), GivenRun::of(run)?))).collect::<PyResult<_>>()?,
        grades: grades.iter().map(|(name, of)| Ok((name.clone(), GivenQrels::of(of)?))).collect::<PyResult<_>>()?,
        qrels: qrels.as_ref().map(GivenQrels::of).transpose()?,
    };
    let options = settings.options().map_err(|error| raised(py, &error))?;
    run(py, Limits { deadline: None, progress }, move |call| given.compare(&settings, &options, call))
}

impl CompareSettings {
    fn options(&self) -> Result<CompareOptions> {
        let measures = Measure::parse_list(&self.measures)?;
        check_measures(&measures)?;
        let resampling = Resampling { resamples: self.resamples, seed: self.seed };
        Ok(CompareOptions { measures, test: self.test.parse::<Test>()?, resampling, disputed: self.disputed })
    }
}

impl Compared {
    fn compare(
        self,
        settings: &CompareSettings,
        options: &CompareOptions,
        call: &Call<'_>,
    ) -> Result<(String, String, Vec<(String, Ranking)>)> {
        let first_source = self.first_stage.as_ref().map(GivenRun::source);
        let (run_names, run_sources): (Vec<_>, Vec<_>) =
            self.runs.iter().map(|(name, run)| (name.clone(), run.source())).unzip();
        // Of no files: an empty one.
        let mut collection = CompareFiles::default().read()?;
        let leaves_out = settings.ignore_identical_ids;
        collection.first_stage = self.first_stage.map(|run| run.read(leaves_out)).transpose()?;
        collection.runs = self.runs.into_iter().map(|(_, run)| run.read(leaves_out)).collect::<Result<_>>()?;
        collection.judgements = self.qrels.map(|given| judgements(given, settings.by_model)).transpose()?;
        if let Some(number) = settings.sample {
            collection.sample(number, settings.seed)?;
        }
        let texts = texts(self.queries, self.documents)?;
        let mut systems = Vec::new();
        if let (Some(first), Some(source)) = (&collection.first_stage, first_source) {
            let stage = FirstStageOptions { source: source.clone(), depth: settings.depth, leaves_out: false };
            systems.push(System::of_run("first stage", SystemKind::FirstStage, source, first.clone()));
            if !self.rankers.is_empty() {
                let lists = FirstStage::new(first, &texts, &stage, &())?;
                for (name, ranker) in &self.rankers {
                    systems.push(lists.rerank(name.clone(), name.clone(), ranker, &(), call)?);
                }
            }
        }
        for ((name, source), run) in run_names.into_iter().zip(run_sources).zip(collection.runs) {
            systems.push(System::of_run(name, SystemKind::Run, source, run));
        }
        if let Some(first) = &collection.first_stage {
            for (name, grades) in self.grades {
                systems.push(System::by_grades(name, grades.source(), first, &grades.read()?));
            }
        }
        let made = systems.iter().filter(|system| matches!(system.kind, SystemKind::Model | SystemKind::Grades));
        let made = made.map(|system| (system.name.clone(), ranking(&system.run))).collect();
        let mut report = compare_systems(systems, collection.judgements, &texts, options)?;
        report.notes.splice(0..0, collection.notes);
        let view = ComparisonView { report: &report, command: "nearsort.compare(...) in Python".into() };
        let page = view.html().map_err(|error| Error::InvalidArgument(error.to_string()))?;
        Ok((report.to_json(None), page, made))
    }
}

fn judgements(given: GivenQrels, by_model: bool) -> Result<Judgements> {
    match given {
        GivenQrels::File(path) if by_model => Judgements::read_model(path),
        given => {
            let (source, qrels) = (given.source(), given.read()?);
            Ok(Judgements { qrels, source, by_model })
        }
    }
}

fn ranking(run: &Run) -> Ranking {
    let documents = |(query, documents): (&str, Vec<ScoredDocument<'_>>)| {
        (query.to_owned(), documents.into_iter().map(|found| (found.id.to_owned(), found.score)).collect())
    };
    run.iter().map(documents).collect()
}

/// The texts; none at all where only runs are compared.
fn texts(queries: Option<GivenTexts>, documents: Option<GivenTexts>) -> Result<Texts> {
    fn pairs(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        pairs.iter().map(|(id, text)| (id.as_str(), text.as_str()))
    }
    let (queries, documents) = match (queries, documents) {
        (Some(GivenTexts::Memory(queries)), Some(GivenTexts::Memory(documents))) => {
            return Ok(Texts::new(pairs(&queries), pairs(&documents)));
        }
        (Some(GivenTexts::Files(queries)), Some(GivenTexts::Files(documents))) => (queries, documents),
        (None, None) => Default::default(),
        _ => {
            let message = "queries and documents must both be files, both be mappings, or both be left out";
            return Err(Error::InvalidArgument(message.into()));
        }
    };
    Texts::open(queries.first().map(PathBuf::as_path), &documents, &ReadOptions::default(), &())
}
