//! A reply as data for an HTTP layer.

use serde::Serialize;
use serde_json::Value;

use super::error::WireError;

/// Status, further headers (names in lower case, values in printable ASCII) and a JSON body in
/// UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Makes a 200 with this body.
    pub fn json(body: &Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// Makes a 200 with `value` as JSON. Unlike [`Reply::json`] it writes an f32 with an f32's
    /// digits.
    pub(super) fn of<T: Serialize>(value: &T) -> Result<Self, WireError> {
        let body = serde_json::to_vec(value).map_err(|error| WireError::Backend { detail: error.to_string() })?;
        Ok(Self { status: 200, headers: Vec::new(), body })
    }

    /// Adds notes as headers, for a body without a `meta`: the kind of the scores, and warnings.
    pub(super) fn with_notes(mut self, score_kind: &str, warnings: &[String]) -> Self {
        self.headers.push(("x-nearsort-score-kind", score_kind.to_owned()));
        self.with_warnings(warnings)
    }

    /// Adds the warnings, if there are any.
    pub(super) fn with_warnings(mut self, warnings: &[String]) -> Self {
        if !warnings.is_empty() {
            self.headers.push(("x-nearsort-warnings", printable(&warnings.join("; "))));
        }
        self
    }
}

/// A header value: other characters than printable ASCII become `?`; 1000 characters at most.
fn printable(text: &str) -> String {
    text.chars().take(1000).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}
