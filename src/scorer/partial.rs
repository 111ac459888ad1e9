//! Scoring lists as far as a deadline allows.

use std::ops::Range;

use super::{CandidateList, QueryReading, Scored, ScoredList, Scorer, WhyNot};
use crate::call::Call;
use crate::{Error, Result};

/// The range of bytes of text that are scored together, from a few micro-batches to some 150
/// passages. This much work is lost to a deadline in the middle.
const BYTES_AT_ONCE: Range<usize> = 8 << 10..64 << 10;
/// The number of parts of a list, unless they would be outside that range.
const PARTS: usize = 8;

/// Does [`Scorer::score_lists`]. For a call that accepts partial answers, lists are scored part by
/// part, in the order of their candidates, until the deadline. The remaining candidates are
/// [`WhyNot::NotReached`]. A pair has the same bits as in a whole run.
pub(crate) fn score_in_parts(
    scorer: &dyn Scorer,
    lists: &[CandidateList<'_>],
    texts: &[&str],
    call: &Call<'_>,
) -> Result<Vec<ScoredList>> {
    if !call.is_partial() {
        return scorer.score_lists(lists, texts, call);
    }
    if scorer.needs_whole_lists() {
        let nothing = || lists.iter().map(|list| not_reached(list.candidates.len())).collect();
        return Ok(in_time(scorer.score_lists(lists, texts, call), call)?.unwrap_or_else(nothing));
    }
    lists.iter().map(|list| score_list(scorer, list, texts, call)).collect()
}

fn score_list(scorer: &dyn Scorer, list: &CandidateList<'_>, texts: &[&str], call: &Call<'_>) -> Result<ScoredList> {
    let mut whole = ScoredList { pairs: Vec::with_capacity(list.candidates.len()), ..ScoredList::default() };
    for part in parts(list.candidates, texts) {
        let part = &list.candidates[part];
        let part_texts: Vec<&str> = part.iter().map(|&text| texts[text]).collect();
        let all: Vec<usize> = (0..part.len()).collect();
        let asked = [CandidateList { query: list.query, candidates: &all }];
        // An error names a text by its position among all texts.
        let given = |at: usize| part.get(at).copied().unwrap_or(at);
        let scored = scorer.score_lists(&asked, &part_texts, call);
        let scored = scored.map_err(|error| error.renumbered(|query| query, given));
        let Some(scored) = in_time(scored, call)? else { break };
        for scored in scored {
            whole.query.merge(scored.query);
            whole.document_tokens += scored.document_tokens;
            whole.pairs.extend(scored.pairs);
        }
    }
    let missing = list.candidates.len().saturating_sub(whole.pairs.len());
    whole.pairs.extend(not_reached(missing).pairs);
    Ok(whole)
}

/// Returns the scores; `None` if the deadline passed first.
pub(super) fn in_time<T>(scored: Result<T>, call: &Call<'_>) -> Result<Option<T>> {
    match scored {
        Err(Error::DeadlineExceeded) => {
            call.cut_off();
            Ok(None)
        }
        scored => scored.map(Some),
    }
}

fn not_reached(candidates: usize) -> ScoredList {
    let pair = Scored { why_not: Some(WhyNot::NotReached), ..Scored::new(f32::NEG_INFINITY) };
    ScoredList { query: QueryReading::default(), pairs: vec![pair; candidates], document_tokens: 0 }
}

/// Cuts a list's candidates into parts of about equal size in bytes.
fn parts(candidates: &[usize], texts: &[&str]) -> Vec<Range<usize>> {
    let all: usize = candidates.iter().map(|&text| texts[text].len()).sum();
    let wanted = (all / PARTS).clamp(BYTES_AT_ONCE.start, BYTES_AT_ONCE.end);
    let (mut parts, mut first, mut bytes) = (Vec::new(), 0, 0);
    for (at, &text) in candidates.iter().enumerate() {
        bytes += texts[text].len();
        if bytes >= wanted {
            parts.push(first..at + 1);
            (first, bytes) = (at + 1, 0);
        }
    }
    parts.extend((first < candidates.len()).then_some(first..candidates.len()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_candidate_once_in_order_and_are_neither_tiny_nor_huge() {
        let long = "x".repeat(70_000);
        for lengths in [vec![400; 100], vec![10; 3], vec![70_000, 1, 70_000], vec![], vec![3_000; 2_000]] {
            let texts: Vec<&str> = lengths.iter().map(|&length| &long[..length]).collect();
            let candidates: Vec<usize> = (0..texts.len()).rev().collect();
            let parts = parts(&candidates, &texts);
            let all: Vec<usize> = parts.iter().cloned().flatten().collect();
            assert_eq!(all, (0..texts.len()).collect::<Vec<_>>());
            for part in &parts[..parts.len().saturating_sub(1)] {
                let bytes: usize = part.clone().map(|at| texts[candidates[at]].len()).sum();
                let last = texts[candidates[part.end - 1]].len();
                assert!(bytes >= BYTES_AT_ONCE.start && bytes - last < BYTES_AT_ONCE.end, "{bytes}");
            }
        }
    }
}
