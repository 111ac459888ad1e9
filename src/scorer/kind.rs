//! What kinds of scores there are.

use std::fmt;

/// What a score means, and so what may be compared with it. Machine-readable answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreKind {
    /// Cosine similarity of two embeddings, in [-1, 1].
    Cosine,
    /// Mean over the query's tokens of the largest cosine with a token of the candidate, in [-1, 1].
    MaxSim,
    /// A fixed mean of the two, in [-1, 1].
    Hybrid,
    /// What a cross-encoder's head gives, of any size: higher is better, and a sigmoid makes it a [`ScoreKind::Probability`].
    Logit,
    /// How likely a candidate is to answer the query, in [0, 1], as the model has it.
    Probability,
    /// A judge's grade, in [0, 10].
    Rating,
    /// From a place in an order of the whole list, in (0, 1]; it says nothing about a pair.
    Place,
    /// A score mixed with the first stage's, with or without feedback inside the list: it orders one list, and means nothing outside of
    /// it.
    Blend,
    /// A score moved by feedback inside the list, without a first stage: it orders one list, and means nothing outside of it.
    Feedback,
    /// Anything else; higher is better.
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
    /// The score of a candidate with nothing in it: no candidate with a text scores lower.
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
