//! The scoring of pairs, in the terms of the command's options.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{Blend, Feedback, LongText, Normalize, Scoring};

/// One way to score pairs with a given model.
///
/// ```
/// use nearsort::{Blend, diagnose::Configuration};
/// let configuration = Configuration { blend: Blend::None, ..Configuration::default() };
/// assert_eq!(configuration.to_string(), "hybrid, windows");
/// assert_eq!(configuration.arguments(), "--scoring hybrid --blend none --long window");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Configuration {
    /// The model's score.
    pub scoring: Scoring,
    /// The blend with the first stage's scores.
    pub blend: Blend,
    /// The feedback of the best candidates on the order of the others.
    pub feedback: Feedback,
    /// The mode for long texts.
    pub long_text: LongText,
}

impl Default for Configuration {
    /// The command's defaults.
    fn default() -> Self {
        let scoring = Scoring::Hybrid;
        let feedback = Feedback::Auto;
        Self { scoring, blend: scoring.default_blend(), feedback, long_text: scoring.default_long_text() }
    }
}

impl Configuration {
    /// Returns the options of `nearsort rerank` for this configuration.
    pub fn arguments(&self) -> String {
        let mut arguments = format!("--scoring {} --blend {}", self.scoring, self.blend_name());
        match self.blend {
            Blend::None => {}
            Blend::Linear { weight, normalize } => {
                arguments.push_str(&format!(" --blend-weight {weight}"));
                if normalize != Normalize::default() {
                    arguments.push_str(&format!(" --normalize {normalize}"));
                }
            }
            Blend::Rrf { weight } => arguments.push_str(&format!(" --blend-weight {weight}")),
        }
        if self.feedback != Feedback::Auto {
            arguments.push_str(&format!(" --feedback {}", self.feedback));
        }
        // Always written, because the command's own default depends on the scoring.
        arguments.push_str(&format!(" --long {}", self.long_text));
        arguments
    }

    /// Returns the name of the blend without its numbers: `none`, `linear` or `rrf`.
    pub fn blend_name(&self) -> &'static str {
        match self.blend {
            Blend::None => "none",
            Blend::Linear { .. } => "linear",
            Blend::Rrf { .. } => "rrf",
        }
    }

    /// Returns the first stage's share; `None` if it has none.
    pub fn blend_weight(&self) -> Option<f32> {
        match self.blend {
            Blend::None => None,
            Blend::Linear { weight, .. } | Blend::Rrf { weight } => Some(weight),
        }
    }

    /// Returns the normalization of the two stages' scores; `None` if the blend uses none.
    pub fn normalize(&self) -> Option<Normalize> {
        match self.blend {
            Blend::Linear { normalize, .. } => Some(normalize),
            Blend::None | Blend::Rrf { .. } => None,
        }
    }
}

impl fmt::Display for Configuration {
    /// Writes a name for tables: `hybrid`, `cosine + linear 0.06 minmax`, `maxsim, windows`,
    /// `hybrid, feedback off`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = self.scoring.to_string();
        if self.blend != Blend::None {
            name.push_str(&format!(" + {}", self.blend));
        }
        if self.feedback != Feedback::Auto {
            name.push_str(&format!(", feedback {}", self.feedback));
        }
        if self.long_text == LongText::Window {
            name.push_str(", windows");
        }
        f.pad(&name)
    }
}

/// A configuration of scoring, under the names of the command's options.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ConfigurationDocument {
    /// The name in tables.
    name: String,
    /// `cosine`, `maxsim` or `hybrid`.
    scoring: String,
    /// `none`, `linear` or `rrf`.
    blend: &'static str,
    /// The first stage's share; null without a blend.
    blend_weight: Option<f32>,
    /// `minmax`, `zscore` or `none`; null unless the blend is linear.
    normalize: Option<String>,
    /// `auto`, `off` or a weight.
    feedback: String,
    /// `truncate` or `window`.
    long: String,
}

impl Serialize for Configuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = ConfigurationDocument {
            name: self.to_string(),
            scoring: self.scoring.to_string(),
            blend: self.blend_name(),
            blend_weight: self.blend_weight(),
            normalize: self.normalize().map(|normalize| normalize.to_string()),
            feedback: self.feedback.to_string(),
            long: self.long_text.to_string(),
        };
        document.serialize(serializer)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Configuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Configuration".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ConfigurationDocument::json_schema(generator)
    }
}
