//! Language models as judges. They are asked how well candidates answer a query, and their answers
//! become scores.
//!
//! [`JudgeScorer`] asks about each candidate alone and takes a grade from 0 to 10
//! ([`ScoreKind::Rating`](crate::ScoreKind::Rating)). [`ListwiseScorer`] shows several candidates
//! at once and takes their order ([`ScoreKind::Place`](crate::ScoreKind::Place)).
//!
//! A candidate is data. It stands between two lines with a marker that it does not contain, and a
//! grade is read only from the model's answer. The text of a candidate can still sway a model, as
//! it can sway a person. It cannot be taken for the model's answer.
//!
//! A question whose answer cannot be read is asked once more. If that fails too, the candidate is
//! unscored and has the reason. Failures of the run as a whole (a refused key, a used-up quota or
//! budget, an unreachable service) end it with an error. Answers so far are in the cache, if there
//! is one.

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

/// Default prompt of [`JudgeScorer`]. The comment at its top explains the format.
pub const POINTWISE_PROMPT: &str = include_str!("pointwise.txt");
/// Default prompt of [`ListwiseScorer`].
pub const LISTWISE_PROMPT: &str = include_str!("listwise.txt");

/// Default number of questions under way at once.
pub const DEFAULT_CONCURRENCY: usize = 8;

/// Options of judges.
#[derive(Clone)]
pub struct JudgeOptions {
    /// A prompt in place of [`POINTWISE_PROMPT`] or [`LISTWISE_PROMPT`].
    pub prompt: Option<PromptSource>,
    /// Maximum number of tokens of a candidate that are sent. The rest is cut and reported. `None`:
    /// [`JudgeScorer::MAX_CANDIDATE_TOKENS`], [`ListwiseScorer::MAX_CANDIDATE_TOKENS`].
    pub max_candidate_tokens: Option<usize>,
    /// Number of questions under way at once, at least 1.
    pub concurrency: usize,
    /// The handling of a candidate whose grade cannot be read.
    pub unparsed: Unparsed,
    /// True if grades are refined by the probabilities of the model's tokens, if the service
    /// reports them.
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

/// A prompt of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptSource {
    /// The name of the file, for messages.
    pub name: String,
    /// The content of the file.
    pub text: String,
}

/// Maximum size of a prompt file.
const MAX_PROMPT_BYTES: u64 = 1 << 20;

impl PromptSource {
    /// Reads a regular file of at most 1 MiB.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, is a pipe or a device, is larger, or is not
    /// UTF-8.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_small_text(path, MAX_PROMPT_BYTES).map_err(Error::io("read", path))?;
        Ok(Self { name: path.display().to_string(), text })
    }
}

/// The method of a judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeMethod {
    /// Asks about each candidate alone: [`JudgeScorer`].
    Pointwise,
    /// Asks about several candidates at once: [`ListwiseScorer`].
    Listwise(Windows),
}

impl FromStr for JudgeMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pointwise" => Ok(Self::Pointwise),
            "listwise" => Ok(Self::Listwise(Windows::default())),
            _ => Err(Error::InvalidArgument(format!("unknown judge method '{text}'; expected pointwise or listwise"))),
        }
    }
}

/// The handling of a candidate whose grade cannot be read, even after a second question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unparsed {
    /// The candidate has no score. It is ranked below all scored ones, in the input's order, with
    /// the reason.
    #[default]
    Unscored,
    /// The candidate has the score 0, as one that is not relevant to the query.
    /// [`JudgeCounts::unparsed`] counts it too.
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
            _ => Err(Error::InvalidArgument(format!("unknown choice '{text}'; expected unscored or zero"))),
        }
    }
}
