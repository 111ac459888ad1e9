//! Quality by the number of candidates that are reranked.

use super::Configuration;
use super::effect::{SIGNIFICANCE, differences, mean, standard_error};
use super::lists::Scene;
use super::report::{DepthPoint, DepthSweep};
use crate::Result;
use crate::eval::{Comparison, Test, bootstrap_mean, compare, holm};

/// The depths of a sweep. Up to three steps per doubling are enough, because quality changes slowly
/// with depth.
const DEPTHS: [usize; 21] = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 400, 500, 700, 1000];

/// The share of the gain for the reported depth.
const MOST_OF_GAIN: f64 = 0.9;

/// A sweep with the values behind it.
pub(super) struct Sweep {
    pub report: DepthSweep,
    /// By point, then by judged query.
    values: Vec<Vec<f64>>,
}

impl Sweep {
    pub fn new(scene: &Scene<'_>, configuration: Configuration) -> Self {
        let longest = scene.judged().iter().map(|list| list.candidates.len()).max().unwrap_or(0);
        let depths: Vec<usize> = DEPTHS.into_iter().filter(|&depth| depth < longest).chain([longest]).collect();
        let at = |&depth: &usize| scene.values(|list| list.order(configuration, Some(depth)));
        let values: Vec<Vec<f64>> = depths.iter().map(at).collect();
        let point = |(&depth, at): (&usize, &Vec<f64>)| DepthPoint {
            depth,
            mean: mean(at),
            gain: bootstrap_mean(&differences(&values[0], at), scene.resampling()),
        };
        let points: Vec<DepthPoint> = depths.iter().zip(&values).map(point).collect();
        let depth_for_90_percent = depth_for_most(&points);
        Self { report: DepthSweep { configuration, points, depth_for_90_percent }, values }
    }

    /// Returns the smallest depth of at least `least` from which on quality stays within one
    /// standard error of the greatest depth's. Returns `None` if that is the greatest depth itself.
    pub fn depth_within_noise(&self, least: usize) -> Option<usize> {
        let whole = self.values.last()?;
        let is_as_good = |at: &usize| {
            let behind = differences(&self.values[*at], whole);
            self.report.points[*at].depth >= least && mean(&behind) <= standard_error(&behind)
        };
        let last = self.values.len() - 1;
        let smallest = (0..last).rev().take_while(is_as_good).last()?;
        Some(self.report.points[smallest].depth)
    }

    /// Returns the best depth below `current` that is better by more than chance, with a correction
    /// for the number of depths.
    pub fn better_depth(&self, scene: &Scene<'_>, current: &[f64]) -> Result<Option<(usize, Comparison)>> {
        let depth = scene.observations.setting.depth.unwrap_or(usize::MAX);
        let smaller =
            self.report.points.iter().zip(&self.values).filter(|(point, _)| point.depth > 0 && point.depth < depth);
        let compared = smaller.map(|(point, at)| {
            let found = compare(current, at, Test::Randomisation, scene.resampling())?;
            Ok((point.depth, found))
        });
        let compared = compared.collect::<Result<Vec<_>>>()?;
        let p_values: Vec<f64> = compared.iter().map(|(_, found)| found.p_value.unwrap_or(1.0)).collect();
        let real = compared.into_iter().zip(holm(&p_values));
        let real =
            real.filter(|((_, found), p)| found.difference.low > 0.0 && *p < SIGNIFICANCE).map(|(found, _)| found);
        Ok(real.max_by(|a, b| a.1.difference.mean.total_cmp(&b.1.difference.mean)))
    }
}

fn depth_for_most(points: &[DepthPoint]) -> Option<usize> {
    let whole = points.last()?.gain.mean;
    // A gain within rounding errors is no gain.
    let has_gain = whole > crate::eval::TIE;
    let enough = points.iter().find(|point| point.gain.mean >= MOST_OF_GAIN * whole)?;
    has_gain.then_some(enough.depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Interval;

    fn points(gains: &[f64]) -> Vec<DepthPoint> {
        let interval = |mean| Interval { mean, low: mean, high: mean };
        let point = |(depth, &gain): (usize, &f64)| DepthPoint { depth, mean: 0.5 + gain, gain: interval(gain) };
        gains.iter().enumerate().map(point).collect()
    }

    #[test]
    fn most_of_the_gain_is_nine_tenths_of_the_deepest() {
        assert_eq!(depth_for_most(&points(&[0.0, 0.05, 0.089, 0.091, 0.1])), Some(3));
        assert_eq!(depth_for_most(&points(&[0.0, 0.2, 0.1])), Some(1));
        assert_eq!(depth_for_most(&points(&[0.0, 0.1, -0.1])), None);
        assert_eq!(depth_for_most(&points(&[0.0, 0.0])), None);
        assert_eq!(depth_for_most(&[]), None);
    }
}
