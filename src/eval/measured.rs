//! Measurements of several runs, compared with the first.

use serde::{Serialize, Serializer};

use super::comparison::{Comparison, Test, compare};
use super::evaluation::Evaluation;
use super::significance::{Interval, Resampling, bootstrap_mean, holm};
use crate::Result;

/// One run by one measure. As JSON: `mean`, `low` and `high`, or `sum`; if it is compared with
/// another run, `difference`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// The values, one per judged query.
    pub values: Vec<f64>,
    /// The aggregate of the values.
    pub aggregate: Aggregate,
    /// The comparison with the first run; `None` for the first run itself, and for counts.
    pub compared: Option<Compared>,
}

/// The aggregate of a measure's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// The mean, with its 95 % interval.
    Mean(Interval),
    /// The sum, of counts.
    Sum(f64),
}

/// A run compared with the first one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Compared {
    /// The run minus the first one.
    pub comparison: Comparison,
    /// The p-value, corrected for the number of compared runs (Holm); `None` without a test.
    pub p_adjusted: Option<f64>,
}

/// Measures runs and compares each with the first one, by the first `measures` measures of every
/// evaluation. p-values are corrected by Holm over the runs, measure by measure.
///
/// ```
/// use nearsort::eval::{Aggregate, Resampling, Test, evaluate, measure_runs};
/// use nearsort::io::{Qrels, Run};
///
/// let qrels = Qrels::from_judgements([("q1", "d1", 1), ("q2", "d2", 1)])?;
/// let run = |first: &str, second: &str| {
///     let mut run = Run::default();
///     ["q1", "q2"].iter().for_each(|query| [first, second].iter().zip([2.0, 1.0]).for_each(|(id, score)| run.push(query, id, score)));
///     evaluate(&qrels, &run, &["RR".parse()?])
/// };
/// let measured = measure_runs(&[run("d3", "d1")?, run("d1", "d2")?], 1, Test::Randomisation, &Resampling::default())?;
/// assert_eq!(measured[1][0].values, [1.0, 0.5]);
/// assert_eq!(measured[1][0].compared.unwrap().comparison.wins, 2);
/// # Ok::<(), nearsort::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`](crate::Error::InvalidArgument) when two runs were evaluated with
/// different judgements.
///
/// # Panics
/// When an evaluation has fewer measures.
pub fn measure_runs(
    runs: &[Evaluation],
    measures: usize,
    test: Test,
    resampling: &Resampling,
) -> Result<Vec<Vec<Measured>>> {
    let mut measured: Vec<Vec<Measured>> = Vec::with_capacity(runs.len());
    for run in runs {
        let first = measured.first();
        let of = |at| Measured::of(run, at, first.map(|first| &first[at]), test, resampling);
        measured.push((0..measures).map(of).collect::<Result<_>>()?);
    }
    correct(&mut measured, measures);
    Ok(measured)
}

impl Measured {
    /// Computes the measure at position `at` of the evaluation.
    fn of(run: &Evaluation, at: usize, first: Option<&Measured>, test: Test, resampling: &Resampling) -> Result<Self> {
        let (measure, values) = (run.measures()[at], run.values(at));
        if measure.is_count() {
            let aggregate = Aggregate::Sum(measure.aggregate(&values));
            return Ok(Self { values, aggregate, compared: None });
        }
        let compared = first.map(|first| compare(&first.values, &values, test, resampling)).transpose()?;
        let compared = compared.map(|comparison| Compared { comparison, p_adjusted: comparison.p_value });
        let aggregate = Aggregate::Mean(bootstrap_mean(&values, resampling));
        Ok(Self { values, aggregate, compared })
    }

    /// Returns the mean with its interval; `None` for counts.
    pub fn mean(&self) -> Option<Interval> {
        match self.aggregate {
            Aggregate::Mean(interval) => Some(interval),
            Aggregate::Sum(_) => None,
        }
    }
}

/// Applies Holm's correction over the runs that are compared with the first, measure by measure.
fn correct(runs: &mut [Vec<Measured>], measures: usize) {
    for measure in 0..measures {
        let compared = runs.iter_mut().filter_map(|run| run[measure].compared.as_mut());
        let mut tested: Vec<&mut f64> = compared.filter_map(|compared| compared.p_adjusted.as_mut()).collect();
        let p_values: Vec<f64> = tested.iter().map(|p_value| **p_value).collect();
        for (p_value, adjusted) in tested.iter_mut().zip(holm(&p_values)) {
            **p_value = adjusted;
        }
    }
}

/// The JSON form of a run by a measure. Fields stand in the order in which they are written.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MeasuredDocument {
    /// The sum, of counts; they have nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    /// The mean over the judged queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    /// The lower end of its 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
    /// The run less the first one; not there for the first one itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceDocument>,
}

/// A run less the first one, by one measure.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DifferenceDocument {
    /// The mean difference.
    mean: f64,
    /// The lower end of its 95 % interval.
    low: f64,
    /// The upper end.
    high: f64,
    /// The test's p-value; null when nothing was tested.
    p: Option<f64>,
    /// The same after Holm's correction.
    p_adjusted: Option<f64>,
    /// Queries that the run answers better.
    wins: usize,
    /// Queries that both answer alike.
    ties: usize,
    /// Queries that the run answers worse.
    losses: usize,
}

impl From<&Measured> for MeasuredDocument {
    fn from(measured: &Measured) -> Self {
        let mean = measured.mean();
        let sum = match measured.aggregate {
            Aggregate::Sum(sum) => Some(sum),
            Aggregate::Mean(_) => None,
        };
        let difference = measured.compared.map(|Compared { comparison, p_adjusted }| {
            let Comparison { difference: Interval { mean, low, high }, p_value, wins, ties, losses } = comparison;
            DifferenceDocument { mean, low, high, p: p_value, p_adjusted, wins, ties, losses }
        });
        Self { sum, mean: mean.map(|m| m.mean), low: mean.map(|m| m.low), high: mean.map(|m| m.high), difference }
    }
}

impl Serialize for Measured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MeasuredDocument::from(self).serialize(serializer)
    }
}
