//! The options of one request for reading texts, where they differ from how the model was loaded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Role;
use crate::{Error, Result};

/// A prompt before texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prompt {
    /// This text. An empty one removes the model's prompt.
    Text(String),
    /// The prompt that the model's own files define under this name, see
    /// [`Contract::prompts`](super::Contract::prompts).
    Named(String),
}

/// The truncation of a text that is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Truncate {
    /// Cuts the end.
    End,
    /// Cuts the beginning. The prompt is cut first, as in sentence-transformers.
    Start,
    /// Cuts nothing and returns [`Error::TooLong`].
    Never,
}

impl Truncate {
    /// All values.
    pub const ALL: [Truncate; 3] = [Truncate::End, Truncate::Start, Truncate::Never];
}

impl fmt::Display for Truncate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Truncate::End => "end",
            Truncate::Start => "start",
            Truncate::Never => "never",
        })
    }
}

impl FromStr for Truncate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Truncate::ALL.into_iter().find(|way| way.to_string() == text);
        let why = || format!("is '{text}'; expected end, start or never");
        known.ok_or_else(|| Error::InvalidOption { option: "truncate", why: why() })
    }
}

/// Options for reading texts in one request. An option that is left out stays as the model was
/// loaded.
///
/// [`Model::reading`](crate::Model::reading) returns a model with these options that shares the
/// weights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Reading {
    /// The instruction of a reranker that is asked a question, such as Qwen3-Reranker.
    pub instruction: Option<String>,
    /// The prompt before every query. For embedding models.
    pub query_prompt: Option<Prompt>,
    /// The prompt before every document. For embedding models.
    pub document_prompt: Option<Prompt>,
    /// Maximum number of tokens that go through the model together, special tokens and prompt
    /// included. It applies to a text, to a window of a long text, and to a pair of a
    /// cross-encoder. From 3 to the model's positions.
    pub max_tokens: Option<usize>,
    /// Maximum number of the query's own tokens that are read, without special tokens and prompt.
    /// From 1; values above the model's limit have no effect.
    pub max_query_tokens: Option<usize>,
    /// Maximum number of the document's own tokens that are read. With
    /// [`LongText::Window`](crate::LongText::Window) the windows cover this part of the document.
    pub max_document_tokens: Option<usize>,
    /// The truncation of a text that is too long.
    pub truncate: Option<Truncate>,
    /// Number of components to keep of a vector (Matryoshka): the vector is cut, then normalised.
    /// From 1 to the model's dimension.
    pub dim: Option<usize>,
    /// True to scale vectors to length 1. Default: as the model's files say, and `true` with a
    /// dimension.
    pub normalize: Option<bool>,
}

/// The limits of a reading on how much of a text is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Caps {
    /// Maximum number of tokens of a query, and of a document.
    pub tokens: [Option<usize>; 2],
    /// True if the beginning is cut; `None`: as the model's files say.
    pub cuts_left: Option<bool>,
    /// True if nothing is cut.
    pub refuses: bool,
}

impl Reading {
    /// Creates options that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the field `instruction`.
    pub fn instruction(self, instruction: impl Into<String>) -> Self {
        Self { instruction: Some(instruction.into()), ..self }
    }

    /// Sets the field `query_prompt` or `document_prompt`, by the role.
    pub fn prompt(self, role: Role, prompt: Prompt) -> Self {
        match role {
            Role::Query => Self { query_prompt: Some(prompt), ..self },
            Role::Document => Self { document_prompt: Some(prompt), ..self },
        }
    }

    /// Sets the field `max_tokens`.
    pub fn max_tokens(self, tokens: usize) -> Self {
        Self { max_tokens: Some(tokens), ..self }
    }

    /// Sets the field `max_query_tokens`.
    pub fn max_query_tokens(self, tokens: usize) -> Self {
        Self { max_query_tokens: Some(tokens), ..self }
    }

    /// Sets the field `max_document_tokens`.
    pub fn max_document_tokens(self, tokens: usize) -> Self {
        Self { max_document_tokens: Some(tokens), ..self }
    }

    /// Sets the field `truncate`.
    pub fn truncate(self, truncate: Truncate) -> Self {
        Self { truncate: Some(truncate), ..self }
    }

    /// Sets the field `dim`.
    pub fn dim(self, components: usize) -> Self {
        Self { dim: Some(components), ..self }
    }

    /// Sets the field `normalize`.
    pub fn normalize(self, normalize: bool) -> Self {
        Self { normalize: Some(normalize), ..self }
    }

