//! Replaces `template` in a build without the feature `remote`: the same functions, which return a
//! typed error.

use serde_json::Value;

use crate::provider::ChatPrompt;
use crate::{Error, Result};

/// Has no values: [`Template::parse`] always fails.
pub(super) enum Template {}

impl Template {
    /// Always fails: this build has no services.
    pub fn parse(_: &str, _: &str, _: &Value) -> Result<Self> {
        Err(Error::FeatureOff { feature: "remote" })
    }

    /// Is never called: there is no template.
    pub fn fill(&self, _: &Value) -> Result<ChatPrompt> {
        match *self {}
    }
}
