//! Ordering a scored list: first-stage scores, feedback, top-k and the least score.
//!
//! All code that ranks a list as a whole uses this module; `ranking` only sorts numbers.

use std::collections::HashSet;

use super::feedback::{self, Feedback, MAX_CANDIDATES, Member};
use super::scored::Scored;
use super::unit_vector::UnitVector;
use crate::blend::Blend;
use crate::ranking::{self, Hit};
use crate::{Error, Result};

/// Options for the order and the selection of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ListOptions {
    /// The blend of first-stage scores.
    pub blend: Blend,
    /// The feedback from the best candidates to the others.
    pub feedback: Feedback,
    /// Maximum number of candidates; `None`: all.
    pub top_k: Option<usize>,
    /// Minimum score by the model; `None`: all candidates.
    pub min_score: Option<f32>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { blend: Blend::None, feedback: Feedback::Auto, top_k: None, min_score: None }
    }
}

impl ListOptions {
    /// Creates options for all candidates, in the order by this blend.
    pub fn new(blend: Blend) -> Self {
        Self { blend, ..Self::default() }
    }

    /// Sets the feedback from the best candidates to the others.
    pub fn feedback(self, feedback: Feedback) -> Self {
        Self { feedback, ..self }
    }

    /// Sets the maximum number of candidates; `None`: all.
    pub fn top_k(self, top_k: Option<usize>) -> Self {
        Self { top_k, ..self }
    }

    /// Sets the minimum score by the model; `None`: all candidates.
    pub fn min_score(self, min_score: Option<f32>) -> Self {
        Self { min_score, ..self }
    }
}

/// An ordered list.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderedList {
    /// The hits, best first: positions among the candidates, and the scores to show. These are the
    /// model's scores, or the results of blending and feedback, where these apply.
    pub hits: Vec<Hit>,
    /// True if first-stage scores count.
    pub is_blended: bool,
    /// The weight of the feedback; `None` without feedback.
    pub feedback: Option<f32>,
}

/// Orders a list by descending score; equal scores keep the order of the candidates. Candidates
/// without text or score come last.
///
/// `first_stage` has a score per candidate, higher is better, `None` where the first stage has
/// none. It is an empty slice without a first stage. [`ListOptions::blend`] sets how the scores
/// count. A candidate that is unknown to the first stage gets its worst score. Feedback needs
/// [`Scored::vector`].
///
/// # Errors
/// [`Error::NotANumber`] naming the candidate; [`Error::InvalidArgument`] when there are
/// first-stage scores but not one per candidate, or one is not finite; [`Error::InvalidOption`]
/// when feedback is requested and no candidate has a vector.
pub fn order(pairs: &[Scored], first_stage: &[Option<f64>], options: &ListOptions) -> Result<OrderedList> {
    order_with(pairs, first_stage, options, |index| Ok(pairs[index].vector.clone()))
}

/// Does [`order`] with vectors from elsewhere. `vector` is called for the candidates that take part
/// in the feedback, at most [`MAX_CANDIDATES`].
pub(crate) fn order_with(
    pairs: &[Scored],
    first_stage: &[Option<f64>],
    options: &ListOptions,
    vector: impl FnMut(usize) -> Result<Option<UnitVector>>,
) -> Result<OrderedList> {
    let left_out: Vec<usize> = (0..pairs.len()).filter(|&at| !pairs[at].is_scored()).collect();
    let scores: Vec<f32> = pairs.iter().map(|pair| pair.score).collect();
    let mixed = mix(options.blend, &scores, &left_out, first_stage)?;
    let is_blended = mixed.is_some();
    let ranked_by = mixed.unwrap_or_else(|| pairs.iter().map(|pair| pair.ranked_by).collect());
    let top_k = options.top_k.unwrap_or(usize::MAX);
    let weight = options.feedback.weight(is_blended);
    let needed = weight.map_or(top_k, |_| top_k.max(MAX_CANDIDATES));
    let mut hits = ranking::top_k(&ranked_by, needed)?;
    if !is_blended {
        // The number that a candidate is ranked by may be finer than its score. A candidate without
        // a score has neither.
        let is_moved = |hit: &Hit| weight.is_some() && pairs[hit.index].is_scored();
        hits.iter_mut().filter(|hit| !is_moved(hit)).for_each(|hit| hit.score = scores[hit.index]);
    }
    let mut feedback = None;
    if let Some(weight) = weight {
        let contenders = (is_blended && pairs.len() > MAX_CANDIDATES)
            .then(|| contenders(&scores, first_stage, &left_out, 0..pairs.len(), MAX_CANDIDATES));
        let step = FeedbackStep { feedback: options.feedback, weight, left_out: &left_out, contenders };
        if step.reorder(&mut hits, vector)? {
            feedback = Some(weight);
        } else if !is_blended {
            hits.iter_mut().for_each(|hit| hit.score = scores[hit.index]);
        }
    }
    hits.truncate(top_k);
    if let Some(least) = options.min_score {
        hits.retain(|hit| scores[hit.index] >= least);
    }
    Ok(OrderedList { hits, is_blended, feedback })
}

