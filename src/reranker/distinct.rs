//! Equal texts are scored once.

use std::collections::{HashMap, HashSet};

use super::ScoredCandidates;
use crate::scorer::{CandidateList, Part, Scores, Unscored};
use crate::text::is_blank;
use crate::{Error, Result};

/// The distinct texts of a candidate list, and where each candidate's text is among them.
pub(super) struct Distinct<'a> {
    pub texts: Vec<&'a str>,
    /// Per candidate; `None` for one without text.
    position: Vec<Option<usize>>,
}

impl<'a> Distinct<'a> {
    pub fn of(candidates: &'a [impl AsRef<str>]) -> Self {
        let mut seen = HashMap::with_capacity(candidates.len());
        let mut texts = Vec::new();
        let mut locate = |text: &'a str| {
            (!is_blank(text)).then(|| {
                *seen.entry(text).or_insert_with(|| {
                    texts.push(text);
                    texts.len() - 1
                })
            })
        };
        let position = candidates.iter().map(|candidate| locate(candidate.as_ref())).collect();
        Self { texts, position }
    }

    /// The distinct texts of a list of candidates, each once, in the order of the first candidate that has it.
    pub fn list(&self, candidates: &[usize]) -> Vec<usize> {
        let mut seen = HashSet::with_capacity(candidates.len());
        candidates.iter().filter_map(|&candidate| self.position[candidate]).filter(|&text| seen.insert(text)).collect()
    }

    /// From the scores of a list's distinct texts to those of its candidates.
    pub fn spread(
        &self,
        list: &CandidateList<'_>,
        asked: &CandidateList<'_>,
        scores: &Scores,
        lowest: f32,
    ) -> ScoredCandidates {
        let place: HashMap<usize, usize> = asked.candidates.iter().enumerate().map(|(at, &text)| (text, at)).collect();
        let places: Vec<Option<usize>> =
            list.candidates.iter().map(|&candidate| self.position[candidate].map(|text| place[&text])).collect();
        let is_read = |at: &usize| scores.blank.get(*at) != Some(&true);
        let places: Vec<Option<usize>> = places.into_iter().map(|place| place.filter(is_read)).collect();
        let empty = |(index, place): (usize, &Option<usize>)| place.is_none().then_some(index);
        let unscored = spread_unscored(&places, &scores.unscored);
        let spread = |values: &[f32], lowest: f32| {
            let mut values = pick(&places, values, &lowest);
            unscored.iter().for_each(|unscored| values[unscored.index] = f32::NEG_INFINITY);
            values
        };
        let part = |part: &Part| Part { kind: part.kind, values: spread(&part.values, part.kind.lowest()) };
        ScoredCandidates {
            scores: spread(&scores.values, lowest),
            parts: scores.parts.iter().map(part).collect(),
            stages: match scores.stages.as_slice() {
                [] => Vec::new(),
                stages => pick(&places, stages, &None),
            },
            best_windows: if scores.best_windows.is_empty() {
                Vec::new()
            } else {
                pick(&places, &scores.best_windows, &(0..0))
            },
            tokens: pick(&places, &scores.tokens, &0),
            unknown: pick(&places, &scores.unknown, &0),
            truncated: pick(&places, &scores.truncated, &false),
            query_tokens: scores.query_tokens,
            query_truncated: scores.query_truncated,
            query_unknown: scores.query_unknown,
            document_tokens: scores.tokens.iter().copied().map(u64::from).sum(),
            empty: places.iter().enumerate().filter_map(empty).collect(),
            unscored,
        }
    }
}

/// The candidates whose text got no score.
fn spread_unscored(places: &[Option<usize>], unscored: &[Unscored]) -> Vec<Unscored> {
    let of_candidate = |(index, place): (usize, &Option<usize>)| {
        let found = unscored.binary_search_by_key(&(*place)?, |unscored| unscored.index).ok()?;
        Some(Unscored { index, reason: unscored[found].reason.clone() })
    };
    places.iter().enumerate().filter_map(of_candidate).collect()
}

/// The value of each place; `missing` for none, and where the scorer gave no values.
fn pick<T: Clone>(places: &[Option<usize>], values: &[T], missing: &T) -> Vec<T> {
    places.iter().map(|place| place.and_then(|at| values.get(at)).unwrap_or(missing).clone()).collect()
}

/// A scorer of the user's own may break its contract.
pub(super) fn check(scores: &[Scores], lists: &[CandidateList<'_>]) -> Result<()> {
    let wrong = |message| Err(Error::Compute { context: "the scorer broke its contract".into(), message });
    if scores.len() != lists.len() {
        return wrong(format!("answers to {} queries for {}", scores.len(), lists.len()));
    }
    for (scores, list) in scores.iter().zip(lists) {
        let expected = list.candidates.len();
        if scores.values.len() != expected {
            return wrong(format!("{} scores for {expected} candidates", scores.values.len()));
        }
        let is_ascending = scores.unscored.is_sorted_by(|a, b| a.index < b.index);
        if !is_ascending || scores.unscored.last().is_some_and(|last| last.index >= expected) {
            return wrong(format!("positions of unscored candidates that are not ascending and below {expected}"));
        }
        let windows = scores.best_windows.len();
        let optional = [
            scores.tokens.len(),
            scores.unknown.len(),
            scores.truncated.len(),
            scores.blank.len(),
            windows,
            scores.stages.len(),
        ];
        let parts = scores.parts.iter().map(|part| part.values.len());
        if optional.into_iter().any(|len| len != 0 && len != expected) || parts.into_iter().any(|len| len != expected) {
            return wrong(format!("what belongs to the scores is not there for each of {expected} candidates"));
        }
    }
    Ok(())
}
