//! The distinct texts of a list, so that equal texts are scored once.

use std::collections::{HashMap, HashSet};

use crate::scorer::{CandidateList, ScoreKind, Scored, ScoredList};
use crate::text::is_blank;
use crate::{Error, Result};

/// The distinct texts of the candidates, and the position of each candidate's text among them.
pub(super) struct Distinct<'a> {
    pub texts: Vec<&'a str>,
    /// The position of each candidate's text; `None` for a candidate without text.
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

    /// Returns the distinct texts of a list of candidates, in the order of their first candidates.
    pub fn list(&self, candidates: &[usize]) -> Vec<usize> {
        let mut seen = HashSet::with_capacity(candidates.len());
        candidates.iter().filter_map(|&candidate| self.position[candidate]).filter(|&text| seen.insert(text)).collect()
    }

    /// Returns the first candidate with this distinct text.
    pub fn candidate(&self, text: usize) -> usize {
        self.position.iter().position(|position| *position == Some(text)).unwrap_or(text)
    }

    /// Copies the scores of a list's distinct texts to its candidates.
    pub fn spread(
        &self,
        list: &CandidateList<'_>,
        asked: &CandidateList<'_>,
        scored: &ScoredList,
        kind: ScoreKind,
    ) -> ScoredList {
        let place: HashMap<usize, usize> = asked.candidates.iter().enumerate().map(|(at, &text)| (text, at)).collect();
        let without_text = Scored::without_text(kind, scored);
        let pair = |&candidate: &usize| {
            let found = self.position[candidate].map(|text| &scored.pairs[place[&text]]);
            found
                .filter(|pair| !pair.is_empty())
                .map_or_else(|| without_text.clone(), |pair| pair.clone().without_score())
        };
        ScoredList {
            query: scored.query,
            pairs: list.candidates.iter().map(pair).collect(),
            document_tokens: scored.document_tokens,
        }
    }
}

/// Checks the results of a scorer. A scorer of the user's own may break its contract.
pub(super) fn check(scored: &[ScoredList], lists: &[CandidateList<'_>]) -> Result<()> {
    let wrong = |message| Err(Error::Compute { context: "the scorer broke its contract".into(), message });
    if scored.len() != lists.len() {
        return wrong(format!("answers to {} queries for {}", scored.len(), lists.len()));
    }
    for (scored, list) in scored.iter().zip(lists) {
        let (found, expected) = (scored.pairs.len(), list.candidates.len());
        if found != expected {
            return wrong(format!("{found} scores for {expected} candidates"));
        }
    }
    Ok(())
}
