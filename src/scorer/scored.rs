//! The scores and details of a pair of query and candidate, and of a whole list.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::kind::ScoreKind;
use super::unit_vector::UnitVector;

/// The score and details of one pair of query and candidate.
///
/// A scorer of your own creates it with [`Scored::new`] and sets the fields that it knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scored {
    /// The score, of the scorer's kind; higher is better. It has no meaning if [`Scored::why_not`]
    /// gives a reason why there is none.
    pub score: f32,
    /// The number that the pair is ranked by: the score, or a finer number in the same order.
    /// Probabilities near 1 can be equal in f32 while their logits differ.
    pub ranked_by: f32,
    /// The parts of a hybrid score. A job's journal does not keep them.
    #[serde(skip)]
    pub parts: Option<ScoreParts>,
    /// Number of tokens that were read of the candidate, special tokens included; for a
    /// cross-encoder, those of the pair. 0 if the scorer does not know.
    pub tokens: u32,
    /// Number of the candidate's tokens that are outside the model's vocabulary.
    pub unknown: u32,
    /// True if the candidate was longer than the model takes, and was cut.
    pub truncated: bool,
    /// The byte range of the candidate that gave the score, where long texts are read in windows.
    pub window: Option<Range<usize>>,
    /// Every window that was read, in the text's order, if
    /// [`RankOptions::windows`](crate::RankOptions::windows) is set. A job's journal does not keep
    /// them.
    #[serde(skip)]
    pub windows: Vec<WindowScore>,
    /// The embedding behind the score, of the whole candidate or its best window, for
    /// [`Feedback`](super::Feedback). `None` if the scorer gives none or it was not requested.
    #[serde(skip)]
    pub vector: Option<UnitVector>,
    /// The stage of a cascade that scored the pair last; `None` if no stage scored it.
    pub stage: Option<StageScore>,
    /// The reason why the candidate has no score of its own.
    pub why_not: Option<WhyNot>,
}

/// The parts of a hybrid score, each in [-1, 1].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScoreParts {
    /// The cosine of the embeddings.
    pub cosine: f32,
    /// Late interaction of the token vectors.
    pub maxsim: f32,
}

/// A window of a long candidate and its score.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowScore {
    /// The byte range of the window in the candidate.
    pub window: Range<usize>,
    /// The score that the candidate would have by this window; for a later one it is less
    /// [`WINDOW_MARGIN`](super::WINDOW_MARGIN). The highest is the candidate's.
    pub score: f32,
}

/// The reason why a candidate has no score of its own. It is ranked below all candidates with a
/// score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WhyNot {
    /// The candidate is empty, or has nothing that the model reads. Its score is the lowest of the
    /// scorer's kind.
    NoText,
    /// The scorer was asked and has no score. Holds the reason as text.
    Unscored(String),
    /// The deadline of a call that accepts partial answers passed before the candidate was scored.
    NotReached,
}

/// The score of a candidate by one stage of a cascade.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StageScore {
    /// The position of the stage, from 0.
    pub stage: usize,
    /// The score, of the stage's kind.
    pub value: f32,
}

/// The details of a model's reading of a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryReading {
    /// Number of tokens, special tokens and prompt included; 0 if the scorer does not know.
    pub tokens: u32,
    /// True if the query was longer than the model takes, and was cut: the rest does not count in
    /// any score. For a model that reads query and candidate together, true if it was cut beside at
    /// least one candidate.
    pub truncated: bool,
    /// True if the model knows no token of the query, so that the scores mean nothing. `false` if
    /// the scorer does not know.
    pub unknown: bool,
}

/// The scores of a list, in the candidates' order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredList {
    /// The model's reading of the query.
    pub query: QueryReading,
    /// The pairs, one per candidate.
    pub pairs: Vec<Scored>,
    /// Number of tokens of the candidates; every distinct text counts once.
    pub document_tokens: u64,
}

impl Scored {
    /// Creates a pair with only a score.
    pub fn new(score: f32) -> Self {
        Self {
            score,
            ranked_by: score,
            parts: None,
            tokens: 0,
            unknown: 0,
            truncated: false,
            window: None,
            windows: Vec::new(),
            vector: None,
            stage: None,
            why_not: None,
        }
    }

    /// Creates a pair that the scorer was asked about and has no score for.
    pub fn unscored(reason: impl Into<String>) -> Self {
        Self { why_not: Some(WhyNot::Unscored(reason.into())), ..Self::new(f32::NEG_INFINITY) }
    }

    /// Returns true if the pair has a score that counts.
    pub fn is_scored(&self) -> bool {
        self.why_not.is_none()
    }

    /// Returns true if the candidate has nothing that the model reads.
    pub fn is_empty(&self) -> bool {
        self.why_not == Some(WhyNot::NoText)
    }

    /// Returns the reason why the scorer has no score: it failed to score the candidate, or the
    /// deadline passed.
    pub fn reason(&self) -> Option<&str> {
        match &self.why_not {
            Some(WhyNot::Unscored(reason)) => Some(reason),
            Some(WhyNot::NotReached) => Some("the deadline passed before it was scored"),
            _ => None,
        }
    }

