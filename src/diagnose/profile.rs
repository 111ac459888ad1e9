//! A profile: the settings of a reranker in a small TOML file, which `rerank --profile` reads.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Configuration;
use crate::store::read_small_text;
use crate::{Blend, Error, Feedback, LongText, Normalize, Pooling, Result, Scoring};

/// Maximum size of a profile, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Settings of a reranker. `None` leaves a setting to the command's default.
///
/// ```
/// use nearsort::{Scoring, diagnose::Profile};
/// let profile = Profile::from_toml("scoring = 'hybrid'\nblend = 'linear'\nblend-weight = 0.1", "mine.toml")?;
/// assert_eq!(profile.scoring, Some(Scoring::Hybrid));
/// assert_eq!(Profile::from_toml(&profile.to_toml("chosen on our own queries"), "mine.toml")?, profile);
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// The model's name.
    pub model: Option<String>,
    /// The model's score.
    pub scoring: Option<Scoring>,
    /// The blend with the first stage's scores: `blend`, `blend-weight` and `normalize` in the
    /// file.
    pub blend: Option<Blend>,
    /// The feedback of the best candidates on the order of the others: `auto`, `off` or a number in
    /// the file.
    pub feedback: Option<Feedback>,
    /// Number of the first stage's best that are reranked, at least 1.
    pub depth: Option<usize>,
    /// The mode for long texts: `long` in the file.
    pub long_text: Option<LongText>,
    /// The prefix of queries.
    pub query_prompt: Option<String>,
    /// The prefix of documents.
    pub document_prompt: Option<String>,
    /// The pooling of token vectors.
    pub pooling: Option<Pooling>,
}

/// The file's keys, in its order. They are the names of the command's options.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Keys {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scoring: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blend_weight: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<WordOrNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pooling: Option<String>,
}

/// A word or a number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum WordOrNumber {
    Number(f64),
    Text(String),
}

impl Profile {
    /// Makes the profile of a configuration. All other settings stay open.
    pub fn of(configuration: &Configuration) -> Self {
        Self {
            scoring: Some(configuration.scoring),
            blend: Some(configuration.blend),
            feedback: Some(configuration.feedback),
            long_text: Some(configuration.long_text),
            ..Self::default()
        }
    }

    /// Returns the file's text, with the lines of `comment` as comments above.
    pub fn to_toml(&self, comment: &str) -> String {
        let mut text: String = comment.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
        // Plain keys and values always have a TOML form.
        text.push_str(&toml::to_string(&self.keys()).unwrap_or_default());
        text
    }

    /// Reads a regular file of at most 1 MiB.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, is a pipe or a device, or is larger; as
    /// [`Profile::from_toml`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_small_text(path, MAX_BYTES).map_err(Error::io("read", path))?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Reads a file's text; `name` is used in messages.
    ///
    /// # Errors
    /// [`Error::BadInput`] for text that is not TOML, for an unknown key or value, for a weight
    /// that is not a share, a depth of 0, and for a weight or a normalisation without the blend
    /// that it belongs to.
    pub fn from_toml(text: &str, name: &str) -> Result<Self> {
        let bad = |message: String| Error::BadInput { file: name.to_owned(), message };
        let keys: Keys = toml::from_str(text).map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        keys.profile().map_err(bad)
    }

    fn keys(&self) -> Keys {
        let (blend, blend_weight, normalize) = match self.blend {
            None => (None, None, None),
            Some(Blend::None) => (Some("none"), None, None),
            Some(Blend::Linear { weight, normalize }) => (Some("linear"), Some(weight), Some(normalize)),
            Some(Blend::Rrf { weight }) => (Some("rrf"), Some(weight), None),
        };
        Keys {
            model: self.model.clone(),
            scoring: self.scoring.map(|scoring| scoring.to_string()),
            blend: blend.map(str::to_owned),
            blend_weight: blend_weight.map(shortest_f64),
            normalize: normalize.map(|normalize| normalize.to_string()),
            feedback: self.feedback.map(|feedback| match feedback {
                Feedback::Weight(weight) => WordOrNumber::Number(shortest_f64(weight)),
                word => WordOrNumber::Text(word.to_string()),
            }),
            depth: self.depth,
            long: self.long_text.map(|long| long.to_string()),
            query_prompt: self.query_prompt.clone(),
            document_prompt: self.document_prompt.clone(),
            pooling: self.pooling.map(|pooling| pooling.to_string()),
        }
    }
}

impl fmt::Display for WordOrNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WordOrNumber::Number(number) => number.fmt(f),
            WordOrNumber::Text(text) => text.fmt(f),
        }
    }
}

impl Keys {
    fn profile(self) -> Result<Profile, String> {
        let blend = self.blend()?;
        if self.depth == Some(0) {
            return Err("depth: 0 candidates leave nothing to rerank; it is at least 1".into());
        }
        Ok(Profile {
            model: self.model,
            scoring: parsed("scoring", self.scoring)?,
            blend,
            feedback: parsed("feedback", self.feedback.map(|word| word.to_string()))?,
            depth: self.depth,
            long_text: parsed("long", self.long)?,
            query_prompt: self.query_prompt,
            document_prompt: self.document_prompt,
            pooling: parsed("pooling", self.pooling)?,
        })
    }

