//! All that an evaluation of runs comes to.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::comparison::Test;
use super::evaluation::Evaluation;
use super::measure::Measure;
use super::measured::{Measured, measure_runs};
use super::significance::Resampling;
use crate::Result;

/// What runs are measured by, and how they are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalOptions {
    /// What is measured.
    pub measures: Vec<Measure>,
    /// Cutoffs of a curve of the first measure, ascending; empty for no curve. See [`curve_cutoffs`](super::curve_cutoffs).
    pub cutoffs: Vec<usize>,
    /// How differences to the first run are tested.
    pub test: Test,
    /// For intervals and tests.
    pub resampling: Resampling,
}

impl EvalOptions {
    /// All that a run is to be evaluated by: the measures, then the first of them at each cutoff.
    pub fn all_measures(&self) -> Vec<Measure> {
        let first = self.measures.first();
        let curve = self.cutoffs.iter().filter_map(|&cutoff| first?.at(cutoff));
        self.measures.iter().copied().chain(curve).collect()
    }
}

/// Runs by measures, each beside the first run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EvalReport {
    /// Whose judgements they are, such as a file's name.
    pub qrels: String,
    /// The judged queries.
    pub query_ids: Vec<String>,
    /// What they were measured by, and how they were compared.
    pub options: EvalOptions,
    /// The first is what the others are compared with.
    pub runs: Vec<RunReport>,
}

/// One run's part of an [`EvalReport`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunReport {
    /// What it is called.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// Judged queries that the run lacks.
    pub missing: Vec<String>,
    /// Queries of the run that nobody judged.
    pub num_unjudged: usize,
    /// One per measure.
    pub measured: Vec<Measured>,
    /// By cutoff: the mean of the first measure. Empty where it was not evaluated at cutoffs.
    pub curve: Vec<(usize, f64)>,
}

/// A run that was evaluated.
#[derive(Debug, Clone)]
pub struct EvaluatedRun {
    /// What it is called.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// By [`EvalOptions::all_measures`].
    pub evaluation: Evaluation,
}

impl EvalReport {
    /// Compares evaluated runs with the first of them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) when two runs were not evaluated by the same judgements.
    ///
    /// # Panics
    /// When a run was evaluated by fewer measures.
    pub fn new(qrels: String, options: EvalOptions, runs: Vec<EvaluatedRun>) -> Result<Self> {
        let (named, evaluations): (Vec<_>, Vec<_>) =
            runs.into_iter().map(|run| ((run.name, run.source), run.evaluation)).unzip();
        let measured = measure_runs(&evaluations, options.measures.len(), options.test, &options.resampling)?;
        let report = |(((name, source), evaluation), measured): (((String, String), &Evaluation), Vec<Measured>)| {
            let places = (options.measures.len()..).zip(&options.cutoffs);
            let curve = places.map(|(at, &cutoff)| (cutoff, evaluation.aggregate(at)));
            RunReport {
                name,
                source,
                missing: evaluation.missing_query_ids(),
                num_unjudged: evaluation.num_unjudged_queries(),
                measured,
                curve: curve.take_while(|&(cutoff, _)| cutoff <= evaluation.max_depth()).collect(),
            }
        };
        let query_ids = evaluations.first().map_or(Vec::new(), |first| first.query_ids().to_vec());
        let runs = named.into_iter().zip(&evaluations).zip(measured).map(report).collect();
        Ok(Self { qrels, query_ids, options, runs })
    }

    /// The JSON form, with a line end. `per_query`: with the values of every query.
    pub fn to_json(&self, per_query: bool) -> String {
        let document = ReportDocument {
            qrels: &self.qrels,
            queries: self.query_ids.len(),
            baseline: self.runs.first().map(|run| run.name.as_str()),
            test: self.options.test.name(),
            correction: "holm",
            confidence: 0.95,
            resamples: self.options.resampling.resamples,
            seed: self.options.resampling.seed,
            runs: self.runs.iter().map(|run| self.run_document(run, per_query)).collect(),
        };
        // Names and numbers always have a form in JSON.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    fn run_document<'a>(&'a self, run: &'a RunReport, per_query: bool) -> RunDocument<'a> {
        let named = |measured: &'a Measured, measure: &Measure| (measure.to_string(), measured);
        let measures =
            run.measured.iter().zip(&self.options.measures).map(|(measured, measure)| named(measured, measure));
        let of_query = |at: usize| {
            let values = self.options.measures.iter().zip(&run.measured);
            Pairs(values.map(|(measure, measured)| (measure.to_string(), measured.values[at])).collect())
        };
        let all = || Pairs(self.query_ids.iter().enumerate().map(|(at, id)| (id.clone(), of_query(at))).collect());
        RunDocument {
            name: &run.name,
            file: &run.source,
            missing_queries: &run.missing,
            num_unjudged_queries: run.num_unjudged,
            measures: Pairs(measures.collect()),
            per_query: per_query.then(all),
        }
    }
}

/// The JSON form. Fields stand in the order in which they are written.
#[derive(Serialize)]
struct ReportDocument<'a> {
    qrels: &'a str,
    queries: usize,
    baseline: Option<&'a str>,
    test: &'static str,
    correction: &'static str,
    confidence: f64,
    resamples: usize,
    seed: u64,
    runs: Vec<RunDocument<'a>>,
}

#[derive(Serialize)]
struct RunDocument<'a> {
    name: &'a str,
    file: &'a str,
    missing_queries: &'a [String],
    num_unjudged_queries: usize,
    measures: Pairs<&'a Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_query: Option<Pairs<Pairs<f64>>>,
}

/// An object whose names keep their order.
pub(crate) struct Pairs<T>(pub Vec<(String, T)>);

impl<T: Serialize> Serialize for Pairs<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}
