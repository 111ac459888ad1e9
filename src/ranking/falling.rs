//! Scores for number-only formats.

/// Distance from the last score to the first candidate without a score.
const STEP: f32 = 1.0;

/// Converts the scores of a list, best first, to strictly decreasing numbers: all finite, each
/// lower than the one before.
///
/// trec_eval and similar tools order a run by score, and equal scores by document id. Therefore a
/// list only keeps its order if no two scores are equal. A score that is not lower than the one
/// before becomes the next lower f32. A candidate without a score (negative infinity, NaN) gets 1
/// less than the one before it, or 0 in first place. Positive infinity becomes the greatest f32,
/// `-0.0` becomes `0.0`. At the lowest f32 no lower number exists; the scores before it then move
/// up instead, each by as little as possible.
///
/// ```
/// use nearsort::ranking::strictly_falling;
/// assert_eq!(strictly_falling([0.9, 0.5, -0.25]), [0.9, 0.5, -0.25]);
/// assert_eq!(strictly_falling([7.0, 7.0, 6.0]), [7.0, 7.0_f32.next_down(), 6.0]);
/// assert_eq!(strictly_falling([3.0, f32::NEG_INFINITY]), [3.0, 2.0]);
/// ```
pub fn strictly_falling(scores: impl IntoIterator<Item = f32>) -> Vec<f32> {
    let mut written: Vec<f32> = Vec::new();
    for score in scores {
        written.push(below(written.last().copied(), score));
    }
    for at in (1..written.len()).rev() {
        // There was no lower number at the lowest f32.
        if written[at - 1] > written[at] {
            break;
        }
        written[at - 1] = written[at].next_up();
    }
    written
}

/// Returns the score as it is written after `last`; the lowest f32 if nothing is lower.
fn below(last: Option<f32>, score: f32) -> f32 {
    // The sum turns -0.0 into 0.0.
    let score = if score == f32::INFINITY { f32::MAX } else { score + 0.0 };
    let Some(last) = last else { return if score.is_finite() { score } else { 0.0 } };
    let score = if score.is_finite() { score } else { last - STEP };
    score.min(last.next_down()).max(f32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: f32 = f32::NEG_INFINITY;

    #[test]
    fn equal_scores_become_the_next_lower_numbers() {
        let tied = strictly_falling([7.0, 7.0, 7.0, 6.0]);
        assert_eq!(tied, [7.0, 7.0_f32.next_down(), 7.0_f32.next_down().next_down(), 6.0]);
        assert_eq!(strictly_falling([7.0, 7.0, 7.0_f32.next_down()])[2], tied[2], "a score may be taken already");
        assert_eq!(strictly_falling([-2.5, -2.5]), [-2.5, (-2.5_f32).next_down()]);
        assert!(strictly_falling([]).is_empty());
    }

    #[test]
    fn zeros_and_subnormal_numbers_fall_too() {
        let least = f32::from_bits(1);
        assert_eq!(strictly_falling([0.0, -0.0, 0.0]), [0.0, -least, -2.0 * least]);
        let first = strictly_falling([-0.0]);
        assert_eq!(first[0].to_string(), "0");
        assert_eq!(strictly_falling([least, least, 0.0]), [least, 0.0, -least]);
    }

    #[test]
    fn candidates_without_a_score_stand_below() {
        assert_eq!(strictly_falling([3.0, 0.0, NONE, NONE]), [3.0, 0.0, -1.0, -2.0]);
        assert_eq!(strictly_falling([NONE, NONE]), [0.0, -1.0]);
        assert!(strictly_falling([-1e30, NONE]).is_sorted_by(|a, b| a > b), "where 1 is too small a step");
    }

    #[test]
    fn the_numbers_do_not_end_at_the_lowest() {
        for scores in [
            vec![f32::MIN; 4],
            vec![5.0, f32::MIN.next_up(), f32::MIN, f32::MIN, NONE],
            vec![f32::MIN, NONE, NONE],
            vec![f32::INFINITY, f32::INFINITY, f32::MAX, 1.0, NONE],
        ] {
            let written = strictly_falling(scores.clone());
            assert!(written.iter().all(|score| score.is_finite()), "{scores:?}: {written:?}");
            assert!(written.is_sorted_by(|a, b| a > b), "{scores:?}: {written:?}");
        }
        assert_eq!(strictly_falling([5.0, f32::MIN, NONE]), [5.0, f32::MIN.next_up(), f32::MIN]);
    }
}
