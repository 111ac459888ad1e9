//! The score that is computed from an encoder pass, and the handling of long texts.

use std::fmt;
use std::str::FromStr;

use super::ScoreKind;
use crate::blend::Blend;
use crate::{Error, Result};

/// MaxSim's share of the hybrid score; cosine has the rest. It was chosen on three collections
/// together, where 0.5 to 0.7 differ by less than 0.003 in nDCG@10; see benches/record. A fixed
/// mean of raw scores ranks as well as one of per-list z-scores, and keeps a pair's score
/// independent of the other candidates.
pub const HYBRID_MAXSIM: f32 = 0.6;

/// The score computed from an encoder pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoring {
    /// Cosine similarity of the embeddings.
    Cosine,
    /// Late interaction of the token vectors.
    MaxSim,
    /// A fixed mean of both, [`HYBRID_MAXSIM`].
    Hybrid,
}

impl Scoring {
    /// All values.
    pub const ALL: [Scoring; 3] = [Scoring::Cosine, Scoring::MaxSim, Scoring::Hybrid];

    /// Returns the kind of the scores.
    pub fn kind(self) -> ScoreKind {
        match self {
            Scoring::Cosine => ScoreKind::Cosine,
            Scoring::MaxSim => ScoreKind::MaxSim,
            Scoring::Hybrid => ScoreKind::Hybrid,
        }
    }

    /// Returns the score of a pair from its cosine and its MaxSim.
    pub fn combine(self, cosine: f32, maxsim: f32) -> f32 {
        match self {
            Scoring::Cosine => cosine,
            Scoring::MaxSim => maxsim,
            Scoring::Hybrid => (1.0 - HYBRID_MAXSIM) * cosine + HYBRID_MAXSIM * maxsim,
        }
    }

    /// Returns the default handling of long texts. A user who asks for cosine gets the plain cosine
    /// of the truncated text.
    pub fn default_long_text(self) -> LongText {
        match self {
            Scoring::Cosine => LongText::Truncate,
            Scoring::MaxSim | Scoring::Hybrid => LongText::Window,
        }
    }

    /// Returns the default blend of first-stage scores. Plain cosine has none, as in
    /// [`Scoring::default_long_text`].
    pub fn default_blend(self) -> Blend {
        match self {
            Scoring::Cosine => Blend::None,
            Scoring::MaxSim | Scoring::Hybrid => Blend::default(),
        }
    }

    /// Returns true if the score needs token vectors.
    pub(super) fn needs_tokens(self) -> bool {
        self != Scoring::Cosine
    }
}

impl fmt::Display for Scoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl FromStr for Scoring {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Scoring::ALL.into_iter().find(|scoring| scoring.to_string() == text);
        known.ok_or_else(|| Error::InvalidArgument(format!("'{text}' is not a scoring; use cosine, maxsim or hybrid")))
    }
}

/// The handling of a candidate that is longer than the model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongText {
    /// Reads only its beginning.
    Truncate,
    /// Reads all of it, in windows of the model's length that overlap by a quarter. The best window
    /// counts; a later one counts [`WINDOW_MARGIN`](super::WINDOW_MARGIN) less. The time is proportional to the text's
    /// length, plus a third for the overlap.
    Window,
}

impl fmt::Display for LongText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LongText::Truncate => "truncate",
            LongText::Window => "window",
        })
    }
}

impl FromStr for LongText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "truncate" => Ok(LongText::Truncate),
            "window" => Ok(LongText::Window),
            _ => {
                Err(Error::InvalidArgument(format!("'{text}' is not a way to read long texts; use truncate or window")))
            }
        }
    }
}