/// The feedback of a list whose order is known already.
pub(crate) struct FeedbackStep<'a> {
    /// The requested feedback, and the weight for this list.
    pub feedback: Feedback,
    pub weight: f32,
    /// Candidates without text or score, ascending.
    pub left_out: &'a [usize],
    /// The candidates that can take part, for a list of more than [`MAX_CANDIDATES`]; `None`: all.
    pub contenders: Option<HashSet<usize>>,
}

impl FeedbackStep<'_> {
    /// Reorders `hits` by the feedback. `hits` are the best first, at least [`MAX_CANDIDATES`] of
    /// them or all. Returns `false` if no candidate has a vector; then the hits stay as they are.
    ///
    /// # Errors
    /// The errors of [`order`].
    pub fn reorder(
        &self,
        hits: &mut Vec<Hit>,
        vector: impl FnMut(usize) -> Result<Option<UnitVector>>,
    ) -> Result<bool> {
        let Some(mut orders) = self.orders(hits, &[self.weight], vector)? else { return Ok(false) };
        *hits = orders.swap_remove(0);
        Ok(true)
    }

    /// Returns the order of [`FeedbackStep::reorder`] for each of several weights, in place of the
    /// step's own; `None` if no candidate has a vector. One pass over the vectors serves all
    /// weights.
    ///
    /// # Errors
    /// The errors of [`order`].
    pub fn orders(
        &self,
        hits: &[Hit],
        weights: &[f32],
        mut vector: impl FnMut(usize) -> Result<Option<UnitVector>>,
    ) -> Result<Option<Vec<Vec<Hit>>>> {
        let (mut members, mut others, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for &hit in hits {
            let is_contender = self.contenders.as_ref().is_none_or(|contenders| contenders.contains(&hit.index));
            if self.left_out.binary_search(&hit.index).is_ok() {
                last.push(hit);
            } else if members.len() < MAX_CANDIDATES && is_contender {
                members.push(Member { hit, vector: vector(hit.index)? });
            } else {
                others.push(hit);
            }
        }
        let has_members = !members.is_empty();
        match feedback::reordered(members, weights)? {
            Some(mut orders) => {
                for hits in &mut orders {
                    put_below(hits, &others);
                    put_below(hits, &last);
                }
                Ok(Some(orders))
            }
            None if has_members && matches!(self.feedback, Feedback::Weight(_)) => Err(Error::InvalidOption {
                option: "feedback",
                why: "needs the embeddings of the candidates, but this scorer gives none; leave it out".into(),
            }),
            None => Ok(None),
        }
    }
}

/// Appends hits in their order. If their scores are not below the present ones, all of them are
/// lowered by the same amount.
fn put_below(hits: &mut Vec<Hit>, others: &[Hit]) {
    let (Some(least), Some(best)) = (hits.last().map(|hit| hit.score), others.first().map(|hit| hit.score)) else {
        return hits.extend_from_slice(others);
    };
    let excess = (f64::from(best) - f64::from(least)).max(0.0);
    let lowered = |score: f32| ((f64::from(score) - excess) as f32).min(least);
    hits.extend(others.iter().map(|hit| Hit { score: lowered(hit.score), ..*hit }));
}

/// Returns those `among` the candidates that can be among the best `k`, however their scores are
/// mixed: see [`ranking::undominated`].
pub(crate) fn contenders(
    scores: &[f32],
    first_stage: &[Option<f64>],
    left_out: &[usize],
    among: impl Iterator<Item = usize>,
    k: usize,
) -> HashSet<usize> {
    let both = |index: usize| {
        let first_stage = first_stage[index].unwrap_or(f64::NEG_INFINITY);
        match left_out.binary_search(&index) {
            Ok(_) => (index, f64::NEG_INFINITY, first_stage),
            Err(_) => (index, f64::from(scores[index]), first_stage),
        }
    };
    let among: Vec<(usize, f64, f64)> = among.map(both).collect();
    ranking::undominated(&among, k).into_iter().collect()
}

