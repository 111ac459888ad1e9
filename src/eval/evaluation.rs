//! Evaluation of a run: values by query and measure.

use std::path::Path;

use rayon::prelude::*;

use super::measure::{MAX_ERR_GRADE, Measure, MeasureKind};
use super::ranking::JudgedRanking;
use crate::io::{Grades, Qrels, QueryResults, Run, RunFile};
use crate::threads::on_shared;
use crate::{Error, Result};

/// Maximum number of ids that a message shows.
const SHOWN_IDS: usize = 3;

/// The values of a run, for every judged query in the judgements' order and every measure.
#[derive(Debug, Clone)]
pub struct Evaluation {
    measures: Vec<Measure>,
    query_ids: Vec<String>,
    /// Row-major: queries, then measures.
    values: Vec<f64>,
    missing: Vec<usize>,
    /// Queries of the run without judgements: their number, and the first of them.
    num_unjudged: usize,
    unjudged: Vec<String>,
    max_depth: usize,
    num_judged_retrieved: usize,
    /// Example ids of the run's documents and of judged ones, for messages about ids that do not
    /// match.
    examples: [Vec<String>; 2],
}

/// The values of one query of a run.
struct QueryValues {
    query_id: String,
    /// The query's position in the judgements; `None` if it has no judgements.
    query: Option<usize>,
    values: Vec<f64>,
    num_retrieved: usize,
    num_judged_retrieved: usize,
    example: Option<String>,
}

/// Evaluates a run in memory.
///
/// # Errors
/// [`Error::InvalidArgument`] when a document occurs twice in a query's results, a score is not
/// finite, no query of the run is judged, or `ERR` meets a grade above 4.
pub fn evaluate(qrels: &Qrels, run: &Run, measures: &[Measure]) -> Result<Evaluation> {
    check_grades(qrels, measures)?;
    let queries: Vec<(&str, Vec<_>)> = run.iter().collect();
    let values = queries
        .par_iter()
        .map(|(query_id, documents)| Ok(QueryValues::of(qrels, &QueryResults::new(query_id, documents)?, measures)));
    let values = on_shared(|| values.collect::<Result<Vec<_>>>())?;
    Evaluation::new(qrels, measures, values).map_err(Error::InvalidArgument)
}

/// Evaluates a run while it is read. Only the values are in memory, not the file as a whole (see
/// [`RunFile::map_queries`]).
///
/// # Errors
/// As [`RunFile::open`] and [`RunFile::map_queries`]; [`Error::BadInput`] when no query of the run
/// is judged; [`Error::InvalidArgument`] when `ERR` meets a grade above 4.
pub fn evaluate_file(qrels: &Qrels, path: impl AsRef<Path>, measures: &[Measure]) -> Result<Evaluation> {
    evaluate_run(qrels, &RunFile::open(path)?, measures)
}

/// Evaluates like [`evaluate_file`], for a run that is already open, with its settings.
///
/// # Errors
/// As [`evaluate_file`].
pub fn evaluate_run(qrels: &Qrels, run: &RunFile, measures: &[Measure]) -> Result<Evaluation> {
    check_grades(qrels, measures)?;
    let values = run.map_queries(|results| QueryValues::of(qrels, results, measures))?;
    Evaluation::new(qrels, measures, values).map_err(|message| Error::BadInput { file: run.name().to_owned(), message })
}

/// Checks that `ERR` is defined for all grades. A value for higher grades would be meaningless.
fn check_grades(qrels: &Qrels, measures: &[Measure]) -> Result<()> {
    let Some(err) = measures.iter().find(|measure| measure.kind() == MeasureKind::Err) else { return Ok(()) };
    let highest = qrels.iter().flat_map(|(_, grades)| grades.iter()).map(|(_, grade)| grade).max();
    match highest {
        Some(grade) if grade > MAX_ERR_GRADE => Err(Error::InvalidArgument(format!(
            "{err} is defined for grades up to {MAX_ERR_GRADE}, and the judgements have {grade}; leave it out"
        ))),
        _ => Ok(()),
    }
}

impl QueryValues {
    fn of(qrels: &Qrels, results: &QueryResults<'_>, measures: &[Measure]) -> Self {
        let query_id = results.query_id();
        let query = qrels.position(query_id);
        let ranking = qrels.grades(query_id).map(|grades| JudgedRanking::new(results, grades));
        let values = ranking.iter().flat_map(|ranking| measures.iter().map(|measure| measure.value(ranking)));
        Self {
            query_id: query_id.to_owned(),
            query,
            values: values.collect(),
            num_retrieved: results.documents().len(),
            num_judged_retrieved: ranking.as_ref().map_or(0, JudgedRanking::num_judged_retrieved),
            example: results.documents().first().map(|document| document.id.to_owned()),
        }
    }
}

