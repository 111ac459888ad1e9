//! Stands in for `template` in a build without the feature `remote`: the same functions, each a typed failure.

use serde_json::Value;

use crate::provider::Prompt;
use crate::{Error, Result};

/// Never there: [`Template::parse`] fails.
pub(super) enum Template {}

impl Template {
    /// Fails: this build asks no services.
    pub fn parse(_: &str, _: &str, _: &Value) -> Result<Self> {
        Err(Error::FeatureOff { feature: "remote" })
    }

    /// Never called: there is no template.
    pub fn fill(&self, _: &Value) -> Result<Prompt> {
        match *self {}
    }
}
