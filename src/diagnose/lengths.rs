//! The lengths of the texts, their truncation, and their unknown tokens.

use super::figures::share;
use super::lists::Scene;
use super::observations::Document;
use super::report::{Histogram, Lengths};
use crate::eval::Comparison;

/// Minimum share of letters in a document that counts for letters per token, without blanks. Only
/// letters of scripts that write words with letters count, because figures, code and Chinese have
/// other ratios.
const LETTERS_OF_TEXT: f64 = 0.7;
/// Minimum number of letters, those of a page. Fewer say nothing.
const MIN_LETTERS: usize = 2000;

/// Returns the documents that are a candidate of some query, each once.
pub(super) fn documents<'a>(scene: &Scene<'a>) -> Vec<&'a Document> {
    let mut is_candidate = vec![false; scene.observations.documents.len()];
    let named = scene.lists.iter().flat_map(|list| &list.candidates);
    named.for_each(|candidate| is_candidate[candidate.document] = true);
    let documents = scene.observations.documents.iter().zip(is_candidate);
    documents.filter(|(_, is_candidate)| *is_candidate).map(|(document, _)| document).collect()
}

pub(super) fn lengths(scene: &Scene<'_>, windows: Option<Comparison>) -> Lengths {
    let all = documents(scene);
    let with_text: Vec<&Document> = all.iter().copied().filter(|document| !document.is_empty()).collect();
    let mut tokens: Vec<u32> = with_text.iter().map(|document| document.tokens).collect();
    tokens.sort_unstable();
    let sum = |count: fn(&Document) -> u32| with_text.iter().map(|document| count(document) as usize).sum::<usize>();
    let cut = |documents: &mut dyn Iterator<Item = &&Document>| documents.filter(|document| document.truncated).count();
    let lists_cut = scene.lists.iter().filter(|list| cut(&mut list.documents.iter()) > 0).count();
    Lengths {
        tokens: [0, 1, 2, 3, 4].map(|quarter| quantile(&tokens, quarter)),
        histogram: Histogram::of(&tokens.iter().copied().map(f64::from).collect::<Vec<_>>()),
        truncated_share: share(cut(&mut with_text.iter()), with_text.len()),
        lists_with_truncated_share: share(lists_cut, scene.lists.len()),
        windows,
        unknown_share: share(sum(|document| document.unknown), sum(|document| document.tokens)),
        letters_per_token: letters_per_token(&with_text),
        empty: all.len() - with_text.len(),
    }
}

fn quantile(ordered: &[u32], quarter: usize) -> u32 {
    if ordered.is_empty() { 0 } else { ordered[quarter * (ordered.len() - 1) / 4] }
}

/// Returns the letters per token of documents in alphabetic scripts that were not truncated.
fn letters_per_token(documents: &[&Document]) -> Option<f64> {
    let whole = documents.iter().filter(|document| document.tokens > 0 && !document.truncated);
    let counted = whole.map(|document| (document, letters(&document.text)));
    let alphabetic = counted.filter(|(_, [letters, all])| *letters as f64 >= LETTERS_OF_TEXT * *all as f64);
    let (letters, tokens) = alphabetic
        .fold((0, 0), |(letters, tokens), (document, [count, _])| (letters + count, tokens + document.tokens as usize));
    (letters >= MIN_LETTERS).then(|| letters as f64 / tokens as f64)
}

/// Counts the letters of alphabetic scripts, and all characters except blanks.
fn letters(text: &str) -> [usize; 2] {
    text.chars().filter(|c| !c.is_whitespace()).fold([0, 0], |[letters, all], c| {
        [letters + usize::from(c.is_alphabetic() && has_blanks_between_words(c)), all + 1]
    })
}

/// Returns true for a letter of an alphabet, abjad or abugida that separates words by blanks.
fn has_blanks_between_words(c: char) -> bool {
    let others = [
        0x0E00..=0x0EFF,   // Thai, Lao
        0x1000..=0x109F,   // Burmese
        0x1100..=0x11FF,   // Hangul
        0x1780..=0x17FF,   // Khmer
        0x2E80..=0xA4CF,   // Chinese, Japanese, Yi
        0xAC00..=0xD7FF,   // Hangul
        0xF900..=0xFAFF,   // Chinese
        0xFF00..=0xFFEF,   // wide forms
        0x1B000..=0x1B2FF, // Japanese
        0x20000..=0x3FFFF, // Chinese
    ];
    !others.iter().any(|script| script.contains(&(c as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_alphabets() {
        assert_eq!(letters("Bei 12 Йод"), [6, 8]);
        assert_eq!(letters("漢字 かな 한글 ไทย"), [0, 9]);
    }
}
