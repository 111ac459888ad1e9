//! Chooses a configuration without the queries and the documents that the choice is reported on.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::Configuration;
use super::effect::{differences, mean, standard_error};
use super::grid::{Grid, Values, class};
use super::halves::HALVES;
use super::lists::Scene;
use super::report::{Choice, Pick};
use crate::Result;
use crate::eval::{Comparison, Resampling, Test, bootstrap_mean, compare};

/// Minimum number of judged queries for a choice. A fold of fewer than four queries says nothing.
pub(super) const MIN_QUERIES: usize = 20;

/// The result of cross-validation.
pub(super) struct CrossValidated {
    /// The chosen configuration of each fold and half, as a position in the values.
    pub picks: Vec<usize>,
    /// The value of every query's whole list by the configurations that were chosen without it,
    /// averaged over both.
    pub held_out: Vec<f64>,
    /// The gain over the first of the pool on the documents that had no part in the choice either,
    /// averaged over the halves that have a relevant document; 0 if none has.
    pub unseen: Vec<f64>,
}

/// The result of a restricted choice, and its unbiased gain over the setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gain {
    pub chosen: Configuration,
    pub over_setting: Comparison,
}

/// Returns the fold of each query: folds of nearly equal size, in an order drawn from the seed.
pub(super) fn folds(queries: usize, folds: usize, seed: u64) -> Vec<usize> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..queries).collect();
    for last in (1..queries).rev() {
        // Uniform up to one part in 2^32 / queries.
        let other = (((generator.next_u64() >> 32) * (last as u64 + 1)) >> 32) as usize;
        order.swap(last, other);
    }
    let mut fold_of = vec![0; queries];
    order.into_iter().enumerate().for_each(|(at, query)| fold_of[query] = at % folds);
    fold_of
}

/// Returns the best of `pool` on these queries, with a preference for simple ones. Configurations
/// within one standard error of the best (of their paired difference) count as equally good. Of
/// these, the best one of the lowest class is chosen (Breiman et al., 1984, for classes of trees).
/// `values` are by configuration, then by query.
pub(super) fn choose(values: &[Vec<f64>], classes: &[usize], pool: &[usize], queries: &[usize]) -> usize {
    let on = |at: usize| -> Vec<f64> { queries.iter().map(|&query| values[at][query]).collect() };
    let means: Vec<f64> = pool.iter().map(|&at| mean(&on(at))).collect();
    // Of equal means the first one wins: pools begin with the setting.
    let better = |best: usize, at: usize| if means[at] > means[best] { at } else { best };
    let best_of = |places: &mut dyn Iterator<Item = usize>| places.reduce(better);
    let Some(best) = best_of(&mut (0..pool.len())) else { return 0 };
    let best_values = on(pool[best]);
    let is_as_good = |at: usize| {
        let behind = differences(&on(pool[at]), &best_values);
        mean(&behind) <= standard_error(&behind)
    };
    let good: Vec<usize> = (0..pool.len()).filter(|&at| is_as_good(at)).collect();
    let simplest = good.iter().map(|&at| classes[pool[at]]).min();
    let of_class = best_of(&mut good.into_iter().filter(|&at| Some(classes[pool[at]]) == simplest));
    pool[of_class.unwrap_or(best)]
}

/// Chooses two configurations for each fold, by the queries of the other folds: one by each half of
/// the documents. `pool` begins with the setting.
pub(super) fn cross_validate(values: &Values, classes: &[usize], pool: &[usize], fold_of: &[usize]) -> CrossValidated {
    let num_folds = fold_of.iter().max().map_or(0, |last| last + 1);
    let zeros = || vec![0.0; fold_of.len()];
    let mut found = CrossValidated { picks: Vec::new(), held_out: zeros(), unseen: zeros() };
    let setting = pool[0];
    for fold in 0..num_folds {
        let (reported, training): (Vec<usize>, Vec<usize>) =
            (0..fold_of.len()).partition(|&query| fold_of[query] == fold);
        for seen in 0..HALVES {
            let (seen, unseen) = (&values.halves[seen], &values.halves[HALVES - 1 - seen]);
            let by: Vec<usize> = training.iter().copied().filter(|&query| seen.counts[query]).collect();
            let pick = if by.is_empty() { setting } else { choose(&seen.values, classes, pool, &by) };
            for &query in &reported {
                found.held_out[query] += values.whole[pick][query] / HALVES as f64;
                found.unseen[query] += unseen.values[pick][query] - unseen.values[setting][query];
            }
            found.picks.push(pick);
        }
    }
    for (query, gain) in found.unseen.iter_mut().enumerate() {
        let halves = values.halves.iter().filter(|half| half.counts[query]).count();
        *gain /= halves.max(1) as f64;
    }
    found
}