impl Evaluation {
    fn new(qrels: &Qrels, measures: &[Measure], queries: Vec<QueryValues>) -> Result<Self, String> {
        let width = measures.len();
        let mut values = vec![0.0; qrels.num_queries() * width];
        let mut is_missing = vec![true; qrels.num_queries()];
        for (row, query) in queries.iter().filter_map(|found| found.query.map(|row| (row, found))) {
            values[row * width..][..width].copy_from_slice(&query.values);
            is_missing[row] = false;
        }
        let unjudged = || queries.iter().filter(|query| query.query.is_none()).map(|query| &query.query_id);
        if is_missing.iter().all(|&missing| missing) {
            return Err(no_common_query(qrels, &queries));
        }
        let judged = qrels.iter().filter_map(|(_, grades)| Grades::iter(grades).next());
        Ok(Self {
            measures: measures.to_vec(),
            query_ids: qrels.query_ids().map(str::to_owned).collect(),
            values,
            missing: (0..is_missing.len()).filter(|&row| is_missing[row]).collect(),
            num_unjudged: unjudged().count(),
            unjudged: unjudged().take(SHOWN_IDS).cloned().collect(),
            max_depth: queries.iter().map(|query| query.num_retrieved).max().unwrap_or(0),
            num_judged_retrieved: queries.iter().map(|query| query.num_judged_retrieved).sum(),
            examples: [
                queries.iter().filter_map(|query| query.example.clone()).take(SHOWN_IDS).collect(),
                judged.map(|(id, _)| id.to_owned()).take(SHOWN_IDS).collect(),
            ],
        })
    }

    /// Returns the measures, in the order requested.
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// Returns the judged queries, in the judgements' order.
    pub fn query_ids(&self) -> &[String] {
        &self.query_ids
    }

    /// Returns one measure's values, one per query of [`Evaluation::query_ids`]; 0 for queries that
    /// the run lacks.
    ///
    /// # Panics
    /// When `measure` is not a position in [`Evaluation::measures`].
    pub fn values(&self, measure: usize) -> Vec<f64> {
        assert!(measure < self.measures.len(), "there are {} measures", self.measures.len());
        self.values.chunks_exact(self.measures.len()).map(|row| row[measure]).collect()
    }

    /// Returns one measure over all queries: the mean, or the sum of counts.
    ///
    /// # Panics
    /// As [`Evaluation::values`].
    pub fn aggregate(&self, measure: usize) -> f64 {
        self.measures[measure].aggregate(&self.values(measure))
    }

    /// Returns the judged queries that the run lacks, as positions in [`Evaluation::query_ids`].
    pub fn missing_queries(&self) -> &[usize] {
        &self.missing
    }

    /// Returns the ids of these queries.
    pub fn missing_query_ids(&self) -> Vec<String> {
        self.missing.iter().map(|&at| self.query_ids[at].clone()).collect()
    }

    /// Returns the number of queries of the run without judgements, which were left out.
    pub fn num_unjudged_queries(&self) -> usize {
        self.num_unjudged
    }

    /// Returns the first few queries of the run without judgements.
    pub fn unjudged_queries(&self) -> &[String] {
        &self.unjudged
    }

    /// Returns the number of documents of the query with the most results.
    pub fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// Returns the number of retrieved documents with a judgement. Zero means that run and
    /// judgements use different document ids, or that the run found no judged document.
    pub fn num_judged_retrieved(&self) -> usize {
        self.num_judged_retrieved
    }

    /// Returns a few ids of the run's documents, and a few of judged ones.
    pub fn example_documents(&self) -> [&[String]; 2] {
        [&self.examples[0], &self.examples[1]]
    }
}

fn no_common_query(qrels: &Qrels, queries: &[QueryValues]) -> String {
    if queries.is_empty() {
        return "the run has no results".to_owned();
    }
    let shown = |ids: &mut dyn Iterator<Item = &str>| ids.take(SHOWN_IDS).collect::<Vec<_>>().join(", ");
    let in_run = shown(&mut queries.iter().map(|query| query.query_id.as_str()));
    let judged = shown(&mut qrels.query_ids());
    format!(
        "no query of the run is judged: it has {in_run} ... and the judgements have {judged} ...; do the two belong together?"
    )
}
