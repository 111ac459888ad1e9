//! A field of an input row, before it is known to be the text, the id or another part.

use std::borrow::Cow;

use super::json::{self, JsonType};
use super::json_syntax::JsonCut;

/// The value of such a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given<'a> {
    /// A string that is already decoded.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    Text(Cow<'a, str>),
    /// The text of a JSON value, which is valid.
    Json(Cow<'a, str>),
    /// The text of a JSON string without escapes, quotes included.
    Plain(&'a str),
}

/// The name and value of a field.
pub(super) type GivenField<'a> = (Cow<'a, str>, Given<'a>);

impl<'a> From<JsonCut<'a>> for Given<'a> {
    fn from(JsonCut { json, is_plain }: JsonCut<'a>) -> Self {
        if is_plain { Self::Plain(json) } else { Self::Json(json.into()) }
    }
}

impl<'a> Given<'a> {
    pub fn json_type(&self) -> JsonType {
        match self {
            Self::Text(_) | Self::Plain(_) => JsonType::String,
            Self::Json(json) => JsonType::of(json),
        }
    }

    pub fn is_null(&self) -> bool {
        self.json_type() == JsonType::Null
    }

    /// Returns the length of the value in bytes, as it is written.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    pub fn num_bytes(&self) -> usize {
        match self {
            Self::Text(written) | Self::Json(written) => written.len(),
            Self::Plain(written) => written.len(),
        }
    }

    /// Returns the value as text: strings decoded, numbers and booleans as they are spelled, `None`
    /// for null. For arrays and objects the error is their type.
    pub fn text(self) -> Result<Option<Cow<'a, str>>, JsonType> {
        match (self.json_type(), self) {
            (_, Self::Plain(json)) => Ok(Some(json::unquoted(json).into())),
            (JsonType::Null, _) => Ok(None),
            (JsonType::String, Self::Json(Cow::Borrowed(json))) => Ok(Some(json::string(json))),
            (JsonType::String, Self::Json(Cow::Owned(json))) => Ok(Some(json::string(&json).into_owned().into())),
            (kind @ (JsonType::Array | JsonType::Object), _) => Err(kind),
            (_, Self::Text(text) | Self::Json(text)) => Ok(Some(text)),
        }
    }

    /// Returns the text of a value that was given as JSON.
    pub fn text_of_json(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(_) => None,
            Self::Json(json) => Some(json),
            Self::Plain(json) => Some(json.into()),
        }
    }

    /// Returns the value as compact JSON.
    pub fn into_json(self) -> String {
        match self {
            Self::Text(text) => json::quoted(&text),
            Self::Json(json) => json::compact(&json),
            Self::Plain(json) => json.to_owned(),
        }
    }
}
