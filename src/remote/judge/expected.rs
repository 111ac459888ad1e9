//! The expected grade of a model, from the probabilities of its tokens.
//!
//! Judges mostly give a few round grades, and ties are their main weakness. If the service reports
//! the probability of each token, the score is the mean of the grades, weighted by the
//! probabilities p at the position of the grade's first token:
//!
//! score = sum over s of p(s) * s / sum over s of p(s), s in 0..=10
//!
//! (as G-Eval does; Liu et al. 2023). "10" may be one token, or "1" followed by "0". In the second
//! case, the probability of the "0" divides that of the "1" between the two grades.

use crate::provider::{Alternative, AnswerToken};

/// Minimum probability of all grades together. With less, other words were about as likely, and the
/// grade itself is the better score.
const MIN_MASS: f64 = 0.5;

impl Alternative {
    fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.token.as_bytes())
    }

    fn probability(&self) -> f64 {
        self.logprob.exp().min(1.0)
    }

    /// Returns the grade that the token adds after `lead`, the part of the chosen token before the
    /// grade.
    fn grade(&self, lead: &[u8]) -> Option<u32> {
        let digits = std::str::from_utf8(self.bytes().strip_prefix(lead)?).ok()?.trim_end();
        let is_whole = matches!(digits.as_bytes(), [b'0'..=b'9'] | [b'1', b'0']);
        digits.parse().ok().filter(|_| is_whole)
    }
}

/// Returns the expected grade at the position of `grade` in an answer, in [0, 10]. Returns `None`
/// if the grade is not whole, if it is not the only number in the answer, or if grades have less
/// than half of the probability.
pub(super) fn grade(tokens: &[AnswerToken], grade: f32) -> Option<f32> {
    let digits = grade.to_string();
    let answer: Vec<u8> = tokens.iter().flat_map(|token| token.chosen.bytes().iter().copied()).collect();
    let start = only_number(&answer, digits.as_bytes())?;
    let (at, lead) = token_at(tokens, start)?;
    let ten_in_two = digits == "10" && tokens[at].chosen.grade(lead) == Some(1);
    let starts_with_one = tokens[at].chosen.grade(lead) == Some(1);
    let zero = if starts_with_one { tokens.get(at + 1).map_or(0.0, zero_behind) } else { 0.0 };
    if ten_in_two && zero == 0.0 {
        return None;
    }
    let (mut mass, mut sum) = (0.0, 0.0);
    let mut add = |grade: f64, probability: f64| {
        mass += probability;
        sum += grade * probability;
    };
    for alternative in alternatives(&tokens[at]) {
        let probability = alternative.probability();
        match alternative.grade(lead) {
            Some(1) => {
                add(10.0, probability * zero);
                add(1.0, probability * (1.0 - zero));
            }
            Some(grade) => add(f64::from(grade), probability),
            None => {}
        }
    }
    (mass >= MIN_MASS).then(|| (sum / mass) as f32)
}

/// Returns the probability that a "0" follows.
fn zero_behind(token: &AnswerToken) -> f64 {
    let zero = alternatives(token).into_iter().find(|alternative| alternative.bytes() == b"0");
    zero.map_or(0.0, Alternative::probability)
}

/// Returns the likely tokens of a position, each once. The chosen one is among the likeliest unless
/// it was drawn from far below.
fn alternatives(token: &AnswerToken) -> Vec<&Alternative> {
    let mut all: Vec<&Alternative> = Vec::with_capacity(token.top_logprobs.len() + 1);
    for alternative in token.top_logprobs.iter().chain([&token.chosen]) {
        if all.iter().all(|other| other.bytes() != alternative.bytes()) {
            all.push(alternative);
        }
    }
    all
}

/// Returns the position of a number in an answer, if it is the only number.
fn only_number(answer: &[u8], digits: &[u8]) -> Option<usize> {
    let is_digit = |at: &usize| answer[*at].is_ascii_digit();
    let start = (0..answer.len()).find(is_digit)?;
    let end = (start..answer.len()).find(|at| !is_digit(at)).unwrap_or(answer.len());
    let is_only = !answer[end..].iter().any(u8::is_ascii_digit);
    (is_only && &answer[start..end] == digits).then_some(start)
}

