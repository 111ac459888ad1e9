//! The report of an evaluation of runs.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::comparison::Test;
use super::evaluation::Evaluation;
use super::measure::Measure;
use super::measured::{Measured, measure_runs};
use super::significance::Resampling;
use crate::Result;

/// The measures, and the options for comparing runs.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalOptions {
    /// The measures.
    pub measures: Vec<Measure>,
    /// Cutoffs of a curve of the first measure, ascending; empty for no curve. See
    /// [`curve_cutoffs`](super::curve_cutoffs).
    pub cutoffs: Vec<usize>,
    /// The test of differences to the first run.
    pub test: Test,
    /// The resampling for intervals and tests.
    pub resampling: Resampling,
}

impl EvalOptions {
    /// Returns all measures of the evaluation: the measures, then the first of them at each cutoff.
    pub fn all_measures(&self) -> Vec<Measure> {
        let first = self.measures.first();
        let curve = self.cutoffs.iter().filter_map(|&cutoff| first?.at(cutoff));
        self.measures.iter().copied().chain(curve).collect()
    }
}

/// The runs by measures, each compared with the first run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EvalReport {
    /// The name of the judgements, such as a file's name.
    pub qrels: String,
    /// The judged queries.
    pub query_ids: Vec<String>,
    /// The measures and options of the evaluation.
    pub options: EvalOptions,
    /// The runs. The others are compared with the first.
    pub runs: Vec<RunReport>,
}

/// One run's part of an [`EvalReport`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunReport {
    /// The name of the run.
    pub name: String,
    /// The source of the run.
    pub source: String,
    /// The judged queries that the run lacks.
    pub missing: Vec<String>,
    /// The number of queries of the run without judgements.
    pub num_unjudged: usize,
    /// The results, one per measure.
    pub measured: Vec<Measured>,
    /// The mean of the first measure by cutoff. Empty if it was not evaluated at cutoffs.
    pub curve: Vec<(usize, f64)>,
}

/// A run with its evaluation.
#[derive(Debug, Clone)]
pub struct EvaluatedRun {
    /// The name of the run.
    pub name: String,
    /// The source of the run.
    pub source: String,
    /// The evaluation by [`EvalOptions::all_measures`].
    pub evaluation: Evaluation,
}

impl EvalReport {
    /// Compares evaluated runs with the first of them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) when two runs were evaluated with
    /// different judgements.
    ///
    /// # Panics
    /// When an evaluation has fewer measures.
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

    /// Returns the report as JSON, with a line end. `per_query`: with the values of every query.
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
        // Names and numbers always have a JSON form.
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

/// The JSON form. Fields are written in this order.
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
