//! `/v1/embeddings` and `/embeddings` (openai-openapi f85dbe2, openai 3.57.0; voyageai 0.5.0 posts
//! to the same path).

use std::num::NonZeroUsize;

use serde_json::{Map, Value};

use super::body::{RequestLimits, object, unknown_keys};
use super::embed::{EmbedRequest, EmbedSurface, Format, inputs};
use super::error::WireError;
use super::token_ids::TokenIds;
use super::value::{boolean, integer, text, wrong};

pub(crate) const KEYS: &[&str] = &[
    "model",
    "input",
    "encoding_format",
    "dimensions",
    "user",
    "input_type",
    "truncation",
    "output_dtype",
    "output_dimension",
    "prompt_name",
];

/// Reads an embeddings body of OpenAI or Voyage. Null is the same as absent.
///
/// # Errors
/// A required key missing, a value of a wrong type, token ids where they are refused, more inputs
/// than the limits allow.
pub fn read_embeddings(bytes: &[u8], ids: TokenIds, limits: &RequestLimits) -> Result<EmbedRequest, WireError> {
    let body = object(bytes, limits)?;
    let input = given(&body, "input")
        .ok_or(WireError::Missing { key: "input".to_owned(), wanted: "a string or a list of strings" })?;
    if let Some(dtype) = given(&body, "output_dtype").filter(|dtype| dtype.as_str() != Some("float")) {
        return Err(wrong("output_dtype", dtype, "\"float\""));
    }
    let dimensions = ["dimensions", "output_dimension"].into_iter().find_map(|key| Some((key, given(&body, key)?)));
    let role = ["prompt_name", "input_type"].into_iter().find_map(|key| Some((key, given(&body, key)?)));
    Ok(EmbedRequest {
        surface: EmbedSurface::OpenAi,
        model: given(&body, "model").map(|value| text("model", value)).transpose()?,
        inputs: inputs("input", input, ids, limits)?,
        format: given(&body, "encoding_format").map_or(Ok(Format::Float), format)?,
        dimensions: dimensions.map(|(key, value)| dimension(key, value)).transpose()?,
        normalize: None,
        prompt_name: role.map(|(key, value)| text(key, value)).transpose()?,
        truncation: given(&body, "truncation").map(|value| boolean("truncation", value)).transpose()?,
        truncation_side: None,
        warnings: unknown_keys(&body, KEYS.iter().copied()),
    })
}

/// Returns the value of a key unless it is null.
pub(super) fn given<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|value| !value.is_null())
}

/// Reads the value of a key unless it is null.
pub(super) fn optional<T>(
    body: &Map<String, Value>,
    key: &str,
    reader: impl Fn(&str, &Value) -> Result<T, WireError>,
) -> Result<Option<T>, WireError> {
    given(body, key).map(|value| reader(key, value)).transpose()
}

pub(super) fn dimension(key: &str, value: &Value) -> Result<NonZeroUsize, WireError> {
    let n = usize::try_from(integer(key, value, 1, u64::from(u32::MAX))?).ok();
    n.and_then(NonZeroUsize::new).ok_or_else(|| wrong(key, value, "an integer of at least 1"))
}

fn format(value: &Value) -> Result<Format, WireError> {
    match value.as_str() {
        Some("float") => Ok(Format::Float),
        Some("base64") => Ok(Format::Base64),
        _ => Err(wrong("encoding_format", value, "\"float\" or \"base64\"")),
    }
}
