//! Explanations of candidates' scores.

use std::collections::BTreeMap;
use std::ops::Range;

use super::kind::ScoreKind;

/// The parts of a pair's score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Each score of the pair, in the order in which they are mixed.
    pub parts: Vec<(ScoreKind, f32)>,
    /// For each word of the query, in order, the most similar word of the candidate. For a
    /// late-interaction model without those that matched a special token.
    pub matches: Vec<Match>,
}

/// A word of the query and the most similar word of the candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The word's byte range in the query.
    pub query: Range<usize>,
    /// The word's byte range in the candidate.
    pub candidate: Range<usize>,
    /// Cosine of their token vectors in [-1, 1]; for a word of several tokens the mean.
    pub similarity: f32,
}

/// Joins matches of tokens to matches of words. The candidate's word is that of the most similar
/// token.
pub(super) fn matches_of_words(query: &str, candidate: &str, tokens: &[Match]) -> Vec<Match> {
    let (mut in_query, mut in_candidate) = (Words::of(query), Words::of(candidate));
    let mut words: Vec<(Range<usize>, &Match)> = Vec::with_capacity(tokens.len());
    words.extend(tokens.iter().map(|token| (in_query.around(&token.query), token)));
    let same_word = |(a, _): &(Range<usize>, &Match), (b, _): &(Range<usize>, &Match)| a == b;
    let join = |tokens: &[(Range<usize>, &Match)]| {
        let similarities = tokens.iter().map(|(_, token)| token.similarity);
        let (word, best) =
            tokens.iter().reduce(|best, next| if next.1.similarity > best.1.similarity { next } else { best })?;
        Some(Match {
            query: word.clone(),
            candidate: in_candidate.around(&best.candidate),
            similarity: similarities.sum::<f32>() / tokens.len() as f32,
        })
    };
    words.chunk_by(same_word).filter_map(join).collect()
}

/// A cache of a text's words, so that each word is read once, however many tokens it has.
struct Words<'a> {
    text: &'a str,
    /// The end of each word by its start.
    ends: BTreeMap<usize, usize>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, ends: BTreeMap::new() }
    }

    /// Returns the whole word around a token. A token with other characters than letters and digits
    /// stands for itself, and so does one of a script without spaces between words.
    fn around(&mut self, token: &Range<usize>) -> Range<usize> {
        let piece = self.text.get(token.clone()).unwrap_or_default().trim_start();
        let start = token.end - piece.len();
        if piece.is_empty() || !piece.chars().all(joins_words) {
            return start..token.end;
        }
        if let Some((&first, &end)) = self.ends.range(..=start).next_back().filter(|(_, end)| token.end <= **end) {
            return first..end;
        }
        let before = self.text[..start].chars().rev().take_while(|&c| joins_words(c)).map(char::len_utf8);
        let after = self.text[token.end..].chars().take_while(|&c| joins_words(c)).map(char::len_utf8);
        let word = start - before.sum::<usize>()..token.end + after.sum::<usize>();
        self.ends.insert(word.start, word.end);
        word
    }
}

/// Returns true for letters and digits, except Thai, Lao, kana and ideographs.
fn joins_words(c: char) -> bool {
    let unspaced = matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    c.is_alphanumeric() && !unspaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(query: Range<usize>, candidate: Range<usize>, similarity: f32) -> Match {
        Match { query, candidate, similarity }
    }

    #[test]
    fn tokens_become_words() {
        let (query, candidate) = ("the Eiffel?", "Gustave Eiffel's tower");
        // "the", "ei", "##ffel", "?"
        let tokens =
            [token(0..3, 17..22, 0.1), token(4..6, 8..10, 0.8), token(6..10, 10..14, 0.9), token(10..11, 14..15, 0.3)];
        let words = matches_of_words(query, candidate, &tokens);
        let shown: Vec<(&str, &str)> =
            words.iter().map(|m| (&query[m.query.clone()], &candidate[m.candidate.clone()])).collect();
        assert_eq!(shown, [("the", "tower"), ("Eiffel", "Eiffel"), ("?", "'")]);
        assert!((words[1].similarity - 0.85).abs() < 1e-6);
    }

    #[test]
    fn words_of_many_bytes_and_edges_hold() {
        let text = "größe x";
        let mut words = Words::of(text);
        assert_eq!(&text[words.around(&(0..2))], "größe");
        assert_eq!(&text[words.around(&(2..4))], "größe");
        assert_eq!(words.around(&(8..9)), 8..9);
        // Some tokenizers count the space before a word as part of the word.
        assert_eq!(&text[words.around(&(7..9))], "x");
        assert_eq!(Words::of("").around(&(0..0)), 0..0);
        assert_eq!(Words::of("東京タワー").around(&(0..3)), 0..3);
        assert!(matches_of_words("", "", &[]).is_empty());
    }
}
