//! The distribution of scores within lists: spread and ties.

use rayon::prelude::*;

use super::figures::{median, share};
use super::lists::{ObservedList, Scene};
use super::report::{Histogram, Spread};

struct ListSpread {
    deviation: f64,
    range: f64,
    tied: usize,
    first_stage_tied: usize,
    scored: usize,
}

pub(super) fn spread(scene: &Scene<'_>) -> Spread {
    let of_lists: Vec<ListSpread> = scene.lists.par_iter().map(|list| of_list(scene, list)).collect();
    let candidates: usize = scene.lists.iter().map(|list| list.candidates.len()).sum();
    let total = |count: fn(&ListSpread) -> usize| of_lists.iter().map(count).sum::<usize>();
    let longer = || of_lists.iter().filter(|list| list.scored > 1);
    let scores = |is_counted: &dyn Fn(&ObservedList<'_>, usize) -> bool| -> Vec<f64> {
        scene.lists.iter().flat_map(|list| scores_of(scene, list, is_counted)).collect()
    };
    let histogram = Histogram::of(&scores(&|_, _| true));
    let relevant = scores(&|list, place| list.is_relevant(place, scene.options.measure.rel()));
    Spread {
        median_deviation: median(longer().map(|list| list.deviation).collect()),
        median_range: median(longer().map(|list| list.range).collect()),
        tied_share: share(total(|list| list.tied), total(|list| list.scored)),
        first_stage_tied_share: share(total(|list| list.first_stage_tied), candidates),
        relevant: Histogram::between(histogram.low, histogram.high, relevant),
        histogram,
    }
}

/// Returns the model's scores of a list's candidates with text.
fn scores_of(
    scene: &Scene<'_>,
    list: &ObservedList<'_>,
    is_counted: &dyn Fn(&ObservedList<'_>, usize) -> bool,
) -> Vec<f64> {
    let setting = scene.setting();
    let scores = list.model_scores(setting.scoring, setting.long_text);
    let counted = (0..scores.len()).filter(|&place| !list.documents[place].is_empty() && is_counted(list, place));
    counted.map(|place| f64::from(scores[place])).collect()
}

fn of_list(scene: &Scene<'_>, list: &ObservedList<'_>) -> ListSpread {
    let setting = scene.setting();
    let scores = list.model_scores(setting.scoring, setting.long_text);
    let places: Vec<usize> = (0..scores.len()).filter(|&place| !list.documents[place].is_empty()).collect();
    let values: Vec<f64> = places.iter().map(|&place| f64::from(scores[place])).collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Equal texts have equal scores, as they should.
    let differ = |a: usize, b: usize| list.documents[a].text != list.documents[b].text;
    let first = |place: usize| list.candidates[place].first_stage;
    ListSpread {
        deviation: (squares / values.len().max(1) as f64).sqrt(),
        range: if values.is_empty() { 0.0 } else { highest - lowest },
        tied: tied(places, |place| f64::from(scores[place]), differ),
        first_stage_tied: tied((0..scores.len()).collect(), first, |_, _| true),
        scored: values.len(),
    }
}

/// Returns the number of places that share their score with another one that differs.
fn tied(mut places: Vec<usize>, score: impl Fn(usize) -> f64, differ: impl Fn(usize, usize) -> bool) -> usize {
    places.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
    let groups = places.chunk_by(|&a, &b| score(a) == score(b)).filter(|group| group.len() > 1);
    groups.filter(|group| group[1..].iter().any(|&other| differ(group[0], other))).map(<[usize]>::len).sum()
}
