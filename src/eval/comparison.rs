//! Comparison of two runs, query by query.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::significance::{Interval, Resampling, bootstrap_mean, randomisation_test, t_test};
use crate::{Error, Result};

/// Maximum difference of two values that count as a tie: the same sum may differ by the order of
/// additions.
pub const TIE: f64 = 1e-9;

/// The test of significance of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Test {
    /// [`randomisation_test`]: assumes no distribution.
    #[default]
    Randomisation,
    /// [`t_test`]: for comparison with published results.
    T,
    /// No test.
    None,
}

impl Test {
    /// All tests, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Randomisation, Self::T, Self::None];

    /// Returns the name that [`FromStr`] and [`fmt::Display`] use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Randomisation => "randomisation",
            Self::T => "t",
            Self::None => "none",
        }
    }

    /// Returns the p-value of paired differences, `None` without a test.
    pub fn p_value(self, differences: &[f64], resampling: &Resampling) -> Option<f64> {
        match self {
            Self::Randomisation => Some(randomisation_test(differences, resampling)),
            Self::T => Some(t_test(differences)),
            Self::None => None,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Test {
    type Err = Error;

    /// Parses a name as [`Test::name`] returns it; also accepts `randomization`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] lists the known names.
    fn from_str(name: &str) -> Result<Self> {
        let canonical = if name == "randomization" { "randomisation" } else { name };
        Self::ALL.into_iter().find(|test| test.name() == canonical).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::InvalidArgument(format!("unknown test '{name}'; expected {known}"))
        })
    }
}

/// The comparison of a run with a baseline, by one measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// The mean difference, run minus baseline, with its 95 % interval over queries.
    pub difference: Interval,
    /// The p-value of the test, not corrected for other comparisons; `None` without a test.
    pub p_value: Option<f64>,
    /// The number of queries for which the run is better by more than [`TIE`].
    pub wins: usize,
    /// The number of queries for which both are equal within [`TIE`].
    pub ties: usize,
    /// The number of queries for which the run is worse by more than [`TIE`].
    pub losses: usize,
}

/// Compares two runs by their values of one measure, query by query in the same order.
///
/// ```
/// use nearsort::eval::{Resampling, Test, compare};
/// let found = compare(&[0.1, 0.2, 0.3, 0.4], &[0.2, 0.4, 0.3, 0.3], Test::Randomisation, &Resampling::default())?;
/// assert_eq!((found.wins, found.ties, found.losses), (2, 1, 1));
/// assert!((found.difference.mean - 0.05).abs() < 1e-12);
/// assert_eq!(found.p_value, Some(0.75)); // exact: 8 ways to set three signs, 6 of them at least as far from zero
/// # Ok::<(), nearsort::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] when the two have different numbers of values.
pub fn compare(baseline: &[f64], run: &[f64], test: Test, resampling: &Resampling) -> Result<Comparison> {
    if baseline.len() != run.len() {
        let (baseline, run) = (baseline.len(), run.len());
        return Err(Error::InvalidArgument(format!("{run} values cannot be compared with {baseline}, query by query")));
    }
    let differences: Vec<f64> = run.iter().zip(baseline).map(|(run, baseline)| run - baseline).collect();
    let wins = differences.iter().filter(|&&difference| difference > TIE).count();
    let losses = differences.iter().filter(|&&difference| difference < -TIE).count();
    Ok(Comparison {
        difference: bootstrap_mean(&differences, resampling),
        p_value: test.p_value(&differences, resampling),
        wins,
        ties: differences.len() - wins - losses,
        losses,
    })
}

/// Returns the cutoffs for the points of a depth curve: all up to 40, then with steps of a
/// twentieth of the cutoff, and `max_depth` itself. Ascending.
pub fn curve_cutoffs(max_depth: usize) -> Vec<usize> {
    let mut cutoffs = Vec::new();
    let mut cutoff = 1;
    while cutoff < max_depth {
        cutoffs.push(cutoff);
        cutoff += (cutoff / 20).max(1);
    }
    cutoffs.push(max_depth.max(1));
    cutoffs
}
