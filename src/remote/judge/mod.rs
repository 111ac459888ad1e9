//! Language models as judges: they are asked how well candidates answer a query, and their answers become scores.
//!
//! [`JudgeScorer`] asks about each candidate alone and takes a grade from 0 to 10 ([`ScoreKind::Rating`](crate::ScoreKind::Rating)). [`ListwiseScorer`] shows
//! several candidates at once and takes their order ([`ScoreKind::Place`](crate::ScoreKind::Place)).
//!
//! A candidate is data: it stands between two lines with a marker that it does not contain, and only the model's answer is ever read for a grade. What
//! a candidate says can still sway a model, as it can sway a person; it cannot be taken for the model's answer.
//!
//! An answer of no use is asked for once more, then the candidate is unscored and says why. Failures that concern the run as a whole (a key that is refused,
//! a quota or a budget that is used up, a service that is not there) end it with an error; answers so far are in the cache, if there is one.

mod asker;
mod expected;
mod grade;
mod listwise;
mod marker;
mod parameters;
mod permutation;
mod pointwise;
mod rehearsal;
#[cfg(feature = "remote")]
mod template;
#[cfg(not(feature = "remote"))]
#[path = "template_off.rs"]
mod template;
#[cfg(all(test, feature = "remote"))]
mod tests;
mod windows;
mod words;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use crate::call::JudgeCounts;
pub use listwise::ListwiseScorer;
pub use pointwise::JudgeScorer;
pub use rehearsal::{JudgeEstimate, Rehearsal};
pub use windows::Windows;

use crate::store::read_small_text;
use crate::{Error, Result};

/// The prompt of [`JudgeScorer`] unless another is given; its head says how one is written.
pub const POINTWISE_PROMPT: &str = include_str!("pointwise.txt");
/// The prompt of [`ListwiseScorer`] unless another is given.
pub const LISTWISE_PROMPT: &str = include_str!("listwise.txt");

/// Questions under way at once unless another number is asked for.
pub const DEFAULT_CONCURRENCY: usize = 8;

/// How judges ask.
#[derive(Clone)]
pub struct JudgeOptions {
    /// Another prompt than [`POINTWISE_PROMPT`] or [`LISTWISE_PROMPT`].
    pub prompt: Option<PromptSource>,
    /// Tokens of a candidate that are sent; what is beyond is cut and reported. `None`: [`JudgeScorer::MAX_CANDIDATE_TOKENS`],
    /// [`ListwiseScorer::MAX_CANDIDATE_TOKENS`].
    pub max_candidate_tokens: Option<usize>,
    /// Questions under way at once, at least 1.
    pub concurrency: usize,
    /// What becomes of a candidate whose grade cannot be read.
    pub unparsed: Unparsed,
    /// Whether grades are refined by the probabilities of the model's tokens, where the service tells them.
    pub logprobs: bool,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self {
            prompt: None,
            max_candidate_tokens: None,
            concurrency: DEFAULT_CONCURRENCY,
            unparsed: Unparsed::Unscored,
            logprobs: true,
        }
    }
}

impl JudgeOptions {
    fn check(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::InvalidArgument(message.into()));
        match self {
            Self { concurrency: 0, .. } => wrong("the number of requests at once must be at least 1"),
            Self { max_candidate_tokens: Some(0), .. } => wrong("candidates need at least one token"),
            _ => Ok(()),
        }
    }
}

/// A prompt of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptSource {
    /// The file, for messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A larger file is no prompt.
const MAX_PROMPT_BYTES: u64 = 1 << 20;

impl PromptSource {
    /// Reads a regular file of at most 1 MiB.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, is a pipe or a device, is larger, or is not UTF-8.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_small_text(path, MAX_PROMPT_BYTES).map_err(Error::io("read", path))?;
        Ok(Self { name: path.display().to_string(), text })
    }
}

/// How judges are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeMethod {
    /// About each candidate alone: [`JudgeScorer`].
    Pointwise,
    /// About several at once: [`ListwiseScorer`].
    Listwise(Windows),
}

impl FromStr for JudgeMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pointwise" => Ok(Self::Pointwise),
            "listwise" => Ok(Self::Listwise(Windows::default())),
            _ => Err(Error::InvalidArgument(format!("'{text}' is no way to judge; known are pointwise and listwise"))),
        }
    }
}

/// What becomes of a candidate whose grade cannot be read, even when it is asked for again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unparsed {
    /// It has no score: it is ranked below all that have one, in the input's order, and says why.
    #[default]
    Unscored,
    /// It has the score 0, like a candidate that has nothing to do with the query. [`JudgeCounts::unparsed`] counts these too.
    Zero,
}

impl fmt::Display for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unscored => "unscored",
            Self::Zero => "zero",
        })
    }
}

impl FromStr for Unparsed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "unscored" => Ok(Self::Unscored),
            "zero" => Ok(Self::Zero),
            _ => Err(Error::InvalidArgument(format!("'{text}' is unknown; known are unscored and zero"))),
        }
    }
}
