//! The kinds of scores.

use std::fmt;

/// The kind of a score, which decides what it may be compared with. Machine-readable answers name
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreKind {
    /// Cosine similarity of two embeddings, in [-1, 1].
    Cosine,
    /// Mean over the query's tokens of the largest cosine with a token of the candidate, in [-1,
    /// 1].
    MaxSim,
    /// A fixed mean of the two, in [-1, 1].
    Hybrid,
    /// The output of a cross-encoder's head, of any size; higher is better. A sigmoid makes it a
    /// [`ScoreKind::Probability`].
    Logit,
    /// The model's probability that a candidate answers the query, in [0, 1].
    Probability,
    /// A judge's grade, in [0, 10].
    Rating,
    /// The reciprocal of the place in an order of the whole list, in (0, 1]. It says nothing about
    /// a single pair.
    Place,
    /// A score mixed with the first stage's, with or without feedback inside the list. It orders
    /// one list, and means nothing outside of it.
    Blend,
    /// A score moved by feedback inside the list, without a first stage. It orders one list, and
    /// means nothing outside of it.
    Feedback,
    /// The score of a scorer of your own; higher is better.
    Custom,
}

impl fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ScoreKind::Cosine => "cosine",
            ScoreKind::MaxSim => "maxsim",
            ScoreKind::Hybrid => "hybrid",
            ScoreKind::Logit => "logit",
            ScoreKind::Probability => "probability",
            ScoreKind::Rating => "rating",
            ScoreKind::Place => "place",
            ScoreKind::Blend => "blend",
            ScoreKind::Feedback => "feedback",
            ScoreKind::Custom => "custom",
        })
    }
}

impl ScoreKind {
    /// Returns the kind of a list's shown scores, given the kind of the model's: blending with the
    /// first stage and feedback make scores that only order their list.
    pub fn in_list(self, is_blended: bool, has_feedback: bool) -> Self {
        match (is_blended, has_feedback) {
            (true, _) => Self::Blend,
            (false, true) => Self::Feedback,
            (false, false) => self,
        }
    }

    /// Returns the score of a candidate without text: no candidate with a text scores lower.
    pub(crate) fn lowest(self) -> f32 {
        match self {
            ScoreKind::Cosine | ScoreKind::MaxSim | ScoreKind::Hybrid => -1.0,
            ScoreKind::Probability | ScoreKind::Place => 0.0,
            ScoreKind::Logit | ScoreKind::Rating | ScoreKind::Blend | ScoreKind::Feedback | ScoreKind::Custom => {
                f32::NEG_INFINITY
            }
        }
    }
}
