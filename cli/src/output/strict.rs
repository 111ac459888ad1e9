//! Scores for tools that order by nothing else.

/// How far below the last score the first of the candidates without one is written.
const STEP: f32 = 1.0;

/// The scores of a list, the best first, so that each is finite and lower than the one before: trec_eval and its like order a run by score, and
/// equal scores by document id. A score that is not lower than the one before is written as the next lower f32; candidates without a score stand below the
/// last one, by 1 each.
pub fn descending(scores: impl IntoIterator<Item = f32>) -> Vec<f32> {
    let mut last: Option<f32> = None;
    let below = |score: f32, last: f32| match score.is_finite() {
        true => score.min(last.next_down()),
        false => (last - STEP).min(last.next_down()),
    };
    let write = |score: f32| {
        let written = match last {
            Some(last) => below(score, last),
            None if score.is_finite() => score,
            None => 0.0,
        };
        last = Some(written);
        written
    };
    scores.into_iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_scores_fall_and_are_the_scores_where_these_fall() {
        assert_eq!(descending([0.9, 0.5, -0.25]), [0.9, 0.5, -0.25]);
        let tied = descending([7.0, 7.0, 7.0, 6.0]);
        assert_eq!(tied, [7.0, 7.0_f32.next_down(), 7.0_f32.next_down().next_down(), 6.0]);
        assert_eq!(descending([7.0, 7.0, 7.0_f32.next_down()])[2], tied[2], "a score may be taken already");
        assert_eq!(descending([0.0, 0.0])[1], 0.0_f32.next_down());
        assert!(descending([]).is_empty());
    }

    #[test]
    fn candidates_without_a_score_stand_below() {
        let none = f32::NEG_INFINITY;
        assert_eq!(descending([3.0, 0.0, none, none]), [3.0, 0.0, -1.0, -2.0]);
        assert_eq!(descending([none, none]), [0.0, -1.0]);
        assert!(descending([-1e30, none]).is_sorted_by(|a, b| a > b), "where 1 is too small a step");
    }
}
