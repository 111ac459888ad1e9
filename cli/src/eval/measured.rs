//! A run by one measure, and beside the first run.

use nearsort::eval::{Comparison, Evaluation, Interval, Resampling, Test, bootstrap_mean, compare, holm};

use crate::Failure;

/// One run by one measure.
pub struct Measured {
    /// One per query of the report.
    pub values: Vec<f64>,
    pub aggregate: Aggregate,
    /// With the first run; `None` for itself, and for counts.
    pub compared: Option<Compared>,
}

pub enum Aggregate {
    Mean(Interval),
    Sum(f64),
}

pub struct Compared {
    pub comparison: Comparison,
    /// Corrected for the number of runs that are compared; `None` when nothing was tested.
    pub p_adjusted: Option<f64>,
}

impl Measured {
    /// The measure at this place of the evaluation; `baseline` is the first run's.
    pub fn of(
        evaluation: &Evaluation,
        at: usize,
        baseline: Option<&[Measured]>,
        test: Test,
        resampling: &Resampling,
    ) -> Result<Self, Failure> {
        let (measure, values) = (evaluation.measures()[at], evaluation.values(at));
        if measure.is_count() {
            let aggregate = Aggregate::Sum(measure.aggregate(&values));
            return Ok(Self { values, aggregate, compared: None });
        }
        let compared = match baseline {
            None => None,
            Some(baseline) => {
                let comparison = compare(&baseline[at].values, &values, test, resampling)?;
                Some(Compared { comparison, p_adjusted: comparison.p_value })
            }
        };
        let aggregate = Aggregate::Mean(bootstrap_mean(&values, resampling));
        Ok(Self { values, aggregate, compared })
    }
}

/// Holm's correction over the runs that are compared with the first, measure by measure. Every run has the same measures.
pub fn correct(runs: &mut [&mut [Measured]]) {
    for measure in 0..runs.first().map_or(0, |first| first.len()) {
        let compared = runs.iter_mut().filter_map(|run| run[measure].compared.as_mut());
        let mut tested: Vec<&mut f64> = compared.filter_map(|compared| compared.p_adjusted.as_mut()).collect();
        let p_values: Vec<f64> = tested.iter().map(|p_value| **p_value).collect();
        for (p_value, adjusted) in tested.iter_mut().zip(holm(&p_values)) {
            **p_value = adjusted;
        }
    }
}
