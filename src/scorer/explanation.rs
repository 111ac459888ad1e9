//! Why a candidate has its score.

use std::ops::Range;

use super::ScoreKind;

/// What a pair's score is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Each score of the pair, in the order in which they are mixed.
    pub parts: Vec<(ScoreKind, f32)>,
    /// For each word of the query, in its order, the word of the candidate that it met.
    pub matches: Vec<Match>,
}

/// A word of the query and the one of the candidate that is most like it.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Bytes of the word in the query.
    pub query: Range<usize>,
    /// Bytes of the word in the candidate.
    pub candidate: Range<usize>,
    /// Cosine of their token vectors in [-1, 1]; of a word of several tokens the mean.
    pub similarity: f32,
}

/// Joins the matches of tokens to matches of words: the candidate's word is that of the token most alike.
pub(super) fn matches_of_words(query: &str, candidate: &str, tokens: &[Match]) -> Vec<Match> {
    let same_word = |a: &Match, b: &Match| word_around(query, &a.query) == word_around(query, &b.query);
    let join = |tokens: &[Match]| {
        let best = tokens.iter().reduce(|best, next| if next.similarity > best.similarity { next } else { best })?;
        let mean = tokens.iter().map(|token| token.similarity).sum::<f32>() / tokens.len() as f32;
        Some(Match {
            query: word_around(query, &best.query),
            candidate: word_around(candidate, &best.candidate),
            similarity: mean,
        })
    };
    tokens.chunk_by(same_word).filter_map(join).collect()
}

/// The whole word that a token is part of; a token of something else than letters and digits stands for itself, and so does one of a
/// script that has no spaces between words.
fn word_around(text: &str, token: &Range<usize>) -> Range<usize> {
    let piece = text.get(token.clone()).unwrap_or_default().trim_start();
    let start = token.end - piece.len();
    if piece.is_empty() || !piece.chars().all(joins_words) {
        return start..token.end;
    }
    let before: usize = text[..start].chars().rev().take_while(|&c| joins_words(c)).map(char::len_utf8).sum();
    let after: usize = text[token.end..].chars().take_while(|&c| joins_words(c)).map(char::len_utf8).sum();
    start - before..token.end + after
}

/// Letters and digits, but for Thai, Lao, kana and ideographs.
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
        assert_eq!(&text[word_around(text, &(0..2))], "größe");
        assert_eq!(word_around(text, &(8..9)), 8..9);
        // Some tokenizers count the space before a word to the word.
        assert_eq!(&text[word_around(text, &(7..9))], "x");
        assert_eq!(word_around("", &(0..0)), 0..0);
        assert_eq!(word_around("東京タワー", &(0..3)), 0..3);
        assert!(matches_of_words("", "", &[]).is_empty());
    }
}
