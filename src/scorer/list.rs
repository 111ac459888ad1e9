//! How the scores of a list become an order: the first stage's scores, top-k and the least score.
//!
//! Everybody who ranks a list that is scored as a whole comes here; `ranking` sorts numbers, and nothing else.

use super::scored::Scored;
use crate::blend::Blend;
use crate::ranking::{self, Hit};
use crate::{Error, Result};

/// What comes back of a list, and in which order.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ListOptions {
    /// How first-stage scores count.
    pub blend: Blend,
    /// At most so many; `None`: all.
    pub top_k: Option<usize>,
    /// Only those whose score by the model is at least this much.
    pub min_score: Option<f32>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { blend: Blend::None, top_k: None, min_score: None }
    }
}

impl ListOptions {
    /// All candidates, in the order by this blend.
    pub fn new(blend: Blend) -> Self {
        Self { blend, ..Self::default() }
    }

    /// At most so many candidates; `None`: all.
    pub fn top_k(self, top_k: Option<usize>) -> Self {
        Self { top_k, ..self }
    }

    /// Only candidates whose score by the model is at least this much; `None`: all.
    pub fn min_score(self, min_score: Option<f32>) -> Self {
        Self { min_score, ..self }
    }
}

/// A list in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderedList {
    /// Best first: positions among the candidates, and the scores to show. These are the model's, or
    /// where first-stage scores count the mixed ones.
    pub hits: Vec<Hit>,
    /// Whether first-stage scores count.
    pub is_blended: bool,
}

/// Orders a list: score descending, equal ones in the order of the candidates. Candidates without text
/// or score come last.
///
/// `first_stage`: a score per candidate, higher is better, `None` where the first stage has none; an
/// empty slice where it has none at all. They count as [`ListOptions::blend`] says. A candidate that
/// the first stage does not know gets its worst score.
///
/// # Errors
/// [`Error::NotANumber`] naming the candidate; [`Error::InvalidArgument`] when there are first-stage
/// scores and not one per candidate, or one is not finite.
pub fn order(pairs: &[Scored], first_stage: &[Option<f64>], options: &ListOptions) -> Result<OrderedList> {
    let left_out: Vec<usize> = (0..pairs.len()).filter(|&at| !pairs[at].is_scored()).collect();
    let scores: Vec<f32> = pairs.iter().map(|pair| pair.score).collect();
    let mixed = mix(options.blend, &scores, &left_out, first_stage)?;
    let is_blended = mixed.is_some();
    let ranked_by = mixed.unwrap_or_else(|| pairs.iter().map(|pair| pair.ranked_by).collect());
    let mut hits = ranking::top_k(&ranked_by, options.top_k.unwrap_or(usize::MAX))?;
    if let Some(least) = options.min_score {
        hits.retain(|hit| scores[hit.index] >= least);
    }
    if !is_blended {
        // What it is ranked by may be a finer number.
        hits.iter_mut().for_each(|hit| hit.score = scores[hit.index]);
    }
    Ok(OrderedList { hits, is_blended })
}

/// The scores of a list mixed with the first stage's; `None` where these do not count.
///
/// The candidates without text or score, `left_out` (ascending), do not count, and stay below all others
/// in the first stage's order. A candidate that the first stage does not know gets its worst score.
///
/// # Errors
/// [`Error::InvalidArgument`] as [`order`].
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

/// `None` when the first stage knows no candidate.
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