    /// Returns the reason why no score can be shown. This is [`Scored::reason`], or that there is
    /// no text, if the kind of score has no lowest number.
    pub fn shown_reason(&self) -> Option<&str> {
        match &self.why_not {
            Some(WhyNot::NoText) if !self.score.is_finite() => Some("the candidate has no text"),
            _ => self.reason(),
        }
    }

    /// Creates the pair of a candidate without text beside `others`. It has the lowest score of
    /// each kind that they have, and is below all of them in the order.
    pub(crate) fn without_text(kind: ScoreKind, others: &ScoredList) -> Self {
        let has_parts = others.pairs.iter().any(|pair| pair.parts.is_some());
        let lowest = ScoreParts { cosine: ScoreKind::Cosine.lowest(), maxsim: ScoreKind::MaxSim.lowest() };
        Self {
            ranked_by: f32::NEG_INFINITY,
            parts: has_parts.then_some(lowest),
            window: others.pairs.iter().any(|pair| pair.window.is_some()).then_some(0..0),
            why_not: Some(WhyNot::NoText),
            ..Self::new(kind.lowest())
        }
    }

    /// Returns the same pair; if it is unscored, without numbers that look like a score.
    pub(crate) fn without_score(self) -> Self {
        const NONE: f32 = f32::NEG_INFINITY;
        match self.reason() {
            None => self,
            Some(_) => {
                let parts = self.parts.map(|_| ScoreParts { cosine: NONE, maxsim: NONE });
                Self { score: NONE, ranked_by: NONE, parts, ..self }
            }
        }
    }
}

impl QueryReading {
    /// Merges the reading of the same query beside other candidates.
    pub fn merge(&mut self, other: Self) {
        self.tokens = self.tokens.max(other.tokens);
        self.truncated |= other.truncated;
        self.unknown |= other.unknown;
    }
}

impl From<Vec<Scored>> for ScoredList {
    fn from(pairs: Vec<Scored>) -> Self {
        let document_tokens = pairs.iter().map(|pair| u64::from(pair.tokens)).sum();
        Self { query: QueryReading::default(), pairs, document_tokens }
    }
}

impl From<Vec<f32>> for ScoredList {
    fn from(scores: Vec<f32>) -> Self {
        scores.into_iter().map(Scored::new).collect::<Vec<_>>().into()
    }
}

impl ScoredList {
    /// Returns the scores alone, in the candidates' order.
    pub fn scores(&self) -> Vec<f32> {
        self.pairs.iter().map(|pair| pair.score).collect()
    }

    /// Returns the positions of the candidates without text, ascending.
    pub fn empty(&self) -> impl Iterator<Item = usize> + '_ {
        (0..).zip(&self.pairs).filter(|(_, pair)| pair.is_empty()).map(|(at, _)| at)
    }

    /// Returns the positions of the unscored candidates with the reasons, ascending.
    pub fn unscored(&self) -> impl Iterator<Item = (usize, &str)> {
        (0..).zip(&self.pairs).filter_map(|(at, pair)| Some((at, pair.reason()?)))
    }

    /// Returns the number of candidates that were longer than the model takes.
    pub fn num_truncated(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.truncated).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_which_candidates_have_no_score_and_why() {
        let mut empty = Scored::new(-1.0);
        empty.why_not = Some(WhyNot::NoText);
        let mut read = Scored::new(0.5);
        (read.tokens, read.truncated) = (7, true);
        let list = ScoredList::from(vec![read, empty.clone(), Scored::unscored("refused")]);
        assert_eq!((list.document_tokens, list.num_truncated()), (7, 1));
        assert_eq!(list.empty().collect::<Vec<_>>(), [1]);
        assert_eq!(list.unscored().collect::<Vec<_>>(), [(2, "refused")]);
        assert_eq!((empty.shown_reason(), list.pairs[2].shown_reason()), (None, Some("refused")));
        empty.score = f32::NEG_INFINITY;
        assert_eq!(empty.shown_reason(), Some("the candidate has no text"));
    }

    #[test]
    fn a_candidate_without_text_has_the_lowest_number_of_whatever_its_neighbours_have() {
        let plain: ScoredList = vec![0.5f32].into();
        let lowest = Scored::without_text(ScoreKind::Cosine, &plain);
        assert_eq!((lowest.score, lowest.parts, &lowest.window), (-1.0, None, &None));
        let mut hybrid = plain.clone();
        hybrid.pairs[0].window = Some(2..9);
        hybrid.pairs[0].parts = Some(ScoreParts::default());
        let lowest = Scored::without_text(ScoreKind::Probability, &hybrid);
        assert_eq!((lowest.score, lowest.ranked_by, lowest.window), (0.0, f32::NEG_INFINITY, Some(0..0)));
        assert_eq!(lowest.parts, Some(ScoreParts { cosine: -1.0, maxsim: -1.0 }));
    }
}