/// Returns the index of the token with the byte at `start` of the answer, and the bytes of the
/// token before it.
fn token_at(tokens: &[AnswerToken], start: usize) -> Option<(usize, &[u8])> {
    let mut end = 0;
    for (at, token) in tokens.iter().enumerate() {
        let bytes = token.chosen.bytes();
        if start < end + bytes.len() {
            return Some((at, &bytes[..start - end]));
        }
        end += bytes.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A token with probability 1.
    fn sure(token: &str) -> AnswerToken {
        one_of(token, &[(token, 1.0)])
    }

    /// A token with its alternatives and their probabilities.
    fn one_of(token: &str, alternatives: &[(&str, f64)]) -> AnswerToken {
        let alternative =
            |&(token, p): &(&str, f64)| json!({ "token": token, "logprob": p.ln(), "bytes": token.as_bytes() });
        let mut value = alternative(alternatives.iter().find(|(other, _)| *other == token).unwrap_or(&(token, 1e-9)));
        value["top_logprobs"] = alternatives.iter().map(alternative).collect();
        serde_json::from_value(value).unwrap()
    }

    fn object(place: Vec<AnswerToken>) -> Vec<AnswerToken> {
        let before = ["{\"", "score", "\":", " "].map(sure);
        before.into_iter().chain(place).chain([sure("}")]).collect()
    }

    #[track_caller]
    fn assert_near(found: Option<f32>, expected: f64) {
        let found = found.expect("the tokens tell");
        assert!((f64::from(found) - expected).abs() < 1e-5, "{found}, not {expected}");
    }

    #[test]
    fn the_score_is_the_mean_of_the_grades_by_their_probabilities() {
        let place = one_of("7", &[("7", 0.6), ("8", 0.3), ("cat", 0.1)]);
        assert_near(grade(&object(vec![place.clone()]), 7.0), (7.0 * 0.6 + 8.0 * 0.3) / 0.9);
        assert_near(grade(&[place], 7.0), (7.0 * 0.6 + 8.0 * 0.3) / 0.9);
        // With the space before it in the token.
        let led = one_of(" 7", &[(" 7", 0.5), (" 9", 0.4), ("9", 0.1)]);
        assert_near(grade(&[sure("Score"), sure(":"), led], 7.0), (7.0 * 0.5 + 9.0 * 0.4) / 0.9);
    }

    #[test]
    fn ten_is_one_token_or_two() {
        let one = one_of("10", &[("10", 0.75), ("1", 0.05), ("9", 0.2)]);
        assert_near(grade(&object(vec![one]), 10.0), 7.5 + 0.05 + 1.8);
        let first = one_of("1", &[("1", 0.8), ("9", 0.2)]);
        let zero = one_of("0", &[("0", 0.75), ("}", 0.25)]);
        assert_near(grade(&object(vec![first.clone(), zero]), 10.0), 0.8 * 0.75 * 10.0 + 0.8 * 0.25 + 0.2 * 9.0);
        let end = one_of("}", &[("}", 0.75), ("0", 0.25)]);
        let tokens = [sure("{\"score\":"), first, end];
        assert_near(grade(&tokens, 1.0), 0.8 * 0.25 * 10.0 + 0.8 * 0.75 + 0.2 * 9.0);
    }

    #[test]
    fn bytes_count_where_tokens_are_parts_of_characters() {
        let mut tokens = object(vec![one_of("7", &[("7", 1.0)])]);
        tokens[0] = serde_json::from_value(json!({ "token": "\\xe2", "logprob": 0.0, "bytes": [226] })).unwrap();
        assert_near(grade(&tokens, 7.0), 7.0);
    }

    #[test]
    fn where_the_tokens_do_not_tell_the_grade_stands() {
        let unsure = one_of("7", &[("7", 0.2), ("8", 0.2), ("cat", 0.6)]);
        assert_eq!(grade(&object(vec![unsure]), 7.0), None, "less than half on grades");
        let half = [sure("7"), sure("."), sure("5")];
        assert_eq!(grade(&half, 7.5), None, "not whole");
        assert_eq!(grade(&object(vec![sure("7")]), 8.0), None, "another grade than that which was read");
        assert_eq!(grade(&[sure("7"), sure("/"), sure("10")], 7.0), None, "several numbers");
        assert_eq!(grade(&[], 7.0), None);
        let impossible = one_of("7", &[("7", 1e-300), ("8", 1e-300)]);
        assert_eq!(grade(&[impossible], 7.0), None);
    }

    #[test]
    fn what_a_token_says_within_a_longer_one_is_no_grade() {
        let place = one_of("7", &[("7", 0.6), ("75", 0.2), ("07", 0.1), ("7.", 0.1)]);
        assert_near(grade(&[place], 7.0), 7.0);
    }
}