/// Makes choices on one grid with the same folds.
pub(super) struct Chooser<'a> {
    grid: &'a Grid,
    classes: Vec<usize>,
    fold_of: Vec<usize>,
    folds: usize,
    resampling: Resampling,
}

impl<'a> Chooser<'a> {
    /// Returns `None` if there are too few queries.
    pub fn new(scene: &Scene<'_>, grid: &'a Grid) -> Option<Self> {
        let queries = grid.first_stage.len();
        let folds_asked = scene.options.folds.min(queries);
        let resampling = *scene.resampling();
        (queries >= MIN_QUERIES).then(|| Self {
            grid,
            classes: grid.configurations.iter().map(|&other| class(other, grid.setting())).collect(),
            fold_of: folds(queries, folds_asked, resampling.seed),
            folds: folds_asked,
            resampling,
        })
    }

    fn compared(&self, baseline: &[f64], values: &[f64]) -> Result<Comparison> {
        compare(baseline, values, Test::Randomisation, &self.resampling)
    }

    fn chosen(&self, pool: &[usize]) -> Configuration {
        let all: Vec<usize> = (0..self.fold_of.len()).collect();
        self.grid.configurations[choose(&self.grid.values.whole, &self.classes, pool, &all)]
    }

    /// Chooses among all configurations.
    pub fn choice(&self) -> Result<Choice> {
        let pool: Vec<usize> = (0..self.grid.configurations.len()).collect();
        let found = cross_validate(&self.grid.values, &self.classes, &pool, &self.fold_of);
        let no_gain = vec![0.0; found.unseen.len()];
        Ok(Choice {
            folds: self.folds,
            choices: found.picks.len(),
            configurations: pool.len(),
            picks: self.picks(&found.picks),
            chosen: self.chosen(&pool),
            mean: bootstrap_mean(&found.held_out, &self.resampling),
            over_first_stage: self.compared(&self.grid.first_stage, &found.held_out)?,
            over_setting: self.compared(self.grid.setting_values(), &found.held_out)?,
            unseen_documents: self.compared(&no_gain, &found.unseen)?,
        })
    }

    /// Chooses among the setting and the configurations that `is_in` allows.
    pub fn gain(&self, is_in: impl Fn(&Configuration) -> bool) -> Result<Gain> {
        let others = (1..self.grid.configurations.len()).filter(|&at| is_in(&self.grid.configurations[at]));
        let pool: Vec<usize> = std::iter::once(0).chain(others).collect();
        let found = cross_validate(&self.grid.values, &self.classes, &pool, &self.fold_of);
        let over_setting = self.compared(self.grid.setting_values(), &found.held_out)?;
        Ok(Gain { chosen: self.chosen(&pool), over_setting })
    }

    fn picks(&self, picks: &[usize]) -> Vec<Pick> {
        let mut counted: Vec<(usize, usize)> = Vec::new();
        for &pick in picks {
            match counted.iter_mut().find(|(at, _)| *at == pick) {
                Some((_, choices)) => *choices += 1,
                None => counted.push((pick, 1)),
            }
        }
        counted.sort_by_key(|&(_, choices)| std::cmp::Reverse(choices));
        let pick = |(at, choices): (usize, usize)| Pick { configuration: self.grid.configurations[at], choices };
        counted.into_iter().map(pick).collect()
    }
}