/// Mixes the scores of a list with the first stage's; `None` if the first stage does not count.
///
/// The candidates without text or score, `left_out` (ascending), do not count. They stay below all
/// others, in the first stage's order. A candidate that is unknown to the first stage gets its
/// worst score.
///
/// # Errors
/// [`Error::InvalidArgument`] as in [`order`].
pub fn mix(blend: Blend, scores: &[f32], left_out: &[usize], first_stage: &[Option<f64>]) -> Result<Option<Vec<f32>>> {
    if let Some(index) = first_stage.iter().position(|score| score.is_some_and(|score| !score.is_finite())) {
        return Err(Error::InvalidArgument(format!(
            "the first-stage score of candidate {index} (counted from 0) is not a finite number"
        )));
    }
    let Some(filled) = with_worst_for_unknown(first_stage).filter(|_| blend != Blend::None) else { return Ok(None) };
    if filled.len() != scores.len() {
        return Err(Error::InvalidArgument(format!(
            "{} first-stage scores for {} candidates",
            filled.len(),
            scores.len()
        )));
    }
    Ok(Some(blend.combine_without(scores, left_out, &filled)))
}

/// Fills unknown scores with the worst one. `None` if the first stage knows no candidate.
fn with_worst_for_unknown(first_stage: &[Option<f64>]) -> Option<Vec<f64>> {
    let worst = first_stage.iter().flatten().copied().reduce(f64::min)?;
    Some(first_stage.iter().map(|score| score.unwrap_or(worst)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::WhyNot;
    use super::*;

    fn pairs(scores: &[f32]) -> Vec<Scored> {
        scores.iter().copied().map(Scored::new).collect()
    }

    fn places(list: &OrderedList) -> Vec<usize> {
        list.hits.iter().map(|hit| hit.index).collect()
    }

    fn half() -> ListOptions {
        ListOptions::new(Blend::Linear { weight: 0.5, normalize: crate::Normalize::None })
    }

    #[test]
    fn what_ranks_is_the_finer_number_and_what_is_shown_the_score() {
        let mut pairs = pairs(&[1.0, 1.0, 0.5]);
        (pairs[0].ranked_by, pairs[1].ranked_by, pairs[2].ranked_by) = (17.0, 20.0, 0.0);
        let list = order(&pairs, &[], &half()).unwrap();
        assert_eq!((places(&list), list.hits[0].score, list.is_blended), (vec![1, 0, 2], 1.0, false));
        let cut = order(&pairs, &[], &ListOptions::default().top_k(Some(2)).min_score(Some(0.9))).unwrap();
        assert_eq!(places(&cut), [1, 0]);
    }

    #[test]
    fn who_the_first_stage_does_not_know_gets_its_worst_score_and_nobody_known_means_no_blend() {
        let list = order(&pairs(&[0.2, 0.2, 0.3]), &[Some(4.0), None, Some(2.0)], &half()).unwrap();
        let shown: Vec<f32> = list.hits.iter().map(|hit| hit.score).collect();
        assert_eq!((places(&list), list.is_blended), (vec![0, 2, 1], true));
        assert!(shown.iter().zip([2.1, 1.15, 1.1]).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{shown:?}");
        let list = order(&pairs(&[0.2, 0.1]), &[None, None], &half()).unwrap();
        assert_eq!((places(&list), list.is_blended), (vec![0, 1], false));
    }

    #[test]
    fn the_least_score_speaks_of_the_model_and_what_has_none_stays_below() {
        let mut pairs = pairs(&[0.2, 0.0, -1.0, 0.4]);
        pairs[1] = Scored::unscored("refused");
        pairs[2].why_not = Some(WhyNot::NoText);
        let first = [Some(1.0), Some(9.0), Some(2.0), Some(0.0)];
        let list = order(&pairs, &first, &half()).unwrap();
        assert_eq!(places(&list), [0, 3, 1, 2]);
        assert_eq!(places(&order(&pairs, &first, &half().min_score(Some(0.3))).unwrap()), [3]);
    }

    #[test]
    fn scores_that_are_none_or_too_few_are_errors() {
        let error = order(&pairs(&[0.1, f32::NAN]), &[], &ListOptions::default()).unwrap_err();
        assert!(matches!(error, Error::NotANumber { index: 1 }), "{error}");
        for (first, said) in
            [(&[Some(1.0)][..], "1 first-stage scores for 2"), (&[None, Some(f64::NAN)], "of candidate 1 (counted")]
        {
            let error = order(&pairs(&[0.1, 0.2]), first, &half()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