    /// Returns the names of the options that are set, in a fixed order.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("instruction", self.instruction.is_some()),
            ("query_prompt", self.query_prompt.is_some()),
            ("document_prompt", self.document_prompt.is_some()),
            ("max_tokens", self.max_tokens.is_some()),
            ("max_query_tokens", self.max_query_tokens.is_some()),
            ("max_document_tokens", self.max_document_tokens.is_some()),
            ("truncate", self.truncate.is_some()),
            ("dim", self.dim.is_some()),
            ("normalize", self.normalize.is_some()),
        ];
        all.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// Refuses the first option that is set and is one of `options`, for the given reason.
    pub(crate) fn refuse(&self, options: &[&'static str], why: impl Fn(&str) -> String) -> Result<()> {
        match self.given().into_iter().find(|given| options.contains(given)) {
            Some(option) => Err(Error::InvalidOption { option, why: why(option) }),
            None => Ok(()),
        }
    }

    /// Returns the caps of a model that was read as `before`, changed by this reading. `cuts_left`
    /// is true if the model's files cut the beginning.
    pub(super) fn caps(&self, before: Caps, cuts_left: bool) -> Result<Caps> {
        let most = |option, tokens: Option<usize>, before: Option<usize>| match tokens {
            Some(0) => Err(Error::InvalidOption { option, why: "must be at least 1".into() }),
            tokens => Ok(tokens.or(before)),
        };
        let tokens = [
            most("max_query_tokens", self.max_query_tokens, before.tokens[0])?,
            most("max_document_tokens", self.max_document_tokens, before.tokens[1])?,
        ];
        Ok(match self.truncate {
            None => Caps { tokens, ..before },
            Some(Truncate::Never) => Caps { tokens, refuses: true, ..before },
            Some(side) => {
                let left = side == Truncate::Start;
                Caps { tokens, cuts_left: (left != cuts_left).then_some(left), refuses: false }
            }
        })
    }
}

impl Caps {
    /// Returns the maximum number of tokens of a text of this role.
    pub fn most(self, role: Role) -> Option<usize> {
        self.tokens[role as usize]
    }

    /// Returns the caps that decide a vector or a score, for fingerprints. Empty if nothing differs
    /// from how the model was loaded.
    pub fn fingerprint(self) -> String {
        // A refusal decides only if there is a vector, not its values.
        match (Caps { refuses: false, ..self }) == Caps::default() {
            true => String::new(),
            false => format!(" caps {:?} {:?}", self.tokens, self.cuts_left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_is_the_files_own_is_no_change_and_never_keeps_the_side() {
        let caps = |truncate, own| Reading::new().truncate(truncate).caps(Caps::default(), own).unwrap();
        assert_eq!(caps(Truncate::End, false), Caps::default());
        assert_eq!(caps(Truncate::Start, true), Caps::default());
        assert_eq!(caps(Truncate::Start, false).cuts_left, Some(true));
        assert_eq!(caps(Truncate::End, true).cuts_left, Some(false));
        let refuses = Reading::new().truncate(Truncate::Never).caps(caps(Truncate::Start, false), false).unwrap();
        assert_eq!((refuses.cuts_left, refuses.refuses), (Some(true), true));
        assert_eq!(refuses.fingerprint(), caps(Truncate::Start, false).fingerprint());
        assert_eq!(caps(Truncate::Never, false).fingerprint(), "");
        let cut_again = Reading::new().truncate(Truncate::End).caps(refuses, false).unwrap();
        assert_eq!(cut_again, Caps::default());
    }

    #[test]
    fn a_reading_can_be_written_down() {
        let reading = Reading::new().prompt(Role::Query, Prompt::Named("sts".into())).truncate(Truncate::Start).dim(3);
        let json = serde_json::to_string(&reading).unwrap();
        assert!(json.contains(r#""query_prompt":{"named":"sts"}"#) && json.contains(r#""truncate":"start""#), "{json}");
        assert_eq!(serde_json::from_str::<Reading>(&json).unwrap(), reading);
        assert_eq!(serde_json::from_str::<Reading>("{}").unwrap(), Reading::new());
        assert!(serde_json::from_str::<Reading>(r#"{"dims": 3}"#).is_err());
    }

    #[test]
    fn words_for_truncation_are_read_and_others_named() {
        for way in Truncate::ALL {
            assert_eq!(way.to_string().parse::<Truncate>().unwrap(), way);
        }
        let error = "left".parse::<Truncate>().unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option: "truncate", .. }), "{error}");
    }
}
