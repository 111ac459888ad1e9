//! Reads a grade from a model's answer.
//!
//! Reading is strict, because a wrong grade is worse than another question. Only the model's answer
//! is read, never a candidate's text.

use serde::Deserialize;
use serde_json::Value;

use super::words::unfenced;
use crate::provider::excerpt;

/// The best grade; the worst is 0.
pub const MAX_GRADE: f32 = 10.0;

/// Words before a grade.
const LABELS: [&str; 4] = ["score", "rating", "grade", "relevance"];

/// The JSON object of an answer. Serde refuses a field that occurs twice, under any alias.
#[derive(Deserialize)]
struct Graded {
    #[serde(alias = "rating", alias = "grade", alias = "relevance")]
    score: Value,
}

/// Returns the grade of an answer, in [0, 10]. Accepts a JSON object `{"score": 7}` (also in a
/// Markdown fence, or with a few words around it), a bare number, "Score: 8/10", "8 out of 10",
/// "Rating: 7.5".
///
/// # Errors
/// The reason why the answer has no grade: it is empty, has no number, has a number among words
/// without a label or a scale, has different numbers, or has a number out of range.
pub fn read(answer: &str) -> Result<f32, String> {
    let text = unfenced(answer);
    if text.is_empty() {
        return Err("the answer is empty".into());
    }
    let grade = match text.find('{') {
        Some(start) => from_object(text, start),
        None => from_text(text),
    };
    in_range(grade.map_err(|why| format!("{why}: '{}'", excerpt(answer)))?)
}

fn in_range(grade: f64) -> Result<f32, String> {
    if (0.0..=f64::from(MAX_GRADE)).contains(&grade) {
        Ok(grade as f32)
    } else {
        Err(format!("the grade {grade} is not between 0 and 10"))
    }
}

fn from_object(text: &str, start: usize) -> Result<f64, String> {
    let object = text[start..].rfind('}').map(|end| &text[start..=start + end]);
    let graded = object.and_then(|object| serde_json::from_str::<Graded>(object).ok());
    match graded.map(|graded| graded.score) {
        Some(Value::Number(score)) => score.as_f64().ok_or_else(|| "the score is not a number".into()),
        Some(Value::String(score)) => from_text(&score),
        _ => Err("no JSON object with one number as its score".into()),
    }
}

/// A piece of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum GradeToken<'a> {
    Number(f64),
    Word(&'a str),
    Sign(char),
}

/// Reads a number alone, after a label or before its scale. All numbers except those of the scale
/// must be equal.
fn from_text(text: &str) -> Result<f64, String> {
    let tokens = tokens(text)?;
    let mut grades = Vec::new();
    let mut is_named = false;
    let mut at = 0;
    while at < tokens.len() {
        if let GradeToken::Number(number) = tokens[at] {
            let scale = scale_after(&tokens[at + 1..])?;
            is_named |= scale > 0 || has_label_before(&tokens[..at]);
            grades.push(number);
            at += scale;
        }
        at += 1;
    }
    let is_alone = !tokens.iter().any(|token| matches!(token, GradeToken::Word(_)));
    match grades.as_slice() {
        [] => Err("no number in the answer".into()),
        [first, rest @ ..] if rest.iter().any(|other| other != first) => Err("several different numbers".into()),
        [grade, ..] if is_named || is_alone => Ok(*grade),
        _ => Err("a number that nothing marks as the grade".into()),
    }
}