    fn blend(&self) -> Result<Option<Blend>, String> {
        let normalize: Option<Normalize> = parsed("normalize", self.normalize.clone())?;
        let weight = self.blend_weight.map(|weight| weight as f32);
        let blend = match self.blend.as_deref() {
            Some("linear") => {
                let normalize = normalize.unwrap_or_default();
                Blend::Linear { weight: weight.unwrap_or(Blend::linear_weight(normalize)), normalize }
            }
            Some(other) if !["none", "rrf"].contains(&other) => {
                return Err(format!("blend: unknown blend '{other}'; expected none, linear or rrf"));
            }
            _ if normalize.is_some() => {
                return Err("normalize: it needs blend = \"linear\"".into());
            }
            Some("rrf") => Blend::Rrf { weight: weight.unwrap_or(Blend::RRF_WEIGHT) },
            _ if weight.is_some() => return Err("blend-weight: it needs blend = \"linear\" or \"rrf\"".into()),
            Some(_) => Blend::None,
            None => return Ok(None),
        };
        blend.check().map(Some).map_err(|error| format!("blend-weight: {error}"))
    }
}

fn parsed<T: FromStr<Err = Error>>(key: &str, value: Option<String>) -> Result<Option<T>, String> {
    value.map(|value| value.parse().map_err(|error| format!("{key}: {error}"))).transpose()
}

/// Returns the number with the shortest decimal form of the `f32`: 0.1, not 0.10000000149.
fn shortest_f64(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

impl Serialize for Profile {
    /// Writes the settings under the file's keys, without the open ones.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.keys().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Profile {
        Profile {
            model: Some("e5-small-v2".into()),
            scoring: Some(Scoring::MaxSim),
            blend: Some(Blend::Linear { weight: 0.1, normalize: Normalize::ZScore }),
            feedback: Some(Feedback::Weight(0.3)),
            depth: Some(50),
            long_text: Some(LongText::Window),
            query_prompt: Some("query: \"quoted\"\n".into()),
            document_prompt: Some(String::new()),
            pooling: Some(Pooling::LastToken),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let blends = [Blend::None, Blend::Rrf { weight: 0.3 }, Blend::default()];
        let with_blend = |blend| Profile { blend: Some(blend), ..Profile::default() };
        let feedback = [Feedback::Auto, Feedback::Off, Feedback::Weight(1.0)];
        let with_feedback = |feedback| Profile { feedback: Some(feedback), ..Profile::default() };
        let some = blends.map(with_blend).into_iter().chain(feedback.map(with_feedback));
        for profile in [full(), Profile::default()].into_iter().chain(some) {
            let text = profile.to_toml("where it comes from\nsecond line");
            assert!(text.starts_with("# where it comes from\n# second line\n"), "{text}");
            assert_eq!(Profile::from_toml(&text, "p.toml").unwrap(), profile, "{text}");
        }
        assert!(full().to_toml("").contains("blend-weight = 0.1\n"), "{}", full().to_toml(""));
    }

    #[test]
    fn a_blend_without_numbers_has_the_commands_defaults() {
        let blend = |text: &str| Profile::from_toml(text, "p.toml").unwrap().blend.unwrap();
        assert_eq!(blend("blend = 'linear'"), Blend::default());
        assert_eq!(
            blend("blend = 'linear'\nnormalize = 'zscore'"),
            Blend::Linear { weight: 0.15, normalize: Normalize::ZScore }
        );
        assert_eq!(blend("blend = 'rrf'"), Blend::Rrf { weight: Blend::RRF_WEIGHT });
    }

    #[test]
    fn what_is_wrong_is_named_with_the_file() {
        for (text, expected) in [
            ("scorin = 'cosine'", "unknown field `scorin`, expected one of `model`, `scoring`"),
            ("scoring = 'cosin'", "scoring: 'cosin' is not a scoring; use cosine, maxsim or hybrid"),
            ("blend = 'mean'", "blend: unknown blend 'mean'; expected none, linear or rrf"),
            ("blend = 'linear'\nblend-weight = 1.5", "blend-weight: the blend's weight is 1.5"),
            ("blend = 'linear'\nblend-weight = nan", "blend-weight: the blend's weight is NaN"),
            ("blend = 'rrf'\nnormalize = 'zscore'", "normalize: it needs blend = \"linear\""),
            ("blend-weight = 0.1", "blend-weight: it needs blend"),
            ("blend = 'none'\nblend-weight = 0.1", "blend-weight: it needs blend"),
            ("feedback = 'on'", "expected auto, off or a weight"),
            ("feedback = -0.5", "expected a weight from 0 to 10"),
            ("normalize = 'max'", "normalize: unknown normalisation 'max'"),
            ("long = 'cut'", "long: 'cut' is not a way to read long texts"),
            ("pooling = 'max'", "pooling: unknown pooling 'max'; expected cls, mean or lasttoken"),
            ("depth = 0", "depth: 0 candidates"),
            ("depth = -1", "depth"),
            ("depth = 'ten'", "invalid type"),
            ("scoring = ", "TOML parse error at line 1"),
        ] {
            let error = Profile::from_toml(text, "p.toml").unwrap_err().to_string();
            assert!(error.starts_with("p.toml: ") && error.contains(expected), "{text}: {error}");
        }
    }
}
