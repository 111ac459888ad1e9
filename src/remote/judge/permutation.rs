//! Reads an order of numbered passages from a model's answer, and repairs it as RankGPT does (Sun
//! et al. 2023).

use serde::Deserialize;

use super::words::unfenced;
use crate::provider::excerpt;

/// The JSON object of an answer.
#[derive(Deserialize)]
struct RankedAnswer {
    #[serde(alias = "order", alias = "permutation")]
    ranking: Vec<i64>,
}

/// An order of all passages, and the number of its repairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Permutation {
    /// Positions from 0, the best first, each once.
    pub order: Vec<usize>,
    /// The number of repairs. Repeated and unknown numbers are dropped; missing passages follow the
    /// others in their earlier order.
    pub repairs: usize,
}

/// Reads the order of `count` passages from an answer: a JSON object `{"ranking": [3, 1, 2]}`, an
/// array, or `[3] > [1] > [2]`.
///
/// # Errors
/// The reason why the answer has no order.
pub(super) fn read(answer: &str, count: usize) -> Result<Permutation, String> {
    let text = unfenced(answer);
    if text.is_empty() {
        return Err("the answer is empty".into());
    }
    let numbers = from_json(text).or_else(|| from_text(text));
    let permutation = numbers.map(|numbers| repaired(&numbers, count)).filter(|(_, valid)| *valid > 0);
    let (permutation, _) = permutation.ok_or_else(|| format!("no order of the passages in '{}'", excerpt(answer)))?;
    Ok(permutation)
}

fn from_json(text: &str) -> Option<Vec<i64>> {
    if let Ok(numbers) = serde_json::from_str(text) {
        return Some(numbers);
    }
    let object = text.get(text.find('{')?..=text.rfind('}')?)?;
    serde_json::from_str::<RankedAnswer>(object).ok().map(|ranked| ranked.ranking)
}

/// Reads numbers in brackets, with any text around them; else nothing but numbers, '>' and commas.
fn from_text(text: &str) -> Option<Vec<i64>> {
    if text.contains('{') {
        return None;
    }
    let bracketed: Vec<i64> =
        text.split('[').skip(1).filter_map(|piece| piece.split_once(']')?.0.trim().parse().ok()).collect();
    if !bracketed.is_empty() {
        return Some(bracketed);
    }
    let pieces = text.split(|c: char| c == '>' || c == ',' || c.is_whitespace()).filter(|piece| !piece.is_empty());
    let numbers: Result<Vec<i64>, _> = pieces.map(str::parse).collect();
    numbers.ok()
}

/// Returns the order that the numbers, counted from 1, give, and how many of them were valid.
fn repaired(numbers: &[i64], count: usize) -> (Permutation, usize) {
    let mut is_named = vec![false; count];
    let mut order = Vec::with_capacity(count);
    for &number in numbers {
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        if let Some(at) = at.filter(|&at| at < count && !is_named[at]) {
            is_named[at] = true;
            order.push(at);
        }
    }
    let valid = order.len();
    order.extend((0..count).filter(|&at| !is_named[at]));
    (Permutation { order, repairs: numbers.len() - valid + count - valid }, valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn orders_are_read_in_the_forms_that_models_use() {
        for answer in [
            r#"{"ranking": [3, 1, 2]}"#,
            "```json\n{\"ranking\": [3, 1, 2]}\n```",
            "[3, 1, 2]",
            "[3] > [1] > [2]",
            "[3]>[1]>[2]",
            "The ranking is: [3] > [1] > [2].",
            "3 > 1 > 2",
            "3, 1, 2",
            "3\n1\n2",
        ] {
            assert_eq!(read(answer, 3), Ok(Permutation { order: vec![2, 0, 1], repairs: 0 }), "{answer}");
        }
    }

    #[test]
    fn orders_are_repaired_as_rankgpt_does() {
        let order = |answer: &str| read(answer, 4).map(|found| (found.order, found.repairs));
        assert_eq!(order("[3] > [1] > [3] > [2] > [4]"), Ok((vec![2, 0, 1, 3], 1)), "one came again");
        assert_eq!(order("[4] > [2]"), Ok((vec![3, 1, 0, 2], 2)), "two are missing");
        assert_eq!(order("[9] > [2] > [0] > [-1] > [1] > [3] > [4]"), Ok((vec![1, 0, 2, 3], 3)), "three name nothing");
    }

    #[test]
    fn what_names_no_passage_is_no_order() {
        for answer in [
            "",
            "I cannot rank these 20 passages.",
            "first, then second",
            "[9] > [8]",
            "{\"ranking\": [3, 1",
            "{}",
            "[]",
        ] {
            assert!(read(answer, 4).is_err(), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_gives_each_passage_once_or_nothing(answer in r"[\[\]{}>, 0-9a-z\-]{0,60}", count in 1_usize..30) {
            if let Ok(Permutation { mut order, .. }) = read(&answer, count) {
                order.sort_unstable();
                prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
            }
        }
    }
}