/// Returns the number of tokens of the scale after a number, "/10" or "out of 10".
fn scale_after(tokens: &[GradeToken<'_>]) -> Result<usize, String> {
    let (length, scale) = match tokens {
        [GradeToken::Sign('/'), GradeToken::Number(scale), ..] => (2, *scale),
        [GradeToken::Word(out), GradeToken::Word(of), GradeToken::Number(scale), ..]
            if is(out, "out") && is(of, "of") =>
        {
            (3, *scale)
        }
        [GradeToken::Sign('%' | '/'), ..] => return Err("a number that is not on the scale of 0 to 10".into()),
        _ => return Ok(0),
    };
    if scale == f64::from(MAX_GRADE) { Ok(length) } else { Err("a number that is not on the scale of 0 to 10".into()) }
}

/// Returns true if a label stands before the number: "score", then signs, "is" or "of".
fn has_label_before(tokens: &[GradeToken<'_>]) -> bool {
    let fills = |token: &&GradeToken<'_>| match token {
        GradeToken::Word(word) => is(word, "is") || is(word, "of"),
        GradeToken::Sign(_) => true,
        GradeToken::Number(_) => false,
    };
    let label = tokens.iter().rev().find(|token| !fills(token));
    matches!(label, Some(GradeToken::Word(word)) if LABELS.iter().any(|label| is(word, label)))
}

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

/// Splits a text into words, numbers and signs. Skips Markdown emphasis and white space.
fn tokens(text: &str) -> Result<Vec<GradeToken<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || c == '\'';
        let length = if c.is_ascii_digit() || (c == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let end = rest[1..].find(|c: char| !(is_part(c) || c == '.' || c == ',')).map_or(rest.len(), |end| end + 1);
            let number = rest[..end].trim_end_matches(['.', ',']);
            tokens.push(GradeToken::Number(number_in(number)?));
            number.len()
        } else if is_part(c) {
            let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            tokens.push(GradeToken::Word(&rest[..end]));
            end
        } else {
            if !(c.is_whitespace() || matches!(c, '*' | '_' | '`')) {
                tokens.push(GradeToken::Sign(c));
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Parses digits with at most one point. A sign is part of the number, which may then be out of
/// range.
fn number_in(text: &str) -> Result<f64, String> {
    let is_plain = text.chars().enumerate().all(|(at, c)| c.is_ascii_digit() || c == '.' || (at == 0 && c == '-'));
    let number = if is_plain { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("'{}' is not a number", excerpt(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grades_are_read_in_the_forms_that_models_use() {
        for (answer, expected) in [
            (r#"{"score": 7}"#, 7.0),
            (r#"{"score": 1e1}"#, 10.0),
            (r#"{"score": "8/10"}"#, 8.0),
            ("```json\n{\"score\": 7, \"reason\": \"names 3 towers\"}\n```", 7.0),
            ("Here it is:\n```\n{\"score\": 4}\n```\n", 4.0),
            ("The answer is {\"rating\": 2.5}.", 2.5),
            ("7", 7.0),
            (" 10.\n", 10.0),
            ("0", 0.0),
            ("**8**", 8.0),
            ("Score: 8/10", 8.0),
            ("**Score:** 8 / 10.", 8.0),
            ("8 out of 10", 8.0),
            ("I would give it 8 out of 10.", 8.0),
            ("Rating: 7.5", 7.5),
            ("The relevance score is 6.", 6.0),
            ("Score: 8 (8/10)", 8.0),
            ("10/10", 10.0),
        ] {
            assert_eq!(read(answer), Ok(expected), "{answer}");
        }
    }

    #[test]
    fn what_is_not_surely_a_grade_is_none() {
        for (answer, why) in [
            ("", "empty"),
            ("```\n```", "empty"),
            ("eight", "no number"),
            ("I cannot help with that.", "no number"),
            ("The passage names 3 towers.", "nothing marks"),
            ("Score: 7 or 8", "different"),
            ("7-8", "different"),
            ("Score: 8. It has 3 facts.", "different"),
            ("80/100", "scale of 0 to 10"),
            ("80%", "scale of 0 to 10"),
            ("11", "not between 0 and 10"),
            ("-3", "not between 0 and 10"),
            ("NaN", "no number"),
            ("1e400", "not a number"),
            ("7,5", "not a number"),
            ("1.2.3", "not a number"),
            ("8th", "not a number"),
            ("８", "no number"),
            (r#"{"score": NaN}"#, "no JSON object"),
            (r#"{"score": null}"#, "no JSON object"),
            (r#"{"score": true}"#, "no JSON object"),
            (r#"{"score": 11}"#, "not between"),
            (r#"{"score": "eight"}"#, "no number"),
            (r#"{"score": 1"#, "no JSON object"),
            (r#"{"score": 1, "score": 9}"#, "no JSON object"),
            (r#"{"score": 1, "rating": 9}"#, "no JSON object"),
            (r#"{"score": 1} {"score": 9}"#, "no JSON object"),
            (r#"{"points": 9}"#, "no JSON object"),
            ("[7, 8]", "different"),
        ] {
            let error = read(answer).expect_err(answer);
            assert!(error.contains(why), "{answer}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_gives_a_grade_in_range_or_none(answer in ".{0,60}") {
            if let Ok(grade) = read(&answer) {
                prop_assert!((0.0..=10.0).contains(&grade));
            }
        }

        #[test]
        fn nearly_right_answers_do_not_panic(answer in r#"(```(json)?\n?)?[{\["]{0,2}(score|Rating| )?[":* ]{0,3}-?[0-9]{0,3}[.,/e%]?[0-9]{0,3}[}\]" ]{0,2}(```)?"#) {
            if let Ok(grade) = read(&answer) {
                prop_assert!((0.0..=10.0).contains(&grade));
            }
        }

        #[test]
        fn every_grade_comes_back(tenths in 0_u32..=100) {
            let grade = f64::from(tenths) / 10.0;
            for answer in [format!("{{\"score\": {grade}}}"), format!("Score: {grade}/10"), format!("{grade}")] {
                prop_assert_eq!(read(&answer), Ok(grade as f32));
            }
        }
    }
}
