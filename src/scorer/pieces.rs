//! Texts in pieces: the windows of long texts, and the best piece of each pair.

use std::ops::Range;

use super::{CandidateList, ScoreParts, UnitVector, WindowScore};
use crate::encoder::EncodedLengths;

/// The margin by which a later window of a long text must beat the first. Without it a text gains
/// by its length alone, because the highest of many windows is high by chance. With it, the
/// beginning of a text counts a little more.
pub const WINDOW_MARGIN: f32 = 0.03;

/// Returns the score of a window that begins at `start`, less [`WINDOW_MARGIN`] unless it is the
/// first. The result is at least -1, the lowest score, or `value` if that is lower. NaN stays NaN.
pub fn less_window_margin(value: f32, start: usize) -> f32 {
    let margin = if start == 0 { 0.0 } else { WINDOW_MARGIN };
    // `max` and `min` ignore NaN and would return a score.
    if value.is_nan() { value } else { (value - margin).max(value.min(-1.0)) }
}

/// A text, or a window of a text.
pub(super) struct Piece {
    pub(super) text: usize,
    pub(super) range: Range<usize>,
}

/// The best piece of a pair so far.
#[derive(Clone)]
pub(super) struct Best {
    pub(super) value: f32,
    /// The parts of the value. A part that is not needed is 0.
    pub(super) parts: ScoreParts,
    /// The position among the pieces; `usize::MAX` for none yet.
    pub(super) piece: usize,
    /// The piece's embedding, if vectors are kept.
    pub(super) vector: Option<UnitVector>,
}

impl Best {
    pub(super) const NONE: Self = Self {
        value: f32::NEG_INFINITY,
        parts: ScoreParts { cosine: 0.0, maxsim: 0.0 },
        piece: usize::MAX,
        vector: None,
    };

    /// Returns a piece with its value, less the margin of later windows.
    pub(super) fn of(value: f32, parts: ScoreParts, position: usize, piece: &Piece) -> Self {
        Self { value: less_window_margin(value, piece.range.start), parts, piece: position, vector: None }
    }

    pub(super) fn with_vector(self, vector: Option<UnitVector>) -> Self {
        Self { vector, ..self }
    }

    /// Keeps the higher value, and of equal values the earlier piece. NaN wins over all values, so
    /// that it is seen.
    pub(super) fn raise(&mut self, other: Self) {
        let higher = other.value > self.value || (other.value == self.value && other.piece < self.piece);
        if !self.value.is_nan() && (higher || other.value.is_nan()) {
            *self = other;
        }
    }
}

/// The results of a pair's pieces.
#[derive(Clone)]
pub(super) struct OfPieces {
    pub(super) best: Best,
    /// Every piece with its value, if these are kept, in any order.
    pub(super) all: Vec<(usize, f32)>,
}

impl OfPieces {
    pub(super) fn add(&mut self, piece: Best, keeps_all: bool) {
        if keeps_all {
            self.all.push((piece.piece, piece.value));
        }
        self.best.raise(piece);
    }
}

/// Returns the windows with their scores, in the text's order.
pub(super) fn windows(all: &[(usize, f32)], pieces: &[Piece]) -> Vec<WindowScore> {
    let mut all = all.to_vec();
    all.sort_unstable_by_key(|(piece, _)| *piece);
    let window = |(piece, score): (usize, f32)| WindowScore { window: pieces[piece].range.clone(), score };
    all.into_iter().map(window).collect()
}

/// For each text, its lists and its place in each.
pub(super) struct Places {
    pub(super) of_text: Vec<Vec<(usize, usize)>>,
}

impl Places {
    pub(super) fn new(lists: &[CandidateList<'_>], texts: usize) -> Self {
        let mut of_text = vec![Vec::new(); texts];
        for (list, candidates) in lists.iter().map(|list| list.candidates).enumerate() {
            candidates.iter().enumerate().for_each(|(place, &text)| of_text[text].push((list, place)));
        }
        Self { of_text }
    }
}

/// Returns the lengths of texts from those of their pieces. A text is truncated if a piece is, or
/// if the pieces leave out its beginning or end.
pub(super) fn lengths_of_texts(pieces: &[Piece], lengths: &EncodedLengths, texts: &[&str]) -> EncodedLengths {
    let count = texts.len();
    let zeros = || vec![0; count];
    let mut whole = EncodedLengths { tokens: zeros(), own: zeros(), unknown: zeros(), truncated: vec![false; count] };
    if lengths.own.is_empty() {
        whole.own.clear();
    }
    let mut read: Vec<Option<Range<usize>>> = vec![None; count];
    for (index, piece) in pieces.iter().enumerate() {
        whole.tokens[piece.text] += lengths.tokens[index];
        whole.unknown[piece.text] += lengths.unknown[index];
        whole.own.get_mut(piece.text).zip(lengths.own.get(index)).into_iter().for_each(|(to, own)| *to += own);
        whole.truncated[piece.text] |= lengths.truncated[index];
        read[piece.text].get_or_insert(piece.range.clone()).end = piece.range.end;
    }
    let is_whole = |(read, text): (Option<Range<usize>>, &&str)| read.unwrap_or_default() == (0..text.len());
    let cut = read.into_iter().zip(texts).map(|pair| !is_whole(pair));
    whole.truncated.iter_mut().zip(cut).for_each(|(truncated, cut)| *truncated |= cut);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_loses_its_margin_but_never_its_nan() {
        assert_eq!(less_window_margin(0.5, 0), 0.5);
        assert_eq!(less_window_margin(0.5, 9), 0.5 - WINDOW_MARGIN);
        assert_eq!((less_window_margin(-0.99, 9), less_window_margin(-1.0, 9)), (-1.0, -1.0));
        assert!(less_window_margin(f32::NAN, 0).is_nan() && less_window_margin(f32::NAN, 9).is_nan());
        let piece = Piece { text: 0, range: 9..12 };
        let mut best = Best::of(0.9, ScoreParts::default(), 0, &Piece { text: 0, range: 0..9 });
        best.raise(Best::of(f32::NAN, ScoreParts::default(), 1, &piece));
        best.raise(Best::of(0.95, ScoreParts::default(), 2, &piece));
        assert!(best.value.is_nan());
    }
}
